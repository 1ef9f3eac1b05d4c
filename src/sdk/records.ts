/** Reads what scripts recorded, file by file: a run may have recorded more than memory holds, its fold is small. */
import { createReadStream } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { runLayout } from '../domain/layout.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { CommandPlan } from '../domain/pipeline.ts';
import type { Plan } from '../domain/plan.ts';
import { lockHolder } from '../environment/lock.ts';
import { RecordsFold, toPipeline } from '../views/records.ts';
import type { AllRecords } from '../views/records.ts';

type Whose = Pick<Plan, 'runId' | 'rootRunId'>;

/** A run, or a step of a pipeline, with what its scripts recorded so far. */
export interface Recorded {
  readonly plan: Whose;
  live(): Promise<boolean>;
  records(): Promise<AllRecords>;
}

/**
 * Of a command, which has no plan of mini-batches.
 * @returns undefined where the folder is none of a command
 */
export async function openCommandRecords(root: string, runId: string): Promise<Recorded | undefined> {
  const layout = runLayout(`${root}/${runId}`);
  const command = await readCommandPlan(layout);
  if (command === undefined) return undefined;
  const plan = { runId: command.runId, rootRunId: command.pipeline.runId };
  const pipeline = runLayout(dirname(root));
  return {
    plan,
    records: () => readRecords(plan, layout),
    live: async () => (await lockHolder(pipeline.state, 'run')) !== undefined,
  };
}

/** @returns undefined where the folder is none of a command */
export async function readCommandPlan(layout: RunLayout): Promise<CommandPlan | undefined> {
  const text = await readFile(layout.command, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as CommandPlan);
}

export async function readRecords({ runId, rootRunId }: Whose, layout: RunLayout): Promise<AllRecords> {
  const fold = new RecordsFold(runId, rootRunId ?? runId);
  await eachLine(layout, (line) => fold.line(line));
  return fold.records();
}

/** What the scripts of its steps recorded for a pipeline, and what they measured where that is pushed to it. */
export async function readPipelineRecords(runId: string, steps: readonly StepRecords[]): Promise<AllRecords> {
  const fold = new RecordsFold(runId, runId);
  for (const { plan, layout, pipeline } of steps) {
    await eachLine(layout, (line) => {
      const fact = toPipeline(line, { own: plan.runId, pipeline, prefix: plan.toParent?.metrics?.prefix });
      if (fact) fold.apply({ ...fact, run: runId });
    });
  }
  return fold.records();
}

export interface StepRecords {
  readonly plan: Pick<Plan, 'runId' | 'toParent'>;
  readonly layout: RunLayout;
  /** The one it was a step of: of a reused step an earlier one. */
  readonly pipeline: string;
}

async function eachLine(layout: RunLayout, take: (line: string) => void): Promise<void> {
  for (const node of await namesIn(layout.records)) {
    const folder = `${layout.records}/${node}`;
    for (const name of await namesIn(folder)) {
      if (!name.endsWith('.jsonl')) continue;
      const lines = createInterface({ input: createReadStream(`${folder}/${name}`, 'utf8') });
      for await (const line of lines) take(line);
    }
  }
}

/** In one order everywhere; nothing where no script recorded anything. */
async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}
