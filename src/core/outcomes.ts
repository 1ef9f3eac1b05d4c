/** What an outcome of a try means for its mini-batch. */
import { invariant } from '../domain/assert.ts';
import type { TryFailure } from '../domain/failure.ts';
import type { MiniBatchIndex } from '../domain/ids.ts';
import { setReady } from './dispatch.ts';
import { INFRA_LOSSES_MAX, RETRY_DELAY_MS_MAX } from './types.ts';
import type { CoreCommand, CoreEvent, CoreState, InFlight, Settles, Trouble } from './types.ts';

type Outcome = Extract<CoreEvent, { type: 'outcome' }>;
type Returned = Extract<CoreEvent, { type: 'returned' }>;

export function onOutcome(state: CoreState, event: Outcome, now: number, out: CoreCommand[]): void {
  const current = state.inFlight.get(event.index);
  if (current?.dispatch !== event.dispatch) {
    out.push({ type: 'late' });
    return;
  }
  takeOff(state, event.index, current);
  state.lastProgressAt = now;
  if (event.result.ok) {
    state.trouble.delete(event.index);
    const failed = Math.max(0, event.items - event.result.returned);
    state.done += 1;
    state.failedItems += failed;
    state.returned += event.result.returned;
    state.meanRunMs = state.meanRunMs === undefined ? event.runMs : state.meanRunMs * 0.9 + event.runMs * 0.1;
    out.push({ type: 'settle', try: current.try, settles: { as: 'done', succeeded: event.items - failed, failed } });
    return;
  }
  const settles = onFailure(state, event, current, now);
  out.push({ type: 'settle', try: current.try, settles });
  if (settles.as === 'requeue') {
    const losses = state.trouble.get(event.index)?.infraLosses ?? 0;
    if (losses > INFRA_LOSSES_MAX)
      out.push({ type: 'abort', reason: { kind: 'infra-exhausted', index: event.index, losses } });
  }
}

function onFailure(state: CoreState, event: Outcome, current: InFlight, now: number): Settles {
  invariant(!event.result.ok, 'onFailure of a success');
  const failure = event.result.failure;
  const trouble = troubleOf(state, event.index, current);
  trouble.lastWorker = current.worker;
  if (failure.kind === 'node-lost' || failure.kind === 'canceled') {
    if (failure.kind === 'node-lost') trouble.infraLosses += 1;
    state.waiting.push({ index: event.index, readyAt: now });
    return { as: 'requeue' };
  }
  // Its process is gone or about to be: nothing more goes there, `worker-ended` follows.
  const worker = state.workers.get(current.worker);
  if (worker && endsWorker(failure)) setReady(state, worker, false);
  trouble.fails += 1;
  trouble.lostEachTime &&= failure.kind === 'worker-lost';
  if (trouble.fails >= state.config.maxTries) {
    const poisoned = trouble.lostEachTime;
    state.trouble.delete(event.index);
    state.failed += 1;
    state.failedItems += event.items;
    return { as: 'failed', poisoned };
  }
  const retryAfterMs = Math.min(RETRY_DELAY_MS_MAX, 100 * 4 ** (trouble.fails - 1));
  state.waiting.push({ index: event.index, readyAt: now + retryAfterMs });
  return { as: 'retry', retryAfterMs };
}

function endsWorker(failure: TryFailure): boolean {
  return ['worker-lost', 'timeout', 'overhead-timeout', 'protocol-error'].includes(failure.kind);
}

/** A hand-out that never began goes back, first in line; it uses up nothing. */
export function onReturned(state: CoreState, event: Returned, now: number): void {
  const current = state.inFlight.get(event.index);
  if (current?.dispatch !== event.dispatch) return;
  takeOff(state, event.index, current);
  troubleOf(state, event.index, current);
  state.waiting.unshift({ index: event.index, readyAt: now });
}

function troubleOf(state: CoreState, index: MiniBatchIndex, current: InFlight): Trouble {
  let trouble = state.trouble.get(index);
  if (!trouble) {
    trouble = { fails: 0, lostEachTime: true, infraLosses: 0, lastDispatch: current.dispatch, lastWorker: undefined };
    state.trouble.set(index, trouble);
  }
  return trouble;
}

function takeOff(state: CoreState, index: MiniBatchIndex, current: InFlight): void {
  state.inFlight.delete(index);
  state.workers.get(current.worker)?.holds.delete(index);
}
