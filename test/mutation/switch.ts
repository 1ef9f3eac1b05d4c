/** The switch that instrumented code asks: which change is on, what was asked, and an end to loops without one. */

export class Endless extends Error {}

interface Asked {
  /** Changes that were asked for. */
  readonly seen: ReadonlySet<number>;
  /** How often anything was asked. */
  readonly times: number;
}

const initials: (() => void)[] = [];
let active = 0;
let times = 0;
let timesMax = Infinity;
let seen: Set<number> | undefined;

/** Must be there before any instrumented file is loaded. */
Object.assign(globalThis, {
  __mutation: {
    changed(id: number): boolean {
      if (++times > timesMax) throw new Endless(`change ${active} does not come to an end`);
      seen?.add(id);
      return id === active;
    },
    initial(work: () => void): void {
      initials.push(work);
    },
  },
});

/** The code as it is. Initial values come first: whoever runs after them has come by them. */
export function watch(): void {
  seen = new Set();
  switchTo(0, Infinity);
}

export function watched(): Asked {
  const asked = { seen: seen ?? new Set<number>(), times };
  seen = undefined;
  return asked;
}

/** @param limit how often changes may be asked for: more than the code as it is ever does */
export function switchTo(id: number, limit: number): void {
  active = id;
  timesMax = Infinity;
  for (const work of initials) work();
  times = 0;
  timesMax = limit;
}

/** Work of a changed run may be this much longer before it counts as endless. */
export const limitFor = (plain: number): number => plain * 10 + 20_000;
