/** From outcomes to what is recorded: rows of parts are kept, put in order, given away exactly once. */
import { describe, expect, test } from 'vitest';
import type { Settles } from '../../src/core/types.ts';
import { dispatchNumber, epochMs, miniBatchIndex, nodeAddress, tryNumber, workerId } from '../../src/domain/ids.ts';
import type { TryFailure } from '../../src/domain/failure.ts';
import type { ItemRange } from '../../src/domain/minibatch.ts';
import type { TryOutcome } from '../../src/domain/ports.ts';
import { Settlement } from '../../src/orchestrator/settlement.ts';
import type { Settled } from '../../src/orchestrator/settlement.ts';
import { raised } from './rig.ts';

const timing = { start1: epochMs(0), end1: epochMs(0), start2: 0, end2: 0, runSeconds: 0, elapsedSeconds: 0 };
const other: TryFailure = { kind: 'timeout', limitMs: 1 };

interface Rows {
  /** Part file; absent: bytes. */
  readonly file?: string;
  readonly rows?: number;
  readonly columns?: readonly string[];
  readonly index?: number;
}

class Bench {
  readonly settlement: Settlement;
  private dispatch = 0;

  constructor(wantsRows = true) {
    this.settlement = new Settlement(wantsRows);
  }

  good(settles: Settles, part?: ItemRange, { file, rows = 1, columns, index = 0 }: Rows = {}): Settled {
    const data = file === undefined ? Buffer.from(`rows ${part?.from ?? 0}`) : { part: file, bytes: 5 };
    const result = { ok: true, returned: rows, rows: data, ...(columns && { columns }) } as const;
    return this.settle(index, settles, part, result);
  }

  bad(settles: Settles, part?: ItemRange, failure: TryFailure = raised, index = 0): Settled {
    return this.settle(index, settles, part, { ok: false, failure });
  }

  private settle(index: number, settles: Settles, part: ItemRange | undefined, result: TryOutcome['result']): Settled {
    const outcome: TryOutcome = {
      ...{ type: 'try-outcome', at: epochMs(0), worker: workerId(nodeAddress('n'), 1), pid: 1, timing, result },
      ...{ index: miniBatchIndex(index), dispatch: dispatchNumber(++this.dispatch) },
    };
    const command = { type: 'settle', try: tryNumber(1), settles, ...(part && { part }) } as const;
    return this.settlement.settle(outcome, command, 10, undefined);
  }
}

const range = (from: number, to: number): ItemRange => ({ from, to });
const part = (succeeded: number): Settles => ({ as: 'part', succeeded });
const narrow: Settles = { as: 'narrow' };
const done: Settles = { as: 'done', succeeded: 10, failed: 0 };
const failed: Settles = { as: 'failed', poisoned: false };
const partial: Settles = { as: 'partial', succeeded: 9, failed: 1, dead: [] };
const bytes = (from: number) => ({ bytes: Buffer.from(`rows ${from}`), rows: 1 });

describe('a whole mini-batch', () => {
  test('that is done commits its rows, bytes or part file', () => {
    const bench = new Bench();
    expect(bench.good(done)).toMatchObject({ rows: { bytes: Buffer.from('rows 0'), rows: 1 }, unneeded: [] });
    expect(bench.good(done, undefined, { file: 'f', rows: 7 }).rows).toEqual({ part: 'f', length: 5, rows: 7 });
  });

  test('of a run without rows commits none', () => {
    const bench = new Bench(false);
    const settled = bench.good(done, undefined, { file: 'f', columns: ['a'] });
    expect(Object.keys(settled)).toEqual(['event', 'unneeded']);
    expect(settled.event.columns).toBeUndefined();
    expect(bench.good(part(1), range(0, 1)).unneeded).toEqual([]);
    expect('rows' in bench.good(partial, range(1, 2))).toBe(false);
  });

  test('that failed leaves nothing to commit', () => {
    const bench = new Bench();
    for (const settles of [failed, { as: 'retry', retryAfterMs: 1 }, { as: 'requeue' }] as const)
      expect(bench.bad(settles)).toMatchObject({ unneeded: [], event: { settles: settles.as, failure: raised } });
  });
});

describe('parts', () => {
  test('are committed with the last one, in the order of their items', () => {
    const bench = new Bench();
    bench.bad(narrow);
    bench.good(part(2), range(4, 6), { file: 'f4' });
    bench.good(part(2), range(0, 2));
    bench.bad(narrow, range(2, 3));
    const { rows, unneeded, event } = bench.good(partial, range(3, 4));
    expect(rows).toEqual({ pieces: [bytes(0), bytes(3), { part: 'f4', length: 5, rows: 1 }], rows: 3 });
    expect([unneeded, event.failure]).toEqual([[], undefined]);
    // and nothing of them is left for the next
    expect('rows' in bench.bad(partial, range(0, 1))).toBe(false);
  });

  test('are committed when the last one fails', () => {
    const bench = new Bench();
    bench.good(part(1), range(5, 6));
    expect(bench.bad(partial, range(0, 1)).rows).toEqual({ pieces: [bytes(5)], rows: 1 });
  });

  test('of different mini-batches have nothing to do with each other', () => {
    const bench = new Bench();
    bench.bad(narrow, undefined, raised, 1);
    bench.bad(narrow, undefined, other, 2);
    bench.good(part(1), range(0, 1), { file: 'a', index: 1 });
    bench.good(part(1), range(0, 1), { file: 'b', index: 2 });
    expect(bench.good(failed, range(1, 2), { index: 1 })).toMatchObject({
      ...{ unneeded: ['a'], event: { failure: raised } },
    });
    expect(bench.settlement.keeps('a')).toBe(false);
    expect(bench.settlement.keeps('b')).toBe(true);
  });

  test('that are dropped leave their files to be removed, that of the last one too', () => {
    const bench = new Bench();
    bench.bad(narrow);
    bench.bad(narrow, range(0, 5), other);
    bench.good(part(2), range(5, 7), { file: 'f5' });
    bench.good(part(2), range(0, 2));
    const { event, unneeded } = bench.good(failed, range(7, 8), { file: 'f7' });
    expect(unneeded).toEqual(['f5', 'f7']);
    // why it failed is what the whole failed with, not one of its parts
    expect(event).toMatchObject({ failure: raised, settles: 'failed' });
  });

  test('are kept until their mini-batch ends', () => {
    const bench = new Bench();
    bench.good(part(1), range(0, 1), { file: 'f0' });
    bench.good(part(1), range(1, 2));
    bench.good(part(1), range(2, 3), { file: 'f2' });
    expect(['f0', 'f2', 'f9'].map((file) => bench.settlement.keeps(file))).toEqual([true, true, false]);
    bench.good(partial, range(3, 4), { file: 'f3' });
    expect(['f0', 'f2', 'f3'].map((file) => bench.settlement.keeps(file))).toEqual([false, false, false]);
  });
});

describe('names of columns', () => {
  const columnsOf = (settled: Settled) => settled.event.columns;

  test('are stored where they differ from those stored last', () => {
    const bench = new Bench();
    expect(columnsOf(bench.good(done, undefined, { columns: ['a', 'b'] }))).toEqual(['a', 'b']);
    expect(columnsOf(bench.good(done, undefined, { columns: ['a', 'b'] }))).toBeUndefined();
    expect(columnsOf(bench.good(done))).toBeUndefined();
    expect(columnsOf(bench.good(done, undefined, { columns: ['ab'] }))).toEqual(['ab']);
    expect(columnsOf(bench.good(done, undefined, { columns: ['a', 'b'] }))).toEqual(['a', 'b']);
  });

  test('of a mini-batch in parts are those of the first that has some', () => {
    const bench = new Bench();
    bench.good(part(1), range(0, 1));
    bench.good(part(1), range(1, 2), { columns: ['first'] });
    expect(columnsOf(bench.good(partial, range(2, 3), { columns: ['last'] }))).toEqual(['first']);
    bench.good(part(1), range(0, 1));
    expect(columnsOf(bench.good(partial, range(2, 3), { columns: ['last'] }))).toEqual(['last']);
  });
});
