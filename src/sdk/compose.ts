/** The one place where the parts of a run are put together. */
import { rm } from 'node:fs/promises';
import type { Manifest } from '../dataset/index.ts';
import { DatasetError, ListingDiffers, NoRowsLeft } from '../dataset/index.ts';
import type { CoreState } from '../core/types.ts';
import type { RunEvent } from '../domain/event.ts';
import type { RunFailure } from '../domain/failure.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { Plan } from '../domain/plan.ts';
import { ParallelRunError } from '../domain/problem.ts';
import { createEmbeddedEngine } from '../engine/embedded/index.ts';
import type { Lock } from '../environment/lock.ts';
import type { LedgerWriter } from '../ledger/index.ts';
import type { Clock, LogSink } from '../domain/ports.ts';
import type { EntryFacts, NodeOptions } from '../node/options.ts';
import { Orchestrator, isDiskFull } from '../orchestrator/index.ts';
import type { OrchestratorParts } from '../orchestrator/index.ts';
import { releasePart } from '../output/index.ts';
import type { SpoolWriter } from '../output/index.ts';
import { watchCancelRequest } from './cancel.ts';
import { systemClock } from './clock.ts';
import { natsEngine } from './engine.ts';
import type { RemoteParts } from './engine.ts';
import type { Faces } from './faces.ts';
import { failpointsOf } from './failpoints.ts';
import type { LiveRun } from './handle.ts';
import { nodeSettings, workerOptions } from './host.ts';
import type { Prepared } from './host.ts';
import type { OpenedInput } from './input.ts';
import type { Notes } from './notes.ts';
import { uploadOutputs } from './remote.ts';
import type { Secrets } from './remote.ts';
import { assembleResult } from './result.ts';
import type { RunResult } from './types.ts';

const LOG_TICK_MS = 250;

/** A run whose folder is open and locked, new or taken up again. */
export interface OpenedRun {
  readonly plan: Plan;
  readonly layout: RunLayout;
  readonly input: OpenedInput;
  /** Absent: this machine alone. */
  readonly remote?: RemoteParts | undefined;
  /** For outputs that go elsewhere. */
  readonly secrets: Secrets;
  readonly prepared: Prepared;
  readonly entry: EntryFacts;
  readonly lock: Lock;
  readonly ledger: LedgerWriter;
  readonly spool: SpoolWriter;
  readonly manifest: Manifest;
  readonly faces: Faces;
  /** Where it goes on. */
  readonly recovered?: CoreState;
  /** What happened around the run before its orchestrator was there. */
  readonly opening: readonly RunEvent[];
  /** Of a run that goes on: what is looked at again. */
  readonly again?: {
    /** What is found is told as it is found. */
    readonly notes: Notes;
    readonly checkInput: NonNullable<OrchestratorParts['checkInput']>;
    /** Called at the end. */
    readonly close: () => void;
  };
}

/** Puts the parts together and lets the run go. */
export function compose(opened: OpenedRun): LiveRun {
  const { plan, layout, input, faces } = opened;
  const clock = systemClock;
  const failpoint = failpointsOf(process.env);
  if (opened.recovered) void failpoint?.('recovered');
  const logs = faces.sink;
  const engine = opened.remote
    ? natsEngine({ plan, layout, remote: opened.remote, logs, clock, say: (text) => report(text) })
    : createEmbeddedEngine(nodeOptions(opened, clock, logs));
  const tell = (text: string): void => {
    orchestrator.note({ type: 'warning', at: clock.now(), warning: { kind: 'note', text } });
  };
  const report = (text: string): void => {
    orchestrator.note({ type: 'warning', at: clock.now(), warning: { kind: 'note', text, news: true } });
  };
  const orchestrator = new Orchestrator({
    plan,
    clock,
    engine,
    ledger: opened.ledger,
    spool: {
      write: (pieces) => opened.spool.write(pieces),
      releasePart,
    },
    manifest: opened.manifest,
    drafts: input.drafts,
    ...(input.stop && { dropDrafts: input.stop }),
    failpoint,
    creationFailure: (error) => creationFailure(error, opened.again !== undefined),
    ...(opened.again && { checkInput: opened.again.checkInput }),
    assemble: async (kind) => {
      const letters = writeLetters(faces);
      // Of a run that failed anyway what can be written is.
      await (kind === 'whole' ? letters : letters.catch(() => undefined));
      const assembled = await assembleResult(plan, layout, kind);
      if (kind !== 'whole') return assembled;
      const uploaded = await uploadOutputs(plan, { secrets: opened.secrets, onProgress: report });
      return assembled && { ...assembled, ...(uploaded !== undefined && { uploaded }) };
    },
    publish: faces.publish,
    ...(opened.recovered && { recovered: opened.recovered }),
  });
  faces.onLogError = (path, reason) => {
    orchestrator.note({ type: 'warning', at: clock.now(), warning: { kind: 'log-write-failed', path, reason } });
  };
  for (const event of opened.opening) orchestrator.note(event);
  input.skipped.connect((skipped) => {
    orchestrator.note({ type: 'warning', at: clock.now(), warning: { kind: 'skipped-input', ...skipped } });
  });
  opened.again?.notes.connect(tell);
  input.notes?.connect(report);
  faces.run.attach(orchestrator, runToEnd(opened, orchestrator));
  return faces.run;
}

function nodeOptions({ plan, layout, entry, prepared, input }: OpenedRun, clock: Clock, logs: LogSink): NodeOptions {
  return {
    ...workerOptions(plan, layout, entry, prepared, input.columns, clock),
    ...nodeSettings(plan),
    logs,
  };
}

async function runToEnd(opened: OpenedRun, orchestrator: Orchestrator): Promise<RunResult> {
  const { plan, layout, faces, ledger, spool, manifest } = opened;
  const timer = setInterval(() => {
    faces.log.tick();
  }, LOG_TICK_MS);
  const unwatch = watchCancelRequest(layout.cancelRequest, (how) => {
    orchestrator.cancel(how, 'command');
  });
  if (opened.recovered) {
    // What a crash left of the dead letters is mended, beside the first work; new ones are written behind it.
    faces.letters.apply(opened.opening);
    void faces.letters.write().catch(() => undefined);
    faces.log.holdDeadLetters(faces.letters.idle());
  }
  const verdict = await orchestrator.run();
  clearInterval(timer);
  unwatch();
  await faces.log.close();
  await faces.sink.close();
  faces.names.close();
  // What had to be on the disk is there; on a broken disk the verdict says so already.
  await Promise.allSettled([ledger.close(), spool.close(), manifest.close()]);
  opened.again?.close();
  await opened.input.release?.();
  // Who wants a mini-batch again has them made again.
  if (verdict.state === 'Completed') await rm(layout.copies, { recursive: true, force: true }).catch(() => undefined);
  await opened.lock.release();
  return { runId: plan.runId, folder: layout.folder, ...verdict, status: faces.run.status() };
}

/** The result is there only where the dead letters are: together they account for every item. */
async function writeLetters({ letters, sink }: Faces): Promise<void> {
  await letters.idle();
  // What the log has written of them must not come behind the file that takes its place.
  await sink.flush();
  await letters.write();
}

/** @param again the run was resumed: what keeps its input from being listed may be mended, and it goes on */
function creationFailure(error: unknown, again: boolean): RunFailure {
  if (error instanceof ListingDiffers) return { kind: 'input-differs', ...error.difference };
  if (error instanceof NoRowsLeft) return { kind: 'empty-input', rows: error.rows };
  // A full disk keeps copies of compressed tables from being written: with space again the run goes on.
  const resumable = again || isDiskFull(error) ? ({ resumable: true } as const) : {};
  // What lies elsewhere may be there tomorrow.
  const fetching = error instanceof ParallelRunError ? ({ resumable: true, fetching: true } as const) : {};
  const problem =
    error instanceof DatasetError ? error.problem : error instanceof ParallelRunError ? error.problems[0] : undefined;
  if (problem) {
    return {
      kind: 'creation-failed',
      reason: problem.why === undefined ? problem.what : `${problem.what}: ${problem.why}`,
      code: problem.code,
      ...(problem.where && { path: problem.where.file }),
      ...resumable,
      ...fetching,
    };
  }
  const { message, path } = error as NodeJS.ErrnoException;
  return { kind: 'creation-failed', reason: message, ...(path !== undefined && { path }), ...resumable };
}
