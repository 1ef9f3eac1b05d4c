import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Room of the young objects, of which one half is in use. What belongs to a mini-batch in flight is to die in there: a
 * group of them is committed before it is full. In a smaller one they all became old, and old garbage is dear.
 */
const YOUNG_BYTES = 16 * 1024 * 1024;
const LOOK_MS = 50;
/** Growth of the memory that buffers hold outside the heap which calls for a collection. */
const BUFFERS_GROWTH_BYTES = 16 * 1024 * 1024;

/**
 * Keeps the heap of a long run near what it really holds. A run makes a lot of short-lived objects and holds few; by
 * default V8 lets the heap grow to several times the live size before it cleans up, so that memory would rise with
 * the number of mini-batches although nothing is kept.
 * For this process only: users of the SDK keep their settings.
 */
export function keepHeapSmall(): void {
  // Once, from 1 MiB to half of the room; V8 would go on to twice of it.
  setFlagsFromString('--semi-space-growth-factor=8');
  // Of the old objects a quarter more than what was alive.
  setFlagsFromString('--heap-growing-percent=25');
  const growing = setInterval(() => {
    if (youngRoom() < YOUNG_BYTES) return;
    setFlagsFromString('--semi-space-growth-factor=1');
    clearInterval(growing);
  }, LOOK_MS).unref();
  watchBuffers();
}

const youngRoom = (): number =>
  getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')?.space_size ?? 0;

/** Opens no file, which would fail where no descriptor is left. */
function watchBuffers(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (() => void) | undefined;
  if (collect === undefined) return;
  const held = (): number => getHeapStatistics().external_memory;
  let alive = held();
  setInterval(() => {
    const now = held();
    if (now < alive) alive = now;
    if (now - alive < Math.max(BUFFERS_GROWTH_BYTES, alive / 8)) return;
    collect();
    alive = held();
  }, LOOK_MS).unref();
}
