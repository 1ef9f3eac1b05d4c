import { invariant } from '../domain/assert.ts';
import type { MiniBatchIndex } from '../domain/ids.ts';
import { needsAlone } from './alone.ts';
import { deadItems } from './isolate.ts';
import type { Isolation } from './isolate.ts';
import { OUT_OF_MEMORY_MAX } from './types.ts';
import type { CoreConfig, CoreState } from './types.ts';

/** @param now monotonic milliseconds */
export function initialState(config: CoreConfig, now: number): CoreState {
  return {
    config,
    startedAt: now,
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
    isolate: config.isolate,
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
    lastProgressAt: now,
    warnedNoMiniBatchAt: now,
  };
}

/** Number of mini-batches never handed out. */
export function freshCount(state: CoreState): number {
  let count = 0;
  for (const range of state.fresh) count += range.to - range.from;
  return count;
}

/** Every mini-batch created has come to its end and no more will be created. */
export function allSettled(state: CoreState): boolean {
  return state.creationFinished && state.done + state.failed === state.created;
}

function validateIsolation(index: MiniBatchIndex, isolation: Isolation): void {
  const { queue, succeeded, items, runs, runsMax } = isolation;
  const left = queue.reduce((sum, part) => sum + part.to - part.from, 0);
  invariant(queue.length > 0 && runs < runsMax, `${index} is narrowed down and nothing is left to run`);
  invariant(
    left + succeeded + deadItems(isolation) === items,
    `items of ${index} don't add up while it is narrowed down`,
  );
}

/** What must hold after every step; tests call it each time, the simulator too. Throws InvariantError. */
export function validateState(state: CoreState): void {
  const open = freshCount(state) + state.waiting.length + state.inFlight.size;
  invariant(
    open + state.done + state.failed === state.created,
    `mini-batches don't add up: ${open} open, ${state.done} done, ${state.failed} failed of ${state.created}`,
  );
  let held = 0;
  for (const [id, worker] of state.workers) {
    held += worker.holds.size;
    for (const index of worker.holds)
      invariant(state.inFlight.get(index)?.worker === id, `${index} is at ${id} but not in flight there`);
    const clear = worker.holds.size < 2 || ![...worker.holds].some((index) => needsAlone(state, index));
    invariant(clear || !worker.ready, `${id} holds others beside one that is to be run alone`);
  }
  invariant(
    state.ready.every((w) => w.ready && state.workers.get(w.id) === w),
    'a worker is listed as ready and is not',
  );
  invariant(
    state.ready.length === [...state.workers.values()].filter((w) => w.ready).length,
    'a ready worker is not listed',
  );
  invariant(held === state.inFlight.size, `${state.inFlight.size} in flight, ${held} at workers`);
  for (const { index } of state.waiting) invariant(!state.inFlight.has(index), `${index} waits and is in flight`);
  for (const [index, trouble] of state.trouble) {
    const { fails, outOfMemory, isolation } = trouble;
    const usedUp = fails >= state.config.maxTries || outOfMemory >= OUT_OF_MEMORY_MAX;
    invariant(isolation !== undefined || !usedUp, `${index} has ${fails} fails and is still open`);
    if (isolation) validateIsolation(index, isolation);
  }
  invariant(state.reserveAsked <= state.created, 'reserved more than there is');
  let end = 0;
  for (const range of state.fresh) {
    invariant(range.from < range.to && range.from >= end, 'fresh ranges overlap or are empty');
    end = range.to;
  }
}
