import { mkdtemp, open, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { crc32 } from '../../src/domain/crc32.ts';
import { miniBatchIndex } from '../../src/domain/ids.ts';
import {
  ExtentTable,
  SpoolDamagedError,
  SpoolWriter,
  assemble,
  csvHeader,
  verifyExtent,
} from '../../src/output/index.ts';
import type { SpoolPiece } from '../../src/output/index.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'output-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('crc32 is the usual one, in one go or in pieces', () => {
  expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (a, b) => {
      const whole = crc32(Buffer.concat([a, b]));
      expect(crc32(b, crc32(a))).toBe(whole);
      if (typeof zlibCrc32 === 'function') expect(whole).toBe(zlibCrc32(Buffer.concat([a, b])));
    }),
  );
});

test('rows committed in any order, inline or by part file, come out in mini-batch order', async () => {
  const block = fc.record({ text: fc.string({ maxLength: 40 }), part: fc.boolean(), sync: fc.boolean() });
  const order = fc.array(block, { minLength: 1, maxLength: 30 }).chain((blocks) =>
    fc
      .shuffledSubarray(
        blocks.map((_, i) => i),
        { minLength: blocks.length },
      )
      .map((at) => ({ blocks, at })),
  );
  await fc.assert(
    fc.asyncProperty(order, async ({ blocks, at }) => {
      const spoolPath = join(folder, 'rows.spool');
      await rm(spoolPath, { force: true });
      const spool = await SpoolWriter.create(spoolPath);
      const extents = new ExtentTable();
      let indexes: number[] = [];
      let pieces: SpoolPiece[] = [];
      const commit = async (): Promise<void> => {
        const places = await spool.write(pieces);
        for (const [i, index] of indexes.entries()) extents.set(miniBatchIndex(index), places[i] ?? expect.fail());
        indexes = [];
        pieces = [];
      };
      for (const index of at) {
        const b = blocks[index];
        if (!b) continue;
        const bytes = Buffer.from(b.text);
        const part = join(folder, `part-${index}`);
        if (b.part) await writeFile(part, bytes);
        indexes.push(index);
        pieces.push(b.part ? { part, length: bytes.length, rows: 1 } : { bytes, rows: 1 });
        if (b.sync) await commit();
      }
      await commit();
      await spool.close();
      const target = join(folder, 'result.txt');
      const made = await assemble(spoolPath, target, extents, Buffer.from('H\n'));
      const expected = `H\n${blocks.map((b) => b.text).join('')}`;
      expect(await readFile(target, 'utf8')).toBe(expected);
      expect(made).toEqual({ rows: blocks.length, bytes: Buffer.byteLength(expected) });
    }),
    { numRuns: 40 },
  );
});

test('a large extent and a mini-batch without rows', async () => {
  const spoolPath = join(folder, 'rows.spool');
  const big = Buffer.alloc(700_001, 'x');
  await writeFile(join(folder, 'part'), big);
  const spool = await SpoolWriter.create(spoolPath);
  const extents = new ExtentTable();
  const [last, large, empty] = await spool.write([
    { bytes: Buffer.from('last\n'), rows: 1 },
    { part: join(folder, 'part'), length: big.length, rows: 1 },
    { bytes: new Uint8Array(), rows: 0 },
  ]);
  extents.set(miniBatchIndex(5000), last ?? expect.fail());
  extents.set(miniBatchIndex(3), large ?? expect.fail());
  extents.set(miniBatchIndex(4), empty ?? expect.fail());
  await spool.close();
  await assemble(spoolPath, join(folder, 'r'), extents, new Uint8Array());
  const result = await readFile(join(folder, 'r'));
  expect(result.equals(Buffer.concat([big, Buffer.from('last\n')]))).toBe(true);
});

test('a damaged spool is refused, and nothing stands at the result’s place', async () => {
  const spoolPath = join(folder, 'rows.spool');
  const spool = await SpoolWriter.create(spoolPath);
  const extents = new ExtentTable();
  const [extent] = await spool.write([{ bytes: Buffer.from('good rows\n'), rows: 1 }]);
  extents.set(miniBatchIndex(0), extent ?? expect.fail());
  await spool.close();
  const file = await open(spoolPath, 'r+');
  await file.write('X', 3);
  await file.close();
  await expect(assemble(spoolPath, join(folder, 'r'), extents, new Uint8Array())).rejects.toThrow(SpoolDamagedError);
  expect(await readdir(folder)).toEqual(['rows.spool']);
  await rm(spoolPath);
  await writeFile(spoolPath, 'good');
  await expect(assemble(spoolPath, join(folder, 'r'), extents, new Uint8Array())).rejects.toThrow(/ends at/);
});

test('a part file shorter than said is refused', async () => {
  await writeFile(join(folder, 'part'), 'abc');
  const spool = await SpoolWriter.create(join(folder, 'rows.spool'));
  await expect(spool.write([{ part: join(folder, 'part'), length: 10, rows: 1 }])).rejects.toThrow(
    /ends after 3 of 10 bytes/,
  );
  await spool.close();
});

test('CSV header', () => {
  expect(new TextDecoder().decode(csvHeader(['a', 'b,c', 'd"e', 'f\ng']))).toBe('a,"b,c","d""e","f\ng"\n');
});

test('a spool that is taken up again: uncommitted bytes go, committed ones stay, too few are refused', async () => {
  const path = join(folder, 'rows.spool');
  const first = await SpoolWriter.create(path);
  const [kept] = await first.write([{ bytes: Buffer.from('kept\n'), rows: 1 }]);
  await first.write([{ bytes: Buffer.from('never committed\n'), rows: 1 }]);
  if (!kept) expect.fail();
  await first.close();
  const second = await SpoolWriter.reopen(path, kept.bytes);
  const [next] = await second.write([{ bytes: Buffer.from('next\n'), rows: 1 }]);
  if (!next) expect.fail();
  await second.close();
  expect(next.offset).toBe(5);
  expect(await readFile(path, 'utf8')).toBe('kept\nnext\n');
  await verifyExtent(path, kept);
  await verifyExtent(path, next);
  await expect(verifyExtent(path, { ...next, crc32: 1 })).rejects.toThrow(SpoolDamagedError);
  await expect(SpoolWriter.reopen(path, 11)).rejects.toThrow('the spool has 10 bytes, 11 are committed');
  expect(await readFile(path, 'utf8')).toBe('kept\nnext\n');
});
