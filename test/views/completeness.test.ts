import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RunEvent, TryFinished } from '../../src/domain/event.ts';
import { dispatchNumber, epochMs, miniBatchIndex, nodeAddress, tryNumber, workerId } from '../../src/domain/ids.ts';
import { CompletenessFold } from '../../src/views/completeness.ts';

const base = {
  type: 'try-finished',
  at: epochMs(0),
  dispatch: dispatchNumber(1),
  try: tryNumber(1),
  worker: workerId(nodeAddress('192.0.2.1'), 1),
  pid: 1,
  timing: { start1: epochMs(0), end1: epochMs(0), start2: 0, end2: 0, runSeconds: 0, elapsedSeconds: 0 },
} as const;

const LATE = 'run() took longer than its limit of 2 s';

function done(index: number, offset: number, rows: number, items = rows): TryFinished {
  const succeeded = Math.min(rows, items);
  const extent = { offset, bytes: rows * 10, rows, crc32: index };
  const counts = { items, succeeded, failed: items - succeeded, rows: extent };
  return { ...base, index: miniBatchIndex(index), status: 'RUN_DONE', settles: 'done', ...counts };
}

function failed(index: number, items: number): TryFinished {
  const failure = { kind: 'timeout', limitMs: 2000 } as TryFinished['failure'];
  const counts = { items, succeeded: 0, failed: items };
  const common = {
    ...base,
    index: miniBatchIndex(index),
    status: 'RUN_TIMEOUT',
    settles: 'failed',
    ...counts,
  } as const;
  return failure ? { ...common, failure } : common;
}

function retried(...indexes: number[]): RunEvent {
  const again = indexes.map((index) => ({ index: miniBatchIndex(index), items: 2 }));
  return { type: 'run-resumed', at: epochMs(0), version: '1', pid: 1, settled: 0, changes: [], retried: again };
}

/** A partial one: `dead` of its items are dead letters, by dispatch 1. */
function partial(index: number, offset: number, items: number, ...dead: (readonly [number, number])[]): TryFinished {
  const lost = dead.reduce((sum, [from, to]) => sum + (to - from), 0);
  return {
    ...done(index, offset, items - lost, items),
    dispatch: dispatchNumber(2),
    settles: 'partial',
    dead: dead.map(([from, to]) => ({ from, to, dispatch: dispatchNumber(1) })),
  };
}

/** Its last whole try, the cause of what is dead. */
const narrowed = (index: number, items: number): TryFinished => ({ ...failed(index, items), settles: 'narrow' });

function rebuilt(...indexes: number[]): RunEvent {
  const again = indexes.map((index) => ({ index: miniBatchIndex(index), items: 2 }));
  return {
    type: 'run-resumed',
    at: epochMs(0),
    version: '1',
    pid: 1,
    settled: 0,
    changes: [],
    retried: [],
    rebuilt: again,
  };
}

function fold(...events: RunEvent[]): CompletenessFold {
  const account = new CompletenessFold();
  for (const event of events) account.apply(event);
  return account;
}

describe('account of a run', () => {
  test('rows are numbered in the order of mini-batches, whatever the order of their commits', () => {
    const account = fold(done(2, 0, 3), failed(1, 2), done(0, 30, 2, 4));
    expect([...account.miniBatches(4)]).toEqual([
      { index: 0, items: 4, state: 'rows', rows: { from: 1, to: 2 }, failedItems: 2 },
      { index: 1, items: 2, state: 'failed', failedItems: 2, reason: LATE },
      { index: 2, items: 3, state: 'rows', rows: { from: 3, to: 5 }, failedItems: 0 },
      { index: 3, items: undefined, state: 'pending', failedItems: 0 },
    ]);
    expect(account).toMatchObject({ succeededItems: 5, failedItems: 4, shortItems: 2, rows: 5, bytes: 50 });
    expect([...account.extents(7)].map(({ index, at, spoolOffset }) => [index, at, spoolOffset])).toEqual([
      [0, 7, 30],
      [2, 27, 0],
    ]);
    expect(account.contradictionCount).toBe(0);
  });

  test.each([
    ['done twice', [done(0, 0, 1), done(0, 10, 1)], /done already/],
    ['failed after done', [done(0, 0, 1), failed(0, 1)], /done already/],
    ['done after failed', [failed(0, 1), done(0, 0, 1)], /failed already/],
    ['rows over rows', [done(0, 0, 2), done(1, 10, 1)], /over others that end at 20/],
    ['partial after done', [done(0, 0, 1), partial(0, 10, 2, [0, 1])], /done already/],
    ['done after partial', [partial(0, 0, 2, [0, 1]), done(0, 10, 1)], /partial already/],
    ['dead items beyond the last', [partial(0, 0, 2, [1, 3])], /not ascending items of its 2/],
    ['an item dead twice', [partial(0, 0, 4, [1, 3], [2, 3])], /not ascending items of its 4/],
    [
      'more dead than failed',
      [{ ...partial(0, 0, 4, [1, 3]), failed: 1, succeeded: 3 }],
      /1 items failed and 2 are dead/,
    ],
    [
      'failed with some dead',
      [{ ...failed(0, 3), dead: [{ from: 0, to: 1, dispatch: dispatchNumber(1) }] }],
      /1 of its 3 items are dead letters, it failed/,
    ],
    ['rows made again that never were', [failed(0, 1), rebuilt(0)], /although it had none/],
    ['tried again without having failed', [done(0, 0, 1), retried(0)], /had not failed/],
  ])('%s is a contradiction, and counted once', (_, events, text) => {
    const account = fold(...events);
    expect(account.contradictionCount).toBe(1);
    expect(account.contradictions[0]?.text).toMatch(text);
  });

  test('a failed one that is tried again may be done', () => {
    const account = fold(failed(0, 2), retried(0), done(0, 0, 2));
    expect(account).toMatchObject({ done: 1, failed: 0, failedItems: 0, succeededItems: 2, contradictionCount: 0 });
  });

  test('a partial one has rows and dead letters, each with the failure of the hand-out that is its cause', () => {
    const account = fold(done(0, 0, 2), narrowed(1, 10), partial(1, 20, 10, [3, 4], [7, 9]), done(2, 90, 1));
    expect([...account.miniBatches(3)]).toEqual([
      { index: 0, items: 2, state: 'rows', rows: { from: 1, to: 2 }, failedItems: 0 },
      {
        index: 1,
        items: 10,
        state: 'partial',
        rows: { from: 3, to: 9 },
        failedItems: 3,
        dead: [
          { from: 3, to: 4, reason: LATE },
          { from: 7, to: 9, reason: LATE },
        ],
      },
      { index: 2, items: 1, state: 'rows', rows: { from: 10, to: 10 }, failedItems: 0 },
    ]);
    expect(account).toMatchObject({
      done: 2,
      partial: 1,
      failed: 0,
      succeededItems: 10,
      failedItems: 3,
      shortItems: 0,
    });
    expect(account.dead.total).toBe(3);
    expect([...account.extents(0)].map(({ index, firstRow, rows }) => [index, firstRow, rows])).toEqual([
      [0, 1, 2],
      [1, 3, 7],
      [2, 10, 1],
    ]);
    expect(account.contradictionCount).toBe(0);
  });

  test('one that failed with every item dead is no failure as a whole', () => {
    const all = { from: 0, to: 3, dispatch: dispatchNumber(1) };
    const account = fold({ ...failed(0, 3), dead: [all] }, failed(1, 4));
    expect(account).toMatchObject({ failed: 2, allDead: 1, failedItems: 7, succeededItems: 0 });
    expect(account.dead.total).toBe(3);
    expect([...account.miniBatches(2)]).toEqual([
      { index: 0, items: 3, state: 'failed', failedItems: 3, reason: LATE, dead: [{ from: 0, to: 3, reason: LATE }] },
      { index: 1, items: 4, state: 'failed', failedItems: 4, reason: LATE },
    ]);
  });

  test('parts that were dropped leave the reason of the whole', () => {
    const end = { ...failed(0, 4), status: 'RUN_DONE', part: { from: 0, to: 2 } } as const;
    const { failure: _, ...silent } = end;
    const account = fold(narrowed(0, 4), silent);
    expect([...account.miniBatches(1)]).toMatchObject([{ state: 'failed', reason: LATE }]);
  });

  test('a partial one that is tried again starts with nothing', () => {
    const account = fold(narrowed(0, 2), partial(0, 0, 2, [0, 1]), retried(0));
    expect(account).toMatchObject({ partial: 0, failedItems: 0, succeededItems: 0, rows: 0, bytes: 0 });
    expect([...account.miniBatches(1)]).toEqual([{ index: 0, items: undefined, state: 'pending', failedItems: 0 }]);
    expect(account.dead.total).toBe(0);
    // its former rows stay in the spool, unused
    account.apply(done(0, 10, 2));
    expect(account).toMatchObject({ done: 1, rows: 2, contradictionCount: 0 });
    expect([...account.extents(0)]).toMatchObject([{ index: 0, spoolOffset: 10 }]);
  });

  test('rows that were lost with the end of the spool are made again in their place', () => {
    const account = fold(done(0, 0, 2), done(1, 20, 1, 2), partial(2, 30, 2, [0, 1]), rebuilt(1, 2));
    expect(account).toMatchObject({ done: 1, partial: 0, failedItems: 0, succeededItems: 2, rows: 2, bytes: 20 });
    account.apply(done(2, 20, 2));
    account.apply(done(1, 40, 2));
    expect(account.contradictionCount).toBe(0);
    expect([...account.extents(0)].map(({ index, spoolOffset }) => [index, spoolOffset])).toEqual([
      [0, 0],
      [1, 40],
      [2, 20],
    ]);
  });

  test('one event may open the same mini-batch for both reasons', () => {
    const both = { ...retried(0), rebuilt: [{ index: miniBatchIndex(0), items: 2 }] } as RunEvent;
    expect(fold(partial(0, 0, 2, [0, 1]), both)).toMatchObject({ contradictionCount: 0, partial: 0, failedItems: 0 });
  });

  test('every item is in exactly one place', () => {
    const one = fc.record({
      kind: fc.constantFrom('done', 'partial', 'failed', 'pending'),
      items: fc.integer({ min: 2, max: 9 }),
      rows: fc.nat(9),
    });
    fc.assert(
      fc.property(fc.array(one, { maxLength: 40 }), (parts) => {
        let offset = 0;
        const account = new CompletenessFold();
        parts.forEach(({ kind, items, rows }, index) => {
          if (kind === 'failed') account.apply(failed(index, items));
          if (kind === 'partial') {
            const event = partial(index, offset, items, [0, 1 + (rows % (items - 1))]);
            account.apply(event);
            offset += event.rows?.bytes ?? 0;
          }
          if (kind !== 'done') return;
          account.apply(done(index, offset, rows, items));
          offset += rows * 10;
        });
        const all = [...account.miniBatches(parts.length)];
        expect(all.map((each) => each.state)).toEqual(parts.map(({ kind }) => (kind === 'done' ? 'rows' : kind)));
        const settled = parts.filter(({ kind }) => kind !== 'pending').reduce((sum, { items }) => sum + items, 0);
        expect(account.succeededItems + account.failedItems).toBe(settled);
        const places = all.map(({ rows: of, dead = [], failedItems, state, items = 0 }) => {
          const letters = dead.reduce((sum, { from, to }) => sum + (to - from), 0);
          if (state !== 'partial') expect(letters).toBe(0);
          else expect(letters + ((of?.to ?? 0) - (of?.from ?? 1) + 1)).toBe(items);
          return failedItems;
        });
        expect(places.reduce((sum, n) => sum + n, 0)).toBe(account.failedItems);
        const rows = all.flatMap((each) => (each.rows ? [each.rows.to - each.rows.from + 1] : []));
        expect(rows.reduce((sum, n) => sum + n, 0)).toBe(account.rows);
      }),
    );
  });
});
