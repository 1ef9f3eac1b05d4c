/** The thread of `thread.ts`. */
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { invariant } from '../domain/assert.ts';
import { createMiniBatches } from './create.ts';
import { DatasetError } from './error.ts';
import { endOf, packDrafts } from './pack.ts';
import type { ThreadNews, ThreadTask } from './thread.ts';

const port = parentPort;
invariant(port !== null, 'runs in a thread');
const { inputs, cutting, options, ahead } = workerData as ThreadTask;

const tell = (news: ThreadNews, buffers: ArrayBuffer[] = []): void => {
  port.postMessage(news, buffers);
};
let wanted = ahead;
port.on('message', () => (wanted += 1));

try {
  let from = { count: 0, bytes: 0, stamps: 0 };
  const onSkip = (path: string, reason: string): void => {
    tell({ news: 'skipped', path, reason });
  };
  for await (const drafts of createMiniBatches(inputs, cutting, { ...options, onSkip })) {
    if (drafts.length === 0) continue;
    const chunk = packDrafts(drafts, from);
    from = endOf(chunk);
    tell(
      { news: 'chunk', chunk },
      [chunk.lines, chunk.entries, chunk.stamps].map(({ buffer }) => buffer as ArrayBuffer),
    );
    for (wanted -= 1; wanted <= 0;) await once(port, 'message');
  }
  tell({ news: 'end' });
} catch (error) {
  if (!(error instanceof DatasetError)) throw error;
  tell({ news: 'failed', problem: error.problem });
}
port.unref();
