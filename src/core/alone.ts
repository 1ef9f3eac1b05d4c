/**
 * Of scripts that work on several mini-batches at once: which of them is to blame when their process dies can't be told.
 * So none uses up a try; each is run again with nothing else at its worker, and the next death names its culprit. Parts
 * of one that is narrowed down are run alone for the same reason. Pure.
 */
import type { TryFailure } from '../domain/failure.ts';
import type { MiniBatchIndex } from '../domain/ids.ts';
import type { CoreState, WorkerState } from './types.ts';

/** @param worker what it still holds was under way beside the one that failed */
export function diedTogether({ config }: CoreState, worker: WorkerState | undefined, failure: TryFailure): boolean {
  return config.inFlight === true && failure.kind === 'worker-lost' && (worker?.holds.size ?? 0) > 0;
}

export function needsAlone({ config, trouble }: CoreState, index: MiniBatchIndex): boolean {
  if (config.inFlight !== true) return false;
  const known = trouble.get(index);
  return known?.alone === true || known?.isolation !== undefined;
}

/** Nothing more for this worker now: it holds one that is run alone, or has to be empty for one that waits. */
export function keepsClear(state: CoreState, worker: WorkerState, now: number): boolean {
  if (state.config.inFlight !== true || worker.holds.size === 0) return false;
  for (const index of worker.holds) if (needsAlone(state, index)) return true;
  return state.waiting.some(({ index, readyAt }) => readyAt <= now && needsAlone(state, index));
}
