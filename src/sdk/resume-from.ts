/**
 * `--resume_from`: a new run that begins with what an earlier one has finished. Its folder is made from that of the
 * earlier one (list of mini-batches, committed rows, and a ledger of what is done); from there on it is resumed, with all
 * checks of a resume. The earlier run stays as it is.
 */
import { constants, existsSync } from 'node:fs';
import { copyFile, cp, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Recovery } from '../core/recover.ts';
import { openManifest } from '../dataset/index.ts';
import type { RunEvent, TryFinished } from '../domain/event.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { Plan } from '../domain/plan.ts';
import type { Problem } from '../domain/problem.ts';
import { ParallelRunError } from '../domain/problem.ts';
import { LedgerWriter, readLedger } from '../ledger/index.ts';
import { counted } from '../views/text/words.ts';
import { systemClock } from './clock.ts';
import { createRunFolder, syncRunFolder } from './folder.ts';
import { lockRun } from './locking.ts';
import { packageVersion } from './package.ts';
import { differencesOf, findEarlierRun } from './resume-from-match.ts';
import { keepJobFile } from './resume-store.ts';
import { resume } from './resume.ts';
import type { ResumeOptions } from './resume.ts';
import type { RunHandle } from './types.ts';

/** Events of a frame of the new ledger. */
const EVENTS_PER_COMMIT = 4096;

/** @throws ParallelRunError PR5013, exit code 4, and what a resume refuses: nothing is left behind then */
export async function startFrom(
  plan: Plan,
  warnings: readonly Problem[],
  options: Pick<ResumeOptions, 'signal' | 'onProgress'>,
): Promise<RunHandle> {
  const earlier = await findEarlierRun(plan);
  const differences = differencesOf(earlier.plan, plan);
  if (differences.length > 0) throw refusedFrom(earlier.plan, differences);
  const lock = await lockRun(earlier.plan, earlier.layout);
  let layout: RunLayout | undefined;
  try {
    const past = await pastOf(earlier.plan, earlier.layout);
    layout = await createRunFolder(plan);
    const reused = await fill(plan, layout, earlier.plan, earlier.layout, past);
    await lock.release();
    const total = past.creationFinished ? ` of ${past.created}` : '';
    const note = `${counted(reused, 'finished mini-batch', 'finished mini-batches')}${total} of run ${earlier.plan.runId} reused`;
    options.onProgress?.(
      `${note}${past.creationFinished && reused === past.created ? ': nothing is left to run' : ''}`,
    );
    const { signal, onProgress } = options;
    const rest = {
      strict: true,
      notes: [note],
      warnings,
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
    };
    const resumed = await resume(dirname(plan.runFolder), plan.runId, rest);
    if (resumed.kind === 'ended') throw new TypeError('a run that has only begun has ended');
    return resumed.run;
  } catch (error) {
    await lock.release();
    if (layout) await rm(layout.folder, { recursive: true, force: true });
    throw error instanceof ParallelRunError ? asOfEarlier(error, plan, earlier.plan) : error;
  }
}

function refusedFrom({ runId, runFolder }: Plan, differences: readonly string[]): ParallelRunError {
  return new ParallelRunError(
    [
      {
        code: 'PR5013',
        severity: 'error',
        what: `nothing of run ${runId} can be reused (--resume_from)`,
        where: { file: runFolder },
        why: differences.join('; '),
        next: 'make it the same, or leave --resume_from out',
      },
    ],
    4,
  );
}

/** What a resume refuses is said of the earlier run, whose state it is; the options of `resume` don't lead on here. */
function asOfEarlier(error: ParallelRunError, plan: Plan, earlier: Plan): ParallelRunError {
  if (error.exitCode !== 4) return error;
  const [first, ...rest] = error.problems.map((problem): Problem => {
    const named = problem.what.replaceAll(plan.runId, earlier.runId);
    const own = problem.code === 'PR5004' || problem.code === 'PR5013';
    return own ? problem : { ...problem, what: named, next: 'put it back as it was, or leave --resume_from out' };
  });
  return first === undefined ? error : new ParallelRunError([first, ...rest], 4, { cause: error });
}

interface PastRun extends Pick<Recovery, 'created' | 'items' | 'creationFinished' | 'reservedBelow'> {
  /** Events that the new ledger begins with, but for the ends of tries. */
  readonly begun: readonly RunEvent[];
  readonly isDone: (index: number) => boolean;
  /** Commits whose rows were lost later, by mini-batch: so many come first. */
  readonly superseded: ReadonlyMap<number, number>;
}

async function pastOf(plan: Plan, layout: RunLayout): Promise<PastRun> {
  if (!existsSync(layout.ledger)) throw refusedFrom(plan, ['it has not begun']);
  const recovery = new Recovery();
  const lost = new Set<number>();
  const latest = new Map<string, RunEvent>();
  for await (const events of readLedger(layout.ledger)) {
    for (const event of events) {
      recovery.apply(event);
      if (['code-snapshotted', 'environment-ready', 'schema-decided'].includes(event.type))
        latest.set(event.type, event);
      if (event.type === 'run-resumed') for (const { index } of event.rebuilt ?? []) lost.add(index);
    }
  }
  if (recovery.fingerprint === undefined) throw refusedFrom(plan, ['it has not begun']);
  const failed = new Set<number>(recovery.failures().map(({ index }) => index));
  const { created, items, creationFinished, reservedBelow } = recovery;
  const isDone = (index: number): boolean => recovery.settled.has(index) && !failed.has(index);
  return {
    created,
    items,
    creationFinished,
    reservedBelow,
    begun: [...latest.values()],
    isDone,
    superseded: await supersededIn(layout, lost),
  };
}

async function supersededIn({ ledger }: RunLayout, lost: ReadonlySet<number>): Promise<ReadonlyMap<number, number>> {
  const commits = new Map<number, number>();
  if (lost.size === 0) return commits;
  for await (const events of readLedger(ledger))
    for (const event of events)
      if (event.type === 'try-finished' && event.settles === 'done' && lost.has(event.index))
        commits.set(event.index, (commits.get(event.index) ?? -1) + 1);
  return commits;
}

/** @returns the number of mini-batches that are done */
async function fill(plan: Plan, layout: RunLayout, earlier: Plan, from: RunLayout, past: PastRun): Promise<number> {
  refuseOwnPlaces(earlier, from);
  for (const key of ['manifest', 'manifestIndex', 'manifestStamps', 'groupedFiles', 'spool'] as const)
    await copyFile(from[key], layout[key], constants.COPYFILE_FICLONE).catch(ifMissing);
  await cp(from.code, layout.code, { recursive: true, verbatimSymlinks: true });
  await copyOutputs(earlier, from, layout);
  if (plan.jobFile !== undefined) await keepJobFile(plan.jobFile, layout);
  const reused = await writeLedger(plan, layout, from, past);
  await syncRunFolder(layout);
  return reused;
}

/** The list of some runs names files in the run's own folder, which the new one hasn't. */
function refuseOwnPlaces(plan: Plan, layout: RunLayout): void {
  const manifest = openManifest({ manifest: layout.manifest, index: layout.manifestIndex });
  try {
    const own = JSON.stringify(`${layout.state}/`).slice(1, -1);
    for (let index = 0; index < manifest.count; index++) {
      if (!Buffer.from(manifest.read(index).source).includes(own)) continue;
      throw refusedFrom(plan, [
        'its mini-batches are cut from files in its own folder: compressed tables, tables by partition keys, queries, and data from elsewhere are',
      ]);
    }
  } finally {
    manifest.close();
  }
}

/** What scripts have written there, but not the result: that is assembled from the rows. */
async function copyOutputs(plan: Plan, from: RunLayout, layout: RunLayout): Promise<void> {
  const result = plan.output.action === 'append_row' ? plan.output.file : '';
  const not = new Set([from.deadLetters, result, `${result}.partial`]);
  const filter = (source: string): boolean => !not.has(source);
  await cp(from.outputs, layout.outputs, { recursive: true, filter }).catch(ifMissing);
}

function ifMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}

async function writeLedger(plan: Plan, layout: RunLayout, from: RunLayout, past: PastRun): Promise<number> {
  const at = systemClock.now();
  const ledger = await LedgerWriter.create(layout.ledger);
  try {
    const { created: all, items, creationFinished, reservedBelow } = past;
    const listing = creationFinished ? [{ type: 'creation-finished', at, miniBatches: all, items } as const] : [];
    const reserved = reservedBelow > 0 ? [{ type: 'dispatch-reserved', at, below: reservedBelow } as RunEvent] : [];
    let batch: RunEvent[] = [
      { type: 'run-created', at, runId: plan.runId, version: packageVersion(), pid: process.pid },
      ...past.begun.map((event) => ({ ...event, at })),
      ...listing,
      ...reserved,
    ];
    let reused = 0;
    for await (const event of doneEvents(from, past)) {
      batch.push({ ...event, at });
      reused += 1;
      if (batch.length < EVENTS_PER_COMMIT) continue;
      await ledger.commit(batch);
      batch = [];
    }
    await ledger.commit(batch);
    return reused;
  } finally {
    await ledger.close();
  }
}

/** The commit of each mini-batch that is done, in the order of the ledger. */
async function* doneEvents(
  { ledger }: RunLayout,
  { isDone, superseded: before }: PastRun,
): AsyncGenerator<TryFinished> {
  const superseded = new Map(before);
  let columns: readonly string[] | undefined;
  for await (const events of readLedger(ledger)) {
    for (const event of events) {
      if (event.type !== 'try-finished') continue;
      // stored where they change: the event that said so may be left out
      columns = event.columns ?? columns;
      if (event.settles !== 'done' || !isDone(event.index)) continue;
      const more = superseded.get(event.index) ?? 0;
      if (more > 0) superseded.set(event.index, more - 1);
      else yield { ...event, ...(columns && event.rows && { columns }) };
    }
  }
}
