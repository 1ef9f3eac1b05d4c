import { violationOf } from './observer.ts';
import { World } from './world.ts';

export interface SeedResult {
  readonly seed: number;
  readonly hash: string;
  readonly events: number;
  readonly seen: ReadonlySet<string>;
  readonly rule: string | undefined;
  readonly message: string | undefined;
  readonly lines: readonly string[] | undefined;
}

/** One seed to its end; a broken rule is a value. @param options `steadyClock`: no jumps, else the same */
export function runSeed(seed: number, options: { traced?: boolean; steadyClock?: boolean } = {}): SeedResult {
  const world = new World(seed, options.traced === true);
  if (options.steadyClock === true) world.clockScale = 0;
  let failure;
  try {
    world.run();
  } catch (error) {
    failure = violationOf(error);
    if (failure.rule === 'TypeError' || failure.rule === 'ReferenceError' || failure.rule === 'RangeError') throw error;
  }
  const { log, time, seen } = world;
  return {
    seed,
    hash: log.hash,
    events: time.events,
    seen,
    rule: failure?.rule,
    message: failure?.message,
    lines: log.lines,
  };
}
