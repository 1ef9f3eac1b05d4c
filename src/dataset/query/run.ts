/** Starts the process of a query and waits for its end. */
import { fork } from 'node:child_process';
import { QUERY } from '../programs.ts';
import type { QueryFailure, QueryMessage, QueryTask } from './protocol.ts';

export interface QueryOptions {
  /** Ends the process at once; the promise is rejected with its reason. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Extract<QueryMessage, { type: 'progress' }>) => void;
}

/** @returns what kept it from being carried out */
export async function runQuery(task: QueryTask, options: QueryOptions): Promise<QueryFailure | undefined> {
  options.signal?.throwIfAborted();
  const child = fork(QUERY, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], execArgv: [] });
  const stop = (): void => void child.kill('SIGKILL');
  options.signal?.addEventListener('abort', stop, { once: true });
  let end: Exclude<QueryMessage, { type: 'progress' }> | undefined;
  let lastWords = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (lastWords = (lastWords + text).slice(-2000)));
  child.on('message', (message: QueryMessage) => {
    if (message.type === 'progress') return options.onProgress?.(message);
    end = message;
    stop();
  });
  try {
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (...how: [number | null, NodeJS.Signals | null]) => resolve(how));
      child.send(task, (error) => {
        if (error) stop();
      });
    });
    options.signal?.throwIfAborted();
    if (end) return end.type === 'failed' ? end.failure : undefined;
    const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
    const kind = 'query';
    return { kind, message: `the process that carries it out was ended ${how}${lastWords && `: ${lastWords.trim()}`}` };
  } finally {
    options.signal?.removeEventListener('abort', stop);
  }
}
