/** What folds a ledger with events that are used again must keep none of them: else it would remember another mini-batch. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Recovery } from '../../src/core/recover.ts';
import type { RunEvent } from '../../src/domain/event.ts';
import { epochMs, miniBatchIndex } from '../../src/domain/ids.ts';
import { LedgerReader, LedgerWriter } from '../../src/ledger/index.ts';
import { createRunLog } from '../../src/logs/index.ts';
import { StatusFold } from '../../src/views/status.ts';
import { WorkersFold } from '../../src/views/workers.ts';
import { anyEvent, anyTry, doneTry } from './events.ts';

/** Few mini-batches, so that their tries meet. */
const near = (event: RunEvent): RunEvent =>
  'index' in event ? { ...event, index: miniBatchIndex(event.index % 40) } : event;
const quiet = (event: RunEvent): boolean => !['dispatch-reserved', 'run-resumed'].includes(event.type);
/** More than one call of `read` gives, or none would be used again. */
const someEvents = fc.array(
  fc.oneof({ arbitrary: doneTry, weight: 4 }, { arbitrary: anyTry, weight: 2 }, anyEvent.filter(quiet)).map(near),
  { minLength: 300, maxLength: 400, size: 'max' },
);

async function foldAll(path: string, reuse: boolean) {
  const [recovery, status, workers] = [new Recovery(), new StatusFold(), new WorkersFold()];
  const written: [string, string][] = [];
  const put = (file: string, text: string | Uint8Array) => void written.push([file, String(text)]);
  const sink = { append: put, replace: put, flush: () => Promise.resolve() };
  const context = { runId: 'r', folder: '/r', maxTries: 2, loggingLevel: 'INFO', settings: [], inputs: [] } as const;
  const clock = { now: () => epochMs(1e12), monotonic: () => 0 };
  const log = createRunLog(sink, { ...context, isBegun: () => true }, clock);
  const reader = await LedgerReader.open(path, { reuse });
  for (let events = await reader.read(); events.length > 0; events = await reader.read()) {
    log.prime(events);
    for (const event of events) {
      recovery.apply(event);
      status.apply(event);
      workers.apply(event);
    }
  }
  await reader.close();
  await log.close();
  return { recovery, status: status.status(epochMs(2e12)), workers, written };
}

test('recovery, status, summaries and logs come to the same with events that are used again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'reuse-'));
  const path = join(folder, 'ledger.journal');
  await fc.assert(
    fc.asyncProperty(someEvents, fc.integer({ min: 1, max: 50 }), async (events, group) => {
      await rm(path, { force: true });
      const writer = await LedgerWriter.create(path);
      for (let from = 0; from < events.length; from += group) await writer.commit(events.slice(from, from + group));
      await writer.close();
      expect(await foldAll(path, true)).toEqual(await foldAll(path, false));
    }),
    { numRuns: 20 },
  );
  await rm(folder, { recursive: true });
});
