import { existsSync, readFileSync, unlinkSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';

const POLL_MS = 200;

/**
 * Watches for the file by which another process asks this run to stop; polled, since it must work on any file system.
 * @returns what ends the watch
 */
export function watchCancelRequest(path: string, onRequest: (how: 'orderly' | 'now') => void): () => void {
  const timer = setInterval(() => {
    if (!existsSync(path)) return;
    const how = readFileSync(path, 'utf8').trim() === 'now' ? 'now' : 'orderly';
    unlinkSync(path);
    onRequest(how);
  }, POLL_MS);
  return () => {
    clearInterval(timer);
  };
}

export async function writeCancelRequest(path: string, how: 'orderly' | 'now'): Promise<void> {
  await writeFile(path, how);
}
