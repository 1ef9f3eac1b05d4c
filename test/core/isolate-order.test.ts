/** Which parts are run, in which order: what a name from the worker changes, what probes look at, where the budget ends. */
import { describe, expect, test } from 'vitest';
import { beginIsolation, partFailed, partSucceeded, partToRun } from '../../src/core/isolate.ts';
import type { Isolation, Progress } from '../../src/core/isolate.ts';
import { dispatchNumber } from '../../src/domain/ids.ts';

/** How a part fails: the error, and the item that the worker names. */
interface Fails {
  readonly error?: string;
  readonly names?: number;
  /** Its worker was killed. */
  readonly killed?: boolean;
}
type Script = (from: number, to: number) => Fails | undefined;

interface Played {
  readonly isolation: Isolation;
  readonly progress: Progress;
  /** `0-5+` was good, `0-5` failed. */
  readonly parts: readonly string[];
}

/** Runs parts as the script says, at most so many. */
function play(items: number, script: Script, most = Infinity): Played {
  const failure = (from: number, to: number, dispatch: number) => {
    const fails = script(from, to);
    return (
      fails && {
        dispatch: dispatchNumber(dispatch),
        signature: fails.error ?? 'E',
        item: fails.names,
        doubtful: fails.killed === true,
      }
    );
  };
  const whole = failure(0, items, 1);
  if (!whole) throw new Error('the whole must fail');
  const isolation = beginIsolation(items, whole, 3);
  const parts: string[] = [];
  let progress: Progress = 'run';
  while (progress === 'run' && parts.length < most) {
    const { from, to } = partToRun(isolation);
    const failed = failure(from, to, parts.length + 2);
    parts.push(`${from}-${to}${failed ? '' : '+'}`);
    progress = failed ? partFailed(isolation, failed) : partSucceeded(isolation, to - from);
  }
  return { isolation, progress, parts };
}

/** Fails where one of these is in it; names as told by `from-to`. */
function culprits(bad: readonly number[], names: Readonly<Record<string, number>> = {}): Script {
  return (from, to) => {
    if (!bad.some((item) => item >= from && item < to)) return undefined;
    const named = names[`${from}-${to}`];
    return named === undefined ? {} : { names: named };
  };
}

const all = (items: number): number[] => Array.from({ length: items }, (_, item) => item);

describe('a name from the worker', () => {
  test('that a part gives is believed: the item is run before what is around it', () => {
    const { parts } = play(16, culprits([5], { '0-8': 5 }));
    expect(parts).toEqual(['0-8', '8-16+', '5-6', '0-5+', '6-8+']);
  });

  test('that was wrong once is not believed again', () => {
    const { parts } = play(32, culprits([12], { '0-32': 8, '9-20': 12 }), 5);
    // 9-32 must hold the culprit: it is split without being run
    expect(parts).toEqual(['8-9+', '0-8+', '9-20', '20-32+', '9-14']);
  });

  test('that was wrong about the first item is not believed again', () => {
    const { parts } = play(9, culprits([1, 7], { '0-9': 0, '1-9': 7, '1-5': 1 }), 4);
    expect(parts).toEqual(['0-1+', '1-5', '5-9', '1-3']);
  });

  test('is believed after larger parts were good', () => {
    const { parts } = play(16, culprits([9, 15], { '8-12': 9 }), 4);
    expect(parts).toEqual(['0-8+', '8-12', '12-16', '9-10']);
  });

  test('is believed after a single item was good that nobody named', () => {
    const { parts } = play(32, culprits([5, 30], { '0-32': 30, '0-15': 5 }), 6);
    expect(parts).toEqual(['30-31', '0-30', '31-32+', '0-15', '15-30+', '5-6']);
  });

  test('of an item outside of the part says nothing', () => {
    const { parts } = play(16, culprits([5], { '0-16': 16, '0-8': 8, '4-8': 3 }));
    expect(parts).toEqual(play(16, culprits([5])).parts);
  });
});

describe('probes', () => {
  const everything = (items: number): Script => culprits(all(items));

  test('look at the first, a middle and the last item once all first parts have failed', () => {
    const { parts, progress, isolation } = play(20, everything(20));
    expect(parts).toEqual(['0-10', '10-20', '0-1', '10-11', '19-20']);
    expect(progress).toBe('everywhere');
    expect(isolation.dead.map(({ from }) => from)).toEqual([0, 10, 19]);
  });

  test('are for more than eight items', () => {
    expect(play(9, everything(9)).progress).toBe('everywhere');
    expect(play(8, everything(8)).progress).toBe('over');
  });

  test('that are all good leave the rest as it was, each range with what it belongs to', () => {
    const { parts } = play(20, culprits([4, 17]));
    expect(parts.slice(0, 9)).toEqual(['0-10', '10-20', '0-1+', '10-11+', '19-20+', '1-5', '5-10+', '11-15+', '1-3+']);
    expect(parts.slice(9)).toEqual(['15-17+', '3-4+', '4-5', '17-18', '18-19+']);
  });

  test('take the ends of what is left, not of the mini-batch', () => {
    const { parts } = play(20, culprits(all(20), { '0-20': 0 }));
    expect(parts).toEqual(['0-1', '1-20', '1-2', '10-11', '19-20']);
  });

  test('take them in the order of the items, however the parts stand', () => {
    const { parts } = play(20, culprits(all(20), { '0-10': 7 }));
    expect(parts).toEqual(['0-10', '10-20', '0-1', '8-9', '19-20']);
  });

  test('wait until three first parts have failed, where an item was named', () => {
    const { parts } = play(20, culprits(all(20), { '0-20': 1 }));
    expect(parts.slice(0, 4)).toEqual(['1-2', '0-1', '2-20', '2-3']);
  });

  test('are not made where something was good, be it one item', () => {
    const { parts } = play(20, culprits([2, 9], { '0-20': 4 }), 4);
    expect(parts).toEqual(['4-5+', '0-4', '5-20', '0-2+']);
  });

  test('are not made where parts failed with different errors', () => {
    const { parts } = play(20, (from) => ({ error: from < 10 ? 'A' : 'B' }), 3);
    expect(parts).toEqual(['0-10', '10-20', '0-5']);
  });

  test('that fail with another error give nothing up', () => {
    const { parts, progress } = play(20, (from, to) => ({ error: to - from === 1 && from === 10 ? 'F' : 'E' }), 6);
    expect(parts).toEqual(['0-10', '10-20', '0-1', '10-11', '19-20', '1-5']);
    expect(progress).toBe('run');
  });

  test('of which the last is good give nothing up', () => {
    const { progress, isolation } = play(20, culprits(all(19)));
    expect(progress).toBe('over');
    expect(isolation.dead.map(({ from }) => from)).toEqual(all(19));
  });
});

describe('the budget', () => {
  test('is that of eight culprits', () => {
    const whole = { dispatch: dispatchNumber(1), signature: 'E', item: undefined, doubtful: false };
    expect(beginIsolation(1000, whole, 3).runsMax).toBe(8 * (2 * 10 + 3));
    expect(beginIsolation(5, whole, 2).runsMax).toBe(8 * (2 * 3 + 2));
    expect(beginIsolation(8, whole, 1).runsMax).toBe(8 * (2 * 3 + 1));
  });

  test('used up, the rest is given up with the failure of its range', () => {
    const { isolation, progress, parts } = play(1000, (from) => ({ error: `E${from}` }));
    expect(progress).toBe('over');
    expect(parts).toHaveLength(184);
    expect(isolation.runs).toBe(184);
    expect(isolation.queue).toEqual([]);
    // no item was good: all of them are dead, each once and in order
    let end = 0;
    for (const { from, to, dispatch } of isolation.dead) {
      expect(from).toBe(end);
      end = to;
      const [first, last] = (parts[dispatch - 2] ?? '').split('-').map(Number);
      expect(first).toBeLessThanOrEqual(from);
      expect(last).toBeGreaterThanOrEqual(to);
    }
    expect(end).toBe(1000);
  });
});

test('what can’t be narrowed down, or has no part left, is a defect of ours', () => {
  const whole = { dispatch: dispatchNumber(1), signature: 'E', item: undefined, doubtful: false };
  expect(() => beginIsolation(1, whole, 3)).toThrow('one item needs no narrowing down');
  expect(beginIsolation(2, whole, 3).queue).toHaveLength(2);
  const { isolation } = play(2, culprits([0]));
  expect(() => partToRun(isolation)).toThrow('nothing is left to run');
  expect(() => partSucceeded(isolation, 1)).toThrow('a part ended that was not handed out');
});

describe('an item whose worker was killed', () => {
  test('is run again at once, and is dead when that fails too', () => {
    const { parts, isolation } = play(4, (from, to) => (from <= 1 && to > 1 ? { killed: true } : undefined));
    expect(parts).toEqual(['0-2', '2-4+', '0-1+', '1-2', '1-2']);
    expect(isolation.dead).toEqual([{ from: 1, to: 2, dispatch: 6 }]);
  });

  test('by chance is good the second time', () => {
    const once = new Set<number>();
    const { parts, isolation, progress } = play(4, (from, to) => {
      if (to - from > 1 && from === 0) return { error: 'E' };
      if (from !== 1 || once.has(1)) return undefined;
      once.add(1);
      return { killed: true };
    });
    expect([progress, isolation.dead]).toEqual(['over', []]);
    expect(parts).toEqual(['0-2', '2-4+', '0-1+', '1-2', '1-2+']);
  });

  test('by chance is still one of its siblings: the others are run whole, but for the last', () => {
    let killed = false;
    const { parts } = play(20, (from, to) => {
      if (to - from === 20) return { names: 7 };
      if (from !== 7 || killed) return from <= 15 && to > 15 ? {} : undefined;
      killed = true;
      return { killed };
    });
    expect(parts.slice(0, 5)).toEqual(['7-8', '7-8+', '0-7+', '8-14+', '14-17']);
  });

  test('has its second run before anything is probed, which waits for the first runs of all parts', () => {
    const { parts } = play(20, (from, to) => ({ killed: true, ...(to - from === 20 && { names: 7 }) }), 5);
    expect(parts).toEqual(['7-8', '7-8', '0-7', '8-20', '0-1']);
  });

  test('has none beyond the budget, and its own failure is the cause', () => {
    const whole = { dispatch: dispatchNumber(1), signature: 'E', item: undefined, doubtful: false };
    const isolation = beginIsolation(2, whole, 1);
    isolation.runs = isolation.runsMax - 1;
    expect(partFailed(isolation, { ...whole, dispatch: dispatchNumber(9), doubtful: true })).toBe('over');
    expect(isolation.dead).toEqual([
      { from: 0, to: 1, dispatch: 9 },
      { from: 1, to: 2, dispatch: 1 },
    ]);
  });
});
