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
      { index: 1, items: 2, state: 'failed', failedItems: 2, reason: 'run() took longer than its limit of 2 s' },
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

  test('every item is in exactly one place', () => {
    const one = fc.record({ kind: fc.constantFrom('done', 'failed', 'pending'), items: fc.nat(9), rows: fc.nat(9) });
    fc.assert(
      fc.property(fc.array(one, { maxLength: 40 }), (parts) => {
        let offset = 0;
        const account = new CompletenessFold();
        parts.forEach(({ kind, items, rows }, index) => {
          if (kind === 'failed') account.apply(failed(index, items));
          if (kind !== 'done') return;
          account.apply(done(index, offset, rows, items));
          offset += rows * 10;
        });
        const all = [...account.miniBatches(parts.length)];
        expect(all.map((each) => each.state)).toEqual(parts.map(({ kind }) => (kind === 'done' ? 'rows' : kind)));
        const settled = parts.filter(({ kind }) => kind !== 'pending').reduce((sum, { items }) => sum + items, 0);
        expect(account.succeededItems + account.failedItems).toBe(settled);
        const rows = all.flatMap((each) => (each.rows ? [each.rows.to - each.rows.from + 1] : []));
        expect(rows.reduce((sum, n) => sum + n, 0)).toBe(account.rows);
      }),
    );
  });
});
