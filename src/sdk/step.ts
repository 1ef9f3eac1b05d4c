/** One step of a pipeline, from its turn to its end: reused, gone on with, or started. */
import { dirname } from 'node:path';
import type { RunId } from '../domain/ids.ts';
import type { Fingerprint, PipelineEvent, StepEnd, StepOutputPlace } from '../domain/pipeline.ts';
import type { ExitCode, Problem } from '../domain/problem.ts';
import { ParallelRunError } from '../domain/problem.ts';
import { compileStep, stepRunId, stepsFolder } from '../job/index.ts';
import type { CompiledStep } from '../job/index.ts';
import type { JobRequest } from '../job/request.ts';
import type { RunStatus } from '../views/status.ts';
import { causeBlock } from '../views/text/cause.ts';
import { problemText } from '../views/text/problem.ts';
import { systemClock } from './clock.ts';
import { copyLogs } from './parent-logs.ts';
import { endLeftOvers, startCommand } from './command-run.ts';
import { findEarlier, fingerprintOf } from './reuse.ts';
import { readLedger } from '../ledger/index.ts';
import { resume } from './resume.ts';
import type { ResumeOptions } from './resume.ts';
import { startPlan } from './start.ts';
import type { StartOptions } from './start.ts';
import { openRun } from './stored.ts';
import type { RunHandle } from './types.ts';

/** What a step may need of those who start or go on with a pipeline. */
export type StepOptions = StartOptions & Omit<ResumeOptions, 'changes' | 'signal' | 'onProgress'>;

export interface StepEnded {
  readonly state: StepEnd;
  readonly exitCode: ExitCode;
  readonly cause: readonly string[];
  readonly outputs: Readonly<Record<string, StepOutputPlace>>;
  readonly fingerprint?: Fingerprint;
}

export interface RunningStep {
  readonly kind: 'running';
  readonly ended: Promise<StepEnded>;
  /** Of a step with mini-batches. */
  status?(): RunStatus;
  cancel(how: 'orderly' | 'now', by: 'SIGINT' | 'SIGTERM' | 'command'): void;
}

export type BegunStep =
  RunningStep | { readonly kind: 'reused' } | { readonly kind: 'ended'; readonly ended: StepEnded };

export interface StepTurn {
  readonly name: string;
  readonly request: JobRequest;
  readonly pipeline: { readonly runId: RunId; readonly folder: string; readonly root: string };
  readonly outputs: ReadonlyMap<string, StepOutputPlace>;
  /** Of the pipeline so far. */
  readonly events: readonly PipelineEvent[];
  readonly note: (event: PipelineEvent) => Promise<void>;
  /** Ends what it waits for before it runs; then it is canceled like any other. */
  readonly signal: AbortSignal;
  readonly options: StepOptions;
}

/** Never rejects for what a user can cause: that is how the step ended. */
export async function beginStep(turn: StepTurn): Promise<BegunStep> {
  try {
    return (await goOn(turn)) ?? (await beginAnew(turn));
  } catch (error) {
    const cause = error instanceof ParallelRunError ? textsOf(error.problems) : [messageOf(error)];
    const canceled = turn.signal.aborted;
    const exitCode = error instanceof ParallelRunError && error.exitCode > 2 ? error.exitCode : 1;
    return { kind: 'ended', ended: { state: canceled ? 'Canceled' : 'Failed', exitCode, cause, outputs: {} } };
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const textsOf = (problems: readonly Problem[]): readonly string[] =>
  problems.flatMap((problem) => problemText(problem).split('\n'));

/** A run of the step that was begun before, has mini-batches and can go on. */
async function goOn(turn: StepTurn): Promise<RunningStep | undefined> {
  const { name, pipeline, options, note } = turn;
  const before = turn.events.findLast((event) => event.type === 'step-started' && event.step === name);
  if (before?.type !== 'step-started') return undefined;
  const compiled = await compiledStep(turn, { number: attemptsOf(turn), goesOn: true });
  if (compiled.ok && compiled.value.step.type === 'command') {
    endLeftOvers(compiled.value.step.plan.runFolder);
    return undefined;
  }
  const root = stepsFolder(pipeline.folder);
  if (!(await hasBegun(root, before.runId))) return undefined;
  const rest = { ...options, retryFailed: true, signal: turn.signal };
  const resumed = await resume(root, before.runId, rest);
  await note({ type: 'step-started', at: systemClock.now(), step: name, runId: before.runId });
  const outputs = compiled.ok ? compiled.value.outputs : {};
  const print =
    compiled.ok && compiled.value.reusable
      ? await fingerprintOf(compiled.value, pipeline.runId, turn.signal)
      : undefined;
  if (resumed.kind === 'ended') {
    const { state, exitCode } = resumed.ended;
    return atOnce({ state, exitCode, cause: [], outputs, ...(print && { fingerprint: print }) });
  }
  return runningRun(resumed.run, outputs, print, turn);
}

/** Whether there is anything to go on with: a run that was killed while its folder was made has no copy of its code. */
async function hasBegun(root: string, runId: RunId): Promise<boolean> {
  try {
    const stored = await openRun(root, runId);
    for await (const events of readLedger(stored.layout.ledger))
      if (events.some((event) => event.type === 'code-snapshotted')) return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && !(error instanceof ParallelRunError && error.exitCode === 2)) throw error;
  }
  return false;
}

const atOnce = (ended: StepEnded): RunningStep => ({
  kind: 'running',
  ended: Promise.resolve(ended),
  cancel: () => undefined,
});

const attemptsOf = ({ name, events }: StepTurn): number =>
  new Set(events.flatMap((event) => (event.type === 'step-started' && event.step === name ? [event.runId] : []))).size;

const compiledStep = (
  { name, request, pipeline, outputs }: StepTurn,
  attempt: { readonly number: number; readonly goesOn: boolean },
) => compileStep(request, pipeline, name, attempt, outputs);

async function beginAnew(turn: StepTurn): Promise<BegunStep> {
  const { name, pipeline, options, note, signal } = turn;
  const attempts = attemptsOf(turn);
  const found = await compiledStep(turn, { number: attempts + 1, goesOn: false });
  if (!found.ok) {
    return { kind: 'ended', ended: { state: 'Failed', exitCode: 1, cause: textsOf(found.error), outputs: {} } };
  }
  const compiled = found.value;
  const fingerprint = compiled.reusable ? await fingerprintOf(compiled, pipeline.runId, signal) : undefined;
  const reuse = fingerprint && (await findEarlier(pipeline.root, pipeline.runId, name, fingerprint));
  if (reuse?.kind === 'reuse' && fingerprint) {
    const { outputs, ...from } = reuse.from;
    await note({ type: 'step-reused', at: systemClock.now(), step: name, from, outputs, fingerprint });
    return { kind: 'reused' };
  }
  const runId = stepRunId(pipeline.runId, name, attempts + 1) ?? pipeline.runId;
  const notReused = reuse?.kind === 'run' ? { notReused: reuse.why } : {};
  await note({ type: 'step-started', at: systemClock.now(), step: name, runId, ...notReused });
  const progress = options.onProgress ?? (() => undefined);
  if (compiled.step.type === 'command') {
    const { secrets } = compiled;
    const running = await startCommand(compiled.step.plan, { onProgress: progress, secrets, signal });
    return {
      kind: 'running',
      ended: running.ended.then((end) => withOutputs(end, compiled, fingerprint)),
      cancel: (how, by) => running.cancel(how, by === 'SIGTERM' ? 143 : 130),
    };
  }
  const run = await startPlan(
    { plan: compiled.step.plan, warnings: compiled.warnings, secrets: compiled.secrets },
    { onProgress: progress, signal },
  );
  return runningRun(run, compiled.outputs, fingerprint, turn);
}

function withOutputs(
  end: Omit<StepEnded, 'outputs'>,
  { outputs }: CompiledStep,
  fingerprint: Fingerprint | undefined,
): StepEnded {
  return { ...end, outputs, ...(fingerprint && { fingerprint }) };
}

function runningRun(
  run: RunHandle,
  outputs: StepEnded['outputs'],
  fingerprint: Fingerprint | undefined,
  { name, pipeline, options }: StepTurn,
): RunningStep {
  const context = {
    runId: run.runId,
    folder: run.folder,
    maxTries: run.plan.tries.maxTries,
    root: dirname(run.folder),
  };
  return {
    kind: 'running',
    status: () => run.status(),
    cancel: (how, by) => run.cancel(how, by),
    ended: run.result().then(async ({ state, exitCode, status }) => {
      if (run.plan.toParent?.logs === true)
        await copyLogs(run.folder, pipeline.folder, name).catch((error: unknown) => {
          options.onProgress?.(`the logs of ${name} could not be copied to its pipeline: ${messageOf(error)}`);
        });
      return {
        state,
        exitCode,
        cause: state === 'Completed' ? [] : causeBlock(status, context),
        outputs,
        ...(fingerprint && { fingerprint }),
      };
    }),
  };
}
