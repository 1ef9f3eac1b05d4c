import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IndexSet } from '../../src/core/indexset.ts';

function setOf(members: Iterable<number>): IndexSet {
  const set = new IndexSet();
  for (const index of members) set.add(index);
  return set;
}
function* range(from: number, to: number): Generator<number> {
  for (let i = from; i < to; i++) yield i;
}

describe('gaps', () => {
  test('between members that fill whole bytes: a gap ends where they begin', () => {
    expect([...setOf(range(8, 16)).gaps(0, 24)]).toEqual([
      { from: 0, to: 8 },
      { from: 16, to: 24 },
    ]);
  });

  test('are none where all are members, up to the very end', () => {
    expect([...setOf(range(0, 8)).gaps(0, 8)]).toEqual([]);
    expect([...setOf(range(0, 16)).gaps(0, 12)]).toEqual([]);
  });

  test('are looked for in the byte of the index itself', () => {
    // the byte of 512 to 519 is full; that of 8 to 15 is not
    expect([...setOf(range(512, 520)).gaps(8, 20)]).toEqual([{ from: 8, to: 20 }]);
  });

  test('of nearly full sets', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(299), { maxLength: 6 }),
        fc.nat(40),
        fc.integer({ min: 0, max: 310 }),
        (holes, from, to) => {
          const set = setOf(range(0, 300));
          for (const hole of holes) set.remove(hole);
          const found = [...set.gaps(from, to)].flatMap((gap) => {
            expect(gap.to).toBeGreaterThan(gap.from);
            return [...range(gap.from, gap.to)];
          });
          expect(found).toEqual([...range(from, to)].filter((i) => holes.includes(i) || i >= 300));
        },
      ),
      { numRuns: 200 },
    );
  });
});

test('what is removed is out, whatever else is in its byte, and out of reach nothing is', () => {
  const set = setOf([3, 4, 5]);
  set.remove(4);
  set.remove(1_000_000);
  expect([3, 4, 5, 1_000_000].map((i) => set.has(i))).toEqual([true, false, true, false]);
  set.add(1_000_000);
  expect(set.has(1_000_000)).toBe(true);
  expect(set.has(3)).toBe(true);
});
