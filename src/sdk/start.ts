import type { Plan } from '../domain/plan.ts';
import { ParallelRunError } from '../domain/problem.ts';
import type { Problem } from '../domain/problem.ts';
import { compileJob } from '../job/index.ts';
import type { CompiledJob } from '../job/index.ts';
import type { JobRequest } from '../job/request.ts';
import { compose } from './compose.ts';
import { createRun } from './create.ts';
import { checkEngine } from './engine.ts';
import { prepareHost } from './host.ts';
import type { Prepared } from './host.ts';
import { openInput } from './input.ts';
import type { OpenedInput } from './input.ts';
import { Notes } from './notes.ts';
import { carryOut, hasQueries, overRows, refuseBadQueries } from './queries.ts';
import { fetchInputs, hasRemoteInputs, resumable } from './remote.ts';
import { startFrom } from './resume-from.ts';
import type { RunHandle } from './types.ts';

export interface StartOptions {
  /** Aborting cancels: before the run starts nothing is left behind, after that it ends orderly. */
  readonly signal?: AbortSignal;
  /** What happens before there is a run, a line each for a person. */
  readonly onProgress?: (line: string) => void;
}

/** @throws ParallelRunError with every problem of the job, exit code 2 */
export async function compile(request: JobRequest): Promise<CompiledJob> {
  const compiled = await compileJob(request);
  if (compiled.ok) return compiled.value;
  const [first, ...rest] = compiled.error;
  throw new ParallelRunError([first ?? UNKNOWN, ...rest], 2);
}
const UNKNOWN: Problem = { code: 'PR1000', severity: 'error', what: 'the job is not valid' };

/**
 * Starts a run and resolves once it is under way. The run goes on by itself; `result()` tells how it ended.
 * @throws ParallelRunError where nothing was started: exit code 2
 */
export async function start(request: JobRequest, options: StartOptions = {}): Promise<RunHandle> {
  const { plan, warnings, secrets } = await compile(request);
  return startPlan({ plan, warnings, secrets }, options);
}

/** Likewise with a job that has been compiled. */
export async function startPlan(
  { plan, warnings, secrets }: Pick<CompiledJob, 'plan' | 'warnings' | 'secrets'>,
  options: StartOptions = {},
): Promise<RunHandle> {
  if (plan.resumeFrom !== undefined) return startFrom(plan, warnings, options);
  const progress = options.onProgress ?? (() => undefined);
  const { signal } = options;
  await checkEngine(plan, secrets);
  const elsewhere = hasRemoteInputs(plan);
  const queries = hasQueries(plan);
  if (queries && !elsewhere) await refuseBadQueries(plan, signal);
  const { input, prepared } = await lookAhead(plan, progress, signal, queries || elsewhere);
  signal?.throwIfAborted();
  const opened = await createRun(plan, warnings, prepared, secrets, async (layout) => {
    if (input) return input;
    const options = { onProgress: progress, ...(signal && { signal }) };
    const { notes, ...telling } = tellingLater(progress);
    const { arriving, stop, release } = await fetchInputs(plan, { secrets, ...options, ...telling });
    try {
      if (queries) await carryOut(plan, layout, options);
      const opened = await openInput(overRows(plan, layout), signal, false, arriving);
      return { ...opened, notes, stop, release };
    } catch (error) {
      await release();
      throw resumable(error, plan);
    }
  });
  const run = compose(opened);
  const cancel = (): void => {
    run.cancel('orderly', 'command');
  };
  // It may have been aborted while the folder was filled.
  if (options.signal?.aborted) cancel();
  options.signal?.addEventListener('abort', cancel, { once: true });
  return run;
}

/** Before there is a run lines go to whoever waits for it; then what is worth keeping becomes part of its log. */
function tellingLater(progress: (line: string) => void) {
  const notes = new Notes();
  const onProgress = (line: string): void => {
    if (!notes.hasSink) progress(line);
  };
  const onNote = (line: string): void => {
    if (notes.hasSink) notes.tell(line);
    else progress(line);
  };
  return { notes, onProgress, onNote };
}

/**
 * Input and interpreter are looked at side by side. What is wrong with the input is told first, and ends the other.
 * @param later the input has to be made or fetched first
 */
async function lookAhead(
  plan: Plan,
  progress: (line: string) => void,
  signal: AbortSignal | undefined,
  later: boolean,
): Promise<{ readonly input: OpenedInput | undefined; readonly prepared: Prepared }> {
  const both = new AbortController();
  const abort = (): void => {
    both.abort(signal?.reason);
  };
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  const preparing = prepareHost(plan, progress, both.signal);
  preparing.catch(() => undefined);
  try {
    const input = later ? undefined : await openInput(plan, both.signal);
    return { input, prepared: await preparing };
  } catch (error) {
    both.abort(error);
    throw error;
  }
}

export type { CompiledJob, Plan };
