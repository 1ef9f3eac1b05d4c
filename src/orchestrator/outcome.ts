import { unreachable } from '../domain/assert.ts';
import type { TryFinished } from '../domain/event.ts';
import type { Circumstances, TryFailure } from '../domain/failure.ts';
import type { EpochMs } from '../domain/ids.ts';
import { describeSource } from '../domain/minibatch.ts';
import type { ItemRange, MiniBatchSource } from '../domain/minibatch.ts';
import type { TryOutcome } from '../domain/ports.ts';
import type { CoreCommand, Settles } from '../core/types.ts';

/**
 * The event that an outcome and the core's decision about it make; rows and columns are added where they are known.
 * @param items of the whole mini-batch
 * @param detail what was handed out, of a failed try
 * @param wholeFailure why the mini-batch was narrowed down: the reason of its end where its last part was good
 */
export function tryFinished(
  outcome: TryOutcome,
  command: Extract<CoreCommand, { type: 'settle' }>,
  items: number,
  detail: string | undefined,
  wholeFailure?: TryFailure,
): TryFinished {
  const { settles, part } = command;
  const { result, printed } = outcome;
  const failure = result.ok ? (settles.as === 'failed' ? wholeFailure : undefined) : result.failure;
  const { succeeded, failed } = counts(settles, items, part ? part.to - part.from : items);
  // What all have, then what few have: events of many shapes cost several times as much in all that look at them.
  const event: Writable<TryFinished> = {
    type: 'try-finished',
    at: outcome.at,
    index: outcome.index,
    dispatch: outcome.dispatch,
    try: command.try,
    worker: outcome.worker,
    pid: outcome.pid,
    status: failure ? statusOf(failure, settles) : 'RUN_DONE',
    items,
    succeeded,
    failed,
    timing: outcome.timing,
    settles: settles.as,
  };
  if (printed) event.printed = printed;
  if (part) event.part = part;
  if ('dead' in settles) event.dead = settles.dead;
  if (failure) event.failure = failure;
  if (!result.ok) Object.assign(event, circumstances(result));
  if (detail !== undefined) event.detail = detail;
  if (settles.as === 'retry') event.retryAfterMs = settles.retryAfterMs;
  return event;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Names what was handed out, for a person. @param source JSON of a `MiniBatchSource`, as in the manifest */
export function describeHandOut(source: Uint8Array, part: ItemRange | undefined): string {
  return describeSource(JSON.parse(new TextDecoder().decode(source)) as MiniBatchSource, part);
}

/** The outcome of a mini-batch that never left: its input isn't what it was. */
export function notHandedOut(
  of: Extract<CoreCommand, { type: 'dispatch' }>,
  failure: TryFailure,
  at: EpochMs,
): TryOutcome {
  const timing = { start1: at, end1: at, start2: 0, end2: 0, runSeconds: 0, elapsedSeconds: 0 };
  const { worker, index, dispatch } = of;
  return { type: 'try-outcome', at, worker, pid: 0, index, dispatch, timing, result: { ok: false, failure } };
}

/** @param handedOut items of the try or part */
function counts(settles: Settles, items: number, handedOut: number): Pick<TryFinished, 'succeeded' | 'failed'> {
  switch (settles.as) {
    case 'done':
    case 'partial':
      return { succeeded: settles.succeeded, failed: settles.failed };
    case 'part':
      return { succeeded: settles.succeeded, failed: handedOut - settles.succeeded };
    case 'failed':
      return { succeeded: 0, failed: items };
    case 'retry':
    case 'requeue':
    case 'narrow':
      return { succeeded: 0, failed: handedOut };
    default:
      return unreachable(settles);
  }
}

function circumstances({ item, peakMemoryBytes, lastLines }: Circumstances): Circumstances {
  return {
    ...(item !== undefined && { item }),
    ...(peakMemoryBytes !== undefined && { peakMemoryBytes }),
    ...(lastLines && { lastLines }),
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
