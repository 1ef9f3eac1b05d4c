/**
 * Everything that can happen in a run. The orchestrator emits these in order; the ledger stores the durable ones;
 * logs, command line, portal and SDK show folds of them (`views/`).
 */
import type { DispatchNumber, EpochMs, MiniBatchIndex, NodeAddress, RunId, TryNumber, WorkerId } from './ids.ts';
import type { Circumstances, ExitFacts, RunFailure, StartFailure, TryFailure } from './failure.ts';
import type { ItemRange } from './minibatch.ts';
import type { ExitCode } from './problem.ts';

/** Contract 4.1. */
export type RunState =
  'NotStarted' | 'Preparing' | 'Running' | 'Finalizing' | 'Completed' | 'Failed' | 'CancelRequested' | 'Canceled';

interface At {
  readonly at: EpochMs;
}

export interface RunCreated extends At {
  readonly type: 'run-created';
  readonly runId: RunId;
  /** Version of parallelrun that runs it. */
  readonly version: string;
  readonly pid: number;
}
/** A new orchestrator goes on with the run where the ledger ends. */
export interface RunResumed extends At {
  readonly type: 'run-resumed';
  readonly version: string;
  readonly pid: number;
  /** Mini-batches that had come to their end before. */
  readonly settled: number;
  /** What differs from before and was allowed: a line each. */
  readonly changes: readonly string[];
  /** Failed and partial mini-batches that get all their tries again. */
  readonly retried: readonly { readonly index: MiniBatchIndex; readonly items: number }[];
  /** Done and partial mini-batches whose rows were lost with the end of the spool: they run again. */
  readonly rebuilt?: readonly RebuiltMiniBatch[];
}
export interface RebuiltMiniBatch {
  readonly index: MiniBatchIndex;
  readonly items: number;
  /** Of its last hand-out: the next one has a higher number. */
  readonly dispatch?: DispatchNumber;
  /** What it had counted: items without a row, and rows. Absent: none. */
  readonly failedItems?: number;
  readonly returned?: number;
}
export interface RunStateChanged extends At {
  readonly type: 'run-state';
  readonly state: RunState;
}
export interface CodeSnapshotted extends At {
  readonly type: 'code-snapshotted';
  readonly files: number;
  readonly bytes: number;
  /** sha256 over names and contents. */
  readonly fingerprint: string;
}
export interface EnvironmentReady extends At {
  readonly type: 'environment-ready';
  /** Absolute path of the interpreter. */
  readonly interpreter: string;
  readonly version: string;
  readonly built: 'built' | 'from cache' | 'as named' | 'from the PATH' | 'node';
  readonly seconds: number;
}
/** Column types of the table input were decided. */
export interface SchemaDecided extends At {
  readonly type: 'schema-decided';
  readonly columns: readonly { readonly name: string; readonly type: string; readonly hidden?: true }[];
}
export interface CreationProgress extends At {
  readonly type: 'creation-progress';
  readonly miniBatches: number;
  readonly items: number;
}
export interface CreationFinished extends At {
  readonly type: 'creation-finished';
  readonly miniBatches: number;
  readonly items: number;
}
export interface NodeJoined extends At {
  readonly type: 'node-joined';
  readonly node: NodeAddress;
  readonly slots: number;
  readonly hostname: string;
}
export interface NodeLeft extends At {
  readonly type: 'node-left';
  readonly node: NodeAddress;
  readonly why: 'finished' | 'lost' | 'init-budget';
}
export interface WorkerStarted extends At {
  readonly type: 'worker-started';
  readonly worker: WorkerId;
  readonly pid: number;
}
export interface WorkerLoaded extends At {
  readonly type: 'worker-loaded';
  readonly worker: WorkerId;
  readonly seconds: number;
}
export interface WorkerInitialized extends At {
  readonly type: 'worker-initialized';
  readonly worker: WorkerId;
  readonly seconds: number;
}
export interface WorkerStartFailed extends At {
  readonly type: 'worker-start-failed';
  readonly worker: WorkerId;
  readonly pid: number;
  readonly seconds: number;
  readonly failure: StartFailure;
}
export interface WorkerShutDown extends At {
  readonly type: 'worker-shut-down';
  readonly worker: WorkerId;
  readonly status: 'SHUTDOWN_DONE' | 'SHUTDOWN_EXCEPTION' | 'SHUTDOWN_TIMEOUT';
  readonly seconds: number;
  /** Traceback of a shutdown that raised. */
  readonly traceback?: string;
}
export interface WorkerEnded extends At {
  readonly type: 'worker-ended';
  readonly worker: WorkerId;
  readonly pid: number;
  readonly exit: ExitFacts;
  /** True where we asked for it (stop, timeout, cancel). */
  readonly expected: boolean;
}
/** `run()` was entered. Not stored in the ledger. */
export interface TryBegun extends At {
  readonly type: 'try-begun';
  readonly index: MiniBatchIndex;
  readonly dispatch: DispatchNumber;
  readonly try: TryNumber;
  readonly worker: WorkerId;
  readonly pid: number;
  /** Of the whole mini-batch. */
  readonly items: number;
  /** What was handed out, where it isn't the whole mini-batch. */
  readonly part?: ItemRange;
}

/** Where the rows of a mini-batch lie in the spool. */
export interface SpoolExtent {
  readonly offset: number;
  readonly bytes: number;
  readonly rows: number;
  readonly crc32: number;
}

export interface TryTiming {
  /** Wall clock at start and end of the try as the worker saw it. */
  readonly start1: EpochMs;
  readonly end1: EpochMs;
  /** CPU seconds of the worker process (`time.process_time`). */
  readonly start2: number;
  readonly end2: number;
  /** Seconds inside `run()`. */
  readonly runSeconds: number;
  /** Seconds from pick-up to result, reading and encoding included. */
  readonly elapsedSeconds: number;
}

/** Byte range of the raw captured output that a try printed. */
export interface TryOutputRange {
  readonly stdout: readonly [from: number, to: number];
  readonly stderr: readonly [from: number, to: number];
}

/** Items of a mini-batch that are given up, and the hand-out whose failure is their cause. */
export interface DeadItems extends ItemRange {
  readonly dispatch: DispatchNumber;
}

/**
 * What a try came to, and what that means for its mini-batch. With `settles: 'done'` or `'partial'` it is the commit.
 *
 * | settles | the mini-batch                                                                     |
 * |---------|------------------------------------------------------------------------------------|
 * | done    | ends: all its items are through                                                    |
 * | partial | ends: its good items have their rows, the others are dead letters                  |
 * | failed  | ends without a row                                                                 |
 * | retry   | gets another try: the script used one up                                           |
 * | requeue | gets another hand-out: no fault of the script, or whose fault it was isn't known    |
 * | narrow  | is being narrowed down: this try or part failed, smaller parts follow              |
 * | part    | is being narrowed down: this part is good, its rows are kept until the mini-batch ends |
 */
export interface TryFinished extends At, Circumstances {
  readonly type: 'try-finished';
  readonly index: MiniBatchIndex;
  readonly dispatch: DispatchNumber;
  readonly try: TryNumber;
  readonly worker: WorkerId;
  readonly pid: number;
  readonly status:
    | 'RUN_DONE'
    | 'RUN_EXCEPTION'
    | 'RUN_TIMEOUT'
    | 'RUN_INVALID_RETURN'
    | 'PROCESS_LOST'
    | 'NODE_LOST'
    | 'POISONED'
    | 'CANCELED';
  /** Of the whole mini-batch. */
  readonly items: number;
  /** What was handed out, where it wasn't the whole mini-batch: its culprits were looked for. Not a try. */
  readonly part?: ItemRange;
  /** Items that succeeded: of the mini-batch where this ends it, of the part where `part` settles, else 0. */
  readonly succeeded: number;
  /** The other items: of the mini-batch where this ends it, else of what was handed out. */
  readonly failed: number;
  /** partial, and failed where all items were narrowed down: ascending, together `failed` items. */
  readonly dead?: readonly DeadItems[];
  readonly timing: TryTiming;
  /** append_row, done and partial only. */
  readonly rows?: SpoolExtent;
  /** csv only: column names, stored where they differ from those of the run so far. */
  readonly columns?: readonly string[];
  readonly failure?: TryFailure;
  /** Of a failed try: `describeSource` of the mini-batch. */
  readonly detail?: string;
  readonly printed?: TryOutputRange;
  readonly settles: 'done' | 'partial' | 'failed' | 'retry' | 'requeue' | 'narrow' | 'part';
  /** retry only: earliest time of the next try. */
  readonly retryAfterMs?: number;
}
/** An outcome of a superseded dispatch arrived and was dropped. */
export interface OutcomeLate extends At {
  readonly type: 'outcome-late';
  readonly index: MiniBatchIndex;
  readonly dispatch: DispatchNumber;
  readonly worker: WorkerId;
}
/** Every fresh mini-batch below `below` may have been handed out with dispatch number 1. Durable before the first of them leaves. */
export interface DispatchReserved extends At {
  readonly type: 'dispatch-reserved';
  readonly below: MiniBatchIndex;
}
/** A hand-out after the first one. Durable before it leaves. */
export interface Redispatched extends At {
  readonly type: 'redispatched';
  readonly index: MiniBatchIndex;
  readonly dispatch: DispatchNumber;
  readonly try: TryNumber;
  readonly worker: WorkerId;
}
/** A threshold or watchdog ended the run; nothing is dispatched after it. */
export interface RunAborting extends At {
  readonly type: 'run-aborting';
  readonly reason: RunFailure;
}
export interface CancelRequested extends At {
  readonly type: 'cancel-requested';
  /** `signal`: Ctrl-C or TERM; `command`: `parallelrun cancel` or the SDK. */
  readonly by: 'SIGINT' | 'SIGTERM' | 'command';
  readonly now: boolean;
}
/** Something a person should know that ends nothing. */
export interface RunWarning extends At {
  readonly type: 'warning';
  readonly warning:
    | { readonly kind: 'no-mini-batch-yet'; readonly seconds: number }
    | {
        readonly kind: 'log-truncated';
        readonly worker: WorkerId;
        readonly stream: 'stdout' | 'stderr';
        readonly droppedBytes: number;
        readonly index?: number;
      }
    | { readonly kind: 'log-write-failed'; readonly path: string; readonly reason: string }
    /** Mini-batches that fail are no longer narrowed down in this run. */
    | {
        readonly kind: 'isolation-off';
        /** The mini-batch that showed it. */
        readonly index: MiniBatchIndex;
        readonly why:
          | {
              readonly kind: 'mixes-items';
              /** A part of so many items returned so many rows. */ readonly items: number;
              readonly returned: number;
            }
          | { readonly kind: 'same-error'; /** What every part failed with. */ readonly signature: string };
      }
    /** The guard killed this worker: memory of the node was nearly used up, or its own limit was reached. */
    | { readonly kind: 'memory-guard'; readonly worker: WorkerId; readonly pid: number; readonly rssBytes: number }
    /** A worker is replaced after its mini-batches or for its growth; nothing is lost. */
    | {
        readonly kind: 'worker-recycled';
        readonly worker: WorkerId;
        readonly why: 'mini-batches' | 'growth';
        /** Mini-batches it ran; or bytes it grew by. */ readonly amount: number;
      }
    | { readonly kind: 'processes-left'; readonly worker: WorkerId; readonly pids: readonly number[] }
    | { readonly kind: 'stuck-process'; readonly worker: WorkerId; readonly pid: number }
    /** `rows`: so many rows of it are left out, and no more. */
    | { readonly kind: 'skipped-input'; readonly path: string; readonly reason: string; readonly rows?: number }
    /** The run waits for space on this disk; or it goes on, space has come back. */
    | { readonly kind: 'disk-full'; readonly path: string; readonly waiting: boolean }
    /** `news`: how far something is, and nothing to worry about. */
    | { readonly kind: 'note'; readonly text: string; readonly news?: true };
}
/** Recorded by the script through `Run`. */
export interface Recorded extends At {
  readonly type: 'recorded';
  readonly worker: WorkerId;
  readonly what: 'metric' | 'tag' | 'property' | 'file';
  readonly name: string;
  readonly value: unknown;
}
export interface OutputAssembled extends At {
  readonly type: 'output-assembled';
  readonly path: string;
  readonly rows: number;
  readonly bytes: number;
  /** Where it was taken, of a result that goes elsewhere. */
  readonly uploaded?: string;
  /** Of the whole file, where it isn't the committed bytes as they are (Parquet). */
  readonly crc32?: number;
}
export interface RunEnded extends At {
  readonly type: 'run-ended';
  readonly state: 'Completed' | 'Failed' | 'Canceled';
  readonly exitCode: ExitCode;
  readonly reason?: RunFailure;
}

export type RunEvent =
  | RunCreated
  | RunResumed
  | RunStateChanged
  | CodeSnapshotted
  | EnvironmentReady
  | SchemaDecided
  | CreationProgress
  | CreationFinished
  | NodeJoined
  | NodeLeft
  | WorkerStarted
  | WorkerLoaded
  | WorkerInitialized
  | WorkerStartFailed
  | WorkerShutDown
  | WorkerEnded
  | TryBegun
  | TryFinished
  | OutcomeLate
  | DispatchReserved
  | Redispatched
  | RunAborting
  | CancelRequested
  | RunWarning
  | Recorded
  | OutputAssembled
  | RunEnded;

export type RunEventType = RunEvent['type'];
