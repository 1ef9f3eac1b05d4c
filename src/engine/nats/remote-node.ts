/** A node as the orchestrator sees it: what it was given and has not answered, and what follows when it is lost. */
import type { EngineEvent, Assignment } from '../../domain/ports.ts';
import type { DispatchNumber, EpochMs, MiniBatchIndex, NodeAddress, WorkerId } from '../../domain/ids.ts';
import { Receiver, Sender } from './channel.ts';
import { encodeOrders, MESSAGE_BYTES } from './wire.ts';

interface Held {
  readonly worker: WorkerId;
  readonly dispatch: DispatchNumber;
  begun: boolean;
}

/** Bytes of an assignment beside its source, about. */
const ASSIGNMENT_BYTES = 160;

export class RemoteNode {
  readonly address: NodeAddress;
  /** Of this time that it joined. */
  readonly session: number;
  readonly sender = new Sender();
  readonly receiver = new Receiver();
  /** Monotonic, ms. */
  heardAt: number;
  /** It has told that its workers are ready to be. */
  hasJoined = false;
  #hasLeft = false;
  #waiting: Assignment[] = [];
  #stop: 'orderly' | 'now' | undefined;
  readonly #workers = new Map<WorkerId, number>();
  readonly #held = new Map<MiniBatchIndex, Held>();

  constructor(address: NodeAddress, session: number, now: number) {
    this.address = address;
    this.session = session;
    this.heardAt = now;
  }

  /** Nothing that it does not answer is ever forgotten: it comes back when the node is lost. */
  assign(assignment: Assignment): void {
    const { index, worker, dispatch } = assignment;
    this.#held.set(index, { worker, dispatch, begun: false });
    this.#waiting.push(assignment);
  }

  stop(how: 'orderly' | 'now'): void {
    this.#stop = how;
  }

  /** The next message to it, as frames; undefined: nothing waits. */
  nextOrders(): Uint8Array | undefined {
    if (this.#waiting.length > 0) {
      let bytes = 0;
      let count = 0;
      while (count < this.#waiting.length && bytes < MESSAGE_BYTES) {
        bytes += ASSIGNMENT_BYTES + (this.#waiting[count++]?.source.length ?? 0);
      }
      return encodeOrders([{ m: 'work', assignments: this.#waiting.splice(0, count) }]);
    }
    if (this.#stop === undefined) return undefined;
    const how = this.#stop;
    this.#stop = undefined;
    return encodeOrders([{ m: 'stop', how }]);
  }

  /** Looks at what it tells, on the way to the orchestrator. */
  note(events: readonly EngineEvent[]): void {
    for (const event of events) this.#noteOne(event);
  }

  #noteOne(event: EngineEvent): void {
    switch (event.type) {
      case 'try-outcome':
        this.#answered(event.index, event.dispatch);
        return;
      case 'try-begun': {
        const held = this.#held.get(event.index);
        if (held?.dispatch === event.dispatch) held.begun = true;
        return;
      }
      case 'assignments-returned':
        for (const { index, dispatch } of event.assignments) this.#answered(index, dispatch);
        return;
      case 'worker-started':
        this.#workers.set(event.worker, event.pid);
        return;
      case 'worker-ended':
        this.#workers.delete(event.worker);
        return;
      case 'node-joined':
        this.hasJoined = true;
        return;
      case 'node-left':
        this.#hasLeft = true;
        return;
      default:
        return;
    }
  }

  #answered(index: MiniBatchIndex, dispatch: DispatchNumber): void {
    if (this.#held.get(index)?.dispatch === dispatch) this.#held.delete(index);
  }

  /** What the orchestrator must hear in place of the node: what was under way is lost, what had not begun comes back. */
  lose(at: EpochMs, why: 'lost' | 'finished'): EngineEvent[] {
    const events: EngineEvent[] = [];
    for (const [index, { worker, dispatch, begun }] of this.#held) {
      if (!begun || !this.#workers.has(worker)) {
        events.push({ type: 'assignments-returned', at, worker, assignments: [{ index, dispatch }] });
        continue;
      }
      const timing = { start1: at, end1: at, start2: 0, end2: 0, runSeconds: 0, elapsedSeconds: 0 };
      const pid = this.#workers.get(worker) ?? 0;
      const failure = { kind: 'node-lost', node: this.address } as const;
      events.push({ type: 'try-outcome', at, worker, pid, index, dispatch, timing, result: { ok: false, failure } });
    }
    for (const [worker, pid] of this.#workers) {
      const exit = { by: 'signal', signal: 'SIGKILL', outOfMemory: false } as const;
      events.push({ type: 'worker-ended', at, worker, pid, exit, expected: true });
    }
    if (this.hasJoined && !this.#hasLeft) events.push({ type: 'node-left', at, node: this.address, why });
    this.#held.clear();
    this.#workers.clear();
    this.#waiting = [];
    return events;
  }
}
