import { isatty, type WriteStream } from 'node:tty';
import type { Output } from './deps.ts';

type Size = Partial<Pick<WriteStream, 'columns' | 'rows'>>;

/**
 * A process stream that never throws: after EPIPE (`| head`) or EIO (terminal gone) writing does nothing, so that a
 * run goes on and keeps its own exit code.
 */
export function streamOutput(stream: NodeJS.WritableStream & { readonly fd: number } & Size): Output {
  let closed = false;
  /** Resolves when everything written so far is out. */
  let last: Promise<void> = Promise.resolve();
  // The same event ends every later write: without a listener it would end the process.
  stream.on('error', () => (closed = true));
  return {
    isTerminal: isatty(stream.fd),
    get closed() {
      return closed;
    },
    size: () => sizeOf(stream),
    write(text) {
      if (closed || text.length === 0) return Promise.resolve();
      last = new Promise((resolve) => stream.write(text, () => resolve()));
      return last;
    },
    flush: () => last,
  };
}

function sizeOf(stream: Size): { columns: number; rows: number } {
  // Some terminals say 0 until they know better.
  return { columns: stream.columns || 80, rows: stream.rows || 24 };
}
