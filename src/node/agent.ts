/**
 * The agent of one machine: as many slots as the plan wants processes, each with one worker after the other. Decides
 * nothing about mini-batches; when a worker is started is `starts.ts`, what happens to one is `slotstep.ts`.
 */
import { openSync, writeSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { invariant } from '../domain/assert.ts';
import { epochMs, workerId } from '../domain/ids.ts';
import type { WorkerId } from '../domain/ids.ts';
import type { RunWarning } from '../domain/event.ts';
import type { Assignment, EngineEvent } from '../domain/ports.ts';
import { firstProcessNumber, makeFolders, nodeFacts, openCgroups, slotLimits } from './facts.ts';
import { startGuard } from './guard.ts';
import type { Fence, Guard } from './guard.ts';
import { MemoryWatch } from './memorywatch.ts';
import type { NodeOptions } from './options.ts';
import { RawBudget } from './rawbudget.ts';
import { Room } from './room.ts';
import { Sampler } from './sampler.ts';
import { SlotShell } from './slotshell.ts';
import type { NodeFacts } from './body.ts';
import type { Now, SlotCommand, SlotLimits } from './slot.ts';
import { returnAssignments } from './slottries.ts';
import { budgetSpent, mayStart, newStarts, onReady, onStartFailed, takeNumber } from './starts.ts';
import type { Starts } from './starts.ts';
import { findOrphans, killProcess, sweep } from './tree.ts';

/** All deadlines are looked at this often. */
const TICK_MS = 100;
/** A tick that comes so late finds news of workers unread behind it: judging now would be judging by old news. */
const LATE_TICK_MS = 400;
/** Captured output is looked at this often. */
const LOOK_MS = 250;
const FENCE_WRITE_MS = 500;

export type NodeListener = (events: readonly EngineEvent[]) => void;

export class NodeAgent {
  readonly #options: NodeOptions;
  #listener: NodeListener = () => undefined;
  #outbox: EngineEvent[] = [];
  #isTelling = false;
  #isTellingPlanned = false;
  #facts: NodeFacts | undefined;
  #slots: SlotShell[] = [];
  readonly #slotOf = new Map<WorkerId, SlotShell>();
  readonly #pids = new Map<WorkerId, number>();
  #starts: Starts;
  #sampler: Sampler | undefined;
  #memory: MemoryWatch | undefined;
  #guard: Guard | undefined;
  readonly #raw = new RawBudget();
  readonly #room: Room;
  /** For what scripts write. */
  readonly #scriptRoom: Room;
  #timers: NodeJS.Timeout[] = [];
  #lastTick = 0;
  #skipsTick = false;
  #hasLeft = false;
  #stopped: Promise<void> | undefined;
  #onAllEmpty: () => void = () => undefined;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.#starts = newStarts(options.processesPerNode, 1);
    const { work, capture, temp } = options.layout;
    const warn = (warning: RunWarning['warning']): void => this.#emit({ type: 'warning', at: this.#wall(), warning });
    this.#room = new Room([work, capture], warn);
    this.#scriptRoom = new Room([work, temp, tmpdir()], warn);
  }

  /** Joins and starts workers. @throws where the folders of the run can't be made */
  async start(listener: NodeListener): Promise<void> {
    invariant(this.#facts === undefined, 'an agent starts once');
    const options = this.#options;
    makeFolders(options);
    const found = await nodeFacts(options, this.#limits());
    const { memoryLimitBytes, recycle } = options;
    const cgroups = openCgroups(options, found.session);
    const facts: NodeFacts = { ...found, memoryLimitBytes, growthBytesMax: recycle?.afterGrowthBytes, cgroups };
    if (this.#starts.stopping) return cgroups?.close();
    this.#facts = facts;
    this.#listener = listener;
    for (const pid of findOrphans(options.layout.temp, facts.session)) killProcess(pid);
    const first = Math.max(options.firstProcess ?? 1, firstProcessNumber(options.layout.capture, facts.address));
    this.#starts = newStarts(options.processesPerNode, first);
    this.#guard = startGuard(facts.session, options.fence);
    this.#sampler = this.#newSampler(facts);
    this.#slots = Array.from({ length: options.processesPerNode }, (_, i) => this.#newSlot(facts, i));
    this.#memory = new MemoryWatch(this.#slots, options.clock, options.memoryLimitBytes, options.memoryFiles);
    this.#memory.start();
    const slots = options.processesPerNode;
    this.#emit({ type: 'node-joined', at: this.#wall(), node: facts.address, slots, hostname: hostname() });
    this.#lastTick = options.clock.monotonic();
    this.#timers = [setInterval(() => this.#tick(), TICK_MS), setInterval(() => this.#look(), LOOK_MS)];
    if (options.fence) this.#timers.push(keepFence(options.fence));
    this.#fill();
    this.#tellSoon();
  }

  /** Work for a worker that isn't there (any more) comes back. */
  dispatch(assignments: readonly Assignment[]): void {
    const homeless: Assignment[] = [];
    for (const [worker, mine] of byWorker(assignments)) {
      const slot = this.#slotOf.get(worker);
      if (slot) slot.assign(mine);
      else homeless.push(...mine);
    }
    if (homeless.length > 0) {
      const out: SlotCommand[] = [];
      returnAssignments(homeless, this.#now(), out);
      for (const command of out) if (command.type === 'emit') this.#emit(command.event);
    }
    this.#tellSoon();
  }

  /** Resolves when no process is left and everything has been told. `now` may follow `orderly`. */
  stop(how: 'orderly' | 'now'): Promise<void> {
    this.#starts.stopping = true;
    for (const slot of this.#slots) slot.stop(how);
    this.#stopped ??= this.#finish();
    return this.#stopped;
  }

  async #finish(): Promise<void> {
    if (!this.#slots.every((slot) => slot.isEmpty)) {
      await new Promise<void>((resolve) => (this.#onAllEmpty = resolve));
    }
    for (const timer of this.#timers) clearInterval(timer);
    this.#memory?.stop();
    this.#sampler?.stop();
    // one look at what no worker's own marker led to, e.g. of a worker that was given up
    if (this.#facts) await sweep({ session: this.#facts.session });
    this.#facts?.cgroups?.close();
    await this.#guard?.dismiss();
    if (this.#facts) this.#leave(this.#facts, 'finished');
    this.#tell();
  }

  #limits(): SlotLimits {
    const { limits, hostCommand, recycle } = this.#options;
    const miniBatchesMax = recycle?.afterMiniBatches;
    return { ...slotLimits(limits, hostCommand.language), ...(miniBatchesMax !== undefined && { miniBatchesMax }) };
  }

  #newSampler(facts: NodeFacts): Sampler {
    const { layout, resourceMonitorIntervalMs, logs, clock } = this.#options;
    const { address, gpus } = facts;
    return new Sampler({ address, gpus, runFolder: layout.folder, intervalMs: resourceMonitorIntervalMs, logs, clock });
  }

  #newSlot(facts: NodeFacts, i: number): SlotShell {
    const gpu = i < facts.gpus ? i : undefined;
    const output = { to: 'capture', logs: this.#options.logs } as const;
    const slot: SlotShell = new SlotShell(this.#options, facts, output, gpu, {
      emit: (event) => this.#emit(event),
      settled: () => this.#tellSoon(),
      retired: (paths) => this.#raw.retire(paths),
      emptied: (startFailed) => this.#onEmptied(facts, startFailed),
      noRoom: () => !this.#scriptRoom.has(this.#options.clock.monotonic()),
    });
    return slot;
  }

  #fill(): void {
    const facts = this.#facts;
    if (!facts || this.#starts.stopping) return;
    // where memory is short, another worker would take what the others need; one is always there
    if (this.#memory?.short && this.#slots.some((slot) => !slot.isEmpty)) return;
    for (const slot of this.#slots) {
      if (!slot.isEmpty) continue;
      const now = this.#options.clock.monotonic();
      if (!mayStart(this.#starts, now) || !this.#hasRoom(now)) return;
      const number = takeNumber(this.#starts, now);
      if (number === undefined) return;
      const worker = workerId(facts.address, number);
      this.#slotOf.set(worker, slot);
      slot.start(worker);
    }
  }

  /** Where a script found none, its next process waits for it too. */
  #hasRoom(now: number): boolean {
    return this.#room.has(now) && (!this.#scriptRoom.wasFull || this.#scriptRoom.has(now));
  }

  #onEmptied(facts: NodeFacts, startFailed: boolean): void {
    if (startFailed) onStartFailed(this.#starts, this.#options.clock.monotonic());
    const allEmpty = this.#slots.every((slot) => slot.isEmpty);
    if (this.#starts.stopping) {
      if (allEmpty) this.#onAllEmpty();
      return;
    }
    if (allEmpty && budgetSpent(this.#starts)) return this.#leave(facts, 'init-budget');
    // not from within a step of the slot that has just become empty
    setImmediate(() => this.#fill());
  }

  #leave(facts: NodeFacts, why: 'finished' | 'init-budget'): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.#emit({ type: 'node-left', at: this.#wall(), node: facts.address, why });
  }

  #tick(): void {
    const now = this.#now();
    const late = now.mono - this.#lastTick > LATE_TICK_MS;
    this.#lastTick = now.mono;
    // the news are read between two ticks, so one is enough, and a slow machine has its limits kept too
    this.#skipsTick = late && !this.#skipsTick;
    if (!this.#skipsTick) for (const slot of this.#slots) slot.tick(now);
    this.#sampler?.tick(now.mono);
    this.#facts?.oom.refresh(now.mono);
    this.#fill();
    this.#tellSoon();
  }

  #look(): void {
    for (const slot of this.#slots) slot.measureOutput();
    setImmediate(() => {
      for (const slot of this.#slots) slot.showOutput();
    });
  }

  #emit(event: EngineEvent): void {
    this.#outbox.push(event);
    if (event.type === 'worker-started') {
      this.#pids.set(event.worker, event.pid);
      this.#sampler?.add(event.pid);
    } else if (event.type === 'worker-initialized') {
      onReady(this.#starts);
      const pid = this.#pids.get(event.worker) ?? 0;
      // not before its first mini-batch: looking at all processes takes milliseconds
      setImmediate(() => this.#sampler?.sampleOnce(pid));
    } else if (event.type === 'worker-start-failed') {
      this.#sampler?.sampleOnce(event.pid);
    } else if (event.type === 'worker-ended') {
      this.#slotOf.delete(event.worker);
      this.#pids.delete(event.worker);
      this.#sampler?.remove(event.pid);
    }
  }

  /** Batches what happens in one turn of the loop into one call of the listener, never inside a call of the orchestrator. */
  #tellSoon(): void {
    if (this.#isTellingPlanned || this.#outbox.length === 0) return;
    this.#isTellingPlanned = true;
    queueMicrotask(() => {
      this.#isTellingPlanned = false;
      this.#tell();
    });
  }

  #tell(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    while (this.#outbox.length > 0) {
      const events = this.#outbox;
      this.#outbox = [];
      this.#listener(events);
    }
    this.#isTelling = false;
  }

  #wall() {
    return epochMs(this.#options.clock.now());
  }
  #now(): Now {
    return { mono: this.#options.clock.monotonic(), wall: this.#wall() };
  }
}

/** A number that counts up, as long as this process runs. */
function keepFence({ file }: Fence): NodeJS.Timeout {
  let count = 0;
  // Always in the same place: a full disk has room for that. Its name may be gone before its last second.
  const descriptor = openSync(file, 'w', 0o600);
  const write = (): void => void writeSync(descriptor, `${String(++count).padStart(12)}\n`, 0);
  write();
  return setInterval(write, FENCE_WRITE_MS);
}

function byWorker(assignments: readonly Assignment[]): Map<WorkerId, Assignment[]> {
  const result = new Map<WorkerId, Assignment[]>();
  for (const assignment of assignments) {
    const mine = result.get(assignment.worker);
    if (mine) mine.push(assignment);
    else result.set(assignment.worker, [assignment]);
  }
  return result;
}
