/** What each kind of event of a ledger leaves behind, to the number. */
import { describe, expect, test } from 'vitest';
import { Recovery } from '../../src/core/recover.ts';
import { validateState } from '../../src/core/state.ts';
import type { CoreState, Trouble } from '../../src/core/types.ts';
import type { RunEvent, SpoolExtent, TryFinished } from '../../src/domain/event.ts';
import { dispatchNumber, epochMs, miniBatchIndex, tryNumber, workerId } from '../../src/domain/ids.ts';
import type { TryFailure } from '../../src/domain/failure.ts';
import { NODE, World, defaults, raised, segfault } from './model.ts';

const at = epochMs(0);
const timing = { start1: at, end1: at, start2: 0, end2: 0, runSeconds: 0, elapsedSeconds: 0 };
const WORKER = workerId(NODE, 3);
const nodeLost: TryFailure = { kind: 'node-lost', node: 'n' };
const outOfMemory: TryFailure = { kind: 'worker-lost', exit: { by: 'signal', signal: 'SIGKILL', outOfMemory: true } };

/** A try of ten items that came to this. */
function tried(
  index: number,
  dispatch: number,
  settles: TryFinished['settles'],
  more: Partial<TryFinished> = {},
): TryFinished {
  return {
    type: 'try-finished',
    at,
    index: miniBatchIndex(index),
    dispatch: dispatchNumber(dispatch),
    try: tryNumber(1),
    worker: WORKER,
    pid: 1,
    status: 'RUN_DONE',
    items: 10,
    succeeded: 10,
    failed: 0,
    timing,
    settles,
    ...more,
  };
}
const extent = (offset: number, bytes: number, rows = 10): SpoolExtent => ({ offset, bytes, rows, crc32: 0 });
const reserved = (below: number): RunEvent => ({ type: 'dispatch-reserved', at, below: miniBatchIndex(below) });
const failedWhole = { succeeded: 0, failed: 10, failure: raised } as const;

function fold(...events: readonly RunEvent[]): Recovery {
  const recovery = new Recovery();
  for (const event of events) recovery.apply(event);
  return recovery;
}
function stateOf(recovery: Recovery, created = 10, retryFailed = false): CoreState {
  const run = { created, items: created * 10, creationFinished: true, retryFailed };
  const state = recovery.toState(defaults, run, 500);
  validateState(state);
  return state;
}
const troubleOf = (state: CoreState, index = 0): Trouble =>
  state.trouble.get(miniBatchIndex(index)) ?? expect.fail(`no trouble with ${index}`);

describe('a ledger', () => {
  test('that is empty says that there is nothing', () => {
    const recovery = fold();
    expect(recovery).toMatchObject({
      ...{ reservedBelow: 0, spoolEnd: 0, lastExtent: undefined, ended: undefined, created: 0, items: 0 },
      ...{ creationFinished: false, listed: 0, resumed: 0, fingerprint: undefined, settledCount: 0 },
    });
  });

  test('says how far the input was listed, and how much there was of it then', () => {
    const progress = { type: 'creation-progress', at, miniBatches: 5, items: 50 } as const;
    const finished = { type: 'creation-finished', at, miniBatches: 7, items: 70 } as const;
    expect(fold(progress)).toMatchObject({ created: 5, items: 50, creationFinished: false, listed: 0 });
    expect(fold(progress, finished)).toMatchObject({ created: 7, items: 70, creationFinished: true, listed: 7 });
    // listed again after that: what was found first still stands
    const again = { ...progress, miniBatches: 9, items: 90 };
    expect(fold(finished, again)).toMatchObject({ created: 9, items: 90, creationFinished: true, listed: 7 });
  });

  test('names the code in force, how often the run was resumed, and how it ended since', () => {
    const code = (fingerprint: string): RunEvent => ({
      ...{ type: 'code-snapshotted', at, files: 1, bytes: 1 },
      fingerprint,
    });
    const ended: RunEvent = { type: 'run-ended', at, state: 'Failed', exitCode: 1 };
    const resumed: RunEvent = {
      ...{ type: 'run-resumed', at, version: '0', pid: 1, settled: 0 },
      ...{ changes: [], retried: [] },
    };
    expect(fold(code('a'), ended)).toMatchObject({ fingerprint: 'a', ended, resumed: 0 });
    expect(fold(code('a'), ended, resumed, code('b'))).toMatchObject({
      ...{ fingerprint: 'b', ended: undefined, resumed: 1 },
    });
    expect(fold(resumed, resumed, ended).resumed).toBe(2);
  });

  test('reserves the highest of what was reserved, and no more than there is', () => {
    const recovery = fold(reserved(8), reserved(4));
    expect(recovery.reservedBelow).toBe(8);
    const state = stateOf(recovery, 6);
    expect([state.reservedBelow, state.reserveAsked, state.fresh]).toEqual([6, 6, []]);
    const more = stateOf(recovery, 10);
    expect([more.reservedBelow, more.reserveAsked, more.fresh]).toEqual([8, 8, [{ from: 8, to: 10 }]]);
  });

  test('ends where the last extent ends; one without a byte counts too, an older one does not', () => {
    const recovery = fold(
      tried(0, 1, 'done', { rows: extent(0, 40) }),
      tried(1, 1, 'done', { rows: extent(40, 0, 0) }),
      tried(2, 1, 'done'),
    );
    expect([recovery.spoolEnd, recovery.lastExtent]).toEqual([40, extent(40, 0, 0)]);
    recovery.apply(tried(3, 1, 'partial', { rows: extent(0, 10) }));
    expect([recovery.spoolEnd, recovery.lastExtent]).toEqual([40, extent(40, 0, 0)]);
    recovery.apply(tried(4, 1, 'partial', { rows: extent(40, 2) }));
    expect([recovery.spoolEnd, recovery.lastExtent]).toEqual([42, extent(40, 2)]);
  });
});

describe('counts', () => {
  test('of rows, failed items and ends, partial ones too', () => {
    const recovery = fold(
      reserved(4),
      tried(0, 1, 'done', { succeeded: 8, failed: 2, rows: extent(0, 80, 8) }),
      tried(1, 4, 'partial', { succeeded: 7, failed: 3, rows: extent(80, 70, 7) }),
      tried(2, 3, 'failed', failedWhole),
      // more rows than items
      tried(3, 1, 'done', { rows: extent(150, 120, 12) }),
    );
    expect(recovery.settledCount).toBe(4);
    expect(stateOf(recovery, 4)).toMatchObject({
      ...{ done: 2, failed: 2, failedItems: 15, returned: 27, created: 4, items: 40, creationFinished: true },
    });
    expect(recovery.failures()).toEqual([
      { index: 1, items: 10 },
      { index: 2, items: 10 },
    ]);
  });

  test('of items where no rows are written', () => {
    expect(stateOf(fold(reserved(1), tried(0, 1, 'done', { succeeded: 9, failed: 1 }))).returned).toBe(9);
  });

  test('failures come in the order of the input, not in that of their ends', () => {
    const recovery = fold(
      tried(5, 1, 'failed', failedWhole),
      tried(2, 1, 'failed', failedWhole),
      tried(3, 1, 'failed'),
    );
    expect(recovery.failures().map(({ index }) => index)).toEqual([2, 3, 5]);
  });

  test('of a failed and a partial one are taken off when they are tried again', () => {
    const recovery = fold(
      reserved(2),
      tried(0, 4, 'failed', failedWhole),
      tried(1, 7, 'partial', { succeeded: 7, failed: 3, rows: extent(0, 70, 7) }),
    );
    const state = stateOf(recovery, 2, true);
    expect(state).toMatchObject({ done: 0, failed: 0, failedItems: 0, returned: 0 });
    expect([troubleOf(state, 0).lastDispatch, troubleOf(state, 1).lastDispatch]).toEqual([4, 7]);
  });

  test('a done one is not tried again, whoever asks for it', () => {
    const resumed: RunEvent = {
      ...{ type: 'run-resumed', at, version: '0', pid: 1, settled: 1, changes: [] },
      retried: [{ index: miniBatchIndex(0), items: 10 }],
    };
    expect(stateOf(fold(reserved(1), tried(0, 1, 'done'), resumed)).done).toBe(1);
  });
});

describe('results', () => {
  test('has what is done, and what failed with rows', () => {
    const recovery = fold(
      tried(0, 1, 'done'),
      tried(1, 1, 'failed', failedWhole),
      tried(2, 5, 'partial', { succeeded: 1, failed: 9, rows: extent(0, 7, 1) }),
      tried(3, 1, 'retry', failedWhole),
    );
    expect([0, 1, 2, 3, 4].map((index) => recovery.hasResults(index))).toEqual([true, false, true, false, false]);
  });

  test('that were lost with the end of the spool are worked for again', () => {
    const recovery = fold(
      reserved(4),
      tried(0, 1, 'done', { rows: extent(0, 100) }),
      tried(1, 3, 'done', { succeeded: 8, failed: 2, rows: extent(100, 80, 8) }),
      tried(2, 6, 'partial', { succeeded: 7, failed: 3, rows: extent(180, 70, 7) }),
    );
    const lost = { items: 10, dispatch: dispatchNumber(3), failedItems: 2, returned: 8 };
    recovery.reopenDone([
      { index: miniBatchIndex(1), ...lost },
      { index: miniBatchIndex(2), items: 10 },
      // has no end anyway
      { index: miniBatchIndex(3), ...lost },
    ]);
    expect([recovery.settledCount, recovery.lastExtent]).toEqual([1, undefined]);
    const state = stateOf(recovery, 4);
    expect(state).toMatchObject({ done: 1, failed: 0, failedItems: 0, returned: 10 });
    expect([1, 2, 3].map((index) => troubleOf(state, index).lastDispatch)).toEqual([3, 6, 1]);
  });

  test('of which nothing more is known have had one hand-out and lost nothing', () => {
    const recovery = fold(reserved(1), tried(0, 1, 'done', { rows: extent(0, 100) }));
    recovery.reopenDone([{ index: miniBatchIndex(0), items: 10 }]);
    expect(recovery.lastExtent).toBeUndefined();
    const state = stateOf(recovery, 1);
    expect([troubleOf(state).lastDispatch, state.failedItems, state.returned]).toEqual([1, 0, 10]);
  });

  test('are all there where none were lost', () => {
    const recovery = fold(reserved(1), tried(0, 1, 'done', { rows: extent(0, 100) }));
    recovery.reopenDone([]);
    expect(recovery.lastExtent).toEqual(extent(0, 100));
  });
});

describe('what is in doubt', () => {
  test('may have been handed out once: its next number is two', () => {
    const world = new World({}, stateOf(fold(reserved(2)), 3));
    expect(troubleOf(world.state, 0).lastDispatch).toBe(1);
    world.now = 500;
    world.node(1);
    world.ready();
    expect(world.dispatched[0]).toMatchObject({ index: 0, dispatch: 2, try: 1 });
    expect(world.state.waiting).toEqual([{ index: 1, readyAt: 500 }]);
  });

  test('keeps what is known of its tries', () => {
    const state = stateOf(
      fold(
        reserved(1),
        tried(0, 1, 'retry', { failure: segfault }),
        tried(0, 2, 'requeue', { failure: nodeLost }),
        tried(0, 3, 'requeue', { failure: { kind: 'canceled' } }),
        tried(0, 4, 'retry', { failure: outOfMemory }),
      ),
    );
    expect(troubleOf(state)).toEqual({
      ...{ fails: 1, outOfMemory: 1, lostEachTime: true, infraLosses: 1, lastDispatch: 4, lastWorker: WORKER },
    });
  });

  test('is not poisoned once a try failed otherwise', () => {
    for (const failures of [
      [raised, segfault],
      [segfault, raised],
    ]) {
      const events = failures.map((failure, i) => tried(0, i + 1, 'retry', { failure }));
      expect(troubleOf(stateOf(fold(reserved(1), ...events))).lostEachTime).toBe(false);
    }
  });

  test('goes on behind its highest number, whatever came last', () => {
    const redispatched: RunEvent = {
      ...{ type: 'redispatched', at, index: miniBatchIndex(0), worker: WORKER },
      ...{ dispatch: dispatchNumber(5), try: tryNumber(2) },
    };
    expect(troubleOf(stateOf(fold(reserved(1), redispatched))).lastDispatch).toBe(5);
    const state = stateOf(fold(reserved(1), redispatched, tried(0, 4, 'retry', { failure: raised })));
    expect(troubleOf(state).lastDispatch).toBe(5);
  });

  test('and was narrowed down: parts were hand-outs and no tries, and one try is left', () => {
    const part = { from: 0, to: 5 };
    const state = stateOf(
      fold(
        reserved(1),
        ...[1, 2].map((dispatch) => tried(0, dispatch, 'retry', { failure: raised })),
        tried(0, 3, 'narrow', { failure: raised }),
        tried(0, 4, 'narrow', { failure: segfault, part }),
        tried(0, 5, 'part', { part: { from: 5, to: 10 } }),
      ),
    );
    expect(troubleOf(state)).toMatchObject({ fails: 2, lastDispatch: 5, lostEachTime: false });
    expect(troubleOf(state).isolation).toBeUndefined();
  });

  test('has one try left for memory too', () => {
    const events = [1, 2, 3].map((dispatch) => tried(0, dispatch, 'narrow', { failure: outOfMemory }));
    expect(troubleOf(stateOf(fold(reserved(1), ...events)))).toMatchObject({ fails: 0, outOfMemory: 2 });
  });
});
