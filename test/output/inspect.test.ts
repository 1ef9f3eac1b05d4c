import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { crc32 } from '../../src/domain/crc32.ts';
import { firstDifference, inspectResult } from '../../src/output/index.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'inspect-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Parts of the given lengths one behind the other, and what is wanted of them. */
function made(lengths: readonly number[], seed = 1) {
  let at = 0;
  let n = seed;
  const parts = lengths.map((bytes) =>
    Buffer.from(Array.from({ length: bytes }, () => (n = (n * 75 + 74) % 65537) & 255)),
  );
  const extents = parts.map((part, index) => {
    const extent = { index, at, bytes: part.length, crc32: crc32(part) };
    at += part.length;
    return extent;
  });
  return { bytes: Buffer.concat(parts), extents };
}

async function inspect(bytes: Buffer, extents: ReturnType<typeof made>['extents'], total: number) {
  const path = join(folder, 'result');
  writeFileSync(path, bytes);
  return inspectResult(path, new Uint8Array(), extents, total);
}

test('parts larger than the window, and the byte where it departs', async () => {
  const { bytes, extents } = made([700_000, 3, 300_000]);
  expect(await inspect(bytes, extents, bytes.length)).toEqual({
    bytes: 1_000_003,
    headerOk: true,
    bad: [],
    badCount: 0,
  });
  const altered = Buffer.from(bytes);
  altered[900_000] = (altered[900_000] ?? 0) ^ 4;
  expect((await inspect(altered, extents, bytes.length)).bad.map((one) => one.index)).toEqual([2]);
  writeFileSync(join(folder, 'whole'), bytes);
  const place = { path: join(folder, 'result'), at: 700_003 };
  expect(await firstDifference(place, { path: join(folder, 'whole'), at: 700_003 }, 300_000)).toBe(199_997);
});

test('any altered byte is found in the part that holds it, and nowhere else', async () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(lengths, fc.nat(), fc.integer({ min: 1, max: 255 }), async (parts, anywhere, flip) => {
      const { bytes, extents } = made(parts);
      const at = anywhere % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ flip;
      const found = await inspect(bytes, extents, bytes.length);
      expect(found.bad).toEqual(extents.filter((one) => one.at <= at && at < one.at + one.bytes));
    }),
    { numRuns: 50 },
  );
});

test('missing bytes are named where they are missing; what follows is recognised', async () => {
  const { bytes, extents } = made([40, 40, 40, 40]);
  const cut = Buffer.concat([bytes.subarray(0, 50), bytes.subarray(60)]);
  const found = await inspect(cut, extents, 160);
  expect(found.bad.map((one) => one.index)).toEqual([1]);
  expect(found.movedFrom?.index).toBe(2);
  expect(await inspectResult(join(folder, 'none'), new Uint8Array(), extents, 160)).toMatchObject({ bytes: undefined });
});
