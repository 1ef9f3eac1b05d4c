/** Which nodes and workers are there, and what each is running. Ended workers leave only a count. */
import { unreachable } from '../domain/assert.ts';
import type {
  NodeJoined,
  NodeLeft,
  TryBegun,
  TryFinished,
  WorkerEnded,
  WorkerInitialized,
  WorkerLoaded,
  WorkerStarted,
  WorkerStartFailed,
} from '../domain/event.ts';
import type { EpochMs, MiniBatchIndex, NodeAddress, TryNumber, WorkerId } from '../domain/ids.ts';
import type { ItemRange } from '../domain/minibatch.ts';

export interface NodeState {
  readonly node: NodeAddress;
  readonly hostname: string;
  readonly slots: number;
  readonly state: 'joined' | NodeLeft['why'];
}

export interface WorkerCounts {
  /** Slots of joined nodes whose process is not there (yet, or not again). */
  readonly starting: number;
  /** Importing the entry script. */
  readonly loading: number;
  /** Inside `init()`. */
  readonly initializing: number;
  readonly ready: number;
  /** Processes that are gone, whatever the cause. */
  readonly ended: number;
}

export interface RunningTry {
  readonly index: MiniBatchIndex;
  readonly try: TryNumber;
  readonly worker: WorkerId;
  readonly pid: number;
  readonly sinceMs: EpochMs;
  /** Only these items: culprits are being looked for. */
  readonly part?: ItemRange;
}

type PresenceEvent =
  NodeJoined | NodeLeft | WorkerStarted | WorkerLoaded | WorkerInitialized | WorkerStartFailed | WorkerEnded;

/** Reused for each try of a worker: no garbage per mini-batch. */
interface WorkerState {
  phase: 'loading' | 'initializing' | 'ready';
  busy: boolean;
  index: MiniBatchIndex;
  try: TryNumber;
  pid: number;
  sinceMs: EpochMs;
  part: ItemRange | undefined;
}

export class WorkerStates {
  /** Tries inside `run()`. */
  running = 0;
  /** Some worker got through `init()` at some time. */
  anyReady = false;
  private ended = 0;
  private readonly nodeStates = new Map<NodeAddress, NodeState>();
  private readonly workers = new Map<WorkerId, WorkerState>();

  apply(event: PresenceEvent): void {
    switch (event.type) {
      case 'node-joined': {
        const { node, hostname, slots } = event;
        this.nodeStates.set(node, { node, hostname, slots, state: 'joined' });
        return;
      }
      case 'node-left': {
        const node = this.nodeStates.get(event.node);
        if (node !== undefined) this.nodeStates.set(event.node, { ...node, state: event.why });
        return;
      }
      case 'worker-started':
        this.worker(event.worker).pid = event.pid;
        return;
      case 'worker-loaded':
        this.worker(event.worker).phase = 'initializing';
        return;
      case 'worker-initialized':
        this.worker(event.worker).phase = 'ready';
        this.anyReady = true;
        return;
      case 'worker-start-failed':
        // The process itself leaves with `worker-ended`; one that never came to be says nothing more.
        if (event.failure.kind === 'spawn') this.remove(event.worker);
        return;
      case 'worker-ended':
        this.remove(event.worker);
        return;
      default:
        return unreachable(event);
    }
  }

  /** An orchestrator starts (again): processes of a former one are gone. */
  reset(): void {
    this.workers.clear();
    this.nodeStates.clear();
    this.running = 0;
  }

  begun(event: TryBegun): void {
    const state = this.worker(event.worker);
    if (!state.busy) this.running += 1;
    state.busy = true;
    state.index = event.index;
    state.try = event.try;
    state.pid = event.pid;
    state.sinceMs = event.at;
    state.part = event.part;
  }

  finished(event: TryFinished): void {
    const state = this.workers.get(event.worker);
    if (state === undefined || !state.busy || state.index !== event.index) return;
    state.busy = false;
    this.running -= 1;
  }

  private worker(id: WorkerId): WorkerState {
    let state = this.workers.get(id);
    if (state === undefined) {
      state = {
        phase: 'loading',
        busy: false,
        index: 0 as MiniBatchIndex,
        try: 0 as TryNumber,
        pid: 0,
        sinceMs: 0 as EpochMs,
        part: undefined,
      };
      this.workers.set(id, state);
    }
    return state;
  }

  private remove(id: WorkerId): void {
    const state = this.workers.get(id);
    if (state === undefined) return;
    if (state.busy) this.running -= 1;
    this.workers.delete(id);
    this.ended += 1;
  }

  nodes(): readonly NodeState[] {
    return [...this.nodeStates.values()];
  }

  /** @param expecting whether empty slots are about to get a process. */
  counts(expecting: boolean): WorkerCounts {
    let [loading, initializing, ready] = [0, 0, 0];
    for (const { phase } of this.workers.values()) {
      if (phase === 'loading') loading += 1;
      else if (phase === 'initializing') initializing += 1;
      else ready += 1;
    }
    let slots = 0;
    for (const node of this.nodeStates.values()) if (node.state === 'joined') slots += node.slots;
    const starting = expecting ? Math.max(0, slots - this.workers.size) : 0;
    return { starting, loading, initializing, ready, ended: this.ended };
  }

  slowest(max: number): readonly RunningTry[] {
    const busy: RunningTry[] = [];
    for (const [worker, state] of this.workers) {
      if (!state.busy) continue;
      const { index, pid, sinceMs, part } = state;
      busy.push({ index, try: state.try, worker, pid, sinceMs, ...(part === undefined ? {} : { part }) });
    }
    return busy.sort((a, b) => a.sinceMs - b.sinceMs || a.index - b.index).slice(0, max);
  }
}
