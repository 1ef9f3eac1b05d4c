import { describe, expect, test } from 'vitest';
// @ts-expect-error plain JavaScript
import { accountOf as untyped, histogram as untypedHistogram } from '../../scripts/kill-account.mjs';

interface Stretch {
  until: number;
  committed: Set<string>;
  killed: string[];
  crash: boolean;
}
interface Account {
  perStretch: { byCrash: string[]; byWorker: string[]; crash: boolean }[];
  again: string[];
  unexplained: string[];
}
const accountOf = untyped as (executions: { item: string; by: string }[], stretches: Stretch[]) => Account;
const histogram = untypedHistogram as (numbers: number[]) => Record<string, number>;

/** `a1 b2`: item a begun by worker 1, then b by worker 2. */
const begun = (text: string) => text.split(' ').map((one) => ({ item: one.charAt(0), by: `${one.slice(1)}.0` }));
const crash = (until: number, committed: string, ...killed: string[]): Stretch => ({
  until,
  committed: new Set(committed),
  killed,
  crash: true,
});
const end = (until: number, committed: string, ...killed: string[]): Stretch => ({
  ...crash(until, committed, ...killed),
  crash: false,
});

describe('an execution that came to nothing', () => {
  test('is the doing of the crash in whose time it was the last of its item', () => {
    const { perStretch, again, unexplained } = accountOf(begun('a1 b2 c1 d2 c3 d4'), [crash(4, 'ab'), end(6, 'abcd')]);
    expect(perStretch.map(({ byCrash }) => byCrash)).toEqual([['c', 'd'], []]);
    expect([again, unexplained]).toEqual([[], []]);
  });

  test('is the doing of who killed its worker, where it was the last one of that', () => {
    const { perStretch } = accountOf(begun('a1 b2 b1 c1 d3 c4 d5'), [crash(5, 'ab', '2'), end(7, 'abcd')]);
    expect(perStretch[0]).toEqual({ byCrash: ['c', 'd'], byWorker: ['b'], crash: true });
  });

  test('counts for the crash where its worker had gone on to the next when it was killed', () => {
    const { perStretch } = accountOf(begun('a1 b1 a3 b3'), [crash(2, '', '1'), end(4, 'ab')]);
    expect(perStretch[0]).toEqual({ byCrash: ['a'], byWorker: ['b'], crash: true });
  });

  test('is told where the item had been committed, and where nobody died', () => {
    expect(accountOf(begun('a1 b1 a2 c2 c2'), [crash(2, 'ab'), end(5, 'abc')])).toMatchObject({
      again: ['a'],
      unexplained: ['c'],
    });
  });
});

test('numbers are counted', () => {
  expect(histogram([2, 0, 0, 2, 1])).toEqual({ 0: 2, 1: 1, 2: 2 });
});
