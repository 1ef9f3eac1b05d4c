/**
 * Who is killed for memory, and when, before the kernel has to choose. Pure; `memorywatch.ts` looks and kills.
 *
 * Two rules:
 * - `limit`: a worker with what it started holds more than the limit of the plan. It is killed, whatever else is free.
 * - `node`: nearly nothing is left on the machine (or in the container). The newest worker goes first, because the
 *   older ones have the longer work behind them, and because whoever is always spared ends at some time: the run gets
 *   on. But only a worker that holds at least half of what the largest holds: to kill a small one frees nothing,
 *   and where one ran away it is that one. Then nobody else until its memory is back.
 */
import type { WorkerId } from '../domain/ids.ts';

/** Period of looks while nothing much happens. */
export const LOOK_MS = 100;
/** And where a worker grew by `BRISK_BYTES` since the last look, or the node is near its end. */
export const BRISK_LOOK_MS = 40;
export const BRISK_BYTES = 32 * 1024 * 1024;
/** What a killed process held is not back at once. */
export const SETTLE_MS = 200;

const RESERVE_BYTES = 256 * 1024 * 1024;

export interface WorkerMemory {
  readonly worker: WorkerId;
  /** Monotonic; of its start. */
  readonly startedAt: number;
  /** It has a mini-batch: one that runs, or one that it reads for the next run. */
  readonly inTry: boolean;
  /** It was killed, for this or for anything else, and is not gone yet. */
  readonly dying: boolean;
  /** Of the worker and what it started: memory that can't be taken back, so without files that are mapped or cached. */
  readonly heldBytes: number;
}

export interface NodeMemory {
  readonly totalBytes: number;
  /** Free, or freed at once where it is asked for; free swap counts. */
  readonly availableBytes: number;
}

/** One look at everything. */
export interface MemoryLook {
  /** Monotonic. */
  readonly at: number;
  readonly workers: readonly WorkerMemory[];
  /** Undefined where it can't be known. */
  readonly node: NodeMemory | undefined;
}

export interface MemoryKill {
  readonly worker: WorkerId;
  readonly rule: 'limit' | 'node';
  /** What the worker and what it started held. */
  readonly rssBytes: number;
  /** The limit; or what was left on the node. */
  readonly limitBytes: number;
}

export interface Judgement {
  readonly kills: readonly MemoryKill[];
  /** The node has so little left that no further worker is started. */
  readonly short: boolean;
  readonly nextLookMs: number;
}

/**
 * What must stay free: 2 % of the whole, since the kernel itself needs some to give any out; not less than 256 MiB,
 * which is what a fast script takes between two looks; but never more than 5 % of a small container, which has a right
 * to use what it was given.
 */
export function reserveBytes(totalBytes: number): number {
  return Math.max(0.02 * totalBytes, Math.min(RESERVE_BYTES, 0.05 * totalBytes));
}

/** @param lastKillAt monotonic; of the latest kill by rule `node` */
export function judge(
  now: MemoryLook,
  before: MemoryLook | undefined,
  limitBytes: number | undefined,
  lastKillAt: number,
): Judgement {
  const living = now.workers.filter((each) => !each.dying);
  const over = limitBytes === undefined ? [] : living.filter((each) => each.heldBytes > limitBytes);
  const short = now.node !== undefined && leftAtNextLook(now.node, now, before) < reserveBytes(now.node.totalBytes);
  const nextLookMs = short || isBrisk(now, before) ? BRISK_LOOK_MS : LOOK_MS;
  if (over.length > 0) {
    const kills = over.map(({ worker, heldBytes }) => ({
      worker,
      rule: 'limit' as const,
      rssBytes: heldBytes,
      limitBytes: limitBytes ?? 0,
    }));
    return { kills, short, nextLookMs };
  }
  const memoryComesBack = living.length < now.workers.length || now.at - lastKillAt < SETTLE_MS;
  const victim = short && !memoryComesBack ? newestOfTheLarge(living) : undefined;
  if (!victim || !now.node) return { kills: [], short, nextLookMs };
  const { worker, heldBytes } = victim;
  const limit = Math.round(now.node.availableBytes);
  return { kills: [{ worker, rule: 'node', rssBytes: heldBytes, limitBytes: limit }], short, nextLookMs };
}

/** One that starts or idles is taken only where no other is there. */
function newestOfTheLarge(workers: readonly WorkerMemory[]): WorkerMemory | undefined {
  const inTry = workers.filter((each) => each.inTry);
  const candidates = inTry.length > 0 ? inTry : workers;
  const largest = Math.max(0, ...candidates.map((each) => each.heldBytes));
  if (largest === 0) return undefined;
  return candidates
    .filter((each) => each.heldBytes >= largest / 2)
    .reduce((newest, each) => (each.startedAt > newest.startedAt ? each : newest));
}

/** At the pace since the last look: memory may be gone before the next one. */
function leftAtNextLook(node: NodeMemory, now: MemoryLook, before: MemoryLook | undefined): number {
  if (!before?.node || now.at <= before.at) return node.availableBytes;
  const lostPerMs = (before.node.availableBytes - node.availableBytes) / (now.at - before.at);
  return node.availableBytes - Math.max(0, lostPerMs) * BRISK_LOOK_MS;
}

function isBrisk(now: MemoryLook, before: MemoryLook | undefined): boolean {
  const had = new Map(before?.workers.map((each) => [each.worker, each.heldBytes]));
  return now.workers.some((each) => each.heldBytes - (had.get(each.worker) ?? 0) >= BRISK_BYTES);
}
