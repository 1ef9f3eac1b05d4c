import { mkdtemp, open, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { crc32 } from '../../src/domain/crc32.ts';
import { miniBatchIndex } from '../../src/domain/ids.ts';
import { ExtentTable, SpoolDamagedError, SpoolWriter, assemble, csvHeader } from '../../src/output/index.ts';

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
      for (const index of at) {
        const b = blocks[index];
        if (!b) continue;
        const bytes = Buffer.from(b.text);
        if (b.part) {
          await writeFile(join(folder, 'part'), bytes);
          extents.set(miniBatchIndex(index), await spool.appendPart(join(folder, 'part'), bytes.length, 1));
        } else extents.set(miniBatchIndex(index), spool.append(bytes, 1));
        if (b.sync) await spool.sync();
      }
      await spool.sync();
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
  extents.set(miniBatchIndex(5000), spool.append(Buffer.from('last\n'), 1));
  extents.set(miniBatchIndex(3), await spool.appendPart(join(folder, 'part'), big.length, 1));
  extents.set(miniBatchIndex(4), spool.append(new Uint8Array(), 0));
  await spool.sync();
  await spool.close();
  await assemble(spoolPath, join(folder, 'r'), extents, new Uint8Array());
  const result = await readFile(join(folder, 'r'));
  expect(result.equals(Buffer.concat([big, Buffer.from('last\n')]))).toBe(true);
});

test('a damaged spool is refused, and nothing stands at the result’s place', async () => {
  const spoolPath = join(folder, 'rows.spool');
  const spool = await SpoolWriter.create(spoolPath);
  const extents = new ExtentTable();
  extents.set(miniBatchIndex(0), spool.append(Buffer.from('good rows\n'), 1));
  await spool.sync();
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
  await expect(spool.appendPart(join(folder, 'part'), 10, 1)).rejects.toThrow(/ends after 3 of 10 bytes/);
  await spool.close();
});

test('CSV header', () => {
  expect(new TextDecoder().decode(csvHeader(['a', 'b,c', 'd"e', 'f\ng']))).toBe('a,"b,c","d""e","f\ng"\n');
});
