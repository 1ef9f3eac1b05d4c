import { describe, expect, it } from 'vitest';
import { dispatchNumber, miniBatchIndex, tryNumber } from '../../src/domain/ids.ts';
import { FailingMiniBatchesFold, MiniBatchFold } from '../../src/views/minibatches.ts';
import { PROCESSES_MAX, WorkersFold } from '../../src/views/workers.ts';
import { at, exception, failedTry, finished, NODE, opening, worker } from './support.ts';

const second = { try: tryNumber(2), dispatch: dispatchNumber(2) };

describe('MiniBatchFold', () => {
  it('keeps the tries of its mini-batch only', () => {
    const fold = new MiniBatchFold(miniBatchIndex(1));
    expect(fold.tries()).toBeUndefined();
    for (const event of [finished(0, 100), failedTry(1, 200, exception()), finished(1, 300, second)]) fold.apply(event);
    const tries = fold.tries();
    expect(tries).toMatchObject({ index: 1, items: 10, state: 'done', detail: '/data/images/0010.png and 9 more' });
    expect(tries?.tries.map(({ try: n, status, settles }) => [n, status, settles])).toEqual([
      [1, 'RUN_EXCEPTION', 'retry'],
      [2, 'RUN_DONE', 'done'],
    ]);
  });
});

describe('FailingMiniBatchesFold', () => {
  it('lists what failed for good first, and nothing that never failed', () => {
    const fold = new FailingMiniBatchesFold();
    for (const event of [
      finished(0, 100),
      failedTry(1, 200, exception()),
      finished(1, 300, second),
      failedTry(2, 400, exception()),
      failedTry(3, 500, exception(), { settles: 'failed' }),
    ]) {
      fold.apply(event);
    }
    expect(fold.list().map(({ index, state }) => [index, state])).toEqual([
      [3, 'failed'],
      [2, 'to be tried again'],
      [1, 'done'],
    ]);
  });

  it('is bounded, drops what was made good first, and counts what it drops', () => {
    const fold = new FailingMiniBatchesFold();
    for (let n = 0; n < 10; n++) {
      fold.apply(failedTry(n, n, exception()));
      fold.apply(finished(n, n, second));
    }
    for (let n = 10; n < 10_020; n++) fold.apply(failedTry(n, n, exception(), { settles: 'failed' }));
    const list = fold.list();
    expect(list).toHaveLength(10_000);
    expect(list.every(({ state }) => state === 'failed')).toBe(true);
    expect(fold.omitted).toBe(20);
  });
});

describe('WorkersFold', () => {
  it('keeps the work of processes it no longer lists in the totals of their node', () => {
    const fold = new WorkersFold();
    for (const event of opening(3)) fold.apply(event);
    for (let n = 3; n < PROCESSES_MAX + 8; n++) {
      fold.apply({ type: 'worker-started', at: at(n), worker: worker(n), pid: n });
      fold.apply(failedTry(n, n, { kind: 'worker-lost', exit: { by: 'code', code: 3 } }, { worker: worker(n) }));
      const exit = { by: 'code', code: 3 } as const;
      fold.apply({ type: 'worker-ended', at: at(n), worker: worker(n), pid: n, exit, expected: false });
    }
    expect(fold.processes()).toHaveLength(PROCESSES_MAX);
    expect(fold.omitted).toBe(7);
    const [node] = fold.nodes();
    expect(node).toMatchObject({ node: NODE, tries: PROCESSES_MAX + 5, processesLost: PROCESSES_MAX + 5, done: 0 });
    // The two that are still there are not dropped.
    expect(fold.processes().filter(({ endedAt }) => endedAt === undefined)).toHaveLength(2);
  });
});
