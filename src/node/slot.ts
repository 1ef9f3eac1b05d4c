/**
 * One slot of a node and the worker process in it: the words of its state machine. The steps are in `slotstep.ts`
 * (events), `slottries.ts` (mini-batches) and `slotclock.ts` (deadlines); who carries the commands out is
 * `slotshell.ts`.
 *
 * A worker's life, and who changes the phase:
 *
 * | phase          | entered by                       | the process is                | left by                           |
 * |----------------|----------------------------------|-------------------------------|-----------------------------------|
 * | `empty`        | `swept`, at first                | none                          | `start`                           |
 * | `starting`     | `start`                          | being spawned, or silent yet  | its hello; failed spawn; deadline |
 * | `loading`      | hello of the worker              | importing the entry module    | `loaded`; deadline                |
 * | `initializing` | `loaded`                         | inside `init()`               | `initialized`; deadline           |
 * | `ready`        | `initialized`                    | idle or inside `run()`        | `stop`; deadline; its end         |
 * | `stopping`     | `stop`, its age, or its own word | finishing, in `shutdown()`    | its end; deadline                 |
 * | `killing`      | deadline, `kill`, broken channel | dumping stacks, then killed   | its end                           |
 * | `ending`       | `exit` (from any phase above)    | dead; tree and output swept   | `swept`                           |
 *
 * What must hold after each step (`validateSlot`, asked by the tests):
 * - A worker that ends, or has had all its mini-batches, takes nothing more: what comes is `held` until it is gone.
 * - At most one mini-batch is `running`. Every assignment that was taken gets exactly one end: a `try-outcome`, or its
 *   place in an `assignments-returned`.
 * - The events of a worker begin with `worker-started` (`worker-start-failed` where nothing could be spawned) and end
 *   with `worker-ended`.
 * - An outcome is told only once its process can't run on: by the worker itself, or after its death.
 */
import type { EngineEvent, Assignment } from '../domain/ports.ts';
import type { DispatchNumber, EpochMs, MiniBatchIndex, TryNumber, WorkerId } from '../domain/ids.ts';
import type { Circumstances, ExitFacts } from '../domain/failure.ts';
import type { ItemRange } from '../domain/minibatch.ts';
import type { OutputMarks, WorkerMessage } from '../domain/protocol.ts';
import { invariant } from '../domain/assert.ts';

export type SlotPhase = 'empty' | 'starting' | 'loading' | 'initializing' | 'ready' | 'stopping' | 'killing' | 'ending';

/** How far a worker ever got; says whose fault its end is. */
export type Stage = 'load' | 'init' | 'up';

/** Milliseconds; `Infinity` where a debugger is attached. */
export interface SlotLimits {
  readonly loadMs: number;
  readonly initMs: number;
  readonly runMs: number;
  readonly handOverMs: number;
  readonly shutdownMs: number;
  /** Between the request for a stack dump and SIGKILL. */
  readonly dumpMs: number;
  /** Mini-batches after which a worker is replaced; absent: never. */
  readonly miniBatchesMax?: number;
}

export interface Handed {
  readonly index: MiniBatchIndex;
  readonly dispatch: DispatchNumber;
  readonly try: TryNumber;
  /** Of the whole mini-batch. */
  readonly items: number;
  readonly part?: ItemRange | undefined;
}

export interface Running extends Handed {
  /** Monotonic. */
  readonly begunAt: number;
  /** Wall clock of the worker. */
  readonly startedAt: EpochMs;
  /** Monotonic: when it was next in turn. */
  readonly pickedAt: number;
  readonly marks: OutputMarks;
}

/** Why the memory guard killed a worker. */
export type GuardFacts = NonNullable<Extract<ExitFacts, { by: 'signal' }>['guard']>;

export type KillReason =
  | { readonly kind: 'load-timeout'; readonly limitMs: number }
  | { readonly kind: 'init-timeout'; readonly limitMs: number }
  | { readonly kind: 'run-timeout'; readonly limitMs: number }
  | { readonly kind: 'overhead-timeout'; readonly limitMs: number }
  | { readonly kind: 'shutdown-timeout' }
  | { readonly kind: 'protocol-error'; readonly detail: string }
  | ({ readonly kind: 'memory' } & GuardFacts)
  /** It was asked to end, or said that it would, and didn't. */
  | { readonly kind: 'lingering' }
  | { readonly kind: 'stop' };

export interface Kill {
  readonly reason: KillReason;
  /** Of a timeout of a try: the mini-batch that was out of time. What came to its turn later is not to blame. */
  readonly blames: Handed | undefined;
  /** Monotonic: the stack dump was asked for. */
  readonly dumpedAt: number | undefined;
  /** Monotonic: SIGKILL was sent. */
  killedAt: number | undefined;
}

/** Changed in place by the steps, and by nobody else. */
export interface Slot {
  phase: SlotPhase;
  worker: WorkerId | undefined;
  pid: number;
  stage: Stage;
  /** Monotonic; of the spawn. */
  spawnedAt: number;
  /** Monotonic; of the latest change of phase. */
  phaseSince: number;
  /** Taken, in order, not begun. */
  waiting: Handed[];
  /**
   * Came when the worker took nothing more, or failed for want of space on a disk of the node. They go back with its
   * end, not before, or they would come again at once.
   */
  held: Handed[];
  /** Mini-batches that it began. */
  begun: number;
  running: Running | undefined;
  /** Monotonic: since when `waiting[0]` is next in turn with nothing running before it. */
  turnSince: number;
  /** Monotonic: since when a stopping worker has nothing left but `shutdown()`. */
  quietSince: number;
  /** CPU seconds of the process at the end of its latest try. */
  cpuSeconds: number;
  kill: Kill | undefined;
  /** Somebody asked for the end of this worker. */
  stopAsked: boolean;
  /** The worker told the failure of its start itself. */
  startFailureTold: boolean;
  startFailed: boolean;
  shutDownTold: boolean;
  saidBye: boolean;
  shutdownTraceback: string | undefined;
  /** Monotonic: the worker's end of the channel was closed while the process lives. */
  channelClosedAt: number | undefined;
  exit: ExitFacts | undefined;
}

/** Both clocks, read once per batch of events. */
export interface Now {
  readonly mono: number;
  readonly wall: EpochMs;
}

export type SlotEvent =
  | { readonly type: 'start'; readonly worker: WorkerId }
  | { readonly type: 'spawned'; readonly pid: number }
  | { readonly type: 'spawn-failed'; readonly command: string; readonly reason: string }
  | {
      readonly type: 'message';
      readonly message: WorkerMessage;
      readonly body: Uint8Array;
      /** What the agent saw of a try that failed. */
      readonly seen?: Circumstances | undefined;
      /** It failed because a disk of the node is full. */
      readonly noRoom?: boolean;
    }
  /** Bytes that are no frame, or a frame that is no message. */
  | { readonly type: 'garbage'; readonly detail: string }
  | { readonly type: 'channel-closed' }
  | { readonly type: 'assign'; readonly assignments: readonly Assignment[] }
  | { readonly type: 'stop' }
  | { readonly type: 'kill' }
  /** It has grown by so many bytes that another is to take its place. */
  | { readonly type: 'grown'; readonly bytes: number }
  /** It takes more memory than it may, or than there is. */
  | { readonly type: 'memory'; readonly guard: GuardFacts }
  /** The stacks that were asked for have come. */
  | { readonly type: 'dumped' }
  | { readonly type: 'exit'; readonly exit: ExitFacts; readonly remains: Remains }
  /** Tree killed, output rendered. */
  | { readonly type: 'swept' }
  | { readonly type: 'tick' };

/** What a dead process left to read. */
export interface Remains {
  /** Stacks of all threads, where a dump had been asked for. */
  readonly stacks?: string | undefined;
  /** Last bytes of its stderr. */
  readonly trace?: string | undefined;
  /** CPU seconds just before it was killed, where that was seen. */
  readonly cpuSeconds?: number | undefined;
  /** What is known of the try it was in. */
  readonly seen?: Circumstances | undefined;
}

export type SlotCommand =
  | { readonly type: 'spawn'; readonly worker: WorkerId }
  | { readonly type: 'send-run'; readonly assignment: Assignment }
  | { readonly type: 'send-stop' }
  | { readonly type: 'dump-stacks' }
  /** SIGKILL to the whole tree. */
  | { readonly type: 'kill' }
  /** What is printed from these marks on belongs to this try, or to none. */
  | { readonly type: 'mark'; readonly marks: OutputMarks; readonly of: Handed | undefined }
  /** Kill what is left of the tree, finish the captured output, then answer `swept`. */
  | { readonly type: 'sweep' }
  | { readonly type: 'emptied'; readonly worker: WorkerId; readonly startFailed: boolean }
  | { readonly type: 'emit'; readonly event: EngineEvent };

/** A process that is still there so long after SIGKILL hangs in the kernel: it is given up and reported. */
export const STUCK_AFTER_MS = 5_000;
/** From the last word of a worker (`bye`, failure of its start) to its exit; the hosts' own bounds are below this. */
export const EXIT_GRACE_MS = 8_000;
/** A worker without its channel is of no use; its death, which closes the channel too, is seen well before this. */
export const CHANNEL_GRACE_MS = 1_000;

export function emptySlot(): Slot {
  return {
    phase: 'empty',
    worker: undefined,
    pid: 0,
    stage: 'load',
    spawnedAt: 0,
    phaseSince: 0,
    waiting: [],
    held: [],
    begun: 0,
    running: undefined,
    turnSince: 0,
    quietSince: 0,
    cpuSeconds: 0,
    kill: undefined,
    stopAsked: false,
    startFailureTold: false,
    startFailed: false,
    shutDownTold: false,
    saidBye: false,
    shutdownTraceback: undefined,
    channelClosedAt: undefined,
    exit: undefined,
  };
}

export function enter(slot: Slot, phase: SlotPhase, now: Now): void {
  slot.phase = phase;
  slot.phaseSince = now.mono;
}

/** A process is there, or may be there. */
export function hasProcess(slot: Slot): boolean {
  return slot.phase !== 'empty' && slot.phase !== 'ending';
}

/** The id of the worker in a slot that isn't empty. */
export function workerOf(slot: Slot): WorkerId {
  invariant(slot.worker !== undefined, 'a slot without worker has no worker id');
  return slot.worker;
}

/** @throws InvariantError where a step left a state that can't be. */
export function validateSlot(slot: Slot): void {
  if (!hasProcess(slot)) {
    invariant(slot.running === undefined && slot.waiting.length === 0, `${slot.phase} slot holds mini-batches`);
  }
  if (slot.phase === 'starting' || slot.phase === 'loading' || slot.phase === 'initializing') {
    invariant(
      slot.stage !== 'up' && slot.waiting.length + slot.held.length === 0,
      `${slot.phase} worker was given work`,
    );
  }
  if (slot.phase === 'ready') {
    invariant(slot.stage === 'up', 'ready worker never got ready');
  }
  invariant((slot.phase === 'killing') === (slot.kill !== undefined && hasProcess(slot)), 'killing without reason');
  invariant((slot.phase === 'empty') === (slot.worker === undefined), 'a worker id belongs to a slot in use');
}
