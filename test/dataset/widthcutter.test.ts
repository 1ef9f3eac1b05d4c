import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WidthCutter } from '../../src/dataset/table/widthcutter.ts';
import type { RaggedRow } from '../../src/dataset/table/widthcutter.ts';
import type { RangeLimits, RowRange } from '../../src/dataset/table/ranges.ts';

const CSV = { delimiter: ',', header: true, comment: '#' };

function cut(text: string, limits: RangeLimits, chunk: number): { ranges: RowRange[]; ragged: RaggedRow[] } {
  const ragged: RaggedRow[] = [];
  const cutter = new WidthCutter({ ...CSV, limits, start: 0 }, (row) => ragged.push(row));
  const bytes = Buffer.from(text);
  const ranges: RowRange[] = [];
  for (let at = 0; at < bytes.length; at += chunk) ranges.push(...cutter.push(bytes.subarray(at, at + chunk)));
  ranges.push(...cutter.finish());
  return { ranges, ragged };
}

/** A line of the file, or a row over two lines. */
const line = fc.oneof(
  { weight: 5, arbitrary: fc.record({ fields: fc.integer({ min: 1, max: 4 }), twoLines: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constantFrom('', '  ', '# remark, with, commas') },
);

test('ranges hold the even rows, in order; ragged ones are told with their lines', () => {
  const property = fc.property(
    fc.array(line, { maxLength: 25 }),
    fc.constantFrom('\n', '\r\n', '\r'),
    fc.integer({ min: 1, max: 9 }),
    fc.constantFrom({ rows: 3, bytes: Infinity }, { rows: Infinity, bytes: 20 }),
    (lines, end, chunk, limits) => {
      let text = `a,b${end}`;
      let number = 2;
      const even: string[] = [];
      const wanted: { line: number; fields: number }[] = [];
      for (const [i, each] of lines.entries()) {
        const row =
          typeof each === 'string'
            ? each
            : [each.twoLines ? `"${i}${end}x"` : String(i), ...Array.from({ length: each.fields - 1 }, () => 'f')].join(
                ',',
              );
        if (typeof each !== 'string') {
          if (each.fields === 2) even.push(row);
          else wanted.push({ line: number, fields: each.fields });
        }
        text += row + end;
        number += typeof each !== 'string' && each.twoLines ? 2 : 1;
      }
      const { ranges, ragged } = cut(text, limits, chunk);
      expect(ragged.map((row) => ({ line: row.line, fields: row.fields }))).toEqual(wanted);
      const bytes = Buffer.from(text);
      const held = ranges.map((range) => bytes.toString('utf8', range.start, range.end)).join('');
      const kept = held
        .split(new RegExp(`(?:${end})(?=(?:[^"]*"[^"]*")*[^"]*$)`))
        .filter((row) => row.trim() !== '' && !row.startsWith('#'));
      expect(kept).toEqual(even);
      expect(ranges.map((range) => range.firstRow)).toEqual(
        ranges.map((_, i) => ranges.slice(0, i).reduce((sum, r) => sum + r.rows, 0)),
      );
      expect(ranges.reduce((sum, range) => sum + range.rows, 0)).toBe(even.length);
      for (const range of ranges) expect(range.rows).toBeLessThanOrEqual(limits.rows);
    },
  );
  fc.assert(property, { numRuns: 500 });
});

test('without a header the first row says how many fields there are; long rows are shown in front', () => {
  const ragged: RaggedRow[] = [];
  const options = { ...CSV, header: false, limits: { rows: 10, bytes: Infinity }, start: 0 };
  const cutter = new WidthCutter(options, (row) => ragged.push(row));
  const ranges = [...cutter.push(Buffer.from(`1,2\n${'x'.repeat(200)}\n3,4`)), ...cutter.finish()];
  expect(ranges).toEqual([
    { start: 0, end: 4, firstRow: 0, rows: 1 },
    { start: 205, end: 208, firstRow: 1, rows: 1 },
  ]);
  expect(ragged).toEqual([{ line: 2, fields: 1, columns: 2, text: `${'x'.repeat(80)}...` }]);
});
