/**
 * A process of its own for a query: databases take the memory they get, and nobody can interrupt them from within. It
 * ends at once when its orchestrator does, or asks for it.
 */
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';
import { queryDuckdb } from './duckdb.ts';
import { QueryError } from './protocol.ts';
import type { QueryMessage, QueryTask } from './protocol.ts';
import { querySqlite } from './sqlite.ts';

if (isMainThread) {
  // Not by leaving: that would wait for the driver.
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  // Ctrl-C reaches the whole group; the orchestrator decides.
  process.on('SIGINT', () => undefined);
  process.once('message', (task: QueryTask) => {
    const tell = (message: QueryMessage): void => void process.send?.(message);
    if (task.engine === 'duckdb') void finished(queryDuckdb(task, tell), tell);
    // SQLite blocks its thread, and this one must hear of a disconnection.
    else new Worker(fileURLToPath(import.meta.url), { workerData: task }).on('message', tell);
  });
} else {
  const port = parentPort;
  const tell = (message: QueryMessage): void => port?.postMessage(message);
  await finished(querySqlite(workerData as QueryTask, tell), tell);
}

async function finished(work: Promise<void>, tell: (message: QueryMessage) => void): Promise<void> {
  try {
    await work;
    tell({ type: 'done' });
  } catch (error) {
    const kind = error instanceof QueryError ? error.kind : 'query';
    tell({ type: 'failed', failure: { kind, message: error instanceof Error ? error.message : String(error) } });
  }
}
