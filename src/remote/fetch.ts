/** One object to one local file: whole or not at all. What a broken connection left off is gone on with. */
import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { RemoteError } from './error.ts';
import { NoRanges } from './http.ts';
import { withRetries } from './retry.ts';
import type { RetryPolicy } from './retry.ts';
import type { RemoteObject, RemoteStore } from './store.ts';

const IDLE_MS = 60_000;

export interface FetchOptions {
  readonly signal: AbortSignal;
  readonly policy?: RetryPolicy;
  readonly onRetry?: (line: string) => void;
  readonly onBytes?: (bytes: number) => void;
  /** Without a byte for so long the connection is given up. */
  readonly idleMs?: number;
}

/** Marks files that are not whole. */
export const PART = '.part-';

/** @throws RemoteError; errors of the local file system as they are; the reason of the signal. Nothing is left then. */
export async function fetchObject(
  store: RemoteStore,
  object: RemoteObject,
  target: string,
  options: FetchOptions,
): Promise<void> {
  const part = `${target}${PART}${process.pid}-${randomBytes(6).toString('hex')}`;
  const handle = await open(part, 'wx', 0o600);
  try {
    try {
      await fill(store, object, handle, options);
      // Nobody's script changes what others read too.
      await handle.chmod(0o444);
      // The same each time it is fetched: a resumed run compares it.
      const time = object.modifiedMs / 1000;
      await handle.utimes(time, time);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    await rename(part, target);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

async function fill(store: RemoteStore, object: RemoteObject, file: FileHandle, options: FetchOptions): Promise<void> {
  const { signal, policy, onRetry, onBytes, idleMs = IDLE_MS } = options;
  if (object.size === 0) return;
  let at = 0;
  let furthest = 0;
  const attempt = async (progress: () => void): Promise<void> => {
    const idle = idling(signal, idleMs);
    try {
      const stream = await store.get(object, at, idle.signal);
      for await (const chunk of stream) {
        idle.touch();
        await file.write(chunk, 0, chunk.length, at);
        at += chunk.length;
        if (at <= furthest) continue;
        onBytes?.(at - furthest);
        furthest = at;
        progress();
      }
    } catch (error) {
      signal.throwIfAborted();
      if (idle.signal.aborted) throw new RemoteError('transient', `not a byte for ${idleMs / 1000} s`);
      if (error instanceof NoRanges) {
        at = 0;
        await file.truncate(0);
      }
      throw error;
    } finally {
      idle.done();
    }
    if (object.size >= 0 && at < object.size)
      throw new RemoteError('transient', `the connection ended after ${at} of ${object.size} bytes`);
    if (object.size >= 0 && at > object.size)
      throw new RemoteError('changed', `it has more bytes than the ${object.size} that were listed`);
  };
  await withRetries(attempt, {
    signal,
    doing: object.name,
    ...(policy && { policy }),
    ...(onRetry && { onRetry }),
  });
}

function idling(outer: AbortSignal, ms: number) {
  const own = new AbortController();
  const abort = (): void => {
    own.abort(outer.reason);
  };
  outer.addEventListener('abort', abort, { once: true });
  if (outer.aborted) abort();
  const timer = setTimeout(() => {
    own.abort();
  }, ms);
  return {
    signal: own.signal,
    touch: () => timer.refresh(),
    done: () => {
      clearTimeout(timer);
      outer.removeEventListener('abort', abort);
    },
  };
}
