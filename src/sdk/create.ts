import { rm } from 'node:fs/promises';
import { createManifest } from '../dataset/index.ts';
import type { RunEvent } from '../domain/event.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { Plan } from '../domain/plan.ts';
import { ParallelRunError } from '../domain/problem.ts';
import type { Problem } from '../domain/problem.ts';
import { snapshotCode } from '../environment/index.ts';
import type { Lock } from '../environment/lock.ts';
import { LedgerWriter } from '../ledger/index.ts';
import { SpoolWriter } from '../output/index.ts';
import { systemClock } from './clock.ts';
import type { OpenedRun } from './compose.ts';
import { openRemote } from './engine.ts';
import { createFaces } from './faces.ts';
import { createRunFolder, notCode, syncRunFolder } from './folder.ts';
import { prepareEntry, refusal } from './host.ts';
import type { Prepared } from './host.ts';
import type { OpenedInput } from './input.ts';
import { lockRun } from './locking.ts';
import { packageVersion } from './package.ts';
import { hasQueries } from './queries.ts';
import { hasRemoteInputs } from './remote.ts';
import type { Secrets } from './remote.ts';
import { keepJobFile } from './resume-store.ts';

/**
 * Makes the folder of a new run with everything it starts from. Where that fails the folder is gone again: a run
 * that was refused leaves nothing behind.
 * @throws ParallelRunError exit code 2
 */
export async function createRun(
  plan: Plan,
  warnings: readonly Problem[],
  prepared: Prepared,
  secrets: Secrets,
  openInput: (layout: RunLayout) => Promise<OpenedInput>,
): Promise<OpenedRun> {
  const layout = await createRunFolder(plan);
  let lock: Lock | undefined;
  try {
    lock = await lockRun(plan, layout);
    return { ...(await fill(plan, layout, lock, warnings, prepared, secrets, openInput)), secrets };
  } catch (error) {
    await lock?.release();
    // What may be resumed stays.
    if (error instanceof ParallelRunError && error.exitCode === 3) throw error;
    await rm(layout.folder, { recursive: true, force: true });
    throw error;
  }
}

async function fill(
  plan: Plan,
  layout: RunLayout,
  lock: Lock,
  warnings: readonly Problem[],
  prepared: Prepared,
  secrets: Secrets,
  openInput: (layout: RunLayout) => Promise<OpenedInput>,
): Promise<Omit<OpenedRun, 'secrets'>> {
  const snapshot = await snapshotCode(plan.entry.codeFolder, layout.code, notCode(plan));
  if (!snapshot.ok) throw refusal(snapshot.error);
  const entry = await prepareEntry(plan, layout);
  const at = systemClock.now();
  const begun: RunEvent[] = [
    { type: 'run-created', at, runId: plan.runId, version: packageVersion(), pid: process.pid },
    { type: 'run-state', at, state: 'Preparing' },
    { type: 'code-snapshotted', at, ...snapshot.value },
    { type: 'environment-ready', at, ...prepared.ready },
  ];
  const ledger = await LedgerWriter.create(layout.ledger);
  const spool = await SpoolWriter.create(layout.spool);
  const manifest = await createManifest({
    manifest: layout.manifest,
    index: layout.manifestIndex,
    stamps: layout.manifestStamps,
  });
  if (plan.jobFile !== undefined) await keepJobFile(plan.jobFile, layout);
  await syncRunFolder(layout);
  // From the first frame of the ledger on it can be resumed: a query may take hours, and so may fetching.
  const early = hasQueries(plan) || hasRemoteInputs(plan);
  if (early) await ledger.commit(begun);
  const closing = async (error: unknown): Promise<never> => {
    await Promise.allSettled([ledger.close(), spool.close(), manifest.close()]);
    throw error;
  };
  const input = await openInput(layout).catch(closing);
  const remote = await openRemote(plan, layout, entry, input.columns, secrets).catch(closing);
  const faces = createFaces(plan, layout, warnings, false);
  if (early) faces.publish(begun);
  return {
    plan,
    layout,
    input,
    remote,
    prepared,
    entry,
    lock,
    ledger,
    spool,
    manifest,
    faces,
    opening: [...(early ? [] : begun), ...schemaDecided(input)],
  };
}

/** The columns, where they were decided just now. */
export function schemaDecided({ columns }: OpenedInput): RunEvent[] {
  return columns ? [{ type: 'schema-decided', at: systemClock.now(), columns }] : [];
}
