/** Looks at the memory of workers and node many times a second, tells the workers what they hold, and kills what it must. */
import type { WorkerId } from '../domain/ids.ts';
import type { Clock } from '../domain/ports.ts';
import { LOOK_MS, judge } from './memoryguard.ts';
import type { MemoryKill, MemoryLook, WorkerMemory } from './memoryguard.ts';
import { SYSTEM_FILES, limitedGroups, readNodeMemory } from './nodememory.ts';
import type { LimitedGroup, MemoryFiles } from './nodememory.ts';
import { TreeMemory } from './treememory.ts';

/** A tree whose processes share pages is measured exactly no more often, unless it grew enough to matter. */
const EXACT_AGAIN_MS = 500;

/** A worker process, as the watch sees it. */
export interface WatchedWorker {
  readonly worker: WorkerId;
  readonly pid: number;
  readonly startedAt: number;
  readonly inTry: boolean;
  readonly dying: boolean;
}

export interface WatchedSlot {
  /** Undefined: no process. */
  readonly watched: WatchedWorker | undefined;
  noteMemory(bytes: number): void;
  killForMemory(kill: MemoryKill): void;
}

interface Exact {
  readonly at: number;
  readonly sum: number;
  readonly bytes: number;
}

export class MemoryWatch {
  readonly #slots: readonly WatchedSlot[];
  readonly #clock: Clock;
  readonly #limitBytes: number | undefined;
  readonly #meminfo: string;
  readonly #groups: readonly LimitedGroup[];
  readonly #trees = new TreeMemory();
  readonly #exact = new Map<number, Exact>();
  #before: MemoryLook | undefined;
  #lastKillAt = -Infinity;
  #timer: NodeJS.Timeout | undefined;
  #short = false;

  constructor(
    slots: readonly WatchedSlot[],
    clock: Clock,
    limitBytes: number | undefined,
    files: MemoryFiles = SYSTEM_FILES,
  ) {
    this.#slots = slots;
    this.#clock = clock;
    this.#limitBytes = limitBytes;
    this.#meminfo = files.meminfo;
    this.#groups = limitedGroups(files);
  }

  /** So little is left that another worker would only be the next to be killed. */
  get short(): boolean {
    return this.#short;
  }

  start(): void {
    this.#timer = setTimeout(() => this.#tick(), LOOK_MS);
  }
  stop(): void {
    clearTimeout(this.#timer);
  }

  #tick(): void {
    const now = this.#look();
    const { kills, short, nextLookMs } = judge(now, this.#before, this.#limitBytes, this.#lastKillAt);
    this.#before = now;
    this.#short = short;
    this.#timer = setTimeout(() => this.#tick(), nextLookMs);
    for (const kill of kills) {
      if (kill.rule === 'node') this.#lastKillAt = now.at;
      this.#slots.find((slot) => slot.watched?.worker === kill.worker)?.killForMemory(kill);
    }
  }

  #look(): MemoryLook {
    const at = this.#clock.monotonic();
    const slots = this.#slots.flatMap((slot) => (slot.watched ? [{ slot, watched: slot.watched }] : []));
    const sums = this.#trees.look(
      slots.map(({ watched }) => watched.pid),
      at,
    );
    const workers = slots.map(({ slot, watched }): WorkerMemory => {
      const heldBytes = this.#sharedOnce(watched.pid, sums.get(watched.pid) ?? 0, at);
      slot.noteMemory(heldBytes);
      const { worker, startedAt, inTry, dying } = watched;
      return { worker, startedAt, inTry, dying, heldBytes };
    });
    for (const pid of this.#exact.keys()) if (!sums.has(pid)) this.#exact.delete(pid);
    return { at, workers, node: readNodeMemory(this.#meminfo, this.#groups) };
  }

  /** Nobody is killed for pages that his processes share, such as a model that was loaded before a fork. */
  #sharedOnce(pid: number, sum: number, at: number): number {
    if (this.#limitBytes === undefined || sum <= this.#limitBytes) return sum;
    const known = this.#exact.get(pid);
    const guess = known && known.bytes + sum - known.sum;
    if (known && guess !== undefined && guess <= this.#limitBytes && at - known.at < EXACT_AGAIN_MS) return guess;
    const bytes = this.#trees.exactly(pid, sum);
    this.#exact.set(pid, { at, sum, bytes });
    return bytes;
  }
}
