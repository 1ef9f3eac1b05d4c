import { unreachable } from '../domain/assert.ts';
import type { TryFinished } from '../domain/event.ts';
import type { TryFailure } from '../domain/failure.ts';
import type { TryNumber } from '../domain/ids.ts';
import type { TryOutcome } from '../domain/ports.ts';
import type { Settles } from '../core/types.ts';

/** The event that an outcome and the core's decision about it make; rows are added when they are in the spool. */
export function tryFinished(
  outcome: TryOutcome,
  attempt: TryNumber,
  items: number,
  settles: Settles,
  detail: string | undefined,
): TryFinished {
  const done = settles.as === 'done';
  const columns = outcome.result.ok ? outcome.result.columns : undefined;
  return {
    type: 'try-finished',
    at: outcome.at,
    index: outcome.index,
    dispatch: outcome.dispatch,
    try: attempt,
    worker: outcome.worker,
    pid: outcome.pid,
    status: outcome.result.ok ? 'RUN_DONE' : statusOf(outcome.result.failure, settles),
    items,
    succeeded: done ? settles.succeeded : 0,
    failed: done ? settles.failed : items,
    timing: outcome.timing,
    settles: settles.as,
    ...(columns && { columns }),
    ...(!outcome.result.ok && { failure: outcome.result.failure }),
    ...(detail !== undefined && { detail }),
    ...(outcome.printed && { printed: outcome.printed }),
    ...(settles.as === 'retry' && { retryAfterMs: settles.retryAfterMs }),
  };
}

function statusOf(failure: TryFailure, settles: Settles): TryFinished['status'] {
  switch (failure.kind) {
    case 'exception':
    case 'unencodable-row':
    case 'input-error':
    case 'input-changed':
      return 'RUN_EXCEPTION';
    case 'invalid-return':
      return 'RUN_INVALID_RETURN';
    case 'timeout':
    case 'overhead-timeout':
      return 'RUN_TIMEOUT';
    case 'worker-lost':
    case 'protocol-error':
      return settles.as === 'failed' && settles.poisoned ? 'POISONED' : 'PROCESS_LOST';
    case 'node-lost':
      return 'NODE_LOST';
    case 'canceled':
      return 'CANCELED';
    default:
      return unreachable(failure);
  }
}
