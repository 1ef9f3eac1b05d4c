/**
 * The engine: one node with its slots. Promises of `Engine` (domain/ports.ts) are kept: events in order per worker,
 * `worker-ended` is a worker's last word, each hand-out ends in one outcome or one return; and it may break what an
 * engine over a network may break: delays, late duplicates, answers that outlive the orchestrator they were for.
 */
import type { TryFailure } from '../../src/domain/failure.ts';
import { epochMs, nodeAddress, workerId } from '../../src/domain/ids.ts';
import type { WorkerId } from '../../src/domain/ids.ts';
import type { ItemRange } from '../../src/domain/minibatch.ts';
import type { Assignment, EngineEvent, TryOutcome } from '../../src/domain/ports.ts';
import { budgetSpent, newStarts, onReady, onStartFailed, takeNumber } from '../../src/node/starts.ts';
import type { Starts } from '../../src/node/starts.ts';
import { MS, SECOND } from './config.ts';
import type { Bad, Misbehaviour } from './config.ts';
import { rowsOf } from './rows.ts';
import type { World } from './world.ts';

export const NODE = nodeAddress('10.0.0.1');
const TICK = 100 * MS;

interface Slot {
  worker: WorkerId | undefined;
  phase: 'empty' | 'starting' | 'ready' | 'gone';
  queue: Assignment[];
  running: Assignment | undefined;
  /** Changes whenever what was planned for this slot is no longer to happen. */
  turn: number;
  stopping: boolean;
}

const facts = { message: 'bad', traceback: '', frames: [] };
const raised: TryFailure = { kind: 'exception', exceptionType: 'ValueError', ...facts };
const crashed: TryFailure = { kind: 'worker-lost', exit: { by: 'signal', signal: 'SIGKILL', outOfMemory: false } };
const outOfMemory: TryFailure = { kind: 'worker-lost', exit: { by: 'signal', signal: 'SIGKILL', outOfMemory: true } };

export class AgentModel {
  private readonly world: World;
  private readonly listener: (events: readonly EngineEvent[]) => void;
  private readonly slots: Slot[];
  private readonly slotOf = new Map<WorkerId, Slot>();
  private readonly starts: Starts;
  private readonly lastArrival = new Map<WorkerId, number>();
  private onStopped: (() => void) | undefined;
  private hasLeft = false;

  constructor(world: World, firstProcess: number, listener: (events: readonly EngineEvent[]) => void) {
    this.world = world;
    this.listener = listener;
    this.starts = newStarts(world.config.slots, firstProcess);
    this.slots = Array.from({ length: world.config.slots }, () => ({
      worker: undefined,
      phase: 'empty',
      queue: [],
      running: undefined,
      turn: 0,
      stopping: false,
    }));
  }

  start(): void {
    this.tell({ type: 'node-joined', at: this.at(), node: NODE, slots: this.slots.length, hostname: 'sim' });
    this.tick();
  }

  /** What reaches the node goes to its worker, or comes back where that is gone. */
  dispatch(assignments: readonly Assignment[]): void {
    for (const assignment of assignments) {
      this.world.later(this.world.delay(), () => {
        const slot = this.slotOf.get(assignment.worker);
        if (slot?.phase !== 'ready' || slot.stopping) return this.giveBack(assignment.worker, [assignment]);
        slot.queue.push(assignment);
        this.work(slot);
      });
    }
  }

  stop(how: 'orderly' | 'now', then: () => void): void {
    this.starts.stopping = true;
    this.onStopped ??= then;
    for (const slot of this.slots) {
      slot.stopping = true;
      if (slot.phase === 'starting') this.end(slot, undefined);
      else if (slot.phase === 'ready' && (how === 'now' || !slot.running)) {
        this.end(slot, slot.running && { kind: 'canceled' });
      }
    }
    this.stopIfEmpty();
  }

  private tick(): void {
    this.fill();
    this.world.later(TICK, () => {
      if (!this.hasLeft) this.tick();
    });
  }

  private fill(): void {
    for (const slot of this.slots) {
      if (slot.phase !== 'empty') continue;
      const number = takeNumber(this.starts, this.world.millis());
      if (number === undefined) return;
      this.spawn(slot, workerId(NODE, number));
    }
  }

  private spawn(slot: Slot, worker: WorkerId): void {
    const { random, faults } = this.world;
    Object.assign(slot, { worker, phase: 'starting', queue: [], running: undefined, stopping: false });
    this.world.processes += 1;
    this.slotOf.set(worker, slot);
    this.tell({ type: 'worker-started', at: this.at(), worker, pid: 1 });
    const fails = random.worker.chance(faults.initFails);
    const slow = random.worker.chance(faults.slowInit);
    if (slow) this.world.saw('slow start');
    this.plan(slot, slow ? random.worker.span(60 * SECOND, 500 * SECOND) : random.worker.span(MS, SECOND), () => {
      if (fails) {
        this.world.saw('start of a worker failed');
        this.world.startFailures += 1;
        onStartFailed(this.starts, this.world.millis());
        const failure = { kind: 'exit', stage: 'init', exit: { by: 'code', code: 1 } } as const;
        this.tell({ type: 'worker-start-failed', at: this.at(), worker, pid: 1, seconds: 1, failure });
        return this.end(slot, undefined);
      }
      slot.phase = 'ready';
      onReady(this.starts);
      this.world.everReady = true;
      this.tell({ type: 'worker-initialized', at: this.at(), worker, seconds: 1 });
    });
  }

  private work(slot: Slot): void {
    if (slot.running || slot.phase !== 'ready') return;
    const next = slot.queue.shift();
    if (!next) return;
    slot.running = next;
    const { worker, index, dispatch } = next;
    this.tell({ type: 'try-begun', at: this.at(), worker, pid: 1, index, dispatch });
    this.world.began(index, dispatch);
    this.behave(slot, next);
  }

  private behave(slot: Slot, assignment: Assignment): void {
    const { world } = this;
    const { faults, config } = world;
    const random = world.random.worker;
    const time = random.span(...config.runTime) * (random.chance(faults.slowRun) ? 20 : 1);
    const bad = misbehaviour(config.bad[assignment.index], assignment);
    if (random.chance(faults.nodeLost)) {
      return this.plan(slot, time, () => this.end(slot, { kind: 'node-lost', node: NODE }));
    }
    if (bad === 'hang' || (!bad && (random.chance(faults.hang) || time > config.runLimit))) {
      return this.plan(slot, config.runLimit + TICK, () => {
        world.saw('time limit');
        this.end(slot, { kind: 'timeout', limitMs: config.runLimit / MS });
      });
    }
    if (bad === 'out-of-memory') return this.plan(slot, time, () => this.end(slot, outOfMemory));
    if (bad === 'crash' || (!bad && random.chance(faults.crashBefore))) {
      return this.plan(slot, time, () => this.end(slot, crashed));
    }
    const failure = this.failureOf(bad);
    const dies = random.chance(faults.crashAfter);
    this.plan(slot, time, () => {
      slot.running = undefined;
      this.answer(assignment, failure ? { ok: false, failure } : this.rows(assignment), time);
      if (dies) {
        world.saw('worker died after its report');
        this.end(slot, undefined);
      } else if (slot.stopping) this.end(slot, undefined);
      else this.work(slot);
    });
  }

  private failureOf(bad: Misbehaviour | undefined): TryFailure | undefined {
    if (bad === 'exception') return raised;
    if (bad === 'invalid-return') return { kind: 'invalid-return', returned: 'NoneType' };
    if (bad === 'input-error') return { kind: 'input-error', path: 'x', reason: 'unreadable' };
    if (bad === 'gone') return { kind: 'input-error', path: 'x', reason: 'gone', errno: 'ENOENT' };
    return this.world.random.worker.chance(this.world.faults.exception) ? raised : undefined;
  }

  private rows(assignment: Assignment): TryOutcome['result'] {
    const { world } = this;
    const { index, dispatch, items } = assignment;
    const lost = world.random.worker.chance(world.faults.shortReturn) ? 1 : 0;
    const { from, to } = rangeOf(assignment);
    // A short return lacks the rows of its last items.
    const end = Math.min(to, items - (world.config.short[index] ?? 0)) - lost;
    const all = Array.from({ length: Math.max(0, end - from) }, (_, i) => from + i);
    const positions = world.config.mixes ? [from] : all;
    const returned = positions.length;
    const bytes = world.config.core.needsRows ? rowsOf(index, dispatch, positions) : new Uint8Array();
    if (bytes.length === 0 || !world.random.worker.chance(world.config.parts))
      return { ok: true, returned, rows: bytes };
    const part = `${index}.${dispatch}`;
    world.parts.set(part, bytes);
    return { ok: true, returned, rows: { part, bytes: bytes.length } };
  }

  private answer(assignment: Assignment, result: TryOutcome['result'], micros: number): void {
    const { worker, index, dispatch } = assignment;
    const runSeconds = micros / SECOND;
    const at = this.at();
    const timing = { start1: at, end1: at, start2: 0, end2: 0, runSeconds, elapsedSeconds: runSeconds };
    const item = result.ok ? undefined : this.named(assignment);
    const told = result.ok || item === undefined ? result : { ...result, item };
    const outcome: TryOutcome = { type: 'try-outcome', at, worker, pid: 1, index, dispatch, timing, result: told };
    this.tell(outcome);
    this.duplicate(outcome);
  }

  /** The item that was under way, as far as the worker knows. */
  private named(assignment: Assignment): number | undefined {
    const bad = this.world.config.bad[assignment.index];
    const { from, to } = rangeOf(assignment);
    if (!bad || bad.names === 'none') return undefined;
    if (bad.names === 'wrong') return from + this.world.random.worker.below(to - from);
    return [...bad.culprits].find((item) => item >= from && item < to);
  }

  private giveBack(worker: WorkerId, assignments: readonly Assignment[]): void {
    if (assignments.length === 0) return;
    const event: EngineEvent = {
      type: 'assignments-returned',
      at: this.at(),
      worker,
      assignments: assignments.map(({ index, dispatch }) => ({ index, dispatch })),
    };
    this.tell(event);
    this.duplicate(event);
  }

  /** The same words again, later; perhaps so late that another orchestrator hears them. */
  private duplicate(event: EngineEvent): void {
    const { random, faults } = this.world;
    if (random.network.chance(faults.duplicate)) {
      this.world.later(random.network.span(100, 2 * SECOND), () => this.listener([event]));
    }
    if (random.network.chance(faults.zombie)) {
      this.world.whoeverLives(random.network.span(MS, 5 * SECOND), event);
    }
  }

  /** @param failure of the try that was running */
  private end(slot: Slot, failure: TryFailure | undefined): void {
    const { worker, running } = slot;
    if (slot.phase === 'empty' || slot.phase === 'gone' || !worker) return;
    slot.turn += 1;
    slot.phase = 'gone';
    if (running && failure) this.answer(running, { ok: false, failure }, 1000);
    this.giveBack(worker, slot.queue);
    Object.assign(slot, { queue: [], running: undefined });
    // The process is gone; its last word comes when its remains are looked after.
    this.world.later(this.world.random.worker.span(100, 50 * MS), () => {
      const exit = { by: 'code', code: 0 } as const;
      this.tell({ type: 'worker-ended', at: this.at(), worker, pid: 1, exit, expected: slot.stopping });
      this.slotOf.delete(worker);
      slot.phase = 'empty';
      this.emptied();
    });
  }

  private emptied(): void {
    if (this.onStopped) return this.stopIfEmpty();
    const allEmpty = this.slots.every((slot) => slot.phase === 'empty');
    if (allEmpty && budgetSpent(this.starts)) this.leave('init-budget');
    else this.fill();
  }

  private stopIfEmpty(): void {
    const then = this.onStopped;
    if (!then || !this.slots.every((slot) => slot.phase === 'empty')) return;
    this.onStopped = () => undefined;
    this.leave('finished');
    // Everything has been told before.
    const last = Math.max(0, ...this.lastArrival.values());
    this.world.later(Math.max(0, last - this.world.time.now) + 1, then);
  }

  private leave(why: 'finished' | 'init-budget'): void {
    if (this.hasLeft) return;
    this.hasLeft = true;
    this.tell({ type: 'node-left', at: this.at(), node: NODE, why });
  }

  private plan(slot: Slot, micros: number, run: () => void): void {
    const turn = ++slot.turn;
    this.world.later(micros, () => {
      if (slot.turn === turn) run();
    });
  }

  /** In order per worker, whatever the network does; across workers in any order. */
  private tell(event: EngineEvent): void {
    const { time } = this.world;
    const key = 'worker' in event ? event.worker : workerId(NODE, 0);
    const arrival = Math.max(this.lastArrival.get(key) ?? 0, time.now + this.world.delay());
    this.lastArrival.set(key, arrival);
    this.world.later(arrival - time.now, () => this.listener([event]));
  }

  private at() {
    return epochMs(this.world.wall());
  }
}

function rangeOf({ part, items }: Assignment): ItemRange {
  return part ?? { from: 0, to: items };
}

/** As long as a culprit is among what was handed out. */
function misbehaviour(bad: Bad | undefined, assignment: Assignment): Misbehaviour | undefined {
  const { from, to } = rangeOf(assignment);
  return bad && [...bad.culprits].some((item) => item >= from && item < to) ? bad.how : undefined;
}
