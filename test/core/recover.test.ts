/** A crash at any moment: what the ledger held is settled for good, all else comes to its end once, after recovery. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IndexSet } from '../../src/core/indexset.ts';
import { Recovery } from '../../src/core/recover.ts';
import { validateState } from '../../src/core/state.ts';
import type { CoreCommand } from '../../src/core/types.ts';
import type { RunEvent, TryFinished } from '../../src/domain/event.ts';
import { epochMs, miniBatchIndex, tryNumber } from '../../src/domain/ids.ts';
import type { TryFailure } from '../../src/domain/failure.ts';
import { World, defaults, raised, segfault } from './model.ts';
import type { Sent } from './model.ts';

/** A world that keeps the ledger a shell would write. */
class Recorded extends World {
  readonly ledger: RunEvent[] = [];

  override send(event: Parameters<World['send']>[0]): CoreCommand[] {
    const commands = super.send(event);
    const at = epochMs(0);
    for (const command of commands) {
      if (command.type === 'reserve')
        this.ledger.push({ type: 'dispatch-reserved', at, below: miniBatchIndex(command.below) });
      if (command.type === 'dispatch' && command.dispatch > 1) {
        const { index, dispatch, worker } = command;
        this.ledger.push({ type: 'redispatched', at, index, dispatch, try: command.try, worker });
      }
      if (command.type === 'settle' && event.type === 'outcome') this.ledger.push(finished(event, command));
    }
    return commands;
  }

  override create(count: number): void {
    super.create(count);
    this.ledger.push({
      type: 'creation-progress',
      at: epochMs(0),
      miniBatches: this.state.created,
      items: this.state.items,
    });
  }
}

function finished(
  event: Extract<Parameters<World['send']>[0], { type: 'outcome' }>,
  command: Extract<CoreCommand, { type: 'settle' }>,
): TryFinished {
  const { settles } = command;
  const zero = { start1: epochMs(0), end1: epochMs(0), start2: 0, end2: 0, runSeconds: 0, elapsedSeconds: 0 };
  return {
    type: 'try-finished',
    at: epochMs(0),
    index: event.index,
    dispatch: event.dispatch,
    try: command.try,
    worker: event.worker,
    pid: 1,
    status: event.result.ok ? 'RUN_DONE' : 'RUN_EXCEPTION',
    items: event.items,
    succeeded: settles.as === 'done' ? settles.succeeded : 0,
    failed: settles.as === 'done' ? settles.failed : event.items,
    timing: zero,
    settles: settles.as,
    ...(!event.result.ok && { failure: event.result.failure }),
    ...(event.result.ok && { rows: { offset: event.index * 10, bytes: 10, rows: event.result.returned, crc32: 0 } }),
  };
}

const endings = (events: readonly RunEvent[]): number[] =>
  events.flatMap((e) =>
    e.type === 'try-finished' && (e.settles === 'done' || e.settles === 'failed') ? [e.index] : [],
  );

function answer(world: World, sent: Sent, pick: number): void {
  const failure: TryFailure | undefined = pick % 7 === 0 ? segfault : pick % 3 === 0 ? raised : undefined;
  if (failure === segfault) world.kill(sent.worker);
  else if (failure) world.fail(world.take(sent.index), failure);
  else world.ok(world.take(sent.index), pick % 12);
}

function finishAll(world: World): void {
  for (let round = 0; round < 5000 && world.state.done + world.state.failed < world.state.created; round++) {
    const sent = world.out[0];
    if (sent) world.ok(world.take(sent.index));
    else {
      world.now += 1000;
      world.send({ type: 'tick' });
    }
  }
}

test('whatever prefix of the ledger is left, every mini-batch ends exactly once, and no try is used up by the crash', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(1000), { maxLength: 80 }),
      fc.integer({ min: 1, max: 4 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (picks, maxTries, cut) => {
        const before = new Recorded({ maxTries });
        before.node(2);
        before.ready();
        before.ready();
        before.create(25);
        for (const pick of picks) {
          before.now += pick;
          before.send({ type: 'tick' });
          const sent = before.out[pick % Math.max(1, before.out.length)];
          if (sent) answer(before, sent, pick);
          else before.ready();
        }
        const kept = before.ledger.slice(0, Math.round(before.ledger.length * cut));
        const recovery = new Recovery();
        for (const event of kept) recovery.apply(event);
        const created = 25;
        const state = recovery.toState(
          { ...defaults, maxTries },
          { created, items: 250, creationFinished: true, retryFailed: false },
          0,
        );
        validateState(state);
        const failsBefore = new Map<number, number>();
        for (const e of kept) {
          if (e.type === 'try-finished' && e.settles === 'retry')
            failsBefore.set(e.index, (failsBefore.get(e.index) ?? 0) + 1);
        }
        const after = new Recorded({ maxTries }, state);
        after.node(1);
        after.ready();
        for (const sent of after.dispatched) expect(sent.try).toBe(tryNumber((failsBefore.get(sent.index) ?? 0) + 1));
        finishAll(after);
        const ends = [...endings(kept), ...endings(after.ledger)];
        expect(ends.sort((a, b) => a - b)).toEqual(Array.from({ length: created }, (_, i) => i));
        const numbers = new Map<number, number>();
        for (const e of kept)
          if (e.type === 'try-finished' || e.type === 'redispatched')
            numbers.set(e.index, Math.max(numbers.get(e.index) ?? 0, e.dispatch));
        for (const sent of after.dispatched) {
          expect(sent.dispatch).toBeGreaterThan(numbers.get(sent.index) ?? 0);
          numbers.set(sent.index, sent.dispatch);
        }
      },
    ),
    { numRuns: 400 },
  );
});

describe('rows that are lost', () => {
  test('open their mini-batch again, and what it had counted no longer counts; the others stay settled', () => {
    const before = new Recorded({ maxTries: 2 });
    before.node(1);
    before.ready();
    before.create(4);
    // One at its second hand-out, one with a short return, one that failed for good.
    before.fail(before.take());
    before.now += 60_000;
    before.send({ type: 'tick' });
    while (before.out.length > 0) {
      const sent = before.take();
      if (sent.index === 2) before.fail(sent);
      else before.ok(sent, sent.index === 1 ? 7 : 10);
      before.now += 60_000;
      before.send({ type: 'tick' });
    }
    const ends = before.ledger.filter((e) => e.type === 'try-finished').filter((e) => e.settles === 'done');
    const lost = ends
      .filter(({ index }) => index < 2)
      .map(({ index, items, dispatch, failed, rows }) => ({
        index,
        items,
        dispatch,
        failedItems: failed,
        returned: rows?.rows ?? 0,
      }));
    expect(lost.map(({ index, dispatch, failedItems }) => [index, dispatch, failedItems]).sort()).toEqual([
      [0, 2, 0],
      [1, 1, 3],
    ]);
    const told: RunEvent = {
      type: 'run-resumed',
      at: epochMs(0),
      version: '1',
      pid: 1,
      settled: 2,
      changes: [],
      retried: [],
      rebuilt: lost,
    };
    const [found, folded] = [new Recovery(), new Recovery()];
    for (const event of before.ledger) found.apply(event);
    expect([found.hasResults(0), found.hasResults(2), found.hasResults(3)]).toEqual([true, false, true]);
    found.reopenDone(lost);
    for (const event of [...before.ledger, told]) folded.apply(event);
    const run = { created: 4, items: 40, creationFinished: true, retryFailed: false };
    for (const recovery of [found, folded]) {
      const state = recovery.toState({ ...defaults, maxTries: 2 }, run, 0);
      validateState(state);
      expect([state.done, state.failed, state.failedItems, state.returned]).toEqual([1, 1, 10, 10]);
      // The extent that ends the spool may be one of them.
      expect(recovery.lastExtent).toBeUndefined();
      const after = new World({ maxTries: 2 }, state);
      after.node(1);
      after.ready();
      after.now += 10;
      finishAll(after);
      expect(after.dispatched.map(({ index, dispatch, try: attempt }) => [index, dispatch, attempt]).sort()).toEqual([
        [0, 3, 1],
        [1, 2, 1],
      ]);
    }
  });
});

describe('retrying what failed', () => {
  test('opens exactly the failed ones, with all their tries and fresh dispatch numbers', () => {
    const before = new Recorded({ maxTries: 1 });
    before.node(1);
    before.ready();
    before.create(3);
    before.fail(before.take());
    before.ok(before.take());
    before.fail(before.take());
    const recovery = new Recovery();
    for (const event of before.ledger) recovery.apply(event);
    expect(recovery.failures()).toEqual([
      { index: 0, items: 10 },
      { index: 2, items: 10 },
    ]);
    const run = { created: 3, items: 30, creationFinished: true, retryFailed: true };
    const state = recovery.toState({ ...defaults, maxTries: 1 }, run, 0);
    validateState(state);
    expect([state.done, state.failed, state.failedItems]).toEqual([1, 0, 0]);
    const after = new World({}, state);
    after.node(1);
    after.ready();
    expect(after.dispatched).toMatchObject([{ index: 0, dispatch: 2, try: 1 }]);
  });
});

test('a set of indexes gives the gaps between its members', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.nat(20_000)),
      fc.nat(100),
      fc.integer({ min: 0, max: 20_100 }),
      (members, from, to) => {
        const set = new IndexSet();
        for (const index of members) set.add(index);
        const gaps = [...set.gaps(from, to)];
        const missing: number[] = [];
        for (let i = from; i < to; i++) if (!members.includes(i)) missing.push(i);
        expect(gaps.flatMap((g) => Array.from({ length: g.to - g.from }, (_, k) => g.from + k))).toEqual(missing);
        for (const [i, gap] of gaps.entries()) expect(gap.from).toBeGreaterThan(gaps[i - 1]?.to ?? -1);
      },
    ),
    { numRuns: 50 },
  );
});
