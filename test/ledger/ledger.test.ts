import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RunEvent } from '../../src/domain/event.ts';
import { epochMs } from '../../src/domain/ids.ts';
import { LedgerFormatError, LedgerReader, LedgerWriter, readLedger } from '../../src/ledger/index.ts';
import { anyEvent } from './events.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ledger-'));
  path = join(folder, 'ledger.journal');
});
afterEach(() => rm(folder, { recursive: true }));

const groups = fc.array(fc.array(anyEvent, { minLength: 1, maxLength: 8 }), { maxLength: 8 });

async function write(all: readonly (readonly RunEvent[])[]): Promise<void> {
  const writer = await LedgerWriter.create(path);
  for (const group of all) await writer.commit(group);
  await writer.close();
}

async function readAll(): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const some of readLedger(path)) events.push(...some);
  return events;
}

describe('what is committed', () => {
  test('is read back as it was, in order', async () => {
    await fc.assert(
      fc.asyncProperty(groups, async (all) => {
        await rm(path, { force: true });
        await write(all);
        expect(await readAll()).toEqual(all.flat());
      }),
      { numRuns: 60 },
    );
  });

  test('is whole groups only, wherever the file was cut off', async () => {
    await fc.assert(
      fc.asyncProperty(groups, fc.double({ min: 0, max: 1, noNaN: true }), async (all, at) => {
        await rm(path, { force: true });
        await write(all);
        const bytes = await readFile(path);
        const cut = 21 + Math.floor((bytes.length - 21) * at);
        await writeFile(path, bytes.subarray(0, cut));
        const events = await readAll();
        const sizes = all.map((g) => g.length);
        const ends = sizes.map((_, i) => sizes.slice(0, i + 1).reduce((a, b) => a + b, 0));
        expect([0, ...ends]).toContain(events.length);
        expect(events).toEqual(all.flat().slice(0, events.length));
      }),
      { numRuns: 60 },
    );
  });
});

test('a flipped bit ends what is read and is reported, never turned into another event', async () => {
  await fc.assert(
    fc.asyncProperty(
      groups.filter((g) => g.length > 1),
      fc.nat(),
      fc.integer({ min: 0, max: 7 }),
      async (all, where, bit) => {
        await rm(path, { force: true });
        await write(all);
        const bytes = await readFile(path);
        const at = 21 + (where % (bytes.length - 21));
        bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
        await writeFile(path, bytes);
        const events = await readAll();
        expect(events).toEqual(all.flat().slice(0, events.length));
        expect(events.length).toBeLessThan(all.flat().length);
      },
    ),
    { numRuns: 60 },
  );
});

test('a reader sees groups as they are committed, never half of one', async () => {
  const [a, b] = fc.sample(fc.array(anyEvent, { minLength: 3, maxLength: 3 }), { numRuns: 2, seed: 7 });
  const writer = await LedgerWriter.create(path);
  const reader = await LedgerReader.open(path);
  expect(await reader.read()).toEqual([]);
  await writer.commit(a ?? []);
  expect(await reader.read()).toEqual(a);
  // Half of the next frame, as another process might see it.
  await writer.commit(b ?? []);
  await writer.close();
  const whole = await readFile(path);
  const file = await open(path, 'r+');
  await file.truncate(reader.wholeBytes + 11);
  expect(await reader.read()).toEqual([]);
  await file.write(whole, 0, whole.length, 0);
  await file.close();
  expect(await reader.read()).toEqual(b);
  await reader.close();
});

test('a frame longer than what is read at once is whole, and so is what follows it', async () => {
  const long: RunEvent = { type: 'warning', at: epochMs(1), warning: { kind: 'note', text: 'é'.repeat(700_000) } };
  const short = fc.sample(anyEvent, { numRuns: 40, seed: 5 });
  await write([short, [long], short, [long, ...short, long], short]);
  expect(await readAll()).toEqual([...short, long, ...short, long, ...short, long, ...short]);
});

test('a reader that met a torn tail takes what the next writer puts in its place', async () => {
  const [a, b, c] = fc.sample(fc.array(anyEvent, { minLength: 3, maxLength: 3 }), { numRuns: 3, seed: 9 });
  await write([a ?? [], b ?? []]);
  const reader = await LedgerReader.open(path);
  const whole = await readFile(path);
  // The end of the first frame, and half of the second one.
  const other = await LedgerReader.open(path);
  const file = await open(path, 'r+');
  await file.truncate(whole.length - 5);
  await file.close();
  expect(await reader.read()).toEqual(a);
  expect(await reader.read()).toEqual([]);
  const writer = await LedgerWriter.reopen(path, reader);
  await writer.commit(c ?? []);
  await writer.close();
  expect(await reader.read()).toEqual(c);
  await reader.close();
  expect([...(await other.read()), ...(await other.read())]).toEqual([...(a ?? []), ...(c ?? [])]);
  await other.close();
});

test('who folds a ledger with events that are used again sees the same', async () => {
  await fc.assert(
    fc.asyncProperty(groups, async (some) => {
      await rm(path, { force: true });
      // More than one call of `read` gives, or none would be used again.
      const all = Array.from({ length: 20 }, () => some).flat();
      await write(all);
      const reader = await LedgerReader.open(path, { reuse: true });
      const seen: string[] = [];
      const kept: unknown[] = [];
      for (let events = await reader.read(); events.length > 0; events = await reader.read()) {
        for (const event of events) {
          seen.push(JSON.stringify(event));
          // The one part of a done try that may be kept.
          if (event.type === 'try-finished') kept.push(event.rows);
        }
      }
      await reader.close();
      const events = await readAll();
      expect(seen.map((event) => JSON.parse(event) as unknown)).toEqual(events);
      expect(kept).toEqual(events.flatMap((event) => (event.type === 'try-finished' ? [event.rows] : [])));
    }),
    { numRuns: 20 },
  );
});

test('an existing ledger is never overwritten', async () => {
  await write([]);
  await expect(LedgerWriter.create(path)).rejects.toThrow(/EEXIST/);
});

test('another file is refused', async () => {
  await writeFile(path, 'something else entirely\n');
  await expect(LedgerReader.open(path)).rejects.toThrow(LedgerFormatError);
});

describe('a ledger that is taken up again', () => {
  const [a, b, c] = fc.sample(fc.array(anyEvent, { minLength: 2, maxLength: 4 }), { numRuns: 3, seed: 11 });

  async function tailOf(): Promise<{ tail: string; wholeBytes: number; lastFrameAt: number }> {
    const reader = await LedgerReader.open(path);
    while ((await reader.read()).length > 0);
    const { wholeBytes, lastFrameAt } = reader;
    const found = { tail: await reader.tail(), wholeBytes, lastFrameAt };
    await reader.close();
    return found;
  }

  test('goes on behind the last whole frame, wherever the next one was torn', async () => {
    await write([a ?? [], b ?? []]);
    const whole = await readFile(path);
    const { lastFrameAt } = await tailOf();
    expect(lastFrameAt).toBeGreaterThan(21);
    await write2(path, { wholeBytes: whole.length, lastFrameAt });
    const full = await readFile(path);
    for (const cut of [whole.length + 1, whole.length + 7, whole.length + 8, full.length - 1]) {
      await writeFile(path, full.subarray(0, cut));
      const found = await tailOf();
      expect(found).toEqual({ tail: 'torn', wholeBytes: whole.length, lastFrameAt });
      await write2(path, found);
      expect(await readAll()).toEqual([...(a ?? []), ...(b ?? []), ...(c ?? [])]);
    }
  });

  test('zeros that the disk put behind it are a torn tail; another frame behind a wrong one is damage', async () => {
    await write([a ?? [], b ?? []]);
    const whole = await readFile(path);
    await writeFile(path, Buffer.concat([whole, Buffer.alloc(5000)]));
    expect(await tailOf()).toMatchObject({ tail: 'torn', wholeBytes: whole.length });
    const damaged = Buffer.from(whole);
    damaged[30] = (damaged[30] ?? 0) ^ 1;
    await writeFile(path, damaged);
    expect((await tailOf()).tail).toBe('damaged');
    await writeFile(path, whole);
    expect((await tailOf()).tail).toBe('none');
  });

  test('a last frame whose first page the power cut lost, not the others, is a torn tail', async () => {
    await write([a ?? [], b ?? []]);
    const whole = await readFile(path);
    const { lastFrameAt } = await tailOf();
    const torn = Buffer.concat([whole, whole.subarray(lastFrameAt)]);
    torn.fill(0, whole.length, whole.length + 20);
    await writeFile(path, torn);
    expect(await tailOf()).toEqual({ tail: 'torn', wholeBytes: whole.length, lastFrameAt });
  });

  async function write2(file: string, at: { wholeBytes: number; lastFrameAt: number }): Promise<void> {
    const writer = await LedgerWriter.reopen(file, at);
    await writer.commit(c ?? []);
    await writer.close();
  }
});
