/** Thresholds and watchdogs at their edges, also in a run that did not begin at time 0. */
import { describe, expect, test } from 'vitest';
import { initialState } from '../../src/core/state.ts';
import type { CoreConfig, CoreCommand } from '../../src/core/types.ts';
import { World, defaults, segfault } from './model.ts';

const START = 50_000;

function begun(config: Partial<CoreConfig> = {}): World {
  const world = new World({}, initialState({ ...defaults, ...config }, START));
  world.now = START;
  return world;
}

/** What a tick at START + `after` causes. */
function tick(world: World, after: number): CoreCommand[] {
  world.now = START + after;
  return world.send({ type: 'tick' });
}

test('the percentage is judged of one mini-batch too', () => {
  const world = new World({
    maxTries: 1,
    thresholds: { errorThreshold: -1, miniBatchErrorThreshold: -1, failedPercent: 99 },
  });
  world.node(1);
  world.ready();
  world.create(1);
  world.send({ type: 'creation-finished' });
  world.fail(world.take());
  expect(world.commands.find((c) => c.type === 'abort')?.reason).toEqual({
    kind: 'failed-percent',
    limitPercent: 99,
    failedMiniBatches: 1,
    totalMiniBatches: 1,
  });
});

describe('the wait for the first mini-batch', () => {
  test('is counted from the start of the run', () => {
    const world = begun();
    expect(tick(world, 600_000).filter((c) => c.type === 'abort')).toEqual([]);
    tick(world, 600_001);
    expect(world.commands.find((c) => c.type === 'abort')?.reason).toEqual({
      kind: 'first-mini-batch-timeout',
      limitMs: 600_000,
    });
  });

  test('is over once there is one', () => {
    const world = begun();
    world.create(1);
    expect(tick(world, 700_000)).toEqual([]);
  });

  test('is told each minute, in whole seconds of the run', () => {
    const world = begun();
    expect(tick(world, 59_999)).toEqual([]);
    expect(tick(world, 60_600)).toEqual([{ type: 'warn', warning: { kind: 'no-mini-batch-yet', seconds: 61 } }]);
    expect(tick(world, 120_599)).toEqual([]);
    expect(tick(world, 120_600)).toEqual([{ type: 'warn', warning: { kind: 'no-mini-batch-yet', seconds: 121 } }]);
  });

  test('is of no interest in a run that is stopping', () => {
    const world = begun();
    world.send({ type: 'cancel', now: false, exitCode: 130 });
    expect(tick(world, 60_000)).toEqual([]);
  });
});

describe('workers in init', () => {
  test('may take so long and no longer, from the start of the run', () => {
    const world = begun({ allInInitTimeoutMs: 1000 });
    world.node(1);
    world.start();
    expect(tick(world, 1000)).toEqual([]);
    tick(world, 1001);
    expect(world.commands.find((c) => c.type === 'abort')?.reason).toEqual({ kind: 'all-in-init', limitMs: 1000 });
  });

  test('are none where there is no worker, or where one was ready once', () => {
    const none = begun({ allInInitTimeoutMs: 1000 });
    none.node(1);
    expect(tick(none, 5000)).toEqual([]);
    const ready = begun({ allInInitTimeoutMs: 1000 });
    ready.node(1);
    ready.ready();
    expect(tick(ready, 5000)).toEqual([]);
  });
});

describe('progress', () => {
  const limit = { progressTimeoutMs: 1000 };

  test('is an end of a mini-batch: no worker that becomes ready, and none that gets its first', () => {
    const world = begun(limit);
    world.node(2);
    world.ready();
    world.create(2);
    const starting = world.start();
    world.now = START + 900;
    world.send({ type: 'worker-ready', worker: starting });
    expect(world.out).toHaveLength(2);
    expect(tick(world, 1000)).toEqual([]);
    tick(world, 1001);
    expect(world.commands.find((c) => c.type === 'abort')?.reason).toEqual({
      kind: 'no-progress',
      limitMs: 1000,
      inFlight: 2,
    });
  });

  test('is not asked for while commits wait for space, and its clock begins anew after that', () => {
    const world = begun(limit);
    world.node(1);
    world.ready();
    world.create(1);
    world.send({ type: 'pressure', on: true });
    for (let after = 500; after <= 5000; after += 500) expect(tick(world, after)).toEqual([]);
    world.send({ type: 'pressure', on: false });
    expect(tick(world, 6000)).toEqual([]);
    tick(world, 6001);
    expect(world.aborts()).toEqual(['no-progress']);
  });

  test('a failed try is progress', () => {
    const world = begun(limit);
    world.node(2);
    world.ready();
    world.ready();
    world.create(2);
    world.now = START + 900;
    world.fail(world.take(0), segfault);
    expect(tick(world, 1900)).toEqual([]);
    tick(world, 1901);
    expect(world.aborts()).toEqual(['no-progress']);
  });
});
