/** The one place where the parts of a run are put together. */
import { resolve } from 'node:path';
import { createManifest } from '../dataset/index.ts';
import { DatasetError } from '../dataset/index.ts';
import type { RunFailure } from '../domain/failure.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { Plan } from '../domain/plan.ts';
import type { Problem } from '../domain/problem.ts';
import { createEmbeddedEngine } from '../engine/embedded/index.ts';
import { snapshotCode } from '../environment/index.ts';
import { tryLock } from '../environment/lock.ts';
import { LedgerWriter } from '../ledger/index.ts';
import { createLogSink, createRunLog, runLogContext } from '../logs/index.ts';
import { Orchestrator } from '../orchestrator/index.ts';
import { SpoolWriter, releasePart } from '../output/index.ts';
import { watchCancelRequest } from './cancel.ts';
import { systemClock } from './clock.ts';
import { notCode } from './folder.ts';
import { LiveRun } from './handle.ts';
import { prepareEntry, refusal, workerOptions } from './host.ts';
import type { Prepared } from './host.ts';
import type { OpenedInput } from './input.ts';
import { packageVersion } from './package.ts';
import { assembleResult } from './result.ts';
import type { RunResult } from './types.ts';

const LOG_TICK_MS = 250;

export interface Composition {
  readonly plan: Plan;
  readonly layout: RunLayout;
  readonly warnings: readonly Problem[];
  readonly input: OpenedInput;
  readonly prepared: Prepared;
}

/** Starts the run in its fresh folder. */
export async function compose({ plan, layout, warnings, input, prepared }: Composition): Promise<LiveRun> {
  const clock = systemClock;
  const lock = await tryLock(layout.state, 'run');
  if (!('release' in lock)) throw refusal(lockedProblem(plan, lock.pid));
  const snapshot = await snapshotCode(plan.entry.codeFolder, layout.code, notCode(plan));
  if (!snapshot.ok) throw refusal(snapshot.error);
  const entry = await prepareEntry(plan, layout);

  const ledger = await LedgerWriter.create(layout.ledger);
  const spool = await SpoolWriter.create(layout.spool);
  const manifest = await createManifest({ manifest: layout.manifest, index: layout.manifestIndex });
  const run = new LiveRun(plan, layout, warnings, clock);
  const sink = createLogSink(layout.folder, {
    onError: (path, reason) => {
      orchestrator.note({ type: 'warning', at: clock.now(), warning: { kind: 'log-write-failed', path, reason } });
    },
  });
  const runLog = createRunLog(sink, runLogContext(plan, namedRoot(plan)), clock);
  const engine = createEmbeddedEngine({
    ...workerOptions(plan, layout, entry, prepared, input.columns, clock),
    processesPerNode: plan.processesPerNode,
    resourceMonitorIntervalMs: plan.resourceMonitorIntervalMs,
    logs: sink,
  });
  const orchestrator: Orchestrator = new Orchestrator({
    plan,
    clock,
    engine,
    ledger,
    spool: {
      append: (rows, count) => spool.append(rows, count),
      appendPart: (path, bytes, count) => spool.appendPart(path, bytes, count),
      sync: () => spool.sync(),
      releasePart,
    },
    manifest,
    drafts: input.drafts,
    creationFailure,
    assemble: (kind) => assembleResult(plan, layout, kind),
    publish: (events) => {
      runLog.apply(events);
      run.publish(events);
    },
  });

  orchestrator.note({
    type: 'run-created',
    at: clock.now(),
    runId: plan.runId,
    version: packageVersion(),
    pid: process.pid,
  });
  orchestrator.note({ type: 'run-state', at: clock.now(), state: 'Preparing' });
  orchestrator.note({ type: 'code-snapshotted', at: clock.now(), ...snapshot.value });
  orchestrator.note({ type: 'environment-ready', at: clock.now(), ...prepared.ready });
  if (input.columns) orchestrator.note({ type: 'schema-decided', at: clock.now(), columns: input.columns });

  const timer = setInterval(() => {
    runLog.tick();
    for (const { path, reason } of input.skipped.splice(0)) {
      orchestrator.note({ type: 'warning', at: clock.now(), warning: { kind: 'skipped-input', path, reason } });
    }
  }, LOG_TICK_MS);
  const unwatch = watchCancelRequest(layout.cancelRequest, (how) => {
    orchestrator.cancel(how, 'command');
  });
  const finish = async (): Promise<RunResult> => {
    const verdict = await orchestrator.run();
    clearInterval(timer);
    unwatch();
    await runLog.close();
    await sink.close();
    await Promise.all([ledger.close(), spool.close(), manifest.close()]);
    await lock.release();
    return { runId: plan.runId, folder: layout.folder, ...verdict, status: run.status() };
  };
  run.attach(orchestrator, finish());
  return run;
}

/** The root, where a command in this folder wouldn't find it by itself. */
function namedRoot(plan: Plan): string | undefined {
  const root = plan.runFolder.slice(0, plan.runFolder.lastIndexOf('/'));
  return root === resolve(process.env.PARALLELRUN_ROOT ?? 'runs') ? undefined : root;
}

function creationFailure(error: unknown): RunFailure {
  if (error instanceof DatasetError) {
    const { problem } = error;
    return {
      kind: 'creation-failed',
      reason: problem.why === undefined ? problem.what : `${problem.what}: ${problem.why}`,
      code: problem.code,
      ...(problem.where && { path: problem.where.file }),
    };
  }
  const { message, path } = error as NodeJS.ErrnoException;
  return { kind: 'creation-failed', reason: message, ...(path !== undefined && { path }) };
}

function lockedProblem(plan: Plan, pid: number): Problem {
  return {
    code: 'PR5004',
    severity: 'error',
    what: `run ${plan.runId} is already being worked on by process ${pid}`,
    where: { file: plan.runFolder },
    next: 'wait for it, or cancel it',
  };
}
