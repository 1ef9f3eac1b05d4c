import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Growth of the heap over what was alive after the last collection that calls for another one. */
const GROWTH_BYTES = 8 * 1024 * 1024;
const LOOK_MS = 50;

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
  let alive = held();
  setInterval(() => {
    const now = held();
    if (now < alive) alive = now;
    if (now - alive < Math.max(GROWTH_BYTES, alive / 8)) return;
    collect();
    alive = held();
  }, LOOK_MS).unref();
}

/** Objects and the buffers that hang on them. Opens no file, which would fail where no descriptor is left. */
function held(): number {
  const { used_heap_size: objects, external_memory: buffers } = getHeapStatistics();
  return objects + buffers;
}
