import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Young objects have this much room: enough that a group of mini-batches is committed before it is looked at. */
const YOUNG_BYTES = 8 * 1024 * 1024;
/** It is twice as large as what is in use of it: one half for what lives on. */
const HALVES = 2;
/** Growth of the old objects over what was alive after the last collection that calls for another one. */
const GROWTH_BYTES = 16 * 1024 * 1024;
const LOOK_MS = 50;

/**
 * Keeps the heap of a long run near what it really holds. A run makes a lot of short-lived objects and holds few; by
 * default V8 lets the heap grow to several times the live size before it cleans up, so that memory would rise with
 * the number of mini-batches although nothing is kept. A collection of a heap this small takes 2 or 3 ms.
 * For this process only: users of the SDK keep their settings.
 */
export function keepHeapSmall(): void {
  // The young generation goes to its size in one step, and no further.
  setFlagsFromString('--semi-space-growth-factor=8');
  // The old generation may grow by a quarter, but V8 never collects before some 8 MiB: we do.
  setFlagsFromString('--heap-growing-percent=25');
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (() => void) | undefined;
  if (collect === undefined) return;
  let grows = true;
  let alive = held().old;
  setInterval(() => {
    const { young, old } = held();
    if (grows && young >= HALVES * YOUNG_BYTES) {
      grows = false;
      setFlagsFromString('--semi-space-growth-factor=1');
    }
    if (old < alive) alive = old;
    if (old - alive < Math.max(GROWTH_BYTES, alive / 8)) return;
    collect();
    alive = held().old;
  }, LOOK_MS).unref();
}

/**
 * Bytes: the room of the young objects, and the old ones with all buffers that hang on objects. Opens no file, which would
 * fail where no descriptor is left.
 */
function held(): { readonly young: number; readonly old: number } {
  let young = 0;
  let old = getHeapStatistics().external_memory;
  for (const { space_name: name, space_size: room, space_used_size: used } of getHeapSpaceStatistics()) {
    if (name === 'new_space') young = room;
    else old += used;
  }
  return { young, old };
}
