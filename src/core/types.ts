/**
 * The orchestrator's policy, as a pure function: `step(state, event, now) -> commands`. No clock, no random, no I/O,
 * no promises. `now` is monotonic milliseconds. The shell (`orchestrator/`) turns the world into `CoreEvent`s and
 * carries commands out; each command that takes time ends in exactly one later event.
 *
 * A mini-batch's states, who changes them, and where it is then found:
 *
 * | state    | entered by                          | found in                                    |
 * |----------|-------------------------------------|---------------------------------------------|
 * | fresh    | `created`                           | a range of `state.fresh`                    |
 * | waiting  | failed try with tries left, requeue,| `state.waiting`, due at `readyAt`           |
 * |          | next part of one narrowed down      |                                             |
 * | in flight| command `dispatch`                  | `state.inFlight` and its worker's `holds`   |
 * | done     | outcome ok of the current dispatch  | nowhere: only counted                       |
 * | failed   | last try failed; all parts failed   | nowhere: only counted                       |
 * | partial  | last part ended, some items dead    | nowhere: counted as failed                  |
 *
 * A mini-batch that has used up its tries and is narrowed down to its culprits (`isolate.ts`) is waiting or in flight
 * like any other, one part at a time; `trouble.isolation` says how far that is.
 *
 * Done, failed and partial are final: no event brings a mini-batch back. An outcome whose dispatch number isn't the one in
 * `inFlight` is late and changes nothing.
 */
import type { DeadItems, RunWarning } from '../domain/event.ts';
import type { DispatchNumber, MiniBatchIndex, NodeAddress, TryNumber, WorkerId } from '../domain/ids.ts';
import type { RunFailure, StartFailure, TryFailure } from '../domain/failure.ts';
import type { ItemRange } from '../domain/minibatch.ts';
import type { Thresholds } from '../domain/plan.ts';
import type { ExitCode } from '../domain/problem.ts';
import type { Isolation } from './isolate.ts';

export interface CoreConfig {
  readonly maxTries: number;
  readonly isolate: 'auto' | 'on' | 'off';
  readonly thresholds: Thresholds;
  /** True where the run must return at least one row to be a success (append_row). */
  readonly needsRows: boolean;
  readonly allowEmpty: boolean;
  readonly progressTimeoutMs: number;
  readonly firstMiniBatchTimeoutMs: number;
  /** No worker got through load and init for so long: the run ends. */
  readonly allInInitTimeoutMs: number;
  /** A worker gets several mini-batches at once, however long they take. */
  readonly inFlight?: boolean;
  /** Time from the end of a mini-batch at a worker until a new hand-out is there; absent: next to nothing. */
  readonly wayMs?: number;
}

/** Begun dispatches of one mini-batch that were lost without fault of the script; more ends the run, resumable. */
export const INFRA_LOSSES_MAX = 20;
/** Tries of a mini-batch that ran out of memory; those of other failures have a count of their own. */
export const OUT_OF_MEMORY_MAX = 3;
/** Tries of a mini-batch whose input is not there or may not be read: another one hardly helps. */
export const INPUT_GONE_MAX = 2;
/** So many mini-batches of which every part failed with the same error: the next ones aren't narrowed down for it. */
export const SAME_ERROR_MAX = 2;
/** Mini-batches that take longer are handed out one by one, and only once the one before is committed. */
export const SLOW_RUN_MS = 50;
/** Mini-batches of a worker that may be done and not durable, however fast they are. */
export const AT_RISK_MAX = 1024;
/** Fresh mini-batches reserved in one durable record. */
export const RESERVE_CHUNK = 4096;
/** Contract 4.3 rule 2 applies after this long. */
export const INIT_BUDGET_AFTER_MS = 120_000;
/** Back-off before try n + 1: 100 ms, 400 ms, 1.6 s, ... at most this. */
export const RETRY_DELAY_MS_MAX = 30_000;
/** A retry whose other workers stay busy goes to the worker it failed on after this long. */
export const RETRY_SAME_WORKER_AFTER_MS = 1_000;
/**
 * For so long after the first worker is ready, each worker that still starts finds a mini-batch left when it is ready
 * too: otherwise the first one would take a small input alone.
 */
export const START_SKEW_MS = 1_000;
/** Period of the warning that no mini-batch has been created yet. */
export const NO_MINI_BATCH_WARNING_MS = 60_000;

export type CoreEvent =
  | { readonly type: 'created'; readonly count: number; readonly items: number }
  | { readonly type: 'creation-finished' }
  | { readonly type: 'creation-failed'; readonly reason: RunFailure }
  /** Answer to `reserve`: the record is durable. */
  | { readonly type: 'reserved'; readonly below: number }
  | { readonly type: 'node-joined'; readonly node: NodeAddress; readonly slots: number }
  | { readonly type: 'node-left'; readonly node: NodeAddress }
  | { readonly type: 'worker-started'; readonly worker: WorkerId; readonly node: NodeAddress }
  | { readonly type: 'worker-ready'; readonly worker: WorkerId }
  | { readonly type: 'worker-start-failed'; readonly worker: WorkerId; readonly failure: StartFailure }
  /** It ends in order, by itself: nothing more goes there; `worker-ended` follows. */
  | { readonly type: 'worker-leaving'; readonly worker: WorkerId }
  | { readonly type: 'worker-ended'; readonly worker: WorkerId }
  | {
      readonly type: 'outcome';
      readonly index: MiniBatchIndex;
      readonly dispatch: DispatchNumber;
      readonly worker: WorkerId;
      /** Of the whole mini-batch. */
      readonly items: number;
      readonly runMs: number;
      readonly result:
        | { readonly ok: true; readonly returned: number }
        | {
            readonly ok: false;
            readonly failure: TryFailure;
            /** Position of the item that was under way, where it is known. */
            readonly item?: number;
          };
    }
  /** Outcomes of these workers that were settled are durable now; a worker stands there once for each. */
  | { readonly type: 'committed'; readonly workers: readonly WorkerId[] }
  /** Handed out, never begun, its worker is gone. */
  | {
      readonly type: 'returned';
      readonly index: MiniBatchIndex;
      readonly dispatch: DispatchNumber;
      readonly worker: WorkerId;
    }
  /** Commits lag behind: hold back new work, or go on. */
  | { readonly type: 'pressure'; readonly on: boolean }
  | { readonly type: 'tick' }
  | { readonly type: 'cancel'; readonly now: boolean; readonly exitCode: 130 | 143 }
  /** The shell can't go on (disk full, output lost); nothing is dispatched any more. */
  | { readonly type: 'shell-failed'; readonly reason: RunFailure; readonly exitCode: ExitCode }
  /** Answer to `stop`: no worker is left. */
  | { readonly type: 'stopped' };

/** What an outcome comes to; as in `TryFinished`, with the counts of the whole mini-batch where it ends. */
export type Settles =
  | { readonly as: 'done'; readonly succeeded: number; readonly failed: number }
  | {
      readonly as: 'partial';
      readonly succeeded: number;
      readonly failed: number;
      readonly dead: readonly DeadItems[];
    }
  | { readonly as: 'failed'; readonly poisoned: boolean; readonly dead?: readonly DeadItems[] }
  | { readonly as: 'narrow' }
  /** The rows are to be kept until the mini-batch ends. */
  | { readonly as: 'part'; readonly succeeded: number }
  | { readonly as: 'retry'; readonly retryAfterMs: number }
  | { readonly as: 'requeue' };

export type CoreCommand =
  | { readonly type: 'reserve'; readonly below: number }
  | {
      readonly type: 'dispatch';
      readonly worker: WorkerId;
      readonly index: MiniBatchIndex;
      readonly dispatch: DispatchNumber;
      readonly try: TryNumber;
      readonly part?: ItemRange;
    }
  /** What the outcome just given came to; the shell records it (done and partial: with all rows = the commit). */
  | { readonly type: 'settle'; readonly try: TryNumber; readonly part?: ItemRange; readonly settles: Settles }
  /** The outcome just given is of a superseded dispatch: drop it. */
  | { readonly type: 'late' }
  | { readonly type: 'abort'; readonly reason: RunFailure }
  | { readonly type: 'stop'; readonly how: 'orderly' | 'now' }
  | { readonly type: 'warn'; readonly warning: RunWarning['warning'] }
  | { readonly type: 'finish'; readonly verdict: Verdict };

export interface Verdict {
  readonly state: 'Completed' | 'Failed' | 'Canceled';
  readonly exitCode: ExitCode;
  readonly reason?: RunFailure;
}

export interface WorkerState {
  readonly id: WorkerId;
  readonly node: NodeAddress;
  ready: boolean;
  /** Has been handed something. */
  used: boolean;
  /** Mini-batches at this worker, in the order they were sent. */
  readonly holds: Set<MiniBatchIndex>;
  /** Its outcomes that are settled and not durable yet: after a crash they would be run again. */
  uncommitted: number;
}

export interface NodeState {
  readonly slots: number;
  /** Failed starts so far. */
  startFailures: number;
  /** Failed starts by signature, as long as no worker of the node ever became ready. */
  readonly sameFailures: Map<string, number>;
  everReady: boolean;
}

export interface InFlight {
  readonly dispatch: DispatchNumber;
  readonly try: TryNumber;
  readonly worker: WorkerId;
  readonly part?: ItemRange;
}

/** What is remembered of a mini-batch that has been handed out more than once or failed a try. */
export interface Trouble {
  fails: number;
  /** Tries that ran out of memory. */
  outOfMemory: number;
  /** Every failed try took its worker down. */
  lostEachTime: boolean;
  infraLosses: number;
  lastDispatch: DispatchNumber;
  lastWorker: WorkerId | undefined;
  /** Its process died with several under way: it is run with nothing beside it. */
  alone?: true;
  /** Its tries are used up; its culprits are looked for. */
  isolation?: Isolation;
}

export interface Waiting {
  readonly index: MiniBatchIndex;
  readonly readyAt: number;
}

export interface CoreState {
  readonly config: CoreConfig;
  readonly startedAt: number;
  phase: 'running' | 'stopping' | 'finished';
  /** Why the run is stopping; set once. */
  ending: Verdict | undefined;
  held: boolean;
  created: number;
  items: number;
  creationFinished: boolean;
  /** Ranges [from, to) of mini-batches never handed out, ascending. */
  readonly fresh: { from: number; to: number }[];
  /** Fresh ones below this may be handed out: the record is durable. */
  reservedBelow: number;
  /** The record asked for last. */
  reserveAsked: number;
  readonly waiting: Waiting[];
  readonly inFlight: Map<MiniBatchIndex, InFlight>;
  readonly trouble: Map<MiniBatchIndex, Trouble>;
  /** As configured, until a part showed that rows don't belong to items. */
  isolate: 'auto' | 'on' | 'off';
  /** Mini-batches of which every part failed with this signature, since one of them had a good part. */
  readonly sameError: Map<string, number>;
  readonly workers: Map<WorkerId, WorkerState>;
  /** Those of `workers` that are ready, in the order they started. */
  ready: readonly WorkerState[];
  readonly nodes: Map<NodeAddress, NodeState>;
  nodesLeft: number;
  everReady: boolean;
  /** Monotonic time when the first worker was ready; 0 before. */
  firstReadyAt: number;
  lastStartFailure: StartFailure | undefined;
  done: number;
  failed: number;
  failedItems: number;
  /** Rows (or items) any mini-batch returned. */
  returned: number;
  /** Smoothed milliseconds of one `run()`; undefined before the first. */
  meanRunMs: number | undefined;
  /** Monotonic time of the last outcome, or of the first ready worker. */
  lastProgressAt: number;
  warnedNoMiniBatchAt: number;
}
