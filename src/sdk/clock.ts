import { epochMs } from '../domain/ids.ts';
import type { Clock } from '../domain/ports.ts';

/** The real one: wall clock to show, monotonic to decide by. */
export const systemClock: Clock = {
  now: () => epochMs(Date.now()),
  monotonic: () => performance.now(),
};
