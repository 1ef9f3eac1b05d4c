import { setFlagsFromString } from 'node:v8';

/**
 * Keeps the heap of a long run near what it really holds. A run makes a lot of short-lived objects and holds few; by
 * default V8 lets the heap grow to several times the live size before it cleans up, so that memory would rise with
 * the number of mini-batches although nothing is kept. For this process only: users of the SDK keep their settings.
 */
export function keepHeapSmall(): void {
  // The young generation stays at its first size instead of doubling up to 48 MiB.
  setFlagsFromString('--semi-space-growth-factor=1');
  // The old generation is collected when it has grown by a quarter.
  setFlagsFromString('--heap-growing-percent=25');
}
