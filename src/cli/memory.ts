import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Growth of the heap over what was alive after the last collection that calls for another one. */
const GROWTH_BYTES = 4 * 1024 * 1024;
const LOOK_MS = 20;

/** A run that lasts may take some 25 MiB more, for half of the processor's time that a stream of tiny mini-batches costs. */
const LASTS_MS = 5_000;
const LATER_GROWTH_BYTES = 16 * 1024 * 1024;
const LATER_LOOK_MS = 50;
/** Room of the young objects then, of which one half is in use: a group of mini-batches is committed before it is full. */
const LATER_YOUNG_BYTES = 16 * 1024 * 1024;

/**
 * Keeps the heap of a long run near what it really holds. A run makes a lot of short-lived objects and holds few; by
 * default V8 lets the heap grow to several times the live size before it cleans up, so that memory would rise with
 * the number of mini-batches although nothing is kept. A collection of a heap this small takes 2 or 3 ms.
 * For this process only: users of the SDK keep their settings.
 */
export function keepHeapSmall(): void {
  // The young generation stays at its first size instead of doubling up to 48 MiB.
  setFlagsFromString('--semi-space-growth-factor=1');
  // The old generation may grow by a quarter, but V8 never collects before some 8 MiB: we do.
  setFlagsFromString('--heap-growing-percent=25');
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (() => void) | undefined;
  if (collect === undefined) return;
  const stop = watch(LOOK_MS, GROWTH_BYTES, held, collect);
  setTimeout(() => {
    stop();
    setFlagsFromString('--semi-space-growth-factor=8');
    watch(LATER_LOOK_MS, LATER_GROWTH_BYTES, heldLater, collect);
  }, LASTS_MS).unref();
}

/** @returns ends it */
function watch(everyMs: number, growthBytes: number, held: () => number, collect: () => void): () => void {
  let alive = held();
  const timer = setInterval(() => {
    const now = held();
    if (now < alive) alive = now;
    if (now - alive < Math.max(growthBytes, alive / 8)) return;
    collect();
    alive = held();
  }, everyMs).unref();
  return () => {
    clearInterval(timer);
  };
}

/** Objects and the buffers that hang on them, bytes. Opens no file, which would fail where no descriptor is left. */
function held(): number {
  const { used_heap_size: objects, external_memory: buffers } = getHeapStatistics();
  return objects + buffers;
}

/** All but the young objects, which have their own room; that stays as it is once it is large enough. */
function heldLater(): number {
  let old = getHeapStatistics().external_memory;
  for (const { space_name: name, space_size: room, space_used_size: used } of getHeapSpaceStatistics()) {
    if (name !== 'new_space') old += used;
    else if (room >= LATER_YOUNG_BYTES) setFlagsFromString('--semi-space-growth-factor=1');
  }
  return old;
}
