/** The checks that every test and the simulator make after each step: each must be able to fail. */
import { describe, expect, test } from 'vitest';
import { beginIsolation } from '../../src/core/isolate.ts';
import { newTrouble } from '../../src/core/outcomes.ts';
import { allSettled, freshCount, initialState, validateState } from '../../src/core/state.ts';
import type { CoreState, Trouble, WorkerState } from '../../src/core/types.ts';
import { dispatchNumber, miniBatchIndex } from '../../src/domain/ids.ts';
import { World, defaults } from './model.ts';

/** Two workers that hold one mini-batch each, one that waits, ten that nobody had; tries: 3. */
function running(): CoreState {
  const world = new World();
  world.node(2);
  world.ready();
  world.ready();
  world.create(13);
  world.fail(world.take(0));
  expect([world.state.inFlight.size, world.state.waiting.length]).toEqual([2, 1]);
  return world.state;
}

const worker = (state: CoreState): WorkerState => state.ready[0] ?? expect.fail('no worker is ready');
const trouble = (state: CoreState): Trouble => state.trouble.get(miniBatchIndex(0)) ?? expect.fail('no trouble');
const freshRange = (state: CoreState): { from: number; to: number } => state.fresh[0] ?? expect.fail('none is fresh');

/** Mini-batch 0 is being narrowed down, of ten items. */
function narrowed(state: CoreState): Trouble {
  const whole = { dispatch: dispatchNumber(1), signature: 'E', item: undefined, doubtful: false };
  return Object.assign(trouble(state), { fails: 3, isolation: beginIsolation(10, whole, 3) });
}

test('a state that holds passes, also with ranges side by side and with tries used up by what is narrowed down', () => {
  const state = running();
  expect(() => validateState(state)).not.toThrow();
  const range = freshRange(state);
  state.fresh.push({ from: range.to - 3, to: range.to });
  range.to -= 3;
  narrowed(state);
  trouble(state).outOfMemory = 3;
  expect(() => validateState(state)).not.toThrow();
});

describe('a state that does not hold', () => {
  test.each<[string, (state: CoreState) => void]>([
    ["mini-batches don't add up: 13 open, 1 done, 0 failed of 13", (state) => (state.done += 1)],
    ['9 is at 10.0.0.1/Process-1 but not in flight there', (state) => worker(state).holds.add(miniBatchIndex(9))],
    ['a worker is listed as ready and is not', (state) => (worker(state).ready = false)],
    ['a worker is listed as ready and is not', (state) => (state.ready = state.ready.map((each) => ({ ...each })))],
    ['a ready worker is not listed', (state) => (state.ready = state.ready.slice(1))],
    ['2 in flight, 1 at workers', (state) => worker(state).holds.clear()],
    [
      'waits and is in flight',
      (state) => {
        const [index] = worker(state).holds;
        state.waiting.push({ index: index ?? miniBatchIndex(0), readyAt: 0 });
        state.created += 1;
      },
    ],
    ['0 has 3 fails and is still open', (state) => (trouble(state).fails = 3)],
    ['0 has 1 fails and is still open', (state) => (trouble(state).outOfMemory = 3)],
    ['reserved more than there is', (state) => (state.reserveAsked = 14)],
    [
      'fresh ranges overlap or are empty',
      (state) => state.fresh.unshift({ from: freshRange(state).from, to: freshRange(state).from }),
    ],
    [
      'fresh ranges overlap or are empty',
      (state) => {
        state.fresh.push({ from: freshRange(state).to - 1, to: freshRange(state).to });
        state.created += 1;
      },
    ],
    ['nothing is left to run', (state) => (narrowed(state).isolation?.queue ?? []).splice(0)],
    ['nothing is left to run', (state) => Object.assign(narrowed(state).isolation ?? {}, { runs: 8 * (2 * 4 + 3) })],
    ["items of 0 don't add up", (state) => Object.assign(narrowed(state).isolation ?? {}, { succeeded: 1 })],
  ])('%s', (message, breakIt) => {
    const state = running();
    breakIt(state);
    expect(() => validateState(state)).toThrow(message);
  });
});

test('a new run has nothing, and the watches begin with it', () => {
  expect(initialState(defaults, 7)).toEqual({
    config: defaults,
    startedAt: 7,
    phase: 'running',
    ending: undefined,
    held: false,
    created: 0,
    items: 0,
    creationFinished: false,
    fresh: [],
    reservedBelow: 0,
    reserveAsked: 0,
    waiting: [],
    inFlight: new Map(),
    trouble: new Map(),
    isolate: 'off',
    sameError: new Map(),
    workers: new Map(),
    ready: [],
    nodes: new Map(),
    nodesLeft: 0,
    everReady: false,
    firstReadyAt: 0,
    lastStartFailure: undefined,
    done: 0,
    failed: 0,
    failedItems: 0,
    returned: 0,
    meanRunMs: undefined,
    lastProgressAt: 7,
    warnedNoMiniBatchAt: 7,
  });
  expect(newTrouble(dispatchNumber(4))).toEqual({
    fails: 0,
    outOfMemory: 0,
    lostEachTime: true,
    infraLosses: 0,
    lastDispatch: 4,
    lastWorker: undefined,
  });
});

test('fresh ones are counted over all ranges; all are settled when as many have ended as there are, and no more come', () => {
  const state = initialState(defaults, 0);
  state.fresh.push({ from: 0, to: 2 }, { from: 5, to: 6 });
  expect(freshCount(state)).toBe(3);
  const ended = { ...initialState(defaults, 0), created: 3, done: 1, failed: 2 };
  expect(allSettled(ended)).toBe(false);
  expect(allSettled({ ...ended, creationFinished: true })).toBe(true);
  expect(allSettled({ ...ended, creationFinished: true, created: 4 })).toBe(false);
});
