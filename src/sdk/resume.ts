/** `resume`: goes on with a run where its ledger ends. What is settled is never run again. */
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import type { Recovery } from '../core/recover.ts';
import { reopenManifest } from '../dataset/index.ts';
import type { RebuiltMiniBatch, RunEnded, RunEvent } from '../domain/event.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { Plan } from '../domain/plan.ts';
import type { Problem } from '../domain/problem.ts';
import { LedgerWriter } from '../ledger/index.ts';
import { coreConfig } from '../orchestrator/index.ts';
import { SpoolDamagedError, SpoolWriter, verifyExtent } from '../output/index.ts';
import { systemClock } from './clock.ts';
import { compareCode } from './codecheck.ts';
import type { FreshCode } from './codecheck.ts';
import { compose } from './compose.ts';
import { spoolDamaged } from './damage.ts';
import { createFaces } from './faces.ts';
import type { Faces } from './faces.ts';
import { upgraded } from './format.ts';
import { schemaDecided } from './create.ts';
import { checkEngine, openRemote } from './engine.ts';
import { prepareEntry, prepareHost } from './host.ts';
import type { Prepared } from './host.ts';
import { openInput } from './input.ts';
import { lockRun } from './locking.ts';
import { Notes } from './notes.ts';
import { packageVersion } from './package.ts';
import { settingChanges, withChanges } from './resume-changes.ts';
import type { ResumeChanges } from './resume-changes.ts';
import { openPastInput } from './resume-input.ts';
import type { InputOptions, PastInput } from './resume-input.ts';
import { checkJob } from './resume-job.ts';
import type { JobCheck } from './resume-job.ts';
import { carryOut, hasQueries, overRows, refuseLostRows } from './queries.ts';
import { fetchAgain, hasRemoteInputs, secretsOfJob } from './remote.ts';
import type { Release, Secrets } from './remote.ts';
import { readPast } from './resume-past.ts';
import type { Past } from './resume-past.ts';
import { codeChanged, interpreterChanged, jobChanged, refused } from './resume-problems.ts';
import { closeGaps, findLost } from './resume-rebuild.ts';
import { storeJobFile, storePlan } from './resume-store.ts';
import { openRun } from './stored.ts';
import type { RunHandle } from './types.ts';

export interface ResumeOptions extends InputOptions {
  /** Go on although script, arguments, environment or interpreter have changed: what is left runs with the new ones. */
  readonly allowCodeChange?: boolean;
  /** Failed and partial mini-batches get all their tries again, also of a run that has ended. */
  readonly retryFailed?: boolean;
  /** Mini-batches whose rows are lost, because the spool is damaged, run again. */
  readonly rebuild?: boolean;
  /** Settings that may differ from before, for this time; the others are those of the run. */
  readonly changes?: ResumeChanges;
  readonly onProgress?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** Of a run that begins with what another one has finished. */
export interface BegunFrom {
  /** Lines about what it begins with. */
  readonly notes?: readonly string[];
  /** Of its job. */
  readonly warnings?: readonly Problem[];
}

export type Resumed =
  | { readonly kind: 'going on'; readonly run: RunHandle; readonly settled: number }
  /** There was nothing to do: the run has ended, with this code. */
  | { readonly kind: 'ended'; readonly ended: RunEnded };

/**
 * @throws ParallelRunError: exit code 2 where there is no such run, 4 where it is held by another process, damaged, of
 *   another format, or where its code, job, interpreter or input have changed and no option says to go on
 */
export async function resume(root: string, runId: string, options: ResumeOptions & BegunFrom = {}): Promise<Resumed> {
  const stored = await openRun(root, runId);
  const { layout } = stored;
  const lock = await lockRun(stored.plan, layout);
  try {
    const job = await checkJob(stored.plan, layout);
    const plan = withChanges(upgraded(job.plan), options.changes ?? {});
    const faces = createFaces(plan, layout, options.warnings ?? [], true);
    const past = await readPast(plan, layout, faces);
    const { ended } = past.recovery;
    if (ended && !goesOn(ended, past.recovery, options)) {
      // Nothing to do but to mend what can be made of the ledger: somebody may have removed or changed it.
      await faces.letters.write();
      await lock.release();
      return { kind: 'ended', ended };
    }
    const found = await lookAround(stored.plan, plan, layout, job, past, options);
    try {
      return await goOn({ before: stored.plan, plan, layout, job, past, faces, lock }, found, options);
    } catch (error) {
      found.input.close();
      await found.release();
      throw error;
    }
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** A canceled run and one that stopped resumable go on; a verdict stands unless failed ones are to be tried again. */
function goesOn(ended: RunEnded, recovery: Recovery, options: ResumeOptions): boolean {
  if (ended.state === 'Canceled' || ended.exitCode === 3 || ended.exitCode === 4) return true;
  return options.retryFailed === true && (recovery.failures().length > 0 || ended.state === 'Failed');
}

/** What was found while nothing was changed yet. */
interface Found {
  readonly notes: Notes;
  readonly code: FreshCode | undefined;
  readonly prepared: Prepared;
  readonly lost: readonly RebuiltMiniBatch[];
  readonly input: PastInput;
  readonly secrets: Secrets;
  /** Lets inputs go that were fetched. */
  readonly release: Release;
  /** Lines about what differs and was allowed. */
  readonly changes: readonly string[];
}

/** Everything that may keep a run from going on is looked at before anything of it is changed. */
async function lookAround(
  before: Plan,
  plan: Plan,
  layout: RunLayout,
  job: JobCheck,
  past: Past,
  options: ResumeOptions & BegunFrom,
): Promise<Found> {
  const { recovery } = past;
  const notes = new Notes();
  for (const note of options.notes ?? []) notes.tell(note);
  if (job.rules.length > 0) throw refused([jobChanged(before, job.rules)]);
  const code = await compareCode(plan, layout, recovery.fingerprint);
  try {
    const codeChanges = [...job.code, ...(code?.changes ?? [])];
    if (codeChanges.length > 0 && options.allowCodeChange !== true) throw refused([codeChanged(before, codeChanges)]);
    const secrets = await secretsOfJob(plan);
    await checkEngine(plan, secrets);
    const prepared = await prepareHost(plan, options.onProgress ?? (() => undefined), options.signal);
    const { ready } = prepared;
    const other = past.interpreter !== undefined && past.interpreter.version !== ready.version;
    if (other && options.allowCodeChange !== true) throw refused([interpreterChanged(plan, past.interpreter, ready)]);
    const lost = await checkSpool(plan, layout, recovery, options);
    recovery.reopenDone(lost);
    const changes = [
      ...job.notes,
      ...codeChanges.map((line) => `code: ${line}`),
      ...(other ? [`interpreter: ${past.interpreter.version} before, ${ready.version} now`] : []),
      ...settingChanges(before, plan),
      ...(options.acceptChangedInput === true ? ['changed input files of what is left are taken as they are now'] : []),
      ...(options.rescan === true ? ['the input is listed again, and new files are taken'] : []),
    ];
    const release = await pastRemote(plan, secrets, options);
    try {
      const opened = await pastQueries(plan, layout, past.columns, options);
      const input = await openPastInput({ layout, ...opened }, recovery, options, notes);
      return { notes, code, prepared, lost, input, changes, secrets, release };
    } catch (error) {
      await release();
      throw error;
    }
  } catch (error) {
    await code?.drop();
    throw error;
  }
}

/** Inputs that lie elsewhere: here again, as they were. */
async function pastRemote(plan: Plan, secrets: Secrets, options: ResumeOptions): Promise<Release> {
  const { signal, onProgress, acceptChangedInput } = options;
  if (!hasRemoteInputs(plan)) return () => Promise.resolve();
  const accept = acceptChangedInput === true;
  return fetchAgain(plan, { secrets, accept, ...(signal && { signal }), ...(onProgress && { onProgress }) });
}

/** The rows of the queries of a run; where it was ended before they were there, they are fetched now. */
async function pastQueries(
  plan: Plan,
  layout: RunLayout,
  columns: Past['columns'],
  { signal, onProgress }: ResumeOptions,
): Promise<{ plan: Plan; columns: Past['columns'] }> {
  if (!hasQueries(plan)) {
    // It was ended while its input was fetched.
    const begins = columns === undefined && hasRemoteInputs(plan) && plan.inputs.some(({ kind }) => kind === 'table');
    return { plan, columns: begins ? (await openInput(plan, signal, true)).columns : columns };
  }
  const options = { ...(signal && { signal }), ...(onProgress && { onProgress }) };
  if (columns) await refuseLostRows(plan, layout);
  else await carryOut(plan, layout, options);
  const rows = overRows(plan, layout);
  return { plan: rows, columns: columns ?? (await openInput(rows, signal)).columns };
}

interface Opened {
  /** As it was stored. */
  readonly before: Plan;
  readonly plan: Plan;
  readonly layout: RunLayout;
  readonly job: JobCheck;
  readonly past: Past;
  readonly faces: Faces;
  readonly lock: Awaited<ReturnType<typeof lockRun>>;
}

/** From here on the run folder is changed. */
async function goOn(opened: Opened, found: Found, options: ResumeOptions): Promise<Resumed> {
  const { before, plan, layout, job, past, faces, lock } = opened;
  const { notes, code, prepared, lost, input, secrets, release } = found;
  const { recovery } = past;
  const kept = upgraded(job.plan);
  if (kept !== before) await storePlan(layout, kept);
  if (job.text !== undefined) await storeJobFile(layout, job.text);
  await code?.take();
  // Empty folders get lost where a run folder is copied.
  for (const folder of [layout.parts, layout.capture, layout.work, layout.temp])
    await mkdir(folder, { recursive: true, mode: 0o700 });
  await mkdir(layout.outputs, { recursive: true });
  // Meant for the run's former life.
  await rm(layout.cancelRequest, { force: true });
  const entry = await prepareEntry(plan, layout);
  const manifest = await reopenManifest(manifestPaths(layout), input.kept);
  if (lost.length > 0) await closeGaps(layout, recovery.spoolEnd);
  const spool = await SpoolWriter.reopen(layout.spool, recovery.spoolEnd);
  const ledger = await LedgerWriter.reopen(layout.ledger, past);
  await clearParts(layout);
  const retryFailed = options.retryFailed === true;
  const retried = retryFailed ? recovery.failures() : [];
  const settled = recovery.settledCount - retried.length;
  const state = recovery.toState(
    coreConfig(plan),
    { created: input.kept, items: input.items, creationFinished: input.finished, retryFailed },
    systemClock.monotonic(),
  );
  const remote = await openRemote(plan, layout, entry, input.input.columns, secrets);
  const at = systemClock.now();
  const rebuilt = lost.length > 0 ? { rebuilt: lost } : {};
  const opening: RunEvent[] = [
    {
      type: 'run-resumed',
      at,
      version: packageVersion(),
      pid: process.pid,
      settled,
      changes: found.changes,
      retried,
      ...rebuilt,
    },
    { type: 'run-state', at, state: 'Preparing' },
    ...(code ? [{ type: 'code-snapshotted', at, ...code.snapshot } as const] : []),
    { type: 'environment-ready', at, ...prepared.ready },
    ...(past.columns ? [] : schemaDecided(input.input)),
  ];
  const run = compose({
    plan,
    layout,
    input: { ...input.input, release },
    secrets,
    remote,
    prepared,
    entry,
    lock,
    ledger,
    spool,
    manifest,
    faces,
    recovered: state,
    opening,
    again: { notes, checkInput: input.check, close: input.close },
  });
  const cancel = (): void => {
    run.cancel('orderly', 'command');
  };
  // It may have been asked for while all this was looked at.
  if (options.signal?.aborted) cancel();
  options.signal?.addEventListener('abort', cancel, { once: true });
  return { kind: 'going on', run, settled };
}

const manifestPaths = (layout: RunLayout) => ({
  manifest: layout.manifest,
  index: layout.manifestIndex,
  stamps: layout.manifestStamps,
});

/** Changes nothing. @returns the mini-batches whose rows are lost, where that is no reason to stop */
async function checkSpool(
  plan: Plan,
  layout: RunLayout,
  recovery: Recovery,
  options: ResumeOptions,
): Promise<readonly RebuiltMiniBatch[]> {
  if (options.rebuild === true) return findLost(layout);
  try {
    const { size } = await stat(layout.spool);
    if (size < recovery.spoolEnd)
      throw new SpoolDamagedError(`the spool has ${size} bytes, ${recovery.spoolEnd} are committed`);
    if (recovery.lastExtent) await verifyExtent(layout.spool, recovery.lastExtent);
    return [];
  } catch (error) {
    if (error instanceof SpoolDamagedError) throw spoolDamaged(plan, layout.spool, error.message);
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw spoolDamaged(plan, layout.spool, 'the file is gone');
    throw error;
  }
}

/** Part files of the former workers: theirs are not committed, or copied already. */
async function clearParts(layout: RunLayout): Promise<void> {
  for (const name of await readdir(layout.parts)) await rm(`${layout.parts}/${name}`, { force: true });
}
