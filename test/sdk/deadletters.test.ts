/** The file of dead letters, made of a ledger. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunEvent, TryFinished } from '../../src/domain/event.ts';
import { dispatchNumber, miniBatchIndex } from '../../src/domain/ids.ts';
import { runLayout } from '../../src/domain/layout.ts';
import type { RunLayout } from '../../src/domain/layout.ts';
import { LedgerReader, LedgerWriter, readLedger } from '../../src/ledger/index.ts';
import { DeadLetterFile } from '../../src/sdk/deadletters.ts';
import type { RunContext } from '../../src/views/text/cause.ts';
import { at, exception, failedTry, finished, oneCulprit, opening, part, partialEnd } from '../views/support.ts';

let layout: RunLayout;
let context: RunContext;
beforeEach(() => {
  layout = runLayout(mkdtempSync(join(tmpdir(), 'prun-letters-')));
  context = { runId: '01JX4', folder: layout.folder, maxTries: 3 };
  mkdirSync(layout.state);
  mkdirSync(layout.outputs);
});
afterEach(() => {
  rmSync(layout.folder, { recursive: true, force: true });
});

async function ledgerOf(groups: Iterable<readonly RunEvent[]>): Promise<void> {
  const ledger = await LedgerWriter.create(layout.ledger);
  for (const events of groups) await ledger.commit(events);
  await ledger.close();
}

/** The file of a run that was read from its ledger, and then went on with these. */
async function fileOf(newer: readonly RunEvent[] = []): Promise<DeadLetterFile> {
  const file = new DeadLetterFile(layout, context);
  for await (const events of readLedger(layout.ledger)) file.apply(events);
  file.apply(newer);
  return file;
}

const places = (): unknown[] =>
  readFileSync(layout.deadLetters, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as { mini_batch: number; position: number; dispatch: number })
    .map(({ mini_batch, position, dispatch }) => [mini_batch, position, dispatch]);

async function endOf() {
  const reader = await LedgerReader.open(layout.ledger);
  try {
    while ((await reader.read()).length > 0);
    return { wholeBytes: reader.wholeBytes, lastFrameAt: reader.lastFrameAt };
  } finally {
    await reader.close();
  }
}

const resumed = (...indexes: number[]): RunEvent => ({
  type: 'run-resumed',
  at: at(5000),
  version: '0.2.0',
  pid: 1,
  settled: 0,
  changes: [],
  retried: indexes.map((index) => ({ index: miniBatchIndex(index), items: 10 })),
});

describe('the file of dead letters', () => {
  it('has the dead items of all parts of the run, without those that were tried again', async () => {
    const again: readonly TryFinished[] = [
      failedTry(2, 6000, exception(), { settles: 'narrow', dispatch: dispatchNumber(8) }),
      part(2, 6100, 9, [0, 9]),
      partialEnd(2, 6200, 10, [9, 10], [[9, 10, 10]], { failure: exception() }),
    ];
    await ledgerOf([opening(4), oneCulprit(1, 100), oneCulprit(2, 1000), oneCulprit(3, 2000), [resumed(2, 3)], again]);
    writeFileSync(layout.deadLetters, '{"torn');
    const file = await fileOf();
    await file.write();
    expect(places()).toEqual([
      [1, 7, 6],
      [2, 9, 10],
    ]);
    const first = readFileSync(layout.deadLetters, 'utf8');
    await Promise.all([file.write(), file.write()]);
    expect(readFileSync(layout.deadLetters, 'utf8')).toBe(first);
  });

  it('is gone where all of them are tried again, also before the ledger says so', async () => {
    await ledgerOf([opening(4), oneCulprit(1, 100)]);
    await (await fileOf()).write();
    expect(places()).toEqual([[1, 7, 6]]);
    await (await fileOf([resumed(1)])).write();
    expect(existsSync(layout.deadLetters)).toBe(false);
  });

  it('is removed where the run has none', async () => {
    writeFileSync(layout.deadLetters, 'left over\n');
    await ledgerOf([opening(4)]);
    const file = await fileOf();
    await file.write();
    expect(existsSync(layout.deadLetters)).toBe(false);
    await file.write();
  });

  it('has nothing that came into the ledger after it was asked for', async () => {
    await ledgerOf([opening(4), oneCulprit(1, 100)]);
    const file = await fileOf();
    const ledger = await LedgerWriter.reopen(layout.ledger, await endOf());
    await ledger.commit(oneCulprit(2, 1000));
    await ledger.close();
    await file.write();
    expect(places()).toEqual([[1, 7, 6]]);
    file.apply(oneCulprit(2, 1000));
    await file.write();
    expect(places()).toEqual([
      [1, 7, 6],
      [2, 7, 6],
    ]);
  });

  it('can be tried again after a writing that failed', async () => {
    await ledgerOf([opening(4), oneCulprit(1, 100)]);
    const file = await fileOf();
    rmSync(layout.outputs, { recursive: true });
    await expect(file.write()).rejects.toThrow(/ENOENT/);
    await file.idle();
    mkdirSync(layout.outputs);
    await file.write();
    expect(places()).toEqual([[1, 7, 6]]);
  });

  it('takes a hundred thousand', async () => {
    const dead = [{ from: 1000, to: 2000, dispatch: dispatchNumber(1) }];
    const batches = Array.from({ length: 100 }, (_, index) => [
      failedTry(index, 100, exception(), { settles: 'narrow', items: 2000, failed: 2000 }),
      finished(index, 200, { settles: 'partial', items: 2000, succeeded: 1000, failed: 1000, dead }),
    ]);
    await ledgerOf(batches);
    await (await fileOf()).write();
    const lines = readFileSync(layout.deadLetters, 'utf8').split('\n');
    expect(lines).toHaveLength(100_001);
    expect(JSON.parse(lines[99_999] ?? '')).toMatchObject({ mini_batch: 99, position: 1999, dispatch: 1 });
  });
});
