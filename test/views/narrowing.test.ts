/** What the folds show of a mini-batch that is narrowed down. */
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/domain/event.ts';
import { dispatchNumber, miniBatchIndex, tryNumber } from '../../src/domain/ids.ts';
import { MiniBatchFold, FailingMiniBatchesFold } from '../../src/views/minibatches.ts';
import { StatusFold } from '../../src/views/status.ts';
import { WorkersFold } from '../../src/views/workers.ts';
import {
  at,
  begun,
  exception,
  failedTry,
  finished,
  NODE,
  oneCulprit,
  opening,
  part,
  partialEnd,
  T0,
  worker,
} from './support.ts';

const fold = (events: readonly RunEvent[]): StatusFold => {
  const status = new StatusFold();
  for (const event of events) status.apply(event);
  return status;
};
const now = (events: readonly RunEvent[]) => fold(events).status(T0 + 10_000);
const resumed = (over: Partial<Extract<RunEvent, { type: 'run-resumed' }>>): RunEvent => ({
  type: 'run-resumed',
  at: at(5000),
  version: '0.2.0',
  pid: 1,
  settled: 0,
  changes: [],
  retried: [],
  ...over,
});
const open = (...indexes: number[]) => indexes.map((index) => ({ index: miniBatchIndex(index), items: 10 }));

describe('StatusFold', () => {
  it('counts items and mini-batches only when the mini-batch has come to its end', () => {
    const events = oneCulprit(3, 200);
    const seen = events.map((_, place) => {
      const { miniBatches: batches, items, retries, isolationRuns } = now(events.slice(0, place + 1));
      const counts = [batches.succeeded, batches.failed, batches.partial, batches.narrowing];
      return [...counts, items.processed, items.succeeded, items.failed, items.deadLetters, retries, isolationRuns];
    });
    expect(seen).toEqual([
      [0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
      [0, 0, 0, 0, 0, 0, 0, 0, 2, 0],
      [0, 0, 0, 1, 0, 0, 0, 0, 2, 0],
      [0, 0, 0, 1, 0, 0, 0, 0, 2, 1],
      [0, 0, 0, 1, 0, 0, 0, 0, 2, 2],
      [0, 0, 0, 1, 0, 0, 0, 0, 2, 3],
      [0, 1, 1, 0, 10, 9, 1, 1, 2, 4],
    ]);
  });

  it('names the item in the group of its error, and counts no part as a try', () => {
    const [group, ...others] = now(oneCulprit(3, 200)).errorGroups;
    expect(others).toEqual([]);
    expect(group).toMatchObject({
      title: 'ValueError: cannot read pixel 9',
      tries: 3,
      miniBatches: 1,
      deadLetters: 1,
      deadItems: [{ index: 3, item: 7 }],
      madeGood: 0,
      failedForGood: 1,
      indexes: [3],
      example: {
        index: 3,
        item: 7,
        try: 3,
        worker: worker(2),
        pid: 4202,
        detail: '/data/images/0037.png',
        peakMemoryBytes: 50_000_000,
        lastLines: ['reading', 'parsing'],
      },
    });
  });

  it('gives a culprit with another error than the tries a group of its own', () => {
    const bad = exception({ exceptionType: 'KeyError' });
    const status = now([
      failedTry(0, 100, exception(), { settles: 'narrow', dispatch: dispatchNumber(1) }),
      part(0, 200, 2, [0, 5], { failure: exception() }),
      part(0, 300, 3, [5, 10], { failure: bad }),
      part(0, 400, 4, [0, 1], { failure: exception() }),
      part(0, 500, 5, [1, 5]),
      part(0, 600, 6, [5, 9]),
      partialEnd(
        0,
        700,
        7,
        [9, 10],
        [
          [0, 1, 4],
          [9, 10, 7],
        ],
        { failure: bad },
      ),
    ]);
    const groups = status.errorGroups.map(
      ({ kind: _, title, tries, miniBatches, deadLetters, failedForGood, deadItems }) => [
        title.split(':')[0],
        tries,
        miniBatches,
        deadLetters,
        failedForGood,
        deadItems,
      ],
    );
    expect(groups).toEqual([
      ['ValueError', 1, 1, 1, 1, [{ index: 0, item: 0 }]],
      ['KeyError', 0, 1, 1, 1, [{ index: 0, item: 9 }]],
    ]);
  });

  it('has no dead letters of one that got through, part by part', () => {
    const {
      miniBatches: batches,
      items,
      errorGroups,
    } = now([
      failedTry(0, 100, exception(), { settles: 'narrow' }),
      part(0, 200, 2, [0, 5]),
      part(0, 300, 3, [5, 10], { settles: 'done', succeeded: 10, failed: 0 }),
    ]);
    expect(batches).toMatchObject({ succeeded: 1, failed: 0, partial: 0, narrowing: 0 });
    expect(items).toMatchObject({ processed: 10, succeeded: 10, failed: 0, deadLetters: 0 });
    expect(errorGroups).toMatchObject([{ tries: 1, miniBatches: 1, deadLetters: 0, madeGood: 1, failedForGood: 0 }]);
  });

  it('fails one whole whose parts were dropped, for the error of its tries', () => {
    const {
      miniBatches: batches,
      items,
      errorGroups,
    } = now([
      failedTry(0, 100, exception(), { settles: 'narrow' }),
      part(0, 200, 2, [0, 5], { failure: exception(), settles: 'failed', succeeded: 0, failed: 10 }),
    ]);
    expect(batches).toMatchObject({ succeeded: 0, failed: 1, partial: 0, narrowing: 0 });
    expect(items).toMatchObject({ processed: 10, succeeded: 0, failed: 10, deadLetters: 0 });
    expect(errorGroups).toMatchObject([{ tries: 1, miniBatches: 1, deadLetters: 0, failedForGood: 1 }]);
  });

  it('counts what was given up without being run alone as dead, by the failure of the range', () => {
    const { items, errorGroups, deadLetterExamples } = now([
      failedTry(0, 100, exception(), { settles: 'narrow', try: tryNumber(3), dispatch: dispatchNumber(3) }),
      partialEnd(0, 200, 4, [0, 5], [[5, 10, 3]]),
    ]);
    expect(items).toMatchObject({ succeeded: 5, failed: 5, deadLetters: 5 });
    expect(errorGroups).toMatchObject([{ tries: 1, miniBatches: 1, deadLetters: 5, failedForGood: 1 }]);
    // not known to be this one: the example is the whole mini-batch
    expect(errorGroups[0]?.example.item).toBeUndefined();
    expect(deadLetterExamples).toEqual([
      {
        index: 0,
        items: 10,
        succeeded: 5,
        deadLetters: 5,
        item: 5,
        cause: 'ValueError: cannot read pixel 7',
        try: 3,
        worker: worker(1),
      },
    ]);
  });

  it('counts the item of a mini-batch of one as a dead letter', () => {
    const dead = [{ from: 0, to: 1, dispatch: dispatchNumber(3) }];
    const last = { try: tryNumber(3), settles: 'failed', items: 1, failed: 1, dead } as const;
    const {
      miniBatches: batches,
      items,
      errorGroups,
    } = now([failedTry(0, 100, exception(), { items: 1, failed: 1 }), failedTry(0, 200, exception(), last)]);
    expect(batches).toMatchObject({ failed: 1, partial: 0 });
    expect(items).toMatchObject({ processed: 1, failed: 1, deadLetters: 1 });
    expect(errorGroups).toMatchObject([{ tries: 2, miniBatches: 1, deadLetters: 1, failedForGood: 1 }]);
    expect(errorGroups[0]?.example.item).toBeUndefined();
  });

  it('keeps one narrowed down whose part was lost with its node', () => {
    const lost = { kind: 'node-lost', node: NODE } as const;
    const events = [
      failedTry(0, 100, exception(), { settles: 'narrow' }),
      part(0, 200, 2, [0, 5], { failure: lost, settles: 'requeue', status: 'NODE_LOST' }),
    ];
    const { miniBatches: batches, requeues, isolationRuns } = now(events);
    expect([batches.narrowing, requeues, isolationRuns]).toEqual([1, 1, 0]);
  });

  it('begins anew what was being narrowed down when the orchestrator was killed', () => {
    const events = [...oneCulprit(3, 200).slice(0, 5), resumed({}), ...oneCulprit(3, 6000).slice(2)];
    const { miniBatches: batches, items, errorGroups } = now(events);
    expect(batches).toMatchObject({ failed: 1, partial: 1, narrowing: 0 });
    expect(items).toMatchObject({ processed: 10, succeeded: 9, failed: 1, deadLetters: 1 });
    expect(errorGroups).toMatchObject([{ tries: 4, deadLetters: 1 }]);
    expect(now(events.slice(0, 6)).miniBatches.narrowing).toBe(0);
  });

  it('takes back what a mini-batch counted when it is tried again', () => {
    const whole = failedTry(4, 300, exception(), { settles: 'failed' });
    const before = [
      ...opening(6),
      finished(0, 100),
      finished(1, 110, { succeeded: 4, failed: 6 }),
      ...oneCulprit(3, 200),
      whole,
    ];
    expect(now(before).items).toMatchObject({ processed: 40, succeeded: 23, failed: 17, deadLetters: 1 });

    const retried = now([...before, resumed({ retried: open(3, 4) })]);
    expect(retried.miniBatches).toMatchObject({ succeeded: 2, failed: 0, partial: 0, processed: 2 });
    expect(retried.items).toMatchObject({ processed: 20, succeeded: 14, failed: 6, deadLetters: 0 });
    expect(retried.deadLetterExamples).toEqual([]);
    expect(retried.errorGroups).toMatchObject([{ deadLetters: 0, deadItems: [], failedForGood: 0 }]);

    // the rows of these were lost with the end of the spool; 3 failed and is tried again besides
    const rebuilt = now([...before, resumed({ retried: open(3, 4), rebuilt: open(1, 3) })]);
    expect(rebuilt.miniBatches).toMatchObject({ succeeded: 1, failed: 0, partial: 0, processed: 1 });
    expect(rebuilt.items).toMatchObject({ processed: 10, succeeded: 10, failed: 0, deadLetters: 0 });

    const good = now([...before, resumed({ retried: open(3, 4) }), finished(3, 6000), finished(4, 6100)]);
    expect(good.errorGroups).toMatchObject([{ madeGood: 2, failedForGood: 0, deadLetters: 0, miniBatches: 2 }]);
  });

  it('shows the part that is running longest', () => {
    const event = { ...begun(3, 900, 1, 3, 4), part: { from: 0, to: 5 } } as RunEvent;
    expect(now([...oneCulprit(3, 200).slice(0, 3), event]).slowest).toMatchObject([
      { index: 3, part: { from: 0, to: 5 } },
    ]);
  });
});

describe('MiniBatchFold', () => {
  it('has parts among the tries, and the dead items with their causes', () => {
    const fold = new MiniBatchFold(miniBatchIndex(3));
    const states = oneCulprit(3, 200).map((event) => {
      fold.apply(event);
      return fold.tries()?.state;
    });
    const [again, narrowing] = ['to be tried again', 'being narrowed down'];
    expect(states).toEqual([again, again, narrowing, narrowing, narrowing, narrowing, 'partial']);
    expect(fold.tries()?.dead).toEqual([{ from: 7, to: 8, dispatch: 6 }]);
    expect(fold.tries()?.tries.map(({ part: of, status }) => [of?.from, of?.to, status])).toEqual([
      [undefined, undefined, 'RUN_EXCEPTION'],
      [undefined, undefined, 'RUN_EXCEPTION'],
      [undefined, undefined, 'RUN_EXCEPTION'],
      [0, 5, 'RUN_DONE'],
      [5, 7, 'RUN_DONE'],
      [7, 8, 'RUN_EXCEPTION'],
      [8, 10, 'RUN_DONE'],
    ]);
  });

  it('lists partial ones behind those that failed whole', () => {
    const fold = new FailingMiniBatchesFold();
    const whole = failedTry(5, 900, exception(), { settles: 'failed' });
    for (const event of [...oneCulprit(3, 200), failedTry(4, 300, exception()), whole]) fold.apply(event);
    expect(fold.list().map(({ index, state }) => [index, state])).toEqual([
      [5, 'failed'],
      [3, 'partial'],
      [4, 'to be tried again'],
    ]);
  });
});

describe('WorkersFold', () => {
  it('counts parts apart from tries, and their time with it', () => {
    const fold = new WorkersFold();
    for (const event of [finished(0, 100), ...oneCulprit(3, 200)]) fold.apply(event);
    const [node] = fold.nodes();
    expect(node).toMatchObject({
      tries: 4,
      done: 1,
      failedTries: 3,
      parts: 4,
      items: 20,
      itemsSucceeded: 19,
      itemsFailed: 1,
    });
    expect(node?.runSeconds).toBeCloseTo(8 * 0.09, 6);
    expect(fold.processes().map(({ parts }) => parts)).toEqual([3, 1]);
  });
});
