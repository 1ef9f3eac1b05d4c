import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RunEvent, TryFinished } from '../../src/domain/event.ts';
import { dispatchNumber, epochMs, miniBatchIndex, nodeAddress, tryNumber } from '../../src/domain/ids.ts';
import { GROUPS_MAX } from '../../src/views/errors.ts';
import { StatusFold } from '../../src/views/status.ts';
import { at, begun, exception, failedTry, finished, opening, T0, worker } from './support.ts';

const fold = (events: readonly RunEvent[]): StatusFold => {
  const status = new StatusFold();
  for (const event of events) status.apply(event);
  return status;
};

describe('StatusFold', () => {
  it('names the stages of a run', () => {
    const status = new StatusFold();
    const stages: string[] = [];
    const events: readonly RunEvent[] = [
      ...opening(2),
      finished(0, 300),
      { type: 'run-state', at: at(400), state: 'Finalizing' },
      { type: 'run-ended', at: at(500), state: 'Completed', exitCode: 0 },
    ];
    for (const event of events) {
      status.apply(event);
      const { stage } = status.status(event.at);
      if (stage !== stages.at(-1)) stages.push(stage);
    }
    expect(stages).toEqual([
      'not started',
      'preparing code and environment',
      'creating mini-batches',
      'waiting for workers',
      'running',
      'assembling the output',
      'completed',
    ]);
  });

  it('counts workers by what they are doing', () => {
    const status = fold([...opening(5), begun(0, 200)]);
    expect(status.status(T0 + 200).workers).toEqual({ starting: 0, loading: 1, initializing: 0, ready: 1, ended: 0 });
    status.apply({
      type: 'worker-ended',
      at: at(300),
      worker: worker(1),
      pid: 4201,
      exit: { by: 'code', code: 3 },
      expected: false,
    });
    const after = status.status(T0 + 300);
    expect(after.workers).toEqual({ starting: 1, loading: 1, initializing: 0, ready: 0, ended: 1 });
    expect(after.miniBatches.running).toBe(0);
  });

  it('lists the five tries that have been running longest', () => {
    const events = [4, 2, 6, 1, 3, 5].map((n) => begun(n, n * 100, n));
    const { slowest } = fold(events).status(T0 + 1000);
    expect(slowest.map(({ index, sinceMs }) => [index, sinceMs - T0])).toEqual([
      [1, 100],
      [2, 200],
      [3, 300],
      [4, 400],
      [5, 500],
    ]);
  });

  it('estimates throughput and time left from the last half minute', () => {
    const status = fold(opening(1000));
    // 1 a second for 100 s, then 10 a second for 40 s.
    for (let second = 0; second < 100; second++) status.apply(finished(second, 1000 + second * 1000));
    for (let tenth = 0; tenth < 400; tenth++) status.apply(finished(100 + tenth, 101_000 + tenth * 100));
    const { miniBatchesPerSecond, itemsPerSecond, etaSeconds, progress } = status.status(T0 + 141_000);
    expect(miniBatchesPerSecond).toBeCloseTo(10, 0);
    expect(itemsPerSecond).toBeCloseTo(100, -1);
    expect(etaSeconds).toBeCloseTo(50, 0);
    expect(progress).toBe(0.5);
  });

  it('has no progress and no time left before all mini-batches are created', () => {
    const status = fold(opening(5).filter(({ type }) => type !== 'creation-finished'));
    status.apply(finished(0, 1000));
    const now = status.status(T0 + 2000);
    expect(now.progress).toBeUndefined();
    expect(now.etaSeconds).toBeUndefined();
    expect(now.miniBatches.creationFinished).toBe(false);
  });

  it('survives a wall clock that goes back by ten days', () => {
    const status = fold([...opening(100), finished(0, 1000), finished(1, 2000)]);
    const day = 86_400_000;
    for (let n = 0; n < 20; n++) status.apply(finished(2 + n, -10 * day + n * 1000));
    const { miniBatchesPerSecond, elapsedSeconds } = status.status(T0 - 10 * day + 20_000);
    expect(miniBatchesPerSecond).toBeCloseTo(1, 0);
    expect(elapsedSeconds).toBe(0);
  });

  it('groups failures by exception type and own frames, whatever the message', () => {
    const status = fold([
      ...opening(10),
      failedTry(1, 200, exception({ message: 'one' })),
      failedTry(2, 210, exception({ message: 'two' })),
      failedTry(3, 220, exception({ exceptionType: 'KeyError' })),
      finished(2, 300, { try: tryNumber(2) }),
      failedTry(1, 310, exception({ message: 'one again' }), {
        try: tryNumber(2),
        settles: 'failed',
        worker: worker(2),
      }),
    ]);
    const groups = status.status(T0 + 400).errorGroups;
    expect(
      groups.map(({ title, tries, miniBatches, madeGood, failedForGood }) => [
        title,
        tries,
        miniBatches,
        madeGood,
        failedForGood,
      ]),
    ).toEqual([
      ['ValueError: one again', 3, 2, 1, 1],
      ['KeyError: cannot read pixel 7', 1, 1, 0, 0],
    ]);
    expect(groups[0]?.where).toMatchObject({ file: 'score.py', line: 41 });
    expect(groups[0]?.example).toMatchObject({ index: 1, try: 2, worker: worker(2) });
    expect(groups[0]?.indexes).toEqual([1, 2]);
    expect(status.status(T0 + 400).retries).toBe(3);
  });

  it('keeps at most a thousand kinds of error apart', () => {
    const status = new StatusFold();
    for (let n = 0; n < GROUPS_MAX + 50; n++) {
      const own = { file: 'score.py', line: n, function: 'run', own: true };
      status.apply(failedTry(n, n, exception({ frames: [own] }), { settles: 'failed' }));
    }
    const groups = status.status(T0 + 5000).errorGroups;
    expect(groups).toHaveLength(GROUPS_MAX + 1);
    expect(groups[0]).toMatchObject({
      signature: 'other',
      kind: 'other',
      tries: 50,
      miniBatches: 50,
      failedForGood: 50,
    });
  });

  it('gives the metrics their contract names', () => {
    const { metrics } = fold([...opening(4), finished(0, 200, { succeeded: 7, failed: 3 })]).status(T0 + 1000);
    expect(metrics).toEqual({
      'Total mini-batches': 4,
      'Processed mini-batches': 1,
      'Remaining mini-batches': 3,
      'Total items': 40,
      'Processed items': 10,
      'Failed items': 3,
      'Remaining items': 30,
      'Job progress': 25,
    });
  });
});

interface Step {
  readonly index: number;
  readonly how: 'done' | 'short' | 'retry' | 'requeue' | 'failed';
  readonly kind: number;
  readonly process: number;
}

/** The tries of a run in some order: nothing follows the end of a mini-batch. */
function eventsOf(steps: readonly Step[]): TryFinished[] {
  const ended = new Set<number>();
  const tries = new Map<number, number>();
  return steps.flatMap((step, place) => {
    if (ended.has(step.index)) return [];
    const dispatch = (tries.get(step.index) ?? 0) + 1;
    tries.set(step.index, dispatch);
    const ids = { worker: worker(step.process), dispatch: dispatchNumber(dispatch), try: tryNumber(dispatch) };
    if (step.how === 'done' || step.how === 'short') {
      ended.add(step.index);
      const succeeded = step.how === 'done' ? 10 : 4;
      return [finished(step.index, place, { ...ids, succeeded, failed: 10 - succeeded })];
    }
    if (step.how === 'failed') ended.add(step.index);
    const failure =
      step.how === 'requeue'
        ? ({ kind: 'node-lost', node: nodeAddress('10.0.0.9') } as const)
        : exception({ exceptionType: `E${step.kind}` });
    return [failedTry(step.index, place, failure, { ...ids, settles: step.how })];
  });
}

/** The same numbers, by looking at all events each time. */
function naive(events: readonly TryFinished[]) {
  const of = (settles: string) => events.filter((event) => event.settles === settles);
  const sum = (list: readonly TryFinished[], key: 'items' | 'succeeded' | 'failed') =>
    list.reduce((n, e) => n + e[key], 0);
  const ends = events.filter(({ settles }) => settles === 'done' || settles === 'failed');
  const kinds = new Set(
    events.flatMap(({ failure }) =>
      failure?.kind === 'exception' ? [failure.exceptionType] : failure ? [failure.kind] : [],
    ),
  );
  const groups = [...kinds].map((kind) => {
    const its = events.filter(
      ({ failure }) => (failure?.kind === 'exception' ? failure.exceptionType : failure?.kind) === kind,
    );
    const indexes = new Set(its.map(({ index }) => index));
    const end = (settles: string) => of(settles).filter(({ index }) => indexes.has(index)).length;
    return { kind, tries: its.length, miniBatches: indexes.size, madeGood: end('done'), failedForGood: end('failed') };
  });
  return {
    counts: [of('done').length, of('failed').length, of('retry').length, of('requeue').length],
    items: [sum(ends, 'items'), sum(of('done'), 'succeeded'), sum(ends, 'failed')],
    groups: groups.sort((a, b) => (a.kind < b.kind ? -1 : 1)),
  };
}

const steps = fc.array(
  fc.record({
    index: fc.nat(12),
    how: fc.constantFrom('done', 'short', 'retry', 'requeue', 'failed' as const),
    kind: fc.nat(3),
    process: fc.integer({ min: 1, max: 4 }),
  }),
  { maxLength: 60 },
);

describe('StatusFold against a naive model', () => {
  it('has the same counts after any sequence of tries', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const events = eventsOf(list);
        const status = fold(events).status(epochMs(T0 + 1000));
        const seen = {
          counts: [status.miniBatches.succeeded, status.miniBatches.failed, status.retries, status.requeues],
          items: [status.items.processed, status.items.succeeded, status.items.failed],
          groups: status.errorGroups
            .map(({ title, kind, tries, miniBatches, madeGood, failedForGood }) => ({
              kind: kind === 'exception' ? title.slice(0, 2) : kind,
              tries,
              miniBatches,
              madeGood,
              failedForGood,
            }))
            .sort((a, b) => (a.kind < b.kind ? -1 : 1)),
        };
        expect(seen).toEqual(naive(events));
      }),
      { numRuns: 300 },
    );
  });

  it('never counts more running tries than begun ones that have not ended', () => {
    const moves = fc.array(
      fc.record({ process: fc.integer({ min: 1, max: 3 }), what: fc.constantFrom('begin', 'finish', 'end') }),
      {
        maxLength: 40,
      },
    );
    fc.assert(
      fc.property(moves, (list) => {
        const status = new StatusFold();
        const running = new Map<number, number>();
        list.forEach(({ process, what }, place) => {
          const current = running.get(process);
          if (what === 'begin' && current === undefined) {
            running.set(process, place);
            status.apply(begun(place, place, process));
          } else if (what === 'finish' && current !== undefined) {
            running.delete(process);
            status.apply(finished(current, place, { worker: worker(process) }));
          } else if (what === 'end') {
            running.delete(process);
            const exit = { by: 'signal', signal: 'SIGKILL', outOfMemory: false } as const;
            status.apply({
              type: 'worker-ended',
              at: at(place),
              worker: worker(process),
              pid: 1,
              exit,
              expected: false,
            });
          }
        });
        const now = status.status(T0 + 1000);
        expect(now.miniBatches.running).toBe(running.size);
        expect(now.slowest.map(({ index }) => index)).toEqual(
          [...running.values()].sort((a, b) => a - b).map(miniBatchIndex),
        );
      }),
    );
  });
});
