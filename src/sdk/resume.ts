/** `resume`: goes on with a run where its ledger ends. What is settled is never run again. */
import { readdir, rm } from 'node:fs/promises';
import { Recovery } from '../core/recover.ts';
import { openManifest, reopenManifest } from '../dataset/index.ts';
import type { RunEnded, RunEvent } from '../domain/event.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { Column, Plan } from '../domain/plan.ts';
import { LedgerFormatError, LedgerReader, LedgerWriter } from '../ledger/index.ts';
import { coreConfig } from '../orchestrator/index.ts';
import { SpoolDamagedError, SpoolWriter, verifyExtent } from '../output/index.ts';
import { systemClock } from './clock.ts';
import { checkCode } from './codecheck.ts';
import { compose } from './compose.ts';
import { damaged, notBegun } from './damage.ts';
import { createFaces } from './faces.ts';
import type { Faces } from './faces.ts';
import { prepareEntry, prepareHost } from './host.ts';
import { continueInput } from './input.ts';
import { lockRun } from './locking.ts';
import { packageVersion } from './package.ts';
import { openRun } from './stored.ts';
import type { RunHandle } from './types.ts';

export interface ResumeOptions {
  /** Go on although the script or a module beside it has changed: what is left runs the new code. */
  readonly allowCodeChange?: boolean;
  /** Failed mini-batches get all their tries again, also of a run that has ended. */
  readonly retryFailed?: boolean;
  /** Settings that may differ from before; the others are those of the run. */
  readonly changes?: ResumeChanges;
  readonly onProgress?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** Thresholds and sizes: they decide when the run ends and how fast it goes, never what its rows are. */
export interface ResumeChanges {
  readonly errorThreshold?: number;
  readonly miniBatchErrorThreshold?: number;
  readonly processes?: number;
  readonly maxRetries?: number;
  readonly runTimeoutMs?: number;
}

export type Resumed =
  | { readonly kind: 'going on'; readonly run: RunHandle; readonly settled: number }
  /** There was nothing to do: the run has ended, with this code. */
  | { readonly kind: 'ended'; readonly ended: RunEnded };

/**
 * @throws ParallelRunError: exit code 2 where there is no such run, 4 where it is held by another process, damaged,
 *   or its code has changed
 */
export async function resume(root: string, runId: string, options: ResumeOptions = {}): Promise<Resumed> {
  const stored = await openRun(root, runId);
  const { layout } = stored;
  const plan = changed(stored.plan, options.changes ?? {});
  const lock = await lockRun(plan, layout);
  try {
    const faces = createFaces(plan, layout, [], true);
    const past = await recover(plan, layout, faces);
    const { recovery } = past;
    if (recovery.ended && !goesOn(recovery.ended, recovery, options)) {
      await lock.release();
      return { kind: 'ended', ended: recovery.ended };
    }
    const codeChanges = await checkCode(plan, layout, recovery.fingerprint, options.allowCodeChange === true);
    const prepared = await prepareHost(plan, options.onProgress ?? (() => undefined), options.signal);
    const entry = await prepareEntry(plan, layout);
    const created = recovery.creationFinished ? recovery.created : recovery.reservedBelow;
    const manifest = await reopenManifest(manifestPaths(layout), created);
    const items = itemsOf(layout, created);
    const spool = await openSpool(plan, layout, recovery);
    const ledger = await LedgerWriter.reopen(layout.ledger, past);
    await clearParts(layout);
    const retryFailed = options.retryFailed === true;
    const retried = retryFailed ? recovery.failures() : [];
    const at = systemClock.now();
    const settled = recovery.settledCount;
    const state = recovery.toState(
      coreConfig(plan),
      { created, items, creationFinished: recovery.creationFinished, retryFailed },
      systemClock.monotonic(),
    );
    const changes = [...codeChanges.map((path) => `code: ${path}`), ...settingChanges(stored.plan, plan)];
    const opening: RunEvent[] = [
      {
        type: 'run-resumed',
        at,
        version: packageVersion(),
        pid: process.pid,
        settled: settled - retried.length,
        changes,
        retried,
      },
      { type: 'run-state', at, state: 'Preparing' },
      { type: 'environment-ready', at, ...prepared.ready },
    ];
    const input = continueInput(plan, layout, past.columns, recovery.creationFinished ? 'finished' : created);
    const run = compose({
      plan,
      layout,
      input,
      prepared,
      entry,
      lock,
      ledger,
      spool,
      manifest,
      faces,
      recovered: state,
      opening,
    });
    options.signal?.addEventListener('abort', () => {
      run.cancel('orderly', 'command');
    });
    return { kind: 'going on', run, settled };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

const manifestPaths = (layout: RunLayout) => ({ manifest: layout.manifest, index: layout.manifestIndex });

/** A canceled run and one that stopped resumable go on; a verdict stands unless failed ones are to be tried again. */
function goesOn(ended: RunEnded, recovery: Recovery, options: ResumeOptions): boolean {
  if (ended.state === 'Canceled' || ended.exitCode === 3 || ended.exitCode === 4) return true;
  return options.retryFailed === true && (recovery.failures().length > 0 || ended.state === 'Failed');
}

interface Past {
  readonly recovery: Recovery;
  readonly lastFrameAt: number;
  readonly wholeBytes: number;
  readonly columns: readonly Column[] | undefined;
}

/** One pass over the ledger: for the core, and for all that shows the run. */
async function recover(plan: Plan, layout: RunLayout, faces: Faces): Promise<Past> {
  const recovery = new Recovery();
  let columns: readonly Column[] | undefined;
  const reader = await LedgerReader.open(layout.ledger).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw notBegun(plan);
    throw error instanceof LedgerFormatError ? damaged(layout.ledger, error.message) : error;
  });
  try {
    for (let events = await reader.read(); events.length > 0; events = await reader.read()) {
      faces.prime(events);
      for (const event of events) {
        recovery.apply(event);
        if (event.type === 'schema-decided') columns = event.columns as readonly Column[];
      }
    }
    if ((await reader.tail()) === 'damaged') {
      throw damaged(
        layout.ledger,
        `the frame at byte ${reader.wholeBytes} is not what was written, and others follow it`,
      );
    }
    // The first frame is written when all else of the folder is there.
    if (recovery.fingerprint === undefined) throw notBegun(plan);
    return { recovery, lastFrameAt: reader.lastFrameAt, wholeBytes: reader.wholeBytes, columns };
  } finally {
    await reader.close();
  }
}

async function openSpool(plan: Plan, layout: RunLayout, recovery: Recovery): Promise<SpoolWriter> {
  try {
    if (recovery.lastExtent) await verifyExtent(layout.spool, recovery.lastExtent);
    return await SpoolWriter.reopen(layout.spool, recovery.spoolEnd);
  } catch (error) {
    if (error instanceof SpoolDamagedError) throw damaged(layout.spool, error.message);
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw damaged(layout.spool, `the rows of run ${plan.runId} are gone`);
    throw error;
  }
}

function itemsOf(layout: RunLayout, count: number): number {
  const reader = openManifest(manifestPaths(layout));
  try {
    return reader.itemsBefore(count);
  } finally {
    reader.close();
  }
}

/** Part files of the former workers: theirs are not committed, or copied already. */
async function clearParts(layout: RunLayout): Promise<void> {
  for (const name of await readdir(layout.parts)) await rm(`${layout.parts}/${name}`, { force: true });
}

function changed(plan: Plan, changes: ResumeChanges): Plan {
  const { errorThreshold, miniBatchErrorThreshold, processes, maxRetries, runTimeoutMs } = changes;
  return {
    ...plan,
    thresholds: {
      ...plan.thresholds,
      ...(errorThreshold !== undefined && { errorThreshold }),
      ...(miniBatchErrorThreshold !== undefined && { miniBatchErrorThreshold }),
    },
    tries: { maxTries: maxRetries === undefined ? plan.tries.maxTries : maxRetries + 1 },
    limits: { ...plan.limits, ...(runTimeoutMs !== undefined && { runTimeoutMs }) },
    processesPerNode: processes ?? plan.processesPerNode,
  };
}

function settingChanges(before: Plan, now: Plan): string[] {
  const lines: string[] = [];
  const compare = (name: string, old: number, fresh: number): void => {
    if (old !== fresh) lines.push(`${name}: ${old} before, ${fresh} now`);
  };
  compare('error_threshold', before.thresholds.errorThreshold, now.thresholds.errorThreshold);
  compare(
    'mini_batch_error_threshold',
    before.thresholds.miniBatchErrorThreshold,
    now.thresholds.miniBatchErrorThreshold,
  );
  compare('max_retries', before.tries.maxTries - 1, now.tries.maxTries - 1);
  compare('timeout (ms)', before.limits.runTimeoutMs, now.limits.runTimeoutMs);
  compare('max_concurrency_per_instance', before.processesPerNode, now.processesPerNode);
  return lines;
}
