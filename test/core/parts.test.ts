/** Narrowing down within a run: tries first, then parts, then one end that counts what is really lost. */
import { describe, expect, test } from 'vitest';
import type { CoreCommand, Settles } from '../../src/core/types.ts';
import type { TryFailure } from '../../src/domain/failure.ts';
import { World, raised, segfault } from './model.ts';
import type { Sent } from './model.ts';

const out = (c: CoreCommand[]): Settles | undefined => c.find((each) => each.type === 'settle')?.settles;
const outOfMemory: TryFailure = {
  kind: 'worker-lost',
  exit: { by: 'signal', signal: 'SIGKILL', outOfMemory: true },
};

function world(config: ConstructorParameters<typeof World>[0], items: number, count = 1): World {
  const made = new World({ isolate: 'auto', maxTries: 2, ...config });
  made.node(2);
  made.ready();
  made.ready();
  made.create(count, items);
  made.send({ type: 'creation-finished' });
  return made;
}

/** Uses up the tries of the only mini-batch; @returns what the last one came to. */
function useUp(of: World, items: number, failure = raised, tries = 2): Settles | undefined {
  let last: Settles | undefined;
  for (let i = 0; i < tries; i++) {
    of.now += 60_000;
    of.send({ type: 'tick' });
    last = out(of.fail(of.take(), failure, items));
  }
  return last;
}

/** Runs parts until the mini-batch has its end. */
function narrow(of: World, items: number, bad: (item: number) => boolean, failure = raised): Settles[] {
  const seen: Settles[] = [];
  for (let i = 0; i < 1000; i++) {
    if (of.out.length === 0) {
      of.now += 1000;
      of.send({ type: 'tick' });
    }
    const sent: Sent | undefined = of.out[0];
    if (!sent?.part) return seen;
    const { from, to } = sent.part;
    const fails = Array.from({ length: to - from }, (_, k) => from + k).some(bad);
    const commands = fails ? of.fail(of.take(), failure, items) : of.ok(of.take(), to - from, items);
    const settles = out(commands);
    if (settles) seen.push(settles);
    if (settles && !['part', 'narrow'].includes(settles.as)) return seen;
  }
  throw new Error('never ends');
}

describe('narrowing down', () => {
  test('begins when the tries are used up, and ends partial with the culprit named', () => {
    const w = world({}, 10);
    expect(useUp(w, 10)).toEqual({ as: 'narrow' });
    const seen = narrow(w, 10, (item) => item === 7);
    const end = seen.at(-1);
    expect(end).toMatchObject({ as: 'partial', succeeded: 9, failed: 1 });
    const dead = end?.as === 'partial' ? end.dead : [];
    expect(dead).toMatchObject([{ from: 7, to: 8 }]);
    const culprit = w.dispatched.find((sent) => sent.dispatch === dead[0]?.dispatch);
    expect(culprit?.part).toEqual({ from: 7, to: 8 });
    expect(w.state).toMatchObject({ done: 0, failed: 1, failedItems: 1, returned: 9 });
    expect(w.state.trouble.size).toBe(0);
  });

  test('parts go under the number of the last try, each with a dispatch number of its own', () => {
    const w = world({}, 4);
    useUp(w, 4);
    narrow(w, 4, (item) => item === 0);
    expect(w.dispatched.map((sent) => sent.dispatch)).toEqual(w.dispatched.map((_, i) => i + 1));
    expect(w.dispatched.map((sent) => sent.try)).toEqual([1, 2, ...w.dispatched.slice(2).map(() => 2)]);
  });

  test('parts follow each other without back-off, also at the worker where one failed', () => {
    const w = world({}, 100);
    useUp(w, 100);
    const before = w.now;
    narrow(w, 100, (item) => item === 37);
    expect(w.now).toBe(before);
    const extra = w.dispatched.length - 1;
    expect(extra).toBeLessThanOrEqual(2 * Math.log2(100) + 2);
  });

  test('all parts good: the mini-batch is done after all', () => {
    const w = world({}, 6);
    useUp(w, 6);
    expect(narrow(w, 6, () => false).at(-1)).toEqual({ as: 'done', succeeded: 6, failed: 0 });
    expect(w.state).toMatchObject({ done: 1, failed: 0, failedItems: 0, returned: 6 });
  });

  test('one item alone fails at once, as a dead letter', () => {
    const w = world({}, 1);
    expect(useUp(w, 1)).toEqual({ as: 'failed', poisoned: false, dead: [{ from: 0, to: 1, dispatch: 2 }] });
  });

  test('switched off, a mini-batch fails whole', () => {
    const w = world({ isolate: 'off' }, 10);
    expect(useUp(w, 10)).toEqual({ as: 'failed', poisoned: false });
  });

  const signal = (name: string, guard?: { rule: 'limit' | 'node' }): TryFailure => ({
    kind: 'worker-lost',
    exit: {
      by: 'signal',
      signal: name,
      outOfMemory: guard !== undefined,
      ...(guard && { guard: { ...guard, rssBytes: 2, limitBytes: 1 } }),
    },
  });
  test.each<[string, TryFailure, number]>([
    ['SIGKILL', signal('SIGKILL'), 2],
    ['SIGTERM', signal('SIGTERM'), 2],
    ['SIGINT', signal('SIGINT'), 2],
    ['SIGHUP', signal('SIGHUP'), 2],
    ['the kernel, for memory', outOfMemory, 2],
    ['the guard, for the memory of the node', signal('SIGKILL', { rule: 'node' }), 2],
    ['the guard, over its own limit', signal('SIGKILL', { rule: 'limit' }), 1],
    ['SIGSEGV', segfault, 1],
    ['an exit of its own', { kind: 'worker-lost', exit: { by: 'code', code: 3 } }, 1],
    ['an exception', raised, 1],
  ])('a single item ended by %s has as many runs alone as leave no doubt', (_, failure, runs) => {
    const w = world({ maxTries: 1 }, 2);
    useUp(w, 2, raised, 1);
    narrow(w, 2, (item) => item === 1, failure);
    expect(w.dispatched.filter(({ part }) => part?.from === 1)).toHaveLength(runs);
  });

  test('a lost node or a return repeats the part and costs nothing', () => {
    const w = world({}, 4);
    useUp(w, 4);
    const first = w.out[0]?.part;
    expect(out(w.fail(w.take(), { kind: 'node-lost', node: 'n' }, 4))).toEqual({ as: 'requeue' });
    expect(w.out[0]?.part).toEqual(first);
    const { index, dispatch, worker } = w.take();
    w.send({ type: 'returned', index, dispatch, worker });
    expect(w.out[0]?.part).toEqual(first);
    expect(narrow(w, 4, (item) => item === 3).at(-1)).toMatchObject({ as: 'partial', failed: 1 });
  });

  test('an item that the worker names is run alone first', () => {
    const w = world({ maxTries: 1 }, 100);
    const sent = w.take();
    w.send({
      type: 'outcome',
      index: sent.index,
      dispatch: sent.dispatch,
      worker: sent.worker,
      items: 100,
      runMs: 1,
      result: { ok: false, failure: raised, item: 61 },
    });
    expect(w.out[0]?.part).toEqual({ from: 61, to: 62 });
    expect(narrow(w, 100, (item) => item === 61)).toHaveLength(3);
  });

  test('a part with other rows than items: parts dropped, the mini-batch fails, isolation stays off', () => {
    const w = world({}, 4, 2);
    const commands = [w.fail(w.take(0), raised, 4), w.fail(w.take(1), raised, 4)];
    expect(commands.map(out)).toEqual([
      { as: 'retry', retryAfterMs: 100 },
      { as: 'retry', retryAfterMs: 100 },
    ]);
    w.now += 60_000;
    w.send({ type: 'tick' });
    expect(out(w.fail(w.take(0), raised, 4))).toEqual({ as: 'narrow' });
    const part = w.take(0);
    expect(part.part).toEqual({ from: 0, to: 2 });
    const dropped = w.ok(part, 1, 4);
    expect(out(dropped)).toEqual({ as: 'failed', poisoned: false });
    expect(dropped).toContainEqual({
      type: 'warn',
      warning: { kind: 'isolation-off', index: 0, why: { kind: 'mixes-items', items: 2, returned: 1 } },
    });
    expect(out(w.fail(w.take(1), raised, 4))).toEqual({ as: 'failed', poisoned: false });
    expect(w.state).toMatchObject({ failed: 2, failedItems: 8, returned: 0 });
  });

  test('switched on by the job, parts are trusted whatever they return', () => {
    const w = world({ isolate: 'on' }, 4);
    useUp(w, 4);
    expect(out(w.ok(w.take(), 7, 4))).toEqual({ as: 'part', succeeded: 2 });
    expect(narrow(w, 4, (item) => item === 3).at(-1)).toMatchObject({ as: 'partial', succeeded: 3, failed: 1 });
    expect(w.state.returned).toBe(8);
  });

  test('the same error everywhere: given up soon, and not tried a third time', () => {
    const w = world({ maxTries: 1 }, 100, 3);
    const ends: (string | undefined)[] = [];
    let parts = 0;
    for (let i = 0; i < 100 && w.state.failed < 3; i++) {
      const sent = w.take();
      if (sent.part) parts += 1;
      ends.push(out(w.fail(sent, raised, 100))?.as);
    }
    expect(ends.filter((as) => as === 'failed')).toHaveLength(3);
    expect(parts).toBe(10);
    expect(w.commands.filter((c) => c.type === 'warn')).toMatchObject([
      { warning: { kind: 'isolation-off', why: { kind: 'same-error' } } },
    ]);
    expect(w.state.failedItems).toBe(300);
  });

  test('a good part in between shows that it is not everywhere', () => {
    const w = world({ maxTries: 1 }, 4, 4);
    /** What becomes of mini-batch `index`, of which these items are bad. */
    const end = (index: number, bad: readonly number[]): string => {
      for (;;) {
        const { part, ...sent } = w.take(index);
        const { from, to } = part ?? { from: 0, to: 4 };
        const fails = bad.some((item) => item >= from && item < to);
        const as = out(fails ? w.fail(sent, raised, 4) : w.ok(sent, to - from, 4))?.as ?? '';
        if (as !== 'narrow' && as !== 'part') return as;
      }
    };
    const all = [0, 1, 2, 3];
    expect(end(0, all)).toBe('failed');
    expect(end(1, [1])).toBe('partial');
    expect(end(2, all)).toBe('failed');
    expect(w.commands.filter((c) => c.type === 'warn')).toHaveLength(0);
    expect(end(3, all)).toBe('failed');
    expect(w.commands.filter((c) => c.type === 'warn')).toHaveLength(1);
  });

  test('once more items are dead than the run may lose, the others are given up', () => {
    const w = world(
      { maxTries: 1, thresholds: { errorThreshold: 0, miniBatchErrorThreshold: -1, failedPercent: 100 } },
      16,
    );
    w.fail(w.take(), raised, 16);
    const end = narrow(w, 16, (item) => item === 12 || item === 15).at(-1);
    expect(end?.as).toBe('partial');
    const dead = end?.as === 'partial' ? end.dead : [];
    expect(dead.map(({ from, to }) => [from, to])).toEqual([
      [12, 13],
      [13, 14],
      [14, 15],
      [15, 16],
    ]);
    expect(w.aborts()).toEqual(['error-threshold']);
  });

  test('thresholds count what is really lost', () => {
    const w = world({ thresholds: { errorThreshold: 1, miniBatchErrorThreshold: 1, failedPercent: 100 } }, 10);
    useUp(w, 10);
    narrow(w, 10, (item) => item === 5);
    expect(w.aborts()).toEqual([]);
    w.send({ type: 'stopped' });
    expect(w.verdict()).toEqual({ state: 'Completed', exitCode: 0 });
  });

  test('memory has tries of its own', () => {
    const w = world({ maxTries: 1 }, 1);
    const ends: (string | undefined)[] = [];
    for (let i = 0; i < 3; i++) {
      w.now += 60_000;
      w.send({ type: 'tick' });
      const sent = w.take();
      expect(sent.try).toBe(1);
      ends.push(out(w.fail(sent, outOfMemory, 1))?.as);
      w.send({ type: 'worker-ended', worker: sent.worker });
      w.ready();
    }
    expect(ends).toEqual(['retry', 'retry', 'failed']);
  });

  test('what is not there is tried twice at most, what has changed never again', () => {
    const gone: TryFailure = { kind: 'input-error', path: '/in/x', reason: 'no such file', errno: 'ENOENT' };
    const twice = world({ maxTries: 5 }, 1);
    expect(useUp(twice, 1, gone)).toMatchObject({ as: 'failed' });
    const changed: TryFailure = { kind: 'input-changed', path: '/in/x', was: 'unknown', is: 'gone' };
    const never = world({ maxTries: 5 }, 10);
    expect(useUp(never, 10, changed, 1)).toEqual({ as: 'failed', poisoned: false });
  });

  test('a part that kills its worker goes on elsewhere', () => {
    const w = world({ maxTries: 1 }, 10);
    w.kill(w.out[0]?.worker ?? expect.fail('nothing is handed out'));
    w.ready();
    expect(w.out[0]?.part).toEqual({ from: 0, to: 5 });
    w.kill(w.out[0]?.worker ?? expect.fail('nothing is handed out'), segfault);
    w.ready();
    expect(w.out[0]?.part).toEqual({ from: 5, to: 10 });
    expect(out(w.ok(w.take(), 5))).toEqual({ as: 'part', succeeded: 5 });
  });
});

describe('work that a crash repeats', () => {
  test('a slow mini-batch waits until the one before is durable', () => {
    const w = world({}, 1, 10);
    w.commits = false;
    const first = w.take();
    w.answer(first, { ok: true, returned: 1 }, 1, 200);
    expect(w.out.map((sent) => sent.worker)).not.toContain(first.worker);
    w.send({ type: 'committed', workers: [first.worker] });
    expect(w.out.map((sent) => sent.worker)).toContain(first.worker);
  });

  test('fast ones run ahead of their commits, as many as take 50 ms', () => {
    const w = world({}, 1, 1000);
    w.commits = false;
    const handedTo = (worker: string) => w.dispatched.filter((sent) => sent.worker === worker).length;
    const { worker } = w.out[0] ?? expect.fail('nothing is handed out');
    for (let i = 0; i < 1000; i++) {
      const at = w.out.findIndex((sent) => sent.worker === worker);
      if (at < 0) break;
      const [sent] = w.out.splice(at, 1);
      if (sent) w.answer(sent, { ok: true, returned: 1 }, 1, 0.5);
      if (i === 0) w.send({ type: 'committed', workers: [worker] });
    }
    expect(handedTo(worker)).toBe(101);
  });
});

test('nothing more goes to a worker that ends by itself, and what it holds stays its own until it is gone', () => {
  const w = world({}, 1, 10);
  const { worker } = w.out[0] ?? expect.fail('nothing is handed out');
  w.send({ type: 'worker-leaving', worker });
  w.ok(w.take(), 1, 1);
  expect(w.out.map((sent) => sent.worker)).not.toContain(worker);
  w.send({ type: 'worker-ended', worker });
  const next = w.ready();
  expect(w.out.map((sent) => sent.worker)).toContain(next);
});
