/** How a run ends: which commands, in which order, once, and with which exit code. */
import { describe, expect, test } from 'vitest';
import type { CoreCommand, CoreConfig } from '../../src/core/types.ts';
import type { RunFailure } from '../../src/domain/failure.ts';
import { World, raised } from './model.ts';

const nodeLost = { kind: 'node-lost', node: 'n' } as const;
const types = (commands: readonly CoreCommand[]): string[] => commands.map(({ type }) => type);

function running(config: Partial<CoreConfig> = {}, workers = 1): World {
  const world = new World(config);
  world.node(workers);
  for (let i = 0; i < workers; i++) world.ready();
  return world;
}

describe('exit codes', () => {
  const paths = { count: 1, examples: ['/x'] };
  test.each<[RunFailure, number]>([
    [{ kind: 'creation-failed', reason: 'gone' }, 1],
    [{ kind: 'creation-failed', reason: 'gone', resumable: true }, 4],
    [{ kind: 'input-differs', added: paths, removed: paths }, 4],
    [{ kind: 'disk-full', path: '/r' }, 3],
    [{ kind: 'infra-exhausted', index: 0, losses: 21 }, 3],
    [{ kind: 'output-failed', path: '/r', reason: 'io' }, 1],
    [{ kind: 'empty-input' }, 2],
  ])('%j: %i', (reason, exitCode) => {
    const world = running();
    expect(world.send({ type: 'creation-failed', reason })).toEqual([
      { type: 'abort', reason },
      { type: 'stop', how: 'now' },
    ]);
    expect(world.send({ type: 'stopped' })).toEqual([
      { type: 'finish', verdict: { state: 'Failed', exitCode, reason } },
    ]);
  });
});

test('what crosses a threshold is settled first; then the run is given up and stopped', () => {
  const world = running({
    maxTries: 1,
    thresholds: { errorThreshold: -1, miniBatchErrorThreshold: 0, failedPercent: 100 },
  });
  world.create(5);
  expect(types(world.fail(world.take()))).toEqual(['settle', 'abort', 'stop']);
});

test('nodes lost too often: settled, given up, stopped, resumable', () => {
  const world = running();
  world.create(1);
  for (let i = 0; i < 20; i++) world.fail(world.take(), nodeLost);
  expect(types(world.fail(world.take(), nodeLost))).toEqual(['settle', 'abort', 'stop']);
  expect(world.commands.filter((c) => c.type === 'abort')).toEqual([
    { type: 'abort', reason: { kind: 'infra-exhausted', index: 0, losses: 21 } },
  ]);
  world.send({ type: 'stopped' });
  expect(world.verdict()).toMatchObject({ state: 'Failed', exitCode: 3 });
});

test('hand-outs that are canceled are no losses, however many', () => {
  const world = running();
  world.create(1);
  for (let i = 0; i < 50; i++) world.fail(world.take(), { kind: 'canceled' });
  expect(world.aborts()).toEqual([]);
  expect(world.out).toHaveLength(1);
});

test('the last outcome is settled, then workers are let go, once', () => {
  const world = running();
  world.create(1);
  world.send({ type: 'creation-finished' });
  world.commits = false;
  expect(world.ok(world.take())).toEqual([
    { type: 'settle', try: 1, settles: { as: 'done', succeeded: 10, failed: 0 } },
    { type: 'stop', how: 'orderly' },
  ]);
  expect(world.send({ type: 'tick' })).toEqual([]);
});

test('after its end a run causes nothing any more', () => {
  const world = running();
  world.create(2);
  const late = world.take();
  world.send({ type: 'cancel', now: true, exitCode: 143 });
  world.send({ type: 'stopped' });
  expect(world.send({ type: 'stopped' })).toEqual([]);
  expect(world.send({ type: 'cancel', now: true, exitCode: 130 })).toEqual([]);
  expect(world.send({ type: 'shell-failed', reason: { kind: 'empty-input' }, exitCode: 4 })).toEqual([]);
  expect(world.ok(late)).toEqual([{ type: 'late' }]);
  expect(world.verdict()).toEqual({ state: 'Canceled', exitCode: 143 });
});

test('cancel: at once where that is asked; asked twice in order it stops once', () => {
  const once = running();
  expect(once.send({ type: 'cancel', now: true, exitCode: 130 })).toEqual([{ type: 'stop', how: 'now' }]);
  const twice = running();
  expect(twice.send({ type: 'cancel', now: false, exitCode: 130 })).toEqual([{ type: 'stop', how: 'orderly' }]);
  expect(twice.send({ type: 'cancel', now: false, exitCode: 130 })).toEqual([]);
});

test('no row at all is a failure only where rows are written', () => {
  const world = running({ needsRows: false });
  world.create(1);
  world.send({ type: 'creation-finished' });
  world.ok(world.take(), 0);
  world.send({ type: 'stopped' });
  expect(world.verdict()).toEqual({ state: 'Completed', exitCode: 0 });
});

test('rows and items are added up', () => {
  const world = running();
  world.create(2, 10);
  world.create(1, 5);
  expect([world.state.created, world.state.items]).toEqual([3, 25]);
  world.ok(world.take(), 4);
  world.fail(world.take(), raised);
  expect(world.state.returned).toBe(4);
});
