/**
 * Makes mini-batches in a thread of its own: looking at a million files costs as much processor time as handing them
 * out, and needs the other core for it.
 */
import { Worker } from 'node:worker_threads';
import type { Cutting, InputSpec } from '../domain/plan.ts';
import type { Problem } from '../domain/problem.ts';
import type { CreationOptions } from './create.ts';
import { DatasetError } from './error.ts';
import type { PackedDrafts } from './pack.ts';
import { LISTING } from './programs.ts';

/** What the thread is started with. */
export interface ThreadTask {
  readonly inputs: readonly InputSpec[];
  readonly cutting: Cutting;
  readonly options: Pick<CreationOptions, 'exclude' | 'stamps' | 'copies'>;
  /** So many chunks it makes ahead; each message to it asks for one more. */
  readonly ahead: number;
}

/** What it answers. */
export type ThreadNews =
  | { readonly news: 'chunk'; readonly chunk: PackedDrafts }
  | { readonly news: 'skipped'; readonly path: string; readonly reason: string }
  | { readonly news: 'failed'; readonly problem: Problem }
  | { readonly news: 'end' };

const AHEAD = 8;
/** MiB; it keeps next to nothing. */
const YOUNG_MB_MAX = 8;

/**
 * As `createMiniBatches`, ready to be stored in a new manifest.
 * @throws as `createMiniBatches`
 */
export async function* createInThread(
  inputs: readonly InputSpec[],
  cutting: Cutting,
  { signal, onSkip, exclude, stamps, copies }: Omit<CreationOptions, 'known'>,
): AsyncGenerator<PackedDrafts, void, undefined> {
  const options = { exclude, ...(stamps !== undefined && { stamps }), ...(copies !== undefined && { copies }) };
  const thread = new Worker(LISTING, {
    workerData: { inputs, cutting, options, ahead: AHEAD } satisfies ThreadTask,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB_MAX },
    // nothing of how this process was started is for it
    execArgv: [],
  });
  const news: ThreadNews[] = [];
  let wake: () => void = () => undefined;
  let failure: Error | undefined;
  thread.on('message', (said: ThreadNews) => {
    news.push(said);
    wake();
  });
  const fail = (error: unknown): void => {
    failure ??= error instanceof Error ? error : new Error(String(error));
    wake();
  };
  thread.once('error', fail);
  thread.once('exit', (code) => {
    fail(new Error(`the thread that lists the input ended with code ${code}`));
  });
  const onAbort = (): void => {
    fail(signal?.reason);
    // also where nobody asks for more: a thread keeps the process alive
    void thread.terminate();
  };
  signal?.addEventListener('abort', onAbort);
  try {
    for (;;) {
      signal?.throwIfAborted();
      const next = news.shift();
      if (next === undefined) {
        if (failure !== undefined) throw failure;
        await new Promise<void>((resolve) => (wake = resolve));
      } else if (next.news === 'skipped') onSkip?.(next.path, next.reason);
      else if (next.news === 'failed') throw new DatasetError(next.problem);
      else if (next.news === 'end') return;
      else {
        thread.postMessage('more');
        yield next.chunk;
      }
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    thread.removeAllListeners();
    void thread.terminate();
  }
}
