/** The small interfaces through which the parts of a run meet; composition happens in `sdk/compose.ts`. */
import type {
  NodeJoined,
  NodeLeft,
  Recorded,
  RunWarning,
  TryBegun,
  TryOutputRange,
  TryTiming,
  WorkerEnded,
  WorkerInitialized,
  WorkerLoaded,
  WorkerShutDown,
  WorkerStarted,
  WorkerStartFailed,
} from './event.ts';
import type { DispatchNumber, EpochMs, MiniBatchIndex, TryNumber, WorkerId } from './ids.ts';
import type { Circumstances, TryFailure } from './failure.ts';
import type { ItemRange } from './minibatch.ts';

export interface Clock {
  /** Wall clock; only for showing. May jump. */
  now(): EpochMs;
  /** Milliseconds since some start; never goes back. Decisions use this one. */
  monotonic(): number;
}

/** Append-only text files below the run folder; buffered, on disk within a second, never throws, never blocks a run. */
export interface LogSink {
  /** @param path relative to the run folder, as in `logPath`. */
  append(path: string, chunk: string | Uint8Array): void;
  flush(): Promise<void>;
}

/** One hand-out of a mini-batch to a worker. */
export interface Assignment {
  readonly worker: WorkerId;
  readonly index: MiniBatchIndex;
  readonly dispatch: DispatchNumber;
  readonly try: TryNumber;
  /** Of the whole mini-batch. */
  readonly items: number;
  /** Only these of its items: its culprits are being looked for. */
  readonly part?: ItemRange;
  /** JSON of its `MiniBatchSource`, straight from the manifest. */
  readonly source: Uint8Array;
}

/** The worker (or its agent, when the worker died) says what came of a hand-out that had begun. */
export interface TryOutcome {
  readonly type: 'try-outcome';
  readonly at: EpochMs;
  readonly worker: WorkerId;
  readonly pid: number;
  readonly index: MiniBatchIndex;
  readonly dispatch: DispatchNumber;
  readonly timing: TryTiming;
  readonly printed?: TryOutputRange;
  readonly result:
    | {
        readonly ok: true;
        /** Length of what `run()` returned. */
        readonly returned: number;
        /** Encoded rows; empty for summary_only. */
        readonly rows: Uint8Array | { readonly part: string; readonly bytes: number };
        readonly columns?: readonly string[];
      }
    | ({ readonly ok: false; readonly failure: TryFailure } & Circumstances);
}

/** Hand-outs that came back and use up nothing: their worker ended before they began, or a full disk of the node ended them. */
export interface AssignmentsReturned {
  readonly type: 'assignments-returned';
  readonly at: EpochMs;
  readonly worker: WorkerId;
  readonly assignments: readonly { readonly index: MiniBatchIndex; readonly dispatch: DispatchNumber }[];
}

/** Everything a node tells the orchestrator, in order per worker; a worker's last word is `worker-ended`. */
export type EngineEvent =
  | NodeJoined
  | NodeLeft
  | WorkerStarted
  | WorkerLoaded
  | WorkerInitialized
  | WorkerStartFailed
  | WorkerShutDown
  | WorkerEnded
  | Omit<TryBegun, 'try' | 'items'>
  | TryOutcome
  | AssignmentsReturned
  | RunWarning
  | Recorded;

/** Carries mini-batches out and outcomes back. */
export interface Engine {
  /** Starts nodes and their workers. Events arrive in batches; the listener never throws. */
  start(listener: (events: readonly EngineEvent[]) => void): Promise<void>;
  dispatch(assignments: readonly Assignment[]): void;
  /**
   * Ends all workers. `orderly`: each finishes its running mini-batch, drops the rest (`assignments-returned`), runs
   * `shutdown()`. `now`: kills. Resolves when no process is left; every worker has said `worker-ended` before.
   */
  stop(how: 'orderly' | 'now'): Promise<void>;
}
