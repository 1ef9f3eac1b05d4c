/** Narrowing down within a run: which failed mini-batches it is done for, and what the ends of their parts come to. */
import type { TryFailure } from '../domain/failure.ts';
import type { MiniBatchIndex } from '../domain/ids.ts';
import { beginIsolation, deadItems, giveUp, partFailed, partSucceeded, partToRun } from './isolate.ts';
import type { FailedRun, Isolation, Progress } from './isolate.ts';
import { invariant } from '../domain/assert.ts';
import { SAME_ERROR_MAX } from './types.ts';
import type { CoreCommand, CoreState, Settles, Trouble } from './types.ts';

interface Narrowed {
  readonly index: MiniBatchIndex;
  /** Of the whole mini-batch. */
  readonly items: number;
  readonly trouble: Trouble;
  /** Monotonic milliseconds. */
  readonly now: number;
}

export function mayIsolate(state: CoreState, items: number, failure: TryFailure, signature: string): boolean {
  if (state.isolate === 'off' || items < 2 || failure.kind === 'input-changed') return false;
  return (state.sameError.get(signature) ?? 0) < SAME_ERROR_MAX;
}

export function startIsolation(state: CoreState, of: Narrowed, whole: FailedRun): void {
  of.trouble.isolation = beginIsolation(of.items, whole, state.config.maxTries);
  wait(state, of);
}

export function onPartSucceeded(state: CoreState, of: Narrowed, returned: number, out: CoreCommand[]): Settles {
  const isolation = isolationOf(of);
  const { from, to } = partToRun(isolation);
  if (state.isolate === 'off') return { as: 'failed', poisoned: false };
  if (state.isolate === 'auto' && returned !== to - from) return dropParts(state, of, to - from, returned, out);
  if (isolation.signature !== undefined) state.sameError.delete(isolation.signature);
  return proceed(state, of, partSucceeded(isolation, returned), { as: 'part', succeeded: to - from }, out);
}

export function onPartFailed(state: CoreState, of: Narrowed, run: FailedRun, out: CoreCommand[]): Settles {
  if (state.isolate === 'off') return { as: 'failed', poisoned: false };
  return proceed(state, of, partFailed(isolationOf(of), run), { as: 'narrow' }, out);
}

/** @param going what the part settles where others follow */
function proceed(state: CoreState, of: Narrowed, progress: Progress, going: Settles, out: CoreCommand[]): Settles {
  const isolation = isolationOf(of);
  if (progress === 'everywhere') {
    noteSameError(state, of, isolation, out);
    return { as: 'failed', poisoned: false };
  }
  if (progress === 'run' && !endsRunAnyway(state, isolation)) {
    wait(state, of);
    return going;
  }
  giveUp(isolation);
  const { dead, succeeded } = isolation;
  dead.sort((a, b) => a.from - b.from);
  const failed = deadItems(isolation);
  state.returned += isolation.returned;
  if (failed === 0) return { as: 'done', succeeded, failed };
  if (succeeded > 0) return { as: 'partial', succeeded, failed, dead };
  noteSameError(state, of, isolation, out);
  return { as: 'failed', poisoned: false, dead };
}

/** More items are lost than the run may lose: to find the others changes nothing. */
function endsRunAnyway(state: CoreState, isolation: Isolation): boolean {
  const { errorThreshold } = state.config.thresholds;
  return errorThreshold >= 0 && state.failedItems + deadItems(isolation) > errorThreshold;
}

/** The script's rows don't belong to items one by one: what parts return is worth nothing, now and later. */
function dropParts(state: CoreState, of: Narrowed, items: number, returned: number, out: CoreCommand[]): Settles {
  state.isolate = 'off';
  out.push({
    type: 'warn',
    warning: { kind: 'isolation-off', index: of.index, why: { kind: 'mixes-items', items, returned } },
  });
  return { as: 'failed', poisoned: false };
}

function noteSameError(state: CoreState, of: Narrowed, { signature }: Isolation, out: CoreCommand[]): void {
  if (signature === undefined) return;
  const times = (state.sameError.get(signature) ?? 0) + 1;
  state.sameError.set(signature, times);
  if (times !== SAME_ERROR_MAX) return;
  out.push({
    type: 'warn',
    warning: { kind: 'isolation-off', index: of.index, why: { kind: 'same-error', signature } },
  });
}

/** Its next part goes out at once, before anything else that waits. */
function wait(state: CoreState, of: Narrowed): void {
  state.waiting.unshift({ index: of.index, readyAt: of.now });
}

function isolationOf({ index, trouble }: Narrowed): Isolation {
  invariant(trouble.isolation, `mini-batch ${index} is not being narrowed down`);
  return trouble.isolation;
}
