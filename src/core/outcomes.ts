/** What an outcome of a try, or of a part of a mini-batch that is narrowed down, means for its mini-batch. */
import { invariant } from '../domain/assert.ts';
import type { TryFailure } from '../domain/failure.ts';
import type { MiniBatchIndex } from '../domain/ids.ts';
import { signatureOf } from '../domain/signature.ts';
import { diedTogether } from './alone.ts';
import { setReady } from './dispatch.ts';
import { mayIsolate, onPartFailed, onPartSucceeded, startIsolation } from './parts.ts';
import { INFRA_LOSSES_MAX, INPUT_GONE_MAX, OUT_OF_MEMORY_MAX, RETRY_DELAY_MS_MAX } from './types.ts';
import type { CoreCommand, CoreEvent, CoreState, InFlight, Settles, Trouble } from './types.ts';

type Outcome = Extract<CoreEvent, { type: 'outcome' }>;
/** Signals that a process sends to another; the others a process mostly gets for what it did. */
const SENT: readonly string[] = ['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'];

type Returned = Extract<CoreEvent, { type: 'returned' }>;

export function onOutcome(state: CoreState, event: Outcome, now: number, out: CoreCommand[]): void {
  const current = state.inFlight.get(event.index);
  if (current?.dispatch !== event.dispatch) {
    out.push({ type: 'late' });
    return;
  }
  takeOff(state, event.index, current);
  state.lastProgressAt = now;
  const worker = state.workers.get(current.worker);
  if (worker) worker.uncommitted += 1;
  const settles = settle(state, event, current, now, out);
  out.push({ type: 'settle', try: current.try, ...(current.part && { part: current.part }), settles });
  count(state, event, settles);
  if (settles.as === 'requeue') {
    const losses = state.trouble.get(event.index)?.infraLosses ?? 0;
    if (losses > INFRA_LOSSES_MAX)
      out.push({ type: 'abort', reason: { kind: 'infra-exhausted', index: event.index, losses } });
  }
}

function settle(state: CoreState, event: Outcome, current: InFlight, now: number, out: CoreCommand[]): Settles {
  const { result, index, items } = event;
  if (!result.ok) return onFailure(state, event, current, now, out);
  state.meanRunMs = state.meanRunMs === undefined ? event.runMs : state.meanRunMs * 0.9 + event.runMs * 0.1;
  const trouble = state.trouble.get(index);
  if (trouble?.isolation) return onPartSucceeded(state, { index, items, trouble, now }, result.returned, out);
  const failed = Math.max(0, items - result.returned);
  state.returned += result.returned;
  return { as: 'done', succeeded: items - failed, failed };
}

/** Books what has come to its end. */
function count(state: CoreState, event: Outcome, settles: Settles): void {
  switch (settles.as) {
    case 'done':
      state.done += 1;
      state.failedItems += settles.failed;
      break;
    case 'partial':
      state.failed += 1;
      state.failedItems += settles.failed;
      break;
    case 'failed':
      state.failed += 1;
      state.failedItems += event.items;
      break;
    case 'retry':
    case 'requeue':
    case 'narrow':
    case 'part':
      return;
  }
  state.trouble.delete(event.index);
}

function onFailure(state: CoreState, event: Outcome, current: InFlight, now: number, out: CoreCommand[]): Settles {
  invariant(!event.result.ok, 'onFailure of a success');
  const { index, items, result } = event;
  const { failure } = result;
  const trouble = troubleOf(state, index, current);
  trouble.lastWorker = current.worker;
  if (failure.kind === 'node-lost' || failure.kind === 'canceled') {
    if (failure.kind === 'node-lost') trouble.infraLosses += 1;
    state.waiting.push({ index, readyAt: now });
    return { as: 'requeue' };
  }
  // Its process is gone or about to be: nothing more goes there, `worker-ended` follows.
  const worker = state.workers.get(current.worker);
  if (worker && endsWorker(failure)) setReady(state, worker, false);
  if (worker && diedTogether(state, worker, failure)) {
    trouble.alone = true;
    for (const other of worker.holds) {
      const held = state.inFlight.get(other);
      if (held) troubleOf(state, other, held).alone = true;
    }
    state.waiting.unshift({ index, readyAt: now });
    return { as: 'requeue' };
  }
  const run = {
    dispatch: event.dispatch,
    signature: signatureOf(failure),
    item: result.item,
    doubtful: isDoubtful(failure),
  };
  if (trouble.isolation) return onPartFailed(state, { index, items, trouble, now }, run, out);
  if (isOutOfMemory(failure)) trouble.outOfMemory += 1;
  else trouble.fails += 1;
  trouble.lostEachTime &&= failure.kind === 'worker-lost';
  if (!usedUp(state, trouble, failure)) {
    const retryAfterMs = Math.min(RETRY_DELAY_MS_MAX, 100 * 4 ** (trouble.fails + trouble.outOfMemory - 1));
    state.waiting.push({ index, readyAt: now + retryAfterMs });
    return { as: 'retry', retryAfterMs };
  }
  if (mayIsolate(state, items, failure, run.signature)) {
    startIsolation(state, { index, items, trouble, now }, run);
    return { as: 'narrow' };
  }
  const dead = items === 1 ? { dead: [{ from: 0, to: 1, dispatch: event.dispatch }] } : {};
  return { as: 'failed', poisoned: trouble.lostEachTime, ...dead };
}

/** Whether a mini-batch gets no more tries after this failure. */
function usedUp(state: CoreState, trouble: Trouble, failure: TryFailure): boolean {
  if (trouble.fails >= state.config.maxTries || trouble.outOfMemory >= OUT_OF_MEMORY_MAX) return true;
  if (failure.kind === 'input-changed') return true;
  const gone = failure.kind === 'input-error' && (failure.errno === 'ENOENT' || failure.errno === 'EACCES');
  return gone && trouble.fails >= INPUT_GONE_MAX;
}

export function isOutOfMemory(failure: TryFailure): boolean {
  return failure.kind === 'worker-lost' && failure.exit.by === 'signal' && failure.exit.outOfMemory;
}

/** Anybody may have sent the signal, and the kernel may have taken memory from whoever had much of it. */
function isDoubtful(failure: TryFailure): boolean {
  if (failure.kind !== 'worker-lost' || failure.exit.by !== 'signal') return false;
  return SENT.includes(failure.exit.signal) && failure.exit.guard?.rule !== 'limit';
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
    trouble = newTrouble(current.dispatch);
    state.trouble.set(index, trouble);
  }
  return trouble;
}

export function newTrouble(lastDispatch: InFlight['dispatch']): Trouble {
  return { fails: 0, outOfMemory: 0, lostEachTime: true, infraLosses: 0, lastDispatch, lastWorker: undefined };
}

function takeOff(state: CoreState, index: MiniBatchIndex, current: InFlight): void {
  state.inFlight.delete(index);
  state.workers.get(current.worker)?.holds.delete(index);
}
