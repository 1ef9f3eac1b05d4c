/** Runs a pipeline: each step as a run of its own below the folder of the pipeline. */
import { appendFile, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipelineVerdict, stepsToBegin } from '../core/pipeline.ts';
import type { StepProgress } from '../core/pipeline.ts';
import type { RunId } from '../domain/ids.ts';
import type { PipelineEvent, PipelinePlan, StepEnd, StepOutputPlace } from '../domain/pipeline.ts';
import type { ExitCode, Problem } from '../domain/problem.ts';
import { ParallelRunError } from '../domain/problem.ts';
import type { Lock } from '../environment/lock.ts';
import { compilePipeline as compileAll } from '../job/index.ts';
import type { CompiledPipeline } from '../job/index.ts';
import type { JobRequest } from '../job/request.ts';
import { pipelineStatus } from '../views/pipeline.ts';
import type { PipelineStatus } from '../views/pipeline.ts';
import { eventLine } from '../views/text/pipeline.ts';
import { watchCancelRequest } from './cancel.ts';
import { systemClock } from './clock.ts';
import { lockRun } from './locking.ts';
import { packageVersion } from './package.ts';
import { createPipelineFolder, PipelineJournal } from './pipeline-store.ts';
import type { PipelineLayout } from './pipeline-store.ts';
import type { StartOptions } from './start.ts';
import { beginStep } from './step.ts';
import type { RunningStep, StepEnded, StepOptions } from './step.ts';

export interface PipelineResult {
  readonly runId: RunId;
  readonly folder: string;
  readonly state: StepEnd;
  readonly exitCode: ExitCode;
  readonly status: PipelineStatus;
}

/** A pipeline in progress in this process. */
export interface PipelineHandle {
  readonly runId: RunId;
  readonly folder: string;
  readonly plan: PipelinePlan;
  readonly warnings: readonly Problem[];
  status(): PipelineStatus;
  /** Steps under way that have mini-batches, by name. */
  running(): ReadonlyMap<string, RunningStep>;
  /** Called with each event from now on. */
  listen(listener: (event: PipelineEvent) => void): void;
  /**
   * Resolves once nothing of it runs any more; never rejects for a failed step.
   * @throws ParallelRunError PR5112, exit code 3, where it could no longer be recorded what happens
   */
  result(): Promise<PipelineResult>;
  cancel(how?: 'orderly' | 'now', by?: 'SIGINT' | 'SIGTERM' | 'command'): void;
}

/** @throws ParallelRunError with every problem of all steps, exit code 2 */
export async function compilePipeline(request: JobRequest): Promise<CompiledPipeline> {
  const compiled = await compileAll(request);
  if (compiled.ok) return compiled.value;
  const [first, ...rest] = compiled.error;
  if (first === undefined) throw new TypeError('a pipeline without a problem can be compiled');
  throw new ParallelRunError([first, ...rest], 2);
}

/**
 * Starts a pipeline and resolves once it is under way.
 * @throws ParallelRunError where nothing was started: exit code 2
 */
export async function startPipeline(request: JobRequest, options: StartOptions = {}): Promise<PipelineHandle> {
  const { plan, warnings, components } = await compilePipeline(request);
  options.signal?.throwIfAborted();
  const jobText = request.jobText ?? (await readFile(plan.jobFile, 'utf8'));
  const { set, flags, config, cwd = process.cwd() } = request;
  const layout = await createPipelineFolder(
    plan,
    { ...(set && { set }), ...(config !== undefined && { config }), flags, cwd },
    { jobText, components },
  );
  const lock = await lockRun(plan, layout, 'pipeline');
  const frozen: JobRequest = { ...request, cwd, jobText, componentTexts: components };
  const live = new LivePipeline(plan, layout, warnings, frozen, await PipelineJournal.open(layout), lock, []);
  await live.begin({ type: 'pipeline-started', at: systemClock.now(), version: packageVersion() }, options);
  return live;
}

export class LivePipeline implements PipelineHandle {
  readonly runId: RunId;
  readonly folder: string;
  readonly plan: PipelinePlan;
  readonly warnings: readonly Problem[];
  readonly #layout: PipelineLayout;
  readonly #request: JobRequest;
  readonly #journal: PipelineJournal;
  readonly #lock: Lock;
  readonly #events: PipelineEvent[];
  readonly #running = new Map<string, RunningStep>();
  /** Steps that don't run yet: their inputs are fetched, their environments built. */
  readonly #beginning = new Map<string, AbortController>();
  readonly #listeners: ((event: PipelineEvent) => void)[] = [];
  readonly #phases = new Map<string, StepProgress>();
  #canceled: { readonly how: 'orderly' | 'now'; readonly exitCode: 130 | 143 } | undefined;
  /** The journal can't be written any more. */
  #broken: Error | undefined;
  #result: Promise<PipelineResult> | undefined;

  constructor(
    plan: PipelinePlan,
    layout: PipelineLayout,
    warnings: readonly Problem[],
    request: JobRequest,
    journal: PipelineJournal,
    lock: Lock,
    /** Of its life before. */
    events: readonly PipelineEvent[],
  ) {
    this.runId = plan.runId;
    this.folder = layout.folder;
    this.plan = plan;
    this.warnings = warnings;
    this.#layout = layout;
    this.#request = request;
    this.#journal = journal;
    this.#lock = lock;
    this.#events = [...events];
    for (const step of pipelineStatus(plan, events).steps)
      if (step.state === 'Completed' || step.state === 'Reused') this.#phases.set(step.name, { phase: 'done' });
  }

  /** @param event that it begins, or goes on */
  async begin(event: PipelineEvent, options: StepOptions): Promise<void> {
    this.#journal.onWaiting = (waiting) =>
      options.onProgress?.(
        waiting ? `${this.folder}: the disk is full, the pipeline waits for space` : 'there is space again',
      );
    try {
      await this.#note(event);
    } catch (error) {
      await this.#leave();
      throw error;
    }
    this.#result = this.#run(options);
    // whoever asks gets it
    this.#result.catch(() => undefined);
    const cancel = (): void => this.cancel('orderly', 'command');
    if (options.signal?.aborted) cancel();
    options.signal?.addEventListener('abort', cancel, { once: true });
  }

  status(): PipelineStatus {
    return pipelineStatus(this.plan, this.#events);
  }

  running(): ReadonlyMap<string, RunningStep> {
    return this.#running;
  }

  listen(listener: (event: PipelineEvent) => void): void {
    this.#listeners.push(listener);
  }

  result(): Promise<PipelineResult> {
    if (!this.#result) throw new Error('the pipeline has not been started');
    return this.#result;
  }

  cancel(how: 'orderly' | 'now' = 'orderly', by: 'SIGINT' | 'SIGTERM' | 'command' = 'command'): void {
    const exitCode = this.#canceled?.exitCode ?? (by === 'SIGTERM' ? 143 : 130);
    this.#canceled = { how, exitCode };
    this.#journal.giveUp();
    for (const beginning of this.#beginning.values()) beginning.abort();
    for (const step of this.#running.values()) step.cancel(how, by);
  }

  /** What can't be recorded mustn't go on. */
  #breakOff(error: unknown): void {
    this.#broken ??= error instanceof Error ? error : new Error(String(error));
    for (const beginning of this.#beginning.values()) beginning.abort();
    for (const step of this.#running.values()) step.cancel('now', 'command');
  }

  async #leave(): Promise<void> {
    await this.#journal.close().catch(() => undefined);
    await this.#lock.release();
  }

  async #run(options: StepOptions): Promise<PipelineResult> {
    const unwatch = watchCancelRequest(this.#layout.cancelRequest, (how) => this.cancel(how));
    try {
      const under = new Map<string, Promise<void>>();
      for (;;) {
        const stops = this.#canceled !== undefined || this.#broken !== undefined;
        for (const { name } of stepsToBegin(this.plan, this.#phases, stops)) {
          this.#phases.set(name, { phase: 'running' });
          const ended = this.#runStep(name, options)
            .catch((error: unknown) => this.#breakOff(error))
            .finally(() => under.delete(name));
          under.set(name, ended);
        }
        if (under.size === 0) break;
        await Promise.race(under.values());
      }
      if (this.#broken) throw this.#broken;
      const { state, exitCode } = pipelineVerdict(this.plan, this.#phases, this.#canceled?.exitCode);
      await this.#note({ type: 'pipeline-ended', at: systemClock.now(), state, exitCode });
      return { runId: this.runId, folder: this.folder, state, exitCode, status: this.status() };
    } finally {
      unwatch();
      await this.#leave();
    }
  }

  async #runStep(name: string, options: StepOptions): Promise<void> {
    const beginning = new AbortController();
    this.#beginning.set(name, beginning);
    const step = await beginStep({
      name,
      request: this.#request,
      pipeline: { runId: this.runId, folder: this.folder, root: dirname(this.folder) },
      outputs: this.#outputs(),
      events: this.#events,
      note: (event) => this.#note(event),
      signal: beginning.signal,
      options,
    });
    this.#beginning.delete(name);
    let ended: StepEnded;
    if (step.kind === 'running') {
      this.#running.set(name, step);
      const canceled = this.#canceled;
      if (canceled) step.cancel(canceled.how, canceled.exitCode === 143 ? 'SIGTERM' : 'SIGINT');
      else if (this.#broken) step.cancel('now', 'command');
      ended = await step.ended;
      this.#running.delete(name);
    } else if (step.kind === 'reused') {
      this.#phases.set(name, { phase: 'done' });
      return;
    } else ended = step.ended;
    const { state, exitCode } = ended;
    await this.#note({ type: 'step-ended', at: systemClock.now(), step: name, ...ended });
    const phase = state === 'Completed' ? 'done' : state === 'Failed' ? 'failed' : 'canceled';
    this.#phases.set(name, { phase, exitCode });
  }

  /** Of the steps that are done, by `<step>.outputs.<name>`. */
  #outputs(): ReadonlyMap<string, StepOutputPlace> {
    const found = new Map<string, StepOutputPlace>();
    for (const { name, state, outputs } of this.status().steps) {
      if (state !== 'Completed' && state !== 'Reused') continue;
      for (const [output, place] of Object.entries(outputs)) found.set(`${name}.outputs.${output}`, place);
    }
    return found;
  }

  async #note(event: PipelineEvent): Promise<void> {
    await this.#journal.append(event);
    this.#events.push(event);
    const step = 'step' in event ? this.status().steps.find((each) => each.name === event.step) : undefined;
    const seconds =
      step?.startedAt === undefined || step.endedAt === undefined ? undefined : (step.endedAt - step.startedAt) / 1000;
    const line = `${new Date(event.at).toISOString()} ${eventLine(event, seconds)}\n`;
    // for people; what counts is in the journal
    await appendFile(this.#layout.overview, line).catch(() => undefined);
    for (const listener of this.#listeners) listener(event);
  }
}
