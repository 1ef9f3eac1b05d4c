/** Runs as they lie in their folders, live or ended; read by anybody, changed by their orchestrator alone. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { openManifest } from '../dataset/index.ts';
import type { RunEvent } from '../domain/event.ts';
import { miniBatchIndex, parseRunId } from '../domain/ids.ts';
import { runLayout } from '../domain/layout.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { MiniBatchSource } from '../domain/minibatch.ts';
import type { Plan } from '../domain/plan.ts';
import { ParallelRunError } from '../domain/problem.ts';
import { lockHolder } from '../environment/lock.ts';
import { LedgerReader, readLedger } from '../ledger/index.ts';
import { StatusFold } from '../views/status.ts';
import type { RunStatus } from '../views/status.ts';
import type { AllRecords } from '../views/records.ts';
import { writeCancelRequest } from './cancel.ts';
import { openPipeline } from './pipeline-open.ts';
import { readPlan } from './folder.ts';
import { openCommandRecords, readRecords } from './records.ts';
import type { Recorded } from './records.ts';

const FOLLOW_POLL_MS = 200;

export class StoredRun {
  readonly plan: Plan;
  readonly layout: RunLayout;

  constructor(plan: Plan, layout: RunLayout) {
    this.plan = plan;
    this.layout = layout;
  }

  /** True while a process works on it. */
  async live(): Promise<boolean> {
    return (await lockHolder(this.layout.state, 'run')) !== undefined;
  }

  /** False where there is no ledger yet: another process fills the folder just now, or ended while it did. */
  private begun(): boolean {
    return existsSync(this.layout.ledger);
  }

  async status(): Promise<RunStatus> {
    const fold = new StatusFold();
    let last = 0;
    if (this.begun()) {
      for await (const events of readLedger(this.layout.ledger)) {
        for (const event of events) {
          fold.apply(event);
          last = event.at;
        }
      }
    }
    // Of a run that is neither ended nor live, the clock stopped at its last sign of life.
    return { ...fold.status((await this.live()) ? Date.now() : last), runId: this.plan.runId };
  }

  /** Events in order; `follow`: until the run has ended or the signal says stop. */
  async *events(options: { readonly follow?: boolean; readonly signal?: AbortSignal } = {}): AsyncGenerator<RunEvent> {
    while (!this.begun()) {
      if (options.follow !== true || options.signal?.aborted || !(await this.live())) return;
      await new Promise((resolve) => setTimeout(resolve, FOLLOW_POLL_MS));
    }
    const reader = await LedgerReader.open(this.layout.ledger);
    try {
      for (;;) {
        const live = options.follow === true && !options.signal?.aborted && (await this.live());
        const events = await reader.read();
        yield* events;
        if (events.length > 0) continue;
        if (!live) return;
        await new Promise((resolve) => setTimeout(resolve, FOLLOW_POLL_MS));
      }
    } finally {
      await reader.close();
    }
  }

  /** What its script recorded through `Run`, so far. */
  records(): Promise<AllRecords> {
    return readRecords(this.plan, this.layout);
  }

  async requestCancel(now: boolean): Promise<void> {
    await writeCancelRequest(this.layout.cancelRequest, now ? 'now' : 'orderly');
  }

  /** @throws ParallelRunError PR5003, exit code 2, where there is no such mini-batch */
  manifestEntry(index: number): Promise<{ source: MiniBatchSource; items: number }> {
    return new Promise((resolve) => {
      resolve(this.readEntry(index));
    });
  }

  private readEntry(index: number): { source: MiniBatchSource; items: number } {
    if (!existsSync(this.layout.manifestIndex)) throw noSuchMiniBatch(this.plan, index, 0);
    const manifest = openManifest({ manifest: this.layout.manifest, index: this.layout.manifestIndex });
    try {
      if (!Number.isInteger(index) || index < 0 || index >= manifest.count) {
        throw noSuchMiniBatch(this.plan, index, manifest.count);
      }
      const { source, items } = manifest.read(miniBatchIndex(index));
      return { source: JSON.parse(new TextDecoder().decode(source)) as MiniBatchSource, items };
    } finally {
      manifest.close();
    }
  }
}

function noSuchMiniBatch({ runId }: Plan, index: number, count: number): ParallelRunError {
  const why = count === 0 ? 'it has none' : `they are numbered 0 to ${count - 1}`;
  return new ParallelRunError(
    [
      {
        code: 'PR5003',
        severity: 'error',
        what: `run ${runId} has no mini-batch ${index}`,
        why,
        next: `parallelrun errors ${runId}`,
      },
    ],
    2,
  );
}

/** Of a run or of a step that is a command. @throws as `openRun` does */
export async function openRecords(root: string, runId: string): Promise<Recorded> {
  return (await openCommandRecords(root, runId)) ?? openRun(root, runId);
}

/** @throws ParallelRunError PR5002, exit code 2, where the root has no such run or it can't be read */
export async function openRun(root: string, runId: string): Promise<StoredRun> {
  const folder = `${root}/${runId}`;
  try {
    if (parseRunId(runId) === undefined) throw new Error('not a run id');
    return new StoredRun(await readPlan(folder), runLayout(folder));
  } catch (error) {
    // Of another format: said already.
    if (error instanceof ParallelRunError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    throw new ParallelRunError(
      [
        {
          code: 'PR5002',
          severity: 'error',
          what: code === 'ENOENT' ? `there is no run ${runId}` : `run ${runId} can't be read`,
          where: { file: folder },
          ...(code !== 'ENOENT' && { why: error instanceof Error ? error.message : String(error) }),
          next: 'parallelrun list shows the runs of a root',
        },
      ],
      2,
      { cause: error },
    );
  }
}

export interface RunListEntry {
  readonly runId: string;
  readonly folder: string;
  readonly displayName: string;
  readonly state: RunStatus['state'];
  readonly live: boolean;
  readonly startedAt?: number;
  readonly elapsedSeconds: number;
  readonly miniBatches: RunStatus['miniBatches'];
  readonly items: RunStatus['items'];
  /** Of a pipeline. */
  readonly steps?: { readonly total: number; readonly done: number; readonly failed: number };
  readonly problem?: string;
}

/** Every run below a root, newest first. What isn't a run (the sample script's `temp`) is left out. */
export async function listRuns(root: string): Promise<RunListEntry[]> {
  const entries: RunListEntry[] = [];
  for (const name of await namesBelow(root)) {
    const folder = `${root}/${name}`;
    const plan = await readPlan(folder).catch((error: unknown) => error as NodeJS.ErrnoException);
    const pipeline = plan instanceof Error ? await pipelineEntry(root, name) : undefined;
    if (pipeline) entries.push(pipeline);
    else if (plan instanceof Error) {
      if (plan.code !== 'ENOENT' && plan.code !== 'ENOTDIR') entries.push(unreadable(name, folder, plan.message));
    } else entries.push(await listEntry(new StoredRun(plan, runLayout(folder))));
  }
  return entries.sort((a, b) => (b.startedAt ?? 0) - (a.startedAt ?? 0) || (a.runId < b.runId ? 1 : -1));
}

/** A pipeline, with its steps in the place of mini-batches. */
async function pipelineEntry(root: string, name: string): Promise<RunListEntry | undefined> {
  const pipeline = await openPipeline(root, name).catch(() => undefined);
  if (!pipeline) return undefined;
  const { runId, displayName, state, startedAt, endedAt, steps } = await pipeline.status();
  const live = await pipeline.live();
  const inState = (...states: readonly string[]): number => steps.filter((step) => states.includes(step.state)).length;
  const last = endedAt ?? (live ? Date.now() : Math.max(...steps.map((step) => step.endedAt ?? step.startedAt ?? 0)));
  const none = new StatusFold().status(0);
  return {
    runId,
    folder: pipeline.plan.runFolder,
    displayName,
    state,
    live,
    elapsedSeconds: startedAt === undefined ? 0 : Math.max(0, last - startedAt) / 1000,
    miniBatches: none.miniBatches,
    items: none.items,
    steps: { total: steps.length, done: inState('Completed', 'Reused'), failed: inState('Failed') },
    ...(startedAt !== undefined && { startedAt }),
  };
}

async function namesBelow(root: string): Promise<string[]> {
  try {
    return await readdir(root);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function listEntry(run: StoredRun): Promise<RunListEntry> {
  const { runId, displayName } = run.plan;
  const common = { runId, displayName, folder: run.layout.folder };
  try {
    const status = await run.status();
    const { state, startedAt, elapsedSeconds, miniBatches, items } = status;
    return {
      ...common,
      state,
      live: await run.live(),
      elapsedSeconds,
      miniBatches,
      items,
      ...(startedAt !== undefined && { startedAt }),
    };
  } catch (error) {
    return unreadable(runId, run.layout.folder, error instanceof Error ? error.message : String(error));
  }
}

function unreadable(runId: string, folder: string, problem: string): RunListEntry {
  const { state, elapsedSeconds, miniBatches, items } = new StatusFold().status(0);
  return { runId, folder, displayName: runId, state, live: false, elapsedSeconds, miniBatches, items, problem };
}
