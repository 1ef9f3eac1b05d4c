/** Another try for what may pass: how often, and after how long. */
import { setTimeout as pause } from 'node:timers/promises';
import { ParallelRunError } from '../domain/problem.ts';
import { RemoteError, fromNetwork } from './error.ts';

export interface RetryPolicy {
  /** Tries in all, without progress between them. */
  readonly tries: number;
  readonly firstMs: number;
  readonly maxMs: number;
}
/** Gives up after about a minute and a half. */
export const RETRY: RetryPolicy = { tries: 8, firstMs: 500, maxMs: 30_000 };

export interface RetryOptions {
  readonly policy?: RetryPolicy;
  readonly signal: AbortSignal;
  /** A line for a person. */
  readonly onRetry?: (line: string) => void;
  /** What is done, for that line. */
  readonly doing: string;
  /** 0 to 1. */
  readonly random?: () => number;
}

/** Full jitter: many clients that fail at once don't come back at once. At least what the server asks for. */
export function delayOf(failures: number, error: RemoteError, policy: RetryPolicy, random: () => number): number {
  const ceiling = Math.min(policy.maxMs, policy.firstMs * 2 ** (failures - 1));
  const jittered = ceiling * (0.5 + random() / 2);
  return Math.max(jittered, Math.min(error.retryAfterMs ?? 0, policy.maxMs));
}

/**
 * @param work is told to `progress()` when it got further: then it has all its tries again
 * @throws RemoteError that no further try would mend, or the last one; the reason of the signal
 */
export async function withRetries<T>(
  work: (progress: () => void) => Promise<T>,
  { policy = RETRY, signal, onRetry, doing, random = Math.random }: RetryOptions,
): Promise<T> {
  let failures = 0;
  for (;;) {
    signal.throwIfAborted();
    try {
      return await work(() => {
        failures = 0;
      });
    } catch (thrown) {
      signal.throwIfAborted();
      if (isLocal(thrown)) throw thrown;
      const error = fromNetwork(thrown);
      failures += 1;
      if (error.kind !== 'transient') throw error;
      if (failures >= policy.tries)
        throw new RemoteError('transient', `${error.said}; given up after ${policy.tries} tries`, { cause: error });
      const ms = delayOf(failures, error, policy, random);
      onRetry?.(
        `${doing}: ${error.said}; trying again in ${(ms / 1000).toFixed(1)} s (try ${failures + 1} of ${policy.tries})`,
      );
      await pause(ms, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** What our own disk says, or we ourselves, is nothing that the server will mend. */
function isLocal(error: unknown): boolean {
  if (error instanceof ParallelRunError) return true;
  const { code, syscall } = error as NodeJS.ErrnoException;
  return (
    typeof code === 'string' &&
    ['write', 'open', 'rename', 'link', 'mkdir', 'fsync', 'ftruncate'].includes(syscall ?? '')
  );
}
