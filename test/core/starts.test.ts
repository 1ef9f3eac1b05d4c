/** Contract 4.3, exactly: how often which error of a start must be seen before the run ends on it. */
import { describe, expect, test } from 'vitest';
import { initialState } from '../../src/core/state.ts';
import type { StartFailure } from '../../src/domain/failure.ts';
import { nodeAddress, workerId } from '../../src/domain/ids.ts';
import type { NodeAddress } from '../../src/domain/ids.ts';
import { NODE, World, defaults, exceptionFacts } from './model.ts';

const OTHER = nodeAddress('10.0.0.2');
const exit: StartFailure = { kind: 'exit', stage: 'init', exit: { by: 'code', code: 3 } };
const inInit = (exceptionType: string): StartFailure => ({ kind: 'init-exception', ...exceptionFacts, exceptionType });

/** Fails starts until the run ends; @returns how many it took, at most so many */
function startsUntilEnd(failure: StartFailure, slots: number, most = 10): number {
  const world = new World();
  world.node(slots);
  for (let n = 1; n <= most; n++) {
    world.send({ type: 'worker-start-failed', worker: world.start(), failure });
    if (world.aborts().length > 0) return n;
  }
  return Infinity;
}

describe('rounds over the processes of a node', () => {
  test.each<StartFailure>([
    { kind: 'load-exception', ...exceptionFacts },
    { kind: 'no-run-function', file: 'score.py', defined: [] },
    { kind: 'spawn', command: 'python', reason: 'ENOENT' },
  ])('one for $kind', (failure) => {
    expect(startsUntilEnd(failure, 3)).toBe(3);
  });

  test.each([
    ...['ImportError', 'ModuleNotFoundError', 'FileNotFoundError', 'NotADirectoryError', 'SyntaxError'],
    ...['IndentationError', 'TabError', 'NameError', 'AttributeError', 'TypeError', 'ReferenceError'],
    'UnboundLocalError',
  ])('one for %s in init, which another attempt can’t mend', (type) => {
    expect(startsUntilEnd(inInit(type), 3)).toBe(3);
  });

  test.each<StartFailure>([
    inInit('ConnectionError'),
    { kind: 'load-timeout', limitMs: 1 },
    { kind: 'init-timeout', limitMs: 1 },
    exit,
    { kind: 'protocol-error', detail: 'x' },
  ])('two for $kind that may pass', (failure) => {
    expect(startsUntilEnd(failure, 2)).toBe(4);
  });

  test('a node is not judged once another one has workers', () => {
    const world = new World();
    world.node(1);
    world.send({ type: 'node-joined', node: OTHER, slots: 1 });
    world.ready();
    const worker = workerId(OTHER, 1);
    for (let i = 0; i < 5; i++) {
      world.send({ type: 'worker-started', worker, node: OTHER });
      world.send({ type: 'worker-start-failed', worker, failure: exit });
    }
    expect(world.aborts()).toEqual([]);
  });

  test('a start of a node that nobody knows counts for nothing', () => {
    const world = new World();
    world.send({ type: 'worker-start-failed', worker: workerId(OTHER, 1), failure: exit });
    expect(world.aborts()).toEqual([]);
  });
});

describe('the budget', () => {
  /** A run that began at 5000, with two nodes of three processes together, and so many different failures. */
  function afterFailures(count: number): World {
    const world = new World({}, initialState(defaults, 5000));
    world.now = 5000;
    world.node(1);
    world.send({ type: 'node-joined', node: OTHER, slots: 2 });
    for (let i = 0; i < count; i++) {
      const node: NodeAddress = i % 2 === 0 ? NODE : OTHER;
      const worker = workerId(node, 100 + i);
      world.send({ type: 'worker-started', worker, node });
      world.send({ type: 'worker-start-failed', worker, failure: inInit(`Error${i}`) });
      world.send({ type: 'worker-ended', worker });
    }
    return world;
  }

  test('is two failures for each process of all nodes, two minutes after the start', () => {
    const world = afterFailures(6);
    world.now = 125_000;
    world.send({ type: 'tick' });
    expect(world.aborts()).toEqual([]);
    world.now = 125_001;
    world.send({ type: 'tick' });
    expect(world.commands.find((c) => c.type === 'abort')?.reason).toEqual({
      kind: 'init-failed',
      rule: 'budget',
      failures: 6,
      example: inInit('Error5'),
    });
  });

  test('is not used up by one failure less', () => {
    const world = afterFailures(5);
    world.now = 300_000;
    world.send({ type: 'tick' });
    expect(world.aborts()).toEqual([]);
  });

  test('is of no interest once a worker was ready', () => {
    const world = afterFailures(8);
    world.ready();
    world.now = 300_000;
    world.send({ type: 'tick' });
    expect(world.aborts()).toEqual([]);
  });
});

describe('nodes that leave', () => {
  test('end the run when the last one goes, and a start has failed', () => {
    const world = new World();
    world.node(1);
    world.send({ type: 'node-joined', node: OTHER, slots: 1 });
    world.send({ type: 'worker-start-failed', worker: world.start(), failure: inInit('ConnectionError') });
    world.send({ type: 'node-left', node: NODE });
    expect(world.aborts()).toEqual([]);
    world.send({ type: 'node-left', node: OTHER });
    expect(world.aborts()).toEqual(['init-failed']);
  });

  test('are no failure where no start has failed, or where the run is over anyway', () => {
    const fine = new World();
    fine.node(1);
    fine.send({ type: 'node-left', node: NODE });
    expect(fine.aborts()).toEqual([]);
    const canceled = new World();
    canceled.node(1);
    canceled.send({ type: 'worker-start-failed', worker: canceled.start(), failure: inInit('ConnectionError') });
    canceled.send({ type: 'cancel', now: true, exitCode: 130 });
    canceled.send({ type: 'node-left', node: NODE });
    canceled.send({ type: 'stopped' });
    expect(canceled.verdict()).toEqual({ state: 'Canceled', exitCode: 130 });
  });
});
