/** Signals that end what hangs. */

const ANSWER_MS = 60_000;

/** Aborts with the outer signal, or after a time without an answer. `done` must be called. */
export function limited(
  signal: AbortSignal,
  ms = ANSWER_MS,
): { readonly signal: AbortSignal; readonly done: () => void } {
  const own = new AbortController();
  const abort = (): void => {
    own.abort(signal.reason);
  };
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  const timer = setTimeout(() => {
    own.abort(
      Object.assign(new Error(`no answer within ${ms / 1000} s`), { name: 'TimeoutError', code: 'TimeoutError' }),
    );
  }, ms);
  return {
    signal: own.signal,
    done: () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    },
  };
}

export async function within<T>(outer: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { signal, done } = limited(outer);
  try {
    return await work(signal);
  } catch (error) {
    // Clients wrap the reason in errors of their own.
    if (signal.aborted) throw signal.reason;
    throw error;
  } finally {
    done();
  }
}
