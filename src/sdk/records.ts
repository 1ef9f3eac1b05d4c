/** Reads what scripts recorded, file by file: a run may have recorded more than memory holds, its fold is small. */
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { RunLayout } from '../domain/layout.ts';
import type { Plan } from '../domain/plan.ts';
import { RecordsFold, toPipeline } from '../views/records.ts';
import type { AllRecords } from '../views/records.ts';

export async function readRecords({ runId, rootRunId }: Plan, layout: RunLayout): Promise<AllRecords> {
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
  readonly plan: Plan;
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
