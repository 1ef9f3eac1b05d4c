/** Thresholds and watchdogs: reasons to end a run early. */
import type { RunFailure } from '../domain/failure.ts';
import { initBudgetUsedUp } from './starts.ts';
import { NO_MINI_BATCH_WARNING_MS } from './types.ts';
import type { CoreCommand, CoreState } from './types.ts';

/** "Greater than", each on its own; -1 never fires. */
export function thresholdCrossed(state: CoreState): RunFailure | undefined {
  const { errorThreshold, miniBatchErrorThreshold, failedPercent } = state.config.thresholds;
  if (errorThreshold >= 0 && state.failedItems > errorThreshold) {
    return { kind: 'error-threshold', limit: errorThreshold, failedItems: state.failedItems };
  }
  if (miniBatchErrorThreshold >= 0 && state.failed > miniBatchErrorThreshold) {
    return { kind: 'mini-batch-error-threshold', limit: miniBatchErrorThreshold, failedMiniBatches: state.failed };
  }
  // Judged only when all are created: before that the percentage has no base.
  if (state.creationFinished && state.created > 0 && state.failed * 100 > failedPercent * state.created) {
    return {
      kind: 'failed-percent',
      limitPercent: failedPercent,
      failedMiniBatches: state.failed,
      totalMiniBatches: state.created,
    };
  }
  return undefined;
}

export function onTick(state: CoreState, now: number, out: CoreCommand[]): RunFailure | undefined {
  const { firstMiniBatchTimeoutMs, progressTimeoutMs, allInInitTimeoutMs } = state.config;
  if (state.created === 0 && !state.creationFinished) {
    if (now - state.startedAt > firstMiniBatchTimeoutMs)
      return { kind: 'first-mini-batch-timeout', limitMs: firstMiniBatchTimeoutMs };
    if (now - state.warnedNoMiniBatchAt >= NO_MINI_BATCH_WARNING_MS) {
      state.warnedNoMiniBatchAt = now;
      const seconds = Math.round((now - state.startedAt) / 1000);
      out.push({ type: 'warn', warning: { kind: 'no-mini-batch-yet', seconds } });
    }
  }
  // While commits wait for space nothing can end: that is no fault of the workers.
  if (state.held) state.lastProgressAt = now;
  const budget = initBudgetUsedUp(state, now);
  if (budget) return budget;
  if (!state.everReady && state.workers.size > 0 && now - state.startedAt > allInInitTimeoutMs) {
    return { kind: 'all-in-init', limitMs: allInInitTimeoutMs };
  }
  if (state.inFlight.size > 0 && now - state.lastProgressAt > progressTimeoutMs) {
    return { kind: 'no-progress', limitMs: progressTimeoutMs, inFlight: state.inFlight.size };
  }
  return undefined;
}
