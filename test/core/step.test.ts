import { describe, expect, test } from 'vitest';
import { depthFor } from '../../src/core/dispatch.ts';
import type { StartFailure } from '../../src/domain/failure.ts';
import { workerId } from '../../src/domain/ids.ts';
import { NODE, World, exceptionFacts, raised, segfault } from './model.ts';

const NOBODY = workerId(NODE, 99);
const importError: StartFailure = { kind: 'load-exception', ...exceptionFacts, exceptionType: 'ModuleNotFoundError' };
const initError: StartFailure = { kind: 'init-exception', ...exceptionFacts, exceptionType: 'ConnectionError' };

function runningWorld(workers: number, config = {}): World {
  const world = new World(config);
  world.node(workers);
  for (let i = 0; i < workers; i++) world.ready();
  return world;
}

describe('a mini-batch', () => {
  test('is handed out once it is created, reserved and a worker is ready', () => {
    const world = new World();
    world.node(1);
    world.create(1);
    expect(world.dispatched).toEqual([]);
    world.ready();
    expect(world.dispatched).toMatchObject([{ index: 0, dispatch: 1, try: 1 }]);
  });

  test('is not handed out before its reservation is durable', () => {
    const world = new World();
    world.node(1);
    world.ready();
    // Feed `created` past the helper that answers reservations at once.
    world.state.reserveAsked = 1;
    world.state.reservedBelow = 0;
    world.send({ type: 'created', count: 1, items: 1 });
    expect(world.dispatched).toEqual([]);
    world.send({ type: 'reserved', below: 1 });
    expect(world.dispatched).toHaveLength(1);
  });

  test('that fails is tried again, at another worker, after a growing pause, and fails in the end', () => {
    const world = runningWorld(2);
    world.create(1);
    const first = world.take();
    expect(world.fail(first)[0]).toMatchObject({ type: 'settle', try: 1, settles: { as: 'retry', retryAfterMs: 100 } });
    expect(world.out).toEqual([]);
    world.now = 100;
    world.send({ type: 'tick' });
    const second = world.take();
    expect(second.worker).not.toBe(first.worker);
    expect(second).toMatchObject({ index: 0, dispatch: 2, try: 2 });
    expect(world.fail(second)[0]).toMatchObject({ settles: { as: 'retry', retryAfterMs: 400 } });
    world.now = 500;
    world.send({ type: 'tick' });
    expect(world.fail(world.take())[0]).toMatchObject({ try: 3, settles: { as: 'failed', poisoned: false } });
    expect(world.state.failed).toBe(1);
    expect(world.state.failedItems).toBe(10);
  });

  test('is poisoned when every try took its worker down', () => {
    const world = runningWorld(1, { maxTries: 2 });
    world.create(1);
    world.kill(world.out[0]?.worker ?? NOBODY);
    world.now = 1000;
    expect(world.out).toEqual([]);
    world.ready();
    const sent = world.take();
    expect(world.fail(sent, segfault)[0]).toMatchObject({ settles: { as: 'failed', poisoned: true } });
  });

  test('that raised once and crashed once is failed, not poisoned', () => {
    const world = runningWorld(1, { maxTries: 2 });
    world.create(1);
    world.fail(world.take(), raised);
    world.now = 2000;
    world.send({ type: 'tick' });
    expect(world.fail(world.take(), segfault)[0]).toMatchObject({ settles: { as: 'failed', poisoned: false } });
  });

  test('that never began goes back first in line and uses up no try', () => {
    const world = runningWorld(1);
    world.create(50);
    world.ok(world.take());
    const held = world.out.map((s) => s.index);
    expect(held.length).toBeGreaterThan(2);
    world.kill(world.out[0]?.worker ?? NOBODY);
    expect(world.out).toEqual([]);
    world.ready();
    // The one that had begun waits for its second try; the others never began.
    expect(world.out[0]).toMatchObject({ dispatch: 2, try: 1 });
    expect(held.slice(1)).toContain(world.out[0]?.index);
  });

  test('keeps its user tries when nodes are lost, up to the cap', () => {
    const world = runningWorld(1, { maxTries: 1 });
    world.create(1);
    for (let loss = 1; loss <= 20; loss++) {
      world.fail(world.take(), { kind: 'node-lost', node: '10.0.0.1' });
      expect(world.aborts()).toEqual([]);
    }
    world.fail(world.take(), { kind: 'node-lost', node: '10.0.0.1' });
    expect(world.aborts()).toEqual(['infra-exhausted']);
  });

  test('gives its outcome once: a superseded dispatch is late', () => {
    const world = runningWorld(2);
    world.create(1);
    const first = world.take();
    world.fail(first);
    world.now = 5000;
    world.send({ type: 'tick' });
    const second = world.take();
    expect(world.ok(first)).toEqual([{ type: 'late' }]);
    expect(world.ok(second)[0]).toMatchObject({ settles: { as: 'done' } });
    expect(world.ok(second)).toEqual([{ type: 'late' }]);
    expect(world.state.done).toBe(1);
  });

  test('with fewer rows than items counts the shortfall as failed items; more rows are fine', () => {
    const world = runningWorld(1);
    world.create(2);
    expect(world.ok(world.take(), 7)[0]).toMatchObject({ settles: { as: 'done', succeeded: 7, failed: 3 } });
    expect(world.ok(world.take(), 12)[0]).toMatchObject({ settles: { as: 'done', succeeded: 10, failed: 0 } });
    expect(world.state.failedItems).toBe(3);
  });
});

describe('thresholds', () => {
  test.each([
    [-1, 5, []],
    [0, 0, []],
    [0, 1, ['mini-batch-error-threshold']],
    [2, 2, []],
    [2, 3, ['mini-batch-error-threshold']],
  ])('mini_batch_error_threshold %i with %i failed', (limit, failures, aborts) => {
    const world = runningWorld(1, {
      maxTries: 1,
      thresholds: { errorThreshold: -1, miniBatchErrorThreshold: limit, failedPercent: 100 },
    });
    world.create(10);
    for (let i = 0; i < failures; i++) world.fail(world.take());
    expect(world.aborts()).toEqual(aborts);
    if (aborts.length > 0) expect(world.commands).toContainEqual({ type: 'stop', how: 'now' });
  });

  test.each([
    [-1, 10, []],
    [0, 1, ['error-threshold']],
    [3, 3, []],
    [3, 4, ['error-threshold']],
  ])('error_threshold %i with a shortfall of %i', (limit, shortfall, aborts) => {
    const world = runningWorld(1, {
      thresholds: { errorThreshold: limit, miniBatchErrorThreshold: -1, failedPercent: 100 },
    });
    world.create(5);
    world.ok(world.take(), 10 - shortfall);
    expect(world.aborts()).toEqual(aborts);
  });

  test('failed percent is judged only when all are created, and is "greater than"', () => {
    const world = runningWorld(1, {
      maxTries: 1,
      thresholds: { errorThreshold: -1, miniBatchErrorThreshold: -1, failedPercent: 50 },
    });
    world.create(2);
    world.fail(world.take());
    world.fail(world.take());
    expect(world.aborts()).toEqual([]);
    world.create(2);
    world.send({ type: 'creation-finished' });
    expect(world.aborts()).toEqual([]);
    world.ok(world.take());
    world.fail(world.take());
    expect(world.aborts()).toEqual(['failed-percent']);
  });

  test('a percentage exactly at its limit is not above it, whatever floats make of it', () => {
    const world = runningWorld(1, {
      maxTries: 1,
      thresholds: { errorThreshold: -1, miniBatchErrorThreshold: -1, failedPercent: 28 },
    });
    world.create(25);
    world.send({ type: 'creation-finished' });
    for (let i = 0; i < 7; i++) world.fail(world.take());
    expect(world.aborts()).toEqual([]);
    world.fail(world.take());
    expect(world.aborts()).toEqual(['failed-percent']);
  });

  test('nothing is handed out after one is crossed', () => {
    const world = runningWorld(2, {
      maxTries: 1,
      thresholds: { errorThreshold: -1, miniBatchErrorThreshold: 0, failedPercent: 100 },
    });
    world.create(100);
    world.fail(world.take());
    const before = world.dispatched.length;
    world.ok(world.take());
    world.ready();
    world.send({ type: 'tick' });
    expect(world.dispatched).toHaveLength(before);
    world.send({ type: 'stopped' });
    expect(world.verdict()).toMatchObject({
      state: 'Failed',
      exitCode: 1,
      reason: { kind: 'mini-batch-error-threshold', limit: 0, failedMiniBatches: 1 },
    });
  });
});

describe('the end of a run', () => {
  test('comes when all are settled and the workers are gone', () => {
    const world = runningWorld(1);
    world.create(1);
    world.send({ type: 'creation-finished' });
    world.ok(world.take());
    expect(world.commands).toContainEqual({ type: 'stop', how: 'orderly' });
    expect(world.verdict()).toBeUndefined();
    world.send({ type: 'stopped' });
    expect(world.verdict()).toEqual({ state: 'Completed', exitCode: 0 });
  });

  test('is a failure where append_row got no row at all', () => {
    const world = runningWorld(1, { needsRows: true });
    world.create(1);
    world.send({ type: 'creation-finished' });
    world.ok(world.take(), 0);
    world.send({ type: 'stopped' });
    expect(world.verdict()).toMatchObject({
      state: 'Failed',
      exitCode: 1,
      reason: { kind: 'nothing-succeeded', miniBatches: 1 },
    });
  });

  test('an empty input is exit code 2 unless it is allowed', () => {
    const refused = runningWorld(1);
    refused.send({ type: 'creation-finished' });
    refused.send({ type: 'stopped' });
    expect(refused.verdict()).toMatchObject({ exitCode: 2, reason: { kind: 'empty-input' } });
    const allowed = runningWorld(1, { allowEmpty: true, needsRows: true });
    allowed.send({ type: 'creation-finished' });
    allowed.send({ type: 'stopped' });
    expect(allowed.verdict()).toEqual({ state: 'Completed', exitCode: 0 });
  });

  test('is no success when the shell can’t record it, even if all were settled', () => {
    const world = runningWorld(1);
    world.create(1);
    world.send({ type: 'creation-finished' });
    world.ok(world.take());
    world.send({ type: 'shell-failed', reason: { kind: 'disk-full', path: '/r' }, exitCode: 3 });
    world.send({ type: 'stopped' });
    expect(world.verdict()).toMatchObject({ state: 'Failed', exitCode: 3, reason: { kind: 'disk-full' } });
  });

  test('cancel: orderly stop, then at once; a late success still counts; the state is Canceled', () => {
    const world = runningWorld(1);
    world.create(5);
    const running = world.take();
    world.send({ type: 'cancel', now: false, exitCode: 130 });
    expect(world.commands).toContainEqual({ type: 'stop', how: 'orderly' });
    world.ok(running);
    expect(world.state.done).toBe(1);
    world.send({ type: 'cancel', now: true, exitCode: 130 });
    expect(world.commands).toContainEqual({ type: 'stop', how: 'now' });
    world.send({ type: 'stopped' });
    expect(world.verdict()).toEqual({ state: 'Canceled', exitCode: 130 });
  });
});

describe('failed starts', () => {
  test('the same load error of every process of a node ends the run', () => {
    const world = new World();
    world.node(2);
    world.send({ type: 'worker-start-failed', worker: world.start(), failure: importError });
    expect(world.aborts()).toEqual([]);
    world.send({ type: 'worker-start-failed', worker: world.start(), failure: importError });
    expect(world.aborts()).toEqual(['init-failed']);
    expect(world.commands.find((c) => c.type === 'abort')).toMatchObject({
      reason: { rule: 'everywhere-the-same', failures: 2 },
    });
  });

  test('an init error that may pass needs a second round', () => {
    const world = new World();
    world.node(2);
    for (let i = 0; i < 3; i++) world.send({ type: 'worker-start-failed', worker: world.start(), failure: initError });
    expect(world.aborts()).toEqual([]);
    world.send({ type: 'worker-start-failed', worker: world.start(), failure: initError });
    expect(world.aborts()).toEqual(['init-failed']);
  });

  test('a node that has once been ready is not judged by sameness', () => {
    const world = new World();
    world.node(1);
    world.ready();
    for (let i = 0; i < 5; i++)
      world.send({ type: 'worker-start-failed', worker: world.start(), failure: importError });
    expect(world.aborts()).toEqual([]);
  });

  test('different errors use up the budget: 2 x processes, but not within two minutes', () => {
    const world = new World();
    world.node(2);
    for (let i = 0; i < 4; i++) {
      const failure: StartFailure = { ...initError, exceptionType: `Error${i}` };
      world.send({ type: 'worker-start-failed', worker: world.start(), failure });
    }
    world.now = 120_000;
    world.send({ type: 'tick' });
    expect(world.aborts()).toEqual([]);
    world.now = 120_001;
    world.send({ type: 'tick' });
    expect(world.commands.find((c) => c.type === 'abort')).toMatchObject({
      reason: { kind: 'init-failed', rule: 'budget', failures: 4 },
    });
  });

  test('the last node leaving ends the run', () => {
    const world = new World();
    world.node(1);
    world.send({ type: 'worker-start-failed', worker: world.start(), failure: initError });
    world.send({ type: 'node-left', node: NODE });
    expect(world.commands.find((c) => c.type === 'abort')).toMatchObject({
      reason: { kind: 'init-failed', rule: 'no-node-left' },
    });
  });
});

describe('watchdogs', () => {
  test('no mini-batch created: a warning each minute, the end at the limit', () => {
    const world = runningWorld(1);
    const seconds: number[] = [];
    for (let t = 0; t <= 600_000; t += 10_000) {
      world.now = t;
      for (const c of world.send({ type: 'tick' }))
        if (c.type === 'warn' && c.warning.kind === 'no-mini-batch-yet') seconds.push(c.warning.seconds);
    }
    expect(seconds).toEqual([60, 120, 180, 240, 300, 360, 420, 480, 540, 600]);
    expect(world.aborts()).toEqual([]);
    world.now = 600_001;
    world.send({ type: 'tick' });
    expect(world.aborts()).toEqual(['first-mini-batch-timeout']);
  });

  test('workers hold mini-batches and none ends', () => {
    const world = runningWorld(1, { progressTimeoutMs: 1000 });
    world.create(1);
    world.now = 1000;
    world.send({ type: 'tick' });
    expect(world.aborts()).toEqual([]);
    world.now = 1001;
    world.send({ type: 'tick' });
    expect(world.aborts()).toEqual(['no-progress']);
  });

  test('a pause in which nobody holds anything is no lack of progress', () => {
    const world = runningWorld(1, { progressTimeoutMs: 1000 });
    world.now = 5000;
    world.create(1);
    world.send({ type: 'tick' });
    expect(world.aborts()).toEqual([]);
    world.now = 6001;
    world.send({ type: 'tick' });
    expect(world.aborts()).toEqual(['no-progress']);
  });

  test('all workers stuck in init', () => {
    const world = new World({ allInInitTimeoutMs: 1000 });
    world.node(1);
    world.start();
    world.now = 1001;
    world.send({ type: 'tick' });
    expect(world.aborts()).toEqual(['all-in-init']);
  });
});

describe('dispatch', () => {
  test.each([
    [undefined, 1],
    [500, 1],
    [20, 2],
    [3, 4],
    [1.5, 16],
    [0.05, 64],
  ])('depth at a mean of %s ms is %i', (mean, depth) => {
    expect(depthFor(mean)).toBe(depth);
  });

  test('at the end of a run nothing waits behind a running mini-batch', () => {
    const world = runningWorld(2);
    world.create(5);
    world.ok(world.take());
    world.ok(world.take());
    // Three left for two workers: one each, the third waits for whoever is free first.
    expect(world.out).toHaveLength(2);
  });

  test('a worker that still starts finds a mini-batch left, for a second after the first is ready', () => {
    const world = new World();
    world.node(3);
    world.create(4);
    const starting = [world.start(), world.start()];
    world.ready();
    // The first one takes two of four while two others start; the rest is theirs.
    for (let i = 0; i < 2; i++) world.ok(world.take());
    expect(world.out).toEqual([]);
    world.now = 500;
    world.send({ type: 'worker-ready', worker: starting[0] ?? NOBODY });
    expect(world.take().worker).toBe(starting[0]);
    world.now = 1000;
    world.send({ type: 'tick' });
    expect(world.out).toHaveLength(1);
  });

  test('with fewer mini-batches than workers the first ready one gets its first at once', () => {
    const world = new World();
    world.node(4);
    world.create(2);
    for (let i = 0; i < 3; i++) world.start();
    world.ready();
    expect(world.out).toHaveLength(1);
  });

  test('held back under pressure, goes on after it', () => {
    const world = runningWorld(1);
    world.send({ type: 'pressure', on: true });
    world.create(3);
    expect(world.dispatched).toEqual([]);
    world.send({ type: 'pressure', on: false });
    expect(world.dispatched.length).toBeGreaterThan(0);
  });
});
