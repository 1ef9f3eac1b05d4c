/** The limit of the cache: what was not used for longest goes first, never what a run reads. */
import { ParallelRunError } from '../domain/problem.ts';
import { tryLock } from '../environment/lock.ts';
import type { DataCache, Tree } from './cache.ts';
import type { Env } from './location.ts';

const GIB = 1024 ** 3;
export const LIMIT_DEFAULT = 50 * GIB;
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: GIB, t: 1024 * GIB };

/** @throws ParallelRunError PR3608, exit code 2 */
export function limitOf(env: Env): number {
  const text = env['PARALLELRUN_CACHE_LIMIT'];
  if (text === undefined || text === '') return LIMIT_DEFAULT;
  const [, amount, unit = ''] = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim()) ?? [];
  if (amount !== undefined) return Math.floor(Number(amount) * (UNITS[unit.toLowerCase()] ?? 1));
  throw refusal(
    'the limit of the cache is not understood',
    `PARALLELRUN_CACHE_LIMIT is ${text}; allowed: 50gb, 500mb, 1tb or a number of bytes`,
    'set it anew, or leave it out',
  );
}

export interface RoomNeeded {
  /** Of what is still to be fetched. */
  readonly bytes: number;
  /** Of all that the input needs in the cache. */
  readonly total: number;
  readonly keep: Tree;
  readonly limit: number;
}

/**
 * Removes trees until the bytes fit in.
 * @throws ParallelRunError PR3608, exit code 2, where they can't
 */
export async function makeRoom(cache: DataCache, { bytes, total, keep, limit }: RoomNeeded): Promise<void> {
  if (total > limit)
    throw refusal(
      'the input is larger than the cache may be',
      `it has ${inGib(total)}; the limit is ${inGib(limit)}`,
      'raise PARALLELRUN_CACHE_LIMIT (as in 200gb), choose less with a pattern, or mount the data and name that folder',
    );
  if (bytes === 0) return;
  const others: { tree: Tree; usedMs: number; bytes: number }[] = [];
  for (const tree of await cache.trees()) {
    const size = (await tree.head())?.bytes ?? 0;
    if (tree.key !== keep.key) others.push({ tree, usedMs: await tree.lastUsedMs(), bytes: size });
  }
  // Objects in several trees are counted often: only a bound, but most times it is enough.
  const bound = others.reduce((sum, other) => sum + other.bytes, total);
  if (bound <= limit) return;
  let used = await cache.measure();
  for (const { tree } of others.sort((a, b) => a.usedMs - b.usedMs)) {
    if (used + bytes <= limit) return;
    if (await removeUnused(cache, tree)) used = await cache.measure();
  }
  if (used + bytes <= limit) return;
  throw refusal(
    'there is no room in the cache: other runs use what is there',
    `${inGib(bytes)} are to be fetched; ${inGib(used)} of ${inGib(limit)} are in use`,
    'wait until they have ended, or raise PARALLELRUN_CACHE_LIMIT',
  );
}

async function removeUnused(cache: DataCache, tree: Tree): Promise<boolean> {
  const lock = await tryLock(cache.locks, tree.buildLock);
  if (!('release' in lock)) return false;
  try {
    if (await tree.isUsed()) return false;
    await tree.remove();
    return true;
  } finally {
    await lock.release();
  }
}

const inGib = (bytes: number): string =>
  bytes < GIB / 10 ? `${(bytes / 1024 ** 2).toFixed(2)} MiB` : `${(bytes / GIB).toFixed(1)} GiB`;

function refusal(what: string, why: string, next: string): ParallelRunError {
  return new ParallelRunError([{ code: 'PR3608', severity: 'error', what, why, next }], 2);
}
