import { unreachable } from '../domain/assert.ts';
import { splitWorkerId } from '../domain/ids.ts';
import type { WorkerId } from '../domain/ids.ts';
import type { RunFailure } from '../domain/failure.ts';
import type { ExitCode } from '../domain/problem.ts';
import { dispatchReady, dispatchTo, setReady } from './dispatch.ts';
import { onOutcome, onReturned } from './outcomes.ts';
import { onStartFailed, totalStartFailures } from './starts.ts';
import { allSettled } from './state.ts';
import { onTick, thresholdCrossed } from './watch.ts';
import type { CoreCommand, CoreEvent, CoreState, Verdict } from './types.ts';

/** One event in, the commands it causes out, in order. `state` is changed in place; nothing else is touched. */
export function step(state: CoreState, event: CoreEvent, now: number): CoreCommand[] {
  const out: CoreCommand[] = [];
  if (state.phase === 'finished') return event.type === 'outcome' ? [{ type: 'late' }] : out;
  const reason = apply(state, event, now, out) ?? thresholdCrossed(state);
  if (reason && state.phase === 'running') abort(state, reason, exitCodeOf(reason), out);
  settleRun(state, out);
  dispatch(state, event, now, out);
  return out;
}

/** Who may have room now. Most events are about one mini-batch: they cost nothing that grows with the workers. */
function dispatch(state: CoreState, event: CoreEvent, now: number, out: CoreCommand[]): void {
  // A retry that waits may be for any worker but this one.
  const alone = event.type === 'outcome' && event.result.ok && state.waiting.length === 0;
  const worker = alone ? state.workers.get(event.worker) : undefined;
  if (worker) dispatchTo(state, worker, now, out);
  else dispatchReady(state, now, out);
}

function apply(state: CoreState, event: CoreEvent, now: number, out: CoreCommand[]): RunFailure | undefined {
  switch (event.type) {
    case 'created':
      extendFresh(state, event.count);
      state.items += event.items;
      return undefined;
    case 'creation-finished':
      state.creationFinished = true;
      return state.created === 0 && !state.config.allowEmpty ? { kind: 'empty-input' } : undefined;
    case 'creation-failed':
      return event.reason;
    case 'reserved':
      state.reservedBelow = event.below;
      return undefined;
    case 'node-joined':
      state.nodes.set(event.node, { slots: event.slots, startFailures: 0, sameFailures: new Map(), everReady: false });
      return undefined;
    case 'node-left':
      return onNodeLeft(state);
    case 'worker-started':
      state.workers.set(event.worker, {
        id: event.worker,
        node: event.node,
        ready: false,
        used: false,
        holds: new Set(),
        uncommitted: 0,
      });
      return undefined;
    case 'worker-ready':
      onReady(state, event, now);
      return undefined;
    case 'worker-start-failed':
      return onStartFailed(state, splitWorkerId(event.worker).node, event.failure);
    case 'worker-leaving': {
      const worker = state.workers.get(event.worker);
      if (worker) setReady(state, worker, false);
      return undefined;
    }
    case 'worker-ended':
      onEnded(state, event.worker, now);
      return undefined;
    case 'outcome': {
      onOutcome(state, event, now, out);
      const last = out[out.length - 1];
      if (last?.type !== 'abort') return undefined;
      out.pop();
      return last.reason;
    }
    case 'committed':
      for (const id of event.workers) {
        const worker = state.workers.get(id);
        if (worker) worker.uncommitted -= 1;
      }
      return undefined;
    case 'returned':
      onReturned(state, event, now);
      return undefined;
    case 'pressure':
      state.held = event.on;
      return undefined;
    case 'tick':
      return state.phase === 'running' ? onTick(state, now, out) : undefined;
    case 'cancel':
      cancel(state, event.now, event.exitCode, out);
      return undefined;
    case 'shell-failed':
      // Also while stopping: what looked like a good end isn't one when it can't be recorded.
      abort(state, event.reason, event.exitCode, out);
      return undefined;
    case 'stopped':
      finish(state, out);
      return undefined;
    default:
      return unreachable(event);
  }
}

function extendFresh(state: CoreState, count: number): void {
  if (count === 0) return;
  const last = state.fresh[state.fresh.length - 1];
  if (last?.to === state.created) last.to += count;
  else state.fresh.push({ from: state.created, to: state.created + count });
  state.created += count;
}

function onReady(state: CoreState, event: Extract<CoreEvent, { type: 'worker-ready' }>, now: number): void {
  const worker = state.workers.get(event.worker);
  if (!worker) return;
  if (!state.everReady) {
    state.lastProgressAt = now;
    state.firstReadyAt = now;
  }
  setReady(state, worker, true);
  state.everReady = true;
  const node = state.nodes.get(worker.node);
  if (node) node.everReady = true;
}

/** A worker's last word. What it still holds was never sent (its record was under way): it goes back. */
function onEnded(state: CoreState, id: WorkerId, now: number): void {
  for (const index of state.workers.get(id)?.holds ?? []) {
    const current = state.inFlight.get(index);
    if (current) onReturned(state, { type: 'returned', index, dispatch: current.dispatch, worker: id }, now);
  }
  const worker = state.workers.get(id);
  if (worker) setReady(state, worker, false);
  state.workers.delete(id);
}

function onNodeLeft(state: CoreState): RunFailure | undefined {
  state.nodesLeft += 1;
  if (state.phase !== 'running' || state.nodesLeft < state.nodes.size || !state.lastStartFailure) return undefined;
  return {
    kind: 'init-failed',
    rule: 'no-node-left',
    failures: totalStartFailures(state),
    example: state.lastStartFailure,
  };
}

function abort(state: CoreState, reason: RunFailure, exitCode: ExitCode, out: CoreCommand[]): void {
  state.phase = 'stopping';
  state.ending = { state: 'Failed', exitCode, reason };
  out.push({ type: 'abort', reason }, { type: 'stop', how: 'now' });
}

/** Contract 4.4. */
function exitCodeOf(reason: RunFailure): ExitCode {
  if (reason.kind === 'empty-input') return 2;
  if (reason.kind === 'creation-failed') return reason.resumable !== true ? 1 : reason.fetching === true ? 3 : 4;
  if (reason.kind === 'input-differs') return 4;
  return reason.kind === 'disk-full' || reason.kind === 'infra-exhausted' ? 3 : 1;
}

function cancel(state: CoreState, now: boolean, exitCode: 130 | 143, out: CoreCommand[]): void {
  if (state.phase === 'running') {
    state.phase = 'stopping';
    state.ending = { state: 'Canceled', exitCode };
    out.push({ type: 'stop', how: now ? 'now' : 'orderly' });
  } else if (now) {
    out.push({ type: 'stop', how: 'now' });
  }
}

/** When the last mini-batch is settled, workers are let go; the verdict comes once they are gone. */
function settleRun(state: CoreState, out: CoreCommand[]): void {
  if (state.phase !== 'running' || !allSettled(state)) return;
  state.phase = 'stopping';
  out.push({ type: 'stop', how: 'orderly' });
}

function finish(state: CoreState, out: CoreCommand[]): void {
  state.phase = 'finished';
  out.push({ type: 'finish', verdict: state.ending ?? verdictOfWhole(state) });
}

function verdictOfWhole(state: CoreState): Verdict {
  if (state.config.needsRows && state.created > 0 && state.returned === 0) {
    return { state: 'Failed', exitCode: 1, reason: { kind: 'nothing-succeeded', miniBatches: state.created } };
  }
  return { state: 'Completed', exitCode: 0 };
}
