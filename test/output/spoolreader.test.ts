import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { miniBatchIndex } from '../../src/domain/ids.ts';
import { SpoolDamagedError } from '../../src/output/damaged.ts';
import { ExtentTable } from '../../src/output/extents.ts';
import { SpoolReader, WINDOW_BYTES } from '../../src/output/spoolreader.ts';

/** More windows than are kept, and a last one that is not full. */
const BYTES = 20 * WINDOW_BYTES + 12_345;
const folder = mkdtempSync(join(tmpdir(), 'spoolreader-'));
const content = Buffer.alloc(BYTES);
for (let i = 0; i + 4 <= BYTES; i += 4) content.writeUInt32LE((i * 2_654_435_761) >>> 0, i);
let file: FileHandle;

beforeAll(async () => {
  writeFileSync(join(folder, 'spool'), content);
  file = await open(join(folder, 'spool'), 'r');
});
afterAll(async () => {
  await file.close();
  rmSync(folder, { recursive: true });
});

const piece = fc
  .tuple(fc.nat(BYTES - 1), fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 2 * WINDOW_BYTES })))
  .map(([offset, bytes]) => ({ offset, bytes: Math.min(bytes, BYTES - offset) }));

test('any pieces in any order are what is in the file, from memory or not', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 60 }), async (pieces) => {
      const reader = new SpoolReader(file);
      for (const { offset, bytes } of pieces) {
        const wanted = content.subarray(offset, offset + bytes);
        const held = reader.held(offset, bytes);
        if (held) expect(held.equals(wanted)).toBe(true);
        expect((await reader.read(offset, bytes)).equals(wanted)).toBe(true);
      }
    }),
    { numRuns: 60 },
  );
});

test('neighbours are read once', async () => {
  const reader = new SpoolReader(file);
  await reader.read(10, 20);
  expect(reader.held(500, 1000)?.equals(content.subarray(500, 1500))).toBe(true);
  expect(reader.held(WINDOW_BYTES - 5, 10)).toBeUndefined();
});

test.each([
  [BYTES - 10, 11],
  [BYTES + 5, 1],
  [BYTES - 10, WINDOW_BYTES],
])('what lies behind the end (%i, %i bytes) is damage', async (offset, bytes) => {
  await expect(new SpoolReader(file).read(offset, bytes)).rejects.toThrow(SpoolDamagedError);
});

test('a table of extents: any order, blocks far apart, the last word counts', () => {
  const extent = fc.record({
    index: fc.oneof(fc.nat(50), fc.integer({ min: 65_500, max: 65_600 }), fc.nat(400_000)),
    rows: fc.nat(9),
    bytes: fc.nat(99),
    drop: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(extent, { maxLength: 80 }), (extents) => {
      const table = new ExtentTable();
      const expected = new Map<number, { offset: number; bytes: number; rows: number }>();
      for (const [offset, { index, rows, bytes, drop }] of extents.entries()) {
        if (drop) {
          table.clear(miniBatchIndex(index));
          expected.delete(index);
        } else {
          table.set(miniBatchIndex(index), { offset, bytes, rows, crc32: offset + 1 });
          expected.set(index, { offset, bytes, rows });
        }
      }
      const inOrder = [...expected].sort(([a], [b]) => a - b);
      expect([...table.inOrder()]).toEqual(
        inOrder.flatMap(([index, { offset, bytes }]) =>
          bytes > 0 ? [{ index, offset, bytes, crc32: offset + 1 }] : [],
        ),
      );
      expect(table.rows).toBe(inOrder.reduce((sum, [, { rows }]) => sum + rows, 0));
    }),
  );
});
