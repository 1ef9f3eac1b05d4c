/** One worker in front of a person: `test` and `replay`. Same command, environment and messages as in a run; no retries. */
import { epochMs, tryNumber, workerId } from '../domain/ids.ts';
import type { DispatchNumber, MiniBatchIndex, TryNumber, WorkerId } from '../domain/ids.ts';
import type { WorkerShutDown } from '../domain/event.ts';
import type { ExitFacts, StartFailure } from '../domain/failure.ts';
import type { ItemRange } from '../domain/minibatch.ts';
import type { EngineEvent, TryOutcome } from '../domain/ports.ts';
import { NO_LIMITS, firstProcessNumber, makeFolders, nodeFacts, slotLimits } from './facts.ts';
import type { DebugRequest } from './hello.ts';
import type { WorkerOptions } from './options.ts';
import { SlotShell } from './slotshell.ts';
import { sweep } from './tree.ts';

const TICK_MS = 100;

export interface ForegroundMiniBatch {
  readonly index: MiniBatchIndex;
  /** JSON of its `MiniBatchSource`. */
  readonly source: Uint8Array;
  readonly items: number;
  /** Only these of its items. */
  readonly part?: ItemRange;
  /** Default 1. */
  readonly try?: TryNumber;
}

export interface ForegroundOptions extends WorkerOptions {
  readonly miniBatches: readonly ForegroundMiniBatch[];
  /** Wait for a debugger, without any time limit. */
  readonly debug?: DebugRequest;
  /** A debugger can be attached now. */
  readonly onDebugWaiting?: (at: { readonly port: number; readonly url?: string }) => void;
  /** Aborted: everything is killed. Without it Ctrl-C and TERM of this process do that. */
  readonly signal?: AbortSignal;
  /** As it happens; the last ones are in the result too. */
  readonly onEvent?: (event: EngineEvent) => void;
}

export interface ForegroundResult {
  readonly worker: WorkerId;
  readonly pid: number;
  /** Of the interpreter, where the worker got as far as telling it. */
  readonly version?: string;
  readonly start:
    | { readonly ok: true; readonly loadSeconds: number; readonly initSeconds: number }
    | { readonly ok: false; readonly failure: StartFailure };
  /** In order; ends early where the worker was lost. */
  readonly outcomes: readonly TryOutcome[];
  readonly shutdown?: WorkerShutDown;
  readonly exit: ExitFacts;
  /** It was ended from outside: everything was killed. */
  readonly interrupted?: Interruption;
}

export type Interruption = 'SIGINT' | 'SIGTERM' | 'aborted';

/** Resolves when no process of it is left; never rejects for what the script does. @throws where folders can't be made */
export async function runInForeground(options: ForegroundOptions): Promise<ForegroundResult> {
  makeFolders(options);
  const facts = await nodeFacts(
    options,
    options.debug ? NO_LIMITS : slotLimits(options.limits, options.hostCommand.language),
  );
  const worker = workerId(facts.address, firstProcessNumber(options.layout.capture, facts.address));
  const seen = new Seen();
  let next = 0;
  let interrupted: Interruption | undefined;
  let done: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => (done = resolve));
  const handOut = (): void => {
    const miniBatch = options.miniBatches[next];
    if (!miniBatch) return slot.stop('orderly');
    next += 1;
    const { index, items, part, source } = miniBatch;
    const attempt = miniBatch.try ?? tryNumber(1);
    const dispatch = 1 as DispatchNumber;
    slot.assign([{ worker, index, dispatch, try: attempt, items, ...(part && { part }), source }]);
  };
  const slot: SlotShell = new SlotShell(
    options,
    facts,
    { to: 'inherit', debug: options.debug },
    facts.gpus > 0 ? 0 : undefined,
    {
      emit: (event) => {
        seen.take(event);
        options.onEvent?.(event);
        if (event.type === 'worker-initialized' || event.type === 'try-outcome') queueMicrotask(handOut);
      },
      settled: () => undefined,
      emptied: () => done(),
      hello: (message) => (seen.version = message.version),
      debugWaiting: ({ port, url }) => options.onDebugWaiting?.({ port, ...(url !== undefined && { url }) }),
    },
  );
  const release = onInterruption(options.signal, (by) => {
    interrupted ??= by;
    slot.stop('now');
  });
  const timer = setInterval(() => slot.tick(nowOf(options)), TICK_MS);
  try {
    slot.start(worker);
    if (options.signal?.aborted) {
      interrupted = 'aborted';
      slot.stop('now');
    }
    await finished;
    await sweep({ session: facts.session });
  } finally {
    clearInterval(timer);
    release();
  }
  return { worker, ...seen.result(), ...(interrupted && { interrupted }) };
}

/** @returns what undoes it. */
function onInterruption(signal: AbortSignal | undefined, stop: (by: Interruption) => void): () => void {
  if (signal) {
    const onAbort = (): void => stop('aborted');
    signal.addEventListener('abort', onAbort);
    return () => signal.removeEventListener('abort', onAbort);
  }
  const onInterrupt = (): void => stop('SIGINT');
  const onTerminate = (): void => stop('SIGTERM');
  process.on('SIGINT', onInterrupt).on('SIGTERM', onTerminate);
  return () => process.off('SIGINT', onInterrupt).off('SIGTERM', onTerminate);
}

function nowOf(options: WorkerOptions) {
  return { mono: options.clock.monotonic(), wall: epochMs(options.clock.now()) };
}

/** The fold of a worker's events. */
class Seen {
  version: string | undefined;
  #pid = 0;
  #loadSeconds = 0;
  #initSeconds = 0;
  #failure: StartFailure | undefined;
  #isReady = false;
  readonly #outcomes: TryOutcome[] = [];
  #shutdown: WorkerShutDown | undefined;
  #exit: ExitFacts = { by: 'code', code: 0 };

  take(event: EngineEvent): void {
    if (event.type === 'worker-started') this.#pid = event.pid;
    else if (event.type === 'worker-loaded') this.#loadSeconds = event.seconds;
    else if (event.type === 'worker-initialized') {
      this.#isReady = true;
      this.#initSeconds = event.seconds;
    } else if (event.type === 'worker-start-failed') this.#failure = event.failure;
    else if (event.type === 'try-outcome') this.#outcomes.push(event);
    else if (event.type === 'worker-shut-down') this.#shutdown = event;
    else if (event.type === 'worker-ended') this.#exit = event.exit;
  }

  result(): Omit<ForegroundResult, 'worker' | 'interrupted'> {
    const exit = this.#exit;
    const failure: StartFailure | undefined = this.#isReady ? undefined : (this.#failure ?? this.#endedEarly());
    return {
      pid: this.#pid,
      start: failure
        ? { ok: false, failure }
        : { ok: true, loadSeconds: this.#loadSeconds, initSeconds: this.#initSeconds },
      outcomes: this.#outcomes,
      exit,
      ...(this.version !== undefined && { version: this.version }),
      ...(this.#shutdown && { shutdown: this.#shutdown }),
    };
  }

  /** Interrupted before it was ready. */
  #endedEarly(): StartFailure {
    return { kind: 'exit', stage: 'load', exit: this.#exit };
  }
}
