/** JSON Lines: every line that holds anything is a row of exactly one range, whatever the chunks. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LineCutter } from '../../src/dataset/table/linecutter.ts';
import type { RowRange } from '../../src/dataset/table/ranges.ts';

function cut(text: string, limits: { rows: number; bytes: number }, chunkBytes: number): RowRange[] {
  const bytes = Buffer.from(text);
  const cutter = new LineCutter({ limits, start: 0 });
  const ranges: RowRange[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes)
    ranges.push(...cutter.push(bytes.subarray(at, at + chunkBytes)));
  ranges.push(...cutter.finish());
  expect(cutter.rowsTotal).toBe(ranges.reduce((sum, { rows }) => sum + rows, 0));
  return ranges;
}

const rowsOf = (text: string): string[] => text.split('\n').filter((line) => line.trim() !== '');
const line = fc.constantFrom('{}', '{"a":1}', '', '  ', '\t\r', '{"b":"é"}', 'no json', '{"c":[1,2]} \r');

test('ranges hold all rows in order, each once, and no more than was asked for', () => {
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 40 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 30 }),
      (lines, ended, rows, chunkBytes) => {
        const text = lines.join('\n') + (ended ? '\n' : '');
        const bytes = Buffer.from(text);
        const ranges = cut(text, { rows, bytes: Infinity }, chunkBytes);
        expect(ranges.flatMap(({ start, end }) => rowsOf(bytes.toString('utf8', start, end)))).toEqual(rowsOf(text));
        let next = 0;
        for (const range of ranges) {
          expect(range.firstRow).toBe(next);
          expect(rowsOf(bytes.toString('utf8', range.start, range.end))).toHaveLength(range.rows);
          next += range.rows;
        }
        for (const { rows: held } of ranges.slice(0, -1)) expect(held).toBe(rows);
      },
    ),
    { numRuns: 300 },
  );
});

test('by bytes a range ends with the row that reaches the limit', () => {
  expect(cut('{"a":1}\n{"a":2}\n{"a":3}\n', { rows: Infinity, bytes: 9 }, 100)).toEqual([
    { start: 0, end: 16, firstRow: 0, rows: 2 },
    { start: 16, end: 24, firstRow: 2, rows: 1 },
  ]);
});

test('a line without end is a fault with its place', () => {
  const cutter = new LineCutter({ limits: { rows: 1, bytes: Infinity }, start: 0, rowBytesMax: 10 });
  cutter.push(Buffer.from('{}\n'));
  cutter.push(Buffer.from('x'.repeat(20)));
  expect(cutter.fault).toEqual({ kind: 'row-too-long', offset: 3 });
});
