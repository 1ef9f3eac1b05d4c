/** Who gets what, how much of it and in which order, at the edges. */
import { describe, expect, test } from 'vitest';
import { depthFor } from '../../src/core/dispatch.ts';
import { Recovery } from '../../src/core/recover.ts';
import type { CoreConfig, WorkerState } from '../../src/core/types.ts';
import { RESERVE_CHUNK } from '../../src/core/types.ts';
import type { TryFailure } from '../../src/domain/failure.ts';
import { epochMs, miniBatchIndex } from '../../src/domain/ids.ts';
import type { WorkerId } from '../../src/domain/ids.ts';
import { World, defaults, raised, segfault } from './model.ts';

function running(workers: number, config: Partial<CoreConfig> = {}): World {
  const world = new World(config);
  world.node(workers);
  for (let i = 0; i < workers; i++) world.ready();
  return world;
}

const readyOnes = (world: World): WorkerId[] => world.state.ready.map(({ id }) => id);
const heldBy = (world: World, worker: WorkerId): number[] =>
  world.out.filter((sent) => sent.worker === worker).map(({ index }) => Number(index));
const at = (world: World, i: number): WorkerState => world.state.ready[i] ?? expect.fail(`no worker ${i}`);

/** All at once: created while nothing may leave. */
function releaseAll(world: World, count: number): void {
  world.send({ type: 'pressure', on: true });
  world.create(count);
  world.send({ type: 'pressure', on: false });
}

describe('depth', () => {
  test.each([
    [50, 2],
    [50.1, 1],
    [5, 4],
    [5.1, 2],
    [2, 16],
    [2.1, 4],
    [0.11, 16],
    [0.1, 64],
  ])('at exactly %f ms is %i', (mean, depth) => {
    expect(depthFor(mean)).toBe(depth);
  });

  test('is smoothed over the runs: nine parts old, one part new', () => {
    const world = running(1);
    world.create(3);
    world.answer(world.take(), { ok: true, returned: 10 }, 10, 100);
    expect(world.state.meanRunMs).toBe(100);
    world.answer(world.take(), { ok: true, returned: 10 }, 10, 50);
    expect(world.state.meanRunMs).toBeCloseTo(95);
  });

  test('parks none behind another while fewer than two a worker are left', () => {
    const three = running(2);
    three.state.meanRunMs = 0.1;
    releaseAll(three, 3);
    expect(three.out).toHaveLength(2);
    const four = running(2);
    four.state.meanRunMs = 0.1;
    releaseAll(four, 4);
    expect(readyOnes(four).map((worker) => heldBy(four, worker))).toEqual([
      [0, 2],
      [1, 3],
    ]);
  });

  test('is what is left, shared and rounded up', () => {
    const world = running(2);
    world.state.meanRunMs = 0.1;
    releaseAll(world, 5);
    expect(readyOnes(world).map((worker) => heldBy(world, worker))).toEqual([
      [0, 2, 4],
      [1, 3],
    ]);
  });

  test('of what is left also bounds what is not durable', () => {
    const world = running(2);
    world.state.meanRunMs = 0.1;
    world.commits = false;
    at(world, 0).uncommitted = 500;
    releaseAll(world, 5);
    // 50 ms of work at risk are 500 of these: the one that has them gets none
    expect(readyOnes(world).map((worker) => heldBy(world, worker))).toEqual([[], [0, 1, 2]]);
  });

  test.each([
    [51, 1],
    [40, 4],
    [10, 5],
    [4, 12],
    [0.5, 100],
    [0.01, 1024],
    [0, 1024],
  ])('of mini-batches of %d ms, %d may be done and not durable', (meanRunMs, most) => {
    const world = running(1);
    world.state.meanRunMs = meanRunMs;
    world.commits = false;
    at(world, 0).uncommitted = most - 1;
    releaseAll(world, 100);
    expect(at(world, 0).holds.size).toBe(1);
    const full = running(1);
    full.state.meanRunMs = meanRunMs;
    full.commits = false;
    at(full, 0).uncommitted = most;
    releaseAll(full, 100);
    expect(at(full, 0).holds.size).toBe(0);
  });
});

describe('a queue', () => {
  test.each([
    [20, 2, 1],
    [3, 4, 3],
    [1.5, 16, 8],
    [0.05, 64, 32],
  ])('of mini-batches of %d ms holds %d and is filled again at %d', (mean, depth, low) => {
    const world = running(1);
    world.state.meanRunMs = mean;
    releaseAll(world, 500);
    const sizes: number[] = [];
    do {
      sizes.push(at(world, 0).holds.size);
      world.answer(world.take(), { ok: true, returned: 1 }, 1, mean);
    } while (at(world, 0).holds.size < depth);
    // full again as soon as the last answer has left it at `low`
    expect(sizes).toEqual(Array.from({ length: depth - low }, (_, i) => depth - i));
  });

  test('of five, where no more are left, is filled again at two', () => {
    const world = running(1);
    world.state.meanRunMs = 1.5;
    releaseAll(world, 3);
    expect(at(world, 0).holds.size).toBe(3);
    world.create(5);
    expect(at(world, 0).holds.size).toBe(3);
    world.answer(world.take(), { ok: true, returned: 1 }, 1, 1.5);
    expect(at(world, 0).holds.size).toBe(5);
  });
});

describe('the next reservation', () => {
  test('is asked for when half of the last one is left, up to what is created', () => {
    const world = running(1);
    world.state.meanRunMs = 100;
    const count = 2 * RESERVE_CHUNK + 100;
    world.create(count, 1);
    const asked: [number, number][] = [];
    for (let n = 0; n < count; n++) {
      const before = world.dispatched.length;
      for (const c of world.answer(world.take(), { ok: true, returned: 1 }, 1, 100))
        if (c.type === 'reserve') asked.push([before, c.below]);
    }
    expect(RESERVE_CHUNK).toBe(4096);
    expect(world.commands.find((c) => c.type === 'reserve')).toEqual({ type: 'reserve', below: 4096 });
    expect(asked).toEqual([
      [2048, 8192],
      [6144, count],
    ]);
  });

  test('comes behind what the outcome settles', () => {
    const world = running(1);
    world.state.meanRunMs = 100;
    world.create(2 * RESERVE_CHUNK, 1);
    for (let n = 0; n < 2047; n++) world.answer(world.take(), { ok: true, returned: 1 }, 1, 100);
    world.commits = false;
    const commands = world.answer(world.take(), { ok: true, returned: 1 }, 1, 100);
    expect(commands.map(({ type }) => type)).toEqual(['settle', 'reserve']);
  });

  test('is not asked for twice', () => {
    const world = running(1);
    world.state.reserveAsked = 5;
    world.state.created = 5;
    world.state.fresh.push({ from: 0, to: 5 });
    expect(world.send({ type: 'tick' })).toEqual([]);
  });
});

describe('fresh ones', () => {
  test('of several ranges go in order, and each range is used up', () => {
    const world = running(1);
    Object.assign(world.state, { created: 5, done: 3, reservedBelow: 7, reserveAsked: 5 });
    world.state.fresh.push({ from: 0, to: 2 });
    world.send({ type: 'created', count: 2, items: 2 });
    expect(world.state.fresh).toEqual([
      { from: 1, to: 2 },
      { from: 5, to: 7 },
    ]);
    for (let i = 0; i < 3; i++) world.answer(world.take(), { ok: true, returned: 1 }, 1, 100);
    expect(world.dispatched.map(({ index }) => index)).toEqual([0, 1, 5, 6]);
    expect(world.state.fresh).toEqual([]);
  });

  test('are left for workers that still start, as many as there are; nobody waits for one that has ended', () => {
    const world = new World();
    world.now = 5000;
    world.node(3);
    const ended = world.start();
    world.send({ type: 'worker-ended', worker: ended });
    world.start();
    world.create(3);
    world.ready();
    for (let i = 0; i < 2; i++) world.answer(world.take(), { ok: true, returned: 10 }, 10, 100);
    // the third one is the other worker's for a second
    expect(world.out).toEqual([]);
    world.now = 5999;
    world.send({ type: 'tick' });
    expect(world.out).toEqual([]);
    world.now = 6000;
    world.send({ type: 'tick' });
    expect(world.out).toHaveLength(1);
  });

  test('are left for them of what was in doubt too, and no more than there are workers to come', () => {
    const recovery = new Recovery();
    recovery.apply({ type: 'dispatch-reserved', at: epochMs(0), below: miniBatchIndex(4) });
    const run = { created: 4, items: 40, creationFinished: true, retryFailed: false };
    const world = new World({}, recovery.toState(defaults, run, 0));
    world.node(2);
    world.start();
    world.ready();
    for (const index of [0, 1, 2]) world.answer(world.take(index), { ok: true, returned: 10 }, 10, 100);
    expect(world.out).toEqual([]);
    expect(world.state.waiting).toHaveLength(1);
  });

  test('the second is counted from the first worker that was ready, not from the last', () => {
    const world = new World();
    world.now = 5000;
    world.node(3);
    world.create(4);
    world.ready();
    const second = world.start();
    world.start();
    world.now = 5900;
    world.send({ type: 'worker-ready', worker: second });
    const [first] = readyOnes(world);
    world.answer(world.take(0), { ok: true, returned: 10 }, 10, 100);
    world.now = 6000;
    world.answer(world.take(), { ok: true, returned: 10 }, 10, 100);
    world.send({ type: 'tick' });
    expect(first).toBeDefined();
    expect(world.dispatched).toHaveLength(4);
  });
});

describe('a retry', () => {
  /** Two workers; mini-batch 0 has failed at the first, the second has a slow one. */
  function oneFailed(failure: TryFailure = raised): World {
    const world = running(2);
    world.create(2);
    world.fail(world.take(0), failure);
    return world;
  }

  test('goes to the worker where it failed only when it has been due for a second', () => {
    const world = oneFailed();
    const [failedAt] = readyOnes(world);
    world.now = 100 + 999;
    world.send({ type: 'tick' });
    expect(world.dispatched).toHaveLength(2);
    world.now = 100 + 1000;
    world.send({ type: 'tick' });
    expect(world.dispatched[2]).toMatchObject({ index: 0, worker: failedAt });
  });

  test('that is due goes to a free worker with the next outcome of any other', () => {
    const world = running(2);
    world.create(2);
    const [first, second] = readyOnes(world);
    world.ok(world.take(1));
    world.fail(world.take(0));
    world.create(1);
    expect(world.out.map(({ worker }) => worker)).toEqual([first]);
    world.now = 150;
    world.commits = false;
    world.ok(world.take(2));
    expect(world.out).toMatchObject([{ index: 0, worker: second, try: 2 }]);
  });

  test('waits in the order in which they failed; what never began goes before it, what a node lost behind it', () => {
    const world = running(3);
    world.create(6);
    const sent = [0, 1, 2].map((index) => world.take(index));
    world.send({ type: 'pressure', on: true });
    const [a, b, c] = sent;
    if (!a || !b || !c) throw new Error('three are out');
    world.fail(a);
    world.fail(b);
    world.fail(c, { kind: 'node-lost', node: 'n' });
    expect(world.state.waiting.map(({ index, readyAt }) => [index, readyAt])).toEqual([
      [0, 100],
      [1, 100],
      [2, 0],
    ]);
    world.send({ type: 'pressure', on: false });
    world.send({ type: 'pressure', on: true });
    const [given] = world.out.slice(-1);
    if (!given) throw new Error('nothing is out');
    world.take(given.index);
    world.send({ type: 'returned', index: given.index, dispatch: given.dispatch, worker: given.worker });
    expect(world.state.waiting[0]?.index).toBe(given.index);
  });

  test('without a part says nothing of one', () => {
    const world = oneFailed();
    for (const command of world.commands) if ('try' in command) expect(Object.keys(command)).not.toContain('part');
    expect(Object.keys(world.state.inFlight.get(miniBatchIndex(1)) ?? {})).not.toContain('part');
  });
});

test.each<TryFailure>([
  segfault,
  { kind: 'timeout', limitMs: 1 },
  { kind: 'overhead-timeout', limitMs: 1 },
  { kind: 'protocol-error', detail: 'x' },
])('nothing goes to a worker that ends with $kind', (failure) => {
  const world = running(1);
  world.create(3);
  world.fail(world.take(), failure);
  expect(world.state.ready).toEqual([]);
  world.now = 60_000;
  world.send({ type: 'tick' });
  expect(world.out).toEqual([]);
});
