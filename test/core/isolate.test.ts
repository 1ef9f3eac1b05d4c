import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { beginIsolation, giveUp, partFailed, partSucceeded, partToRun } from '../../src/core/isolate.ts';
import type { Isolation, Progress } from '../../src/core/isolate.ts';
import { dispatchNumber } from '../../src/domain/ids.ts';

interface Found {
  readonly isolation: Isolation;
  readonly progress: Progress;
  readonly runs: number;
  readonly good: readonly number[];
}

/** Runs parts until the end; a part fails where it holds a culprit, with the signature of its first one. */
function narrow(
  items: number,
  culprits: ReadonlyMap<number, string>,
  names: (from: number, to: number) => number | undefined = () => undefined,
  tries = 3,
): Found {
  const failure = (from: number, to: number, dispatch: number) => {
    const first = [...culprits.keys()].filter((item) => item >= from && item < to).sort((a, b) => a - b)[0];
    if (first === undefined) return undefined;
    return {
      dispatch: dispatchNumber(dispatch),
      signature: culprits.get(first) ?? '',
      item: names(from, to),
      doubtful: false,
    };
  };
  const whole = failure(0, items, 1);
  if (!whole) throw new Error('needs a culprit');
  const isolation = beginIsolation(items, whole, tries);
  const good: number[] = [];
  let progress: Progress = 'run';
  let dispatch = 1;
  while (progress === 'run') {
    const { from, to } = partToRun(isolation);
    const failed = failure(from, to, ++dispatch);
    if (failed) progress = partFailed(isolation, failed);
    else {
      for (let item = from; item < to; item++) good.push(item);
      progress = partSucceeded(isolation, to - from);
    }
  }
  return { isolation, progress, runs: dispatch - 1, good: good.sort((a, b) => a - b) };
}

const one = (item: number): Map<number, string> => new Map([[item, 'E']]);
const deadOf = ({ isolation }: Found): number[] =>
  isolation.dead.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, i) => from + i));

describe('narrowing down', () => {
  it('finds one culprit anywhere within 2 log2(n) runs', () => {
    for (const items of [2, 3, 5, 7, 8, 10, 11, 33, 64, 100, 257, 1000]) {
      for (let item = 0; item < items; item++) {
        const found = narrow(items, one(item));
        expect(found.progress).toBe('over');
        expect(deadOf(found)).toEqual([item]);
        expect(found.good.length).toBe(items - 1);
        expect(found.runs).toBeLessThanOrEqual(2 * Math.log2(items));
      }
    }
  });

  it('runs the item that the worker named first, and the rest around it', () => {
    const found = narrow(100, one(37), () => 37);
    expect(found.runs).toBe(3);
    expect(deadOf(found)).toEqual([37]);
    expect(found.good.length).toBe(99);
  });

  it('believes no name any more after one that was wrong', () => {
    for (const culprit of [0, 1, 50, 98, 99]) {
      const found = narrow(100, one(culprit), (from) => (from === culprit ? from + 1 : from));
      expect(deadOf(found)).toEqual([culprit]);
      expect(found.runs).toBeLessThanOrEqual(2 * Math.log2(100) + 4);
    }
  });

  it('names the hand-out whose failure is the cause of each dead item', () => {
    const found = narrow(4, one(2));
    // 2: [0,2) is good, so [2,4) is split without a run; 3: [2,3) fails; 4: [3,4) is good
    expect(found.isolation.dead).toEqual([{ from: 2, to: 3, dispatch: 3 }]);
    expect(found.runs).toBe(3);
  });

  it('gives up soon where every item fails with the same error', () => {
    const all = new Map(Array.from({ length: 100 }, (_, item) => [item, 'E'] as const));
    const found = narrow(100, all);
    expect(found.progress).toBe('everywhere');
    expect(found.runs).toBe(5);
  });

  it('looks at all of a few items even where all fail', () => {
    const all = new Map(Array.from({ length: 6 }, (_, item) => [item, 'E'] as const));
    const found = narrow(6, all);
    expect(found.progress).toBe('over');
    expect(deadOf(found)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('goes on where items fail with different errors', () => {
    const all = new Map(Array.from({ length: 20 }, (_, item) => [item, `E${item}`] as const));
    const found = narrow(20, all);
    expect(found.progress).toBe('over');
    expect(deadOf(found).length).toBe(20);
  });

  it('every item has exactly one end, culprits are never good, and the budget holds', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 400 }),
        fc.array(fc.tuple(fc.nat(399), fc.constantFrom('A', 'B')), { minLength: 1, maxLength: 60 }),
        fc.option(fc.nat(1000), { nil: undefined }),
        fc.integer({ min: 1, max: 5 }),
        (items, drawn, salt, tries) => {
          const culprits = new Map(drawn.map(([item, signature]) => [item % items, signature]));
          const names = (from: number, to: number) =>
            salt === undefined ? undefined : from + ((salt * 7919 + from) % (to - from + 1));
          const found = narrow(items, culprits, names, tries);
          expect(found.isolation.runs).toBeLessThanOrEqual(found.isolation.runsMax);
          for (const item of found.good) expect(culprits.has(item)).toBe(false);
          if (found.progress === 'everywhere') {
            expect(found.good).toEqual([]);
            expect(new Set(culprits.values()).size === 1 || culprits.size > 1).toBe(true);
            return;
          }
          const dead = deadOf(found);
          expect([...found.good, ...dead].sort((a, b) => a - b)).toEqual(Array.from({ length: items }, (_, i) => i));
          for (const item of culprits.keys()) expect(dead).toContain(item);
          if (found.runs < found.isolation.runsMax) expect(new Set(dead)).toEqual(new Set(culprits.keys()));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('an item whose worker was killed is run a second time, a culprit is not good for it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 60 }),
        fc.nat(59),
        fc.array(fc.boolean(), { maxLength: 40 }),
        (items, drawn, kills) => {
          const culprit = drawn % items;
          const killed = { signature: 'SIGKILL', item: undefined, doubtful: true };
          const raised = { signature: 'E', item: undefined, doubtful: false };
          const isolation = beginIsolation(items, { ...raised, dispatch: dispatchNumber(1) }, 3);
          const killedAlone = new Map<number, number>();
          for (let run = 0, progress: Progress = 'run'; progress === 'run'; run++) {
            const { from, to } = partToRun(isolation);
            const dispatch = dispatchNumber(run + 2);
            if (kills[run]) {
              progress = partFailed(isolation, { ...killed, dispatch });
              if (to - from === 1) killedAlone.set(from, (killedAlone.get(from) ?? 0) + 1);
            } else if (from <= culprit && culprit < to) progress = partFailed(isolation, { ...raised, dispatch });
            else progress = partSucceeded(isolation, to - from);
          }
          if (isolation.runs === isolation.runsMax) return;
          const dead = isolation.dead.map(({ from }) => from);
          const expected = [...killedAlone].filter(([, times]) => times === 2).map(([item]) => item);
          expect(dead).toEqual([...new Set([...expected, culprit])].sort((a, b) => a - b));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('gives up what is left with the failure of the range it belongs to', () => {
    const whole = { dispatch: dispatchNumber(3), signature: 'E', item: undefined, doubtful: false };
    const isolation = beginIsolation(10, whole, 3);
    partSucceeded(isolation, 5);
    giveUp(isolation);
    expect(isolation.dead.map(({ from, to }) => [from, to])).toEqual([
      [5, 7],
      [7, 10],
    ]);
    expect(isolation.dead.every(({ dispatch }) => dispatch === 3)).toBe(true);
  });
});
