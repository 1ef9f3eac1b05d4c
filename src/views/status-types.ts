/** The state of a run in numbers, as command line, logs, portal and SDK show it. */
import type { RunState } from '../domain/event.ts';
import type { RunFailure } from '../domain/failure.ts';
import type { EpochMs, MiniBatchIndex, RunId, TryNumber, WorkerId } from '../domain/ids.ts';
import type { ExitCode } from '../domain/problem.ts';
import type { ErrorGroup } from './errors.ts';
import type { NodeState, RunningTry, WorkerCounts } from './presence.ts';

/** What a run is doing, in words for a person. */
export type RunStage =
  | 'not started'
  | 'preparing code and environment'
  | 'creating mini-batches'
  | 'waiting for workers'
  | 'running'
  | 'running while mini-batches are created'
  | 'waiting for disk space'
  | 'shutting down workers'
  | 'stopping'
  | 'canceling'
  | 'assembling the output'
  | 'completed'
  | 'failed'
  | 'canceled';

export interface MiniBatchCounts {
  readonly created: number;
  readonly creationFinished: boolean;
  /** Settled: succeeded or failed. */
  readonly processed: number;
  readonly succeeded: number;
  /** Partial ones included. */
  readonly failed: number;
  /** Of the failed ones: their good items are done, the others are dead letters. */
  readonly partial: number;
  /** Not settled: its tries are used up, its culprits are being looked for. */
  readonly narrowing: number;
  /** Inside `run()` right now. */
  readonly running: number;
  /** Created and not settled; running ones included. */
  readonly remaining: number;
}

export interface ItemCounts {
  readonly created: number;
  /** Items of settled mini-batches. */
  readonly processed: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Of the failed ones: given up one by one, each with its own cause, in `dead_letters.jsonl`. */
  readonly deadLetters: number;
  readonly remaining: number;
}

/** A mini-batch with dead letters. */
export interface DeadLetterExample {
  readonly index: MiniBatchIndex;
  readonly items: number;
  readonly succeeded: number;
  readonly deadLetters: number;
  /** Position in the mini-batch of the first dead one. */
  readonly item: number;
  /** Why that one is dead: a title, safe to print. */
  readonly cause: string;
  readonly try: TryNumber;
  readonly worker: WorkerId;
}

/** Contract 4.6, by their names there. `Job progress` in percent. */
export interface RunMetrics {
  readonly 'Total mini-batches': number;
  readonly 'Processed mini-batches': number;
  readonly 'Remaining mini-batches': number;
  readonly 'Total items': number;
  readonly 'Processed items': number;
  readonly 'Failed items': number;
  readonly 'Remaining items': number;
  readonly 'Job progress': number;
}

/** Workers whose `shutdown()` raised or took too long. It fails no mini-batch, but what it was to do may be missing. */
export interface ShutdownFailures {
  readonly workers: number;
  readonly example: {
    readonly worker: WorkerId;
    readonly status: 'SHUTDOWN_EXCEPTION' | 'SHUTDOWN_TIMEOUT';
    readonly seconds: number;
    /** Of one that raised. */
    readonly traceback?: string;
  };
}

export interface RunStatus {
  readonly runId: RunId;
  readonly state: RunState;
  readonly exitCode?: ExitCode;
  /** Why it failed or is being stopped. */
  readonly reason?: RunFailure;
  readonly startedAt?: EpochMs;
  readonly endedAt?: EpochMs;
  readonly elapsedSeconds: number;
  readonly stage: RunStage;
  readonly miniBatches: MiniBatchCounts;
  readonly items: ItemCounts;
  /** 0..1, once all mini-batches are created. */
  readonly progress?: number;
  readonly itemsPerSecond?: number;
  readonly miniBatchesPerSecond?: number;
  /** Time left, once all mini-batches are created and some are processed. */
  readonly etaSeconds?: number;
  readonly nodes: readonly NodeState[];
  readonly workers: WorkerCounts;
  /** Running longest, up to five, longest first. */
  readonly slowest: readonly RunningTry[];
  /** Tries that failed by fault of the script and are tried again. */
  readonly retries: number;
  /** Parts of mini-batches that were run to find the culprits; they are no tries. */
  readonly isolationRuns: number;
  /** Tries handed out again through no fault of the script. */
  readonly requeues: number;
  readonly lateOutcomes: number;
  /** Most mini-batches first. */
  readonly errorGroups: readonly ErrorGroup[];
  /** The first mini-batches with dead letters, up to five; `items.deadLetters` counts the dead letters of all. */
  readonly deadLetterExamples: readonly DeadLetterExample[];
  readonly warnings: number;
  readonly shutdownFailures?: ShutdownFailures;
  readonly output?: {
    readonly path: string;
    readonly rows: number;
    readonly bytes: number;
    /** URL it was taken to. */
    readonly uploaded?: string;
  };
  readonly metrics: RunMetrics;
}
