import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RowCutter } from '../../src/dataset/table/rowcutter.ts';
import type { RangeLimits, RowFault, RowRange } from '../../src/dataset/table/ranges.ts';
import { referenceRows } from './csvreference.ts';
import { csvText } from './csvtext.ts';

interface Options {
  readonly header?: boolean;
  readonly delimiter?: string;
  readonly rowBytesMax?: number;
}

/** Cuts `bytes`, handed over in chunks of `chunkBytes`. */
function cut(
  bytes: Buffer,
  chunkBytes: number,
  limits: Partial<RangeLimits>,
  options: Options = {},
): { ranges: RowRange[]; fault: RowFault | undefined } {
  const cutter = new RowCutter({
    delimiter: ',',
    header: false,
    start: 0,
    limits: { bytes: Infinity, rows: Infinity, ...limits },
    ...options,
  });
  const ranges: RowRange[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes)
    ranges.push(...cutter.push(bytes.subarray(at, at + chunkBytes)));
  ranges.push(...cutter.finish());
  return { ranges, fault: cutter.fault };
}

function rowsIn(bytes: Buffer, { start, end }: RowRange): string[][] {
  return referenceRows(bytes.toString('utf8', start, end));
}

describe('any text, any chunk, any limit', () => {
  const size = fc.integer({ min: 1, max: 20 });

  test('ranges by rows hold the rows of the whole, exactly so many each', () => {
    fc.assert(
      fc.property(csvText, size, size, fc.boolean(), (text, chunkBytes, rows, header) => {
        const bytes = Buffer.from(text);
        const whole = referenceRows(text).slice(header ? 1 : 0);
        const { ranges, fault } = cut(bytes, chunkBytes, { rows }, { header });
        expect(fault).toBeUndefined();
        expect(ranges.flatMap((range) => rowsIn(bytes, range))).toEqual(whole);
        ranges.forEach((range, i) => {
          expect(range.firstRow).toBe(i * rows);
          expect(range.rows).toBe(Math.min(rows, whole.length - i * rows));
          expect(rowsIn(bytes, range)).toHaveLength(range.rows);
        });
      }),
      { numRuns: 1500 },
    );
  });

  test('ranges by bytes hold the rows of the whole, and end with the row that fills them', () => {
    fc.assert(
      fc.property(csvText, size, size, fc.boolean(), (text, chunkBytes, limit, header) => {
        const bytes = Buffer.from(text);
        const whole = referenceRows(text).slice(header ? 1 : 0);
        const { ranges } = cut(bytes, chunkBytes, { bytes: limit }, { header });
        expect(ranges.flatMap((range) => rowsIn(bytes, range))).toEqual(whole);
        let firstRow = 0;
        let end = 0;
        ranges.forEach((range, i) => {
          expect(range.firstRow).toBe(firstRow);
          expect(rowsIn(bytes, range)).toHaveLength(range.rows);
          expect(range.start).toBeGreaterThanOrEqual(end);
          if (i < ranges.length - 1) expect(range.end - range.start).toBeGreaterThanOrEqual(limit);
          // one row less would not have been enough
          const one = cut(bytes.subarray(range.start, range.end), 1000, { rows: 1 }).ranges;
          const last = one.at(-2);
          if (last) expect(last.end).toBeLessThan(limit);
          firstRow += range.rows;
          end = range.end;
        });
      }),
      { numRuns: 1500 },
    );
  });

  test('every split of one text', () => {
    const text = '\ufeffid,"na""me",x\r\n1,"a\r\n""b""",\r\n\r\n  \t\r2,"c,""",5" pipe\n\n"3","",\'\r4,""""," "\n ';
    const bytes = Buffer.from(text.slice(1));
    const expected = referenceRows(text.slice(1)).slice(1);
    expect(expected).toEqual([
      ['1', 'a\r\n"b"', ''],
      ['2', 'c,"', '5" pipe'],
      ['3', '', "'"],
      ['4', '"', ' '],
    ]);
    for (let chunkBytes = 1; chunkBytes <= bytes.length; chunkBytes++) {
      for (let limit = 1; limit <= bytes.length; limit++) {
        const { ranges } = cut(bytes, chunkBytes, { bytes: limit }, { header: true });
        expect(ranges.flatMap((range) => rowsIn(bytes, range))).toEqual(expected);
      }
    }
  });
});

describe('edges', () => {
  const ranges = (text: string, options: Options = {}): RowRange[] =>
    cut(Buffer.from(text), 7, { rows: 1 }, options).ranges;

  test('positions are those of the bytes, line breaks included, blank lines not', () => {
    expect(ranges('a,b\n1,2\n\n3,é\r\n  \n4,5', { header: true })).toEqual([
      { start: 4, end: 8, firstRow: 0, rows: 1 },
      { start: 9, end: 15, firstRow: 1, rows: 1 },
      { start: 18, end: 21, firstRow: 2, rows: 1 },
    ]);
  });

  test.each([
    ['nothing', ''],
    ['blank lines only', '\n \n\t\r\n  '],
    ['a header only', 'a,b\n'],
    ['a header without line break', 'a,b'],
    ['a header after blank lines', '\n\na,b\n\n'],
  ])('%s gives no range', (_, text) => {
    expect(ranges(text, { header: true })).toEqual([]);
  });

  test('a header with a quoted line break is one header', () => {
    expect(ranges('"a\nb",c\n1,2\n', { header: true })).toEqual([{ start: 8, end: 12, firstRow: 0, rows: 1 }]);
  });

  test('white space that is the delimiter makes no blank line', () => {
    expect(ranges('\t\n \n1\t2\n', { delimiter: '\t' }).map((range) => range.start)).toEqual([0, 4]);
    expect(ranges(' \n\t\n1 2\n', { delimiter: ' ' }).map((range) => range.start)).toEqual([0, 4]);
  });

  test('an open quote is reported where it stands', () => {
    const open = cut(Buffer.from('a,b\n"x",1\n2,"y\n3,4\n'), 5, { rows: 1 });
    expect(open.fault).toEqual({ kind: 'open-quote', offset: 12 });
    expect(open.ranges.map((range) => range.end)).toEqual([4, 10]);
  });

  test('a row beyond the limit is no row, whatever the chunks', () => {
    const bytes = Buffer.from(`short\n${'x'.repeat(40)}\nshort\n`);
    for (const chunkBytes of [1, 7, 100]) {
      expect(cut(bytes, chunkBytes, { rows: 1 }, { rowBytesMax: 40 })).toEqual({
        ranges: [{ start: 0, end: 6, firstRow: 0, rows: 1 }],
        fault: { kind: 'row-too-long', offset: 6 },
      });
      expect(cut(bytes, chunkBytes, { rows: 1 }, { rowBytesMax: 41 }).fault).toBeUndefined();
    }
    const quoted = Buffer.from(`a,"${'x\n'.repeat(40)}`);
    expect(cut(quoted, 10, { rows: 1 }, { rowBytesMax: 40 }).fault).toEqual({ kind: 'open-quote', offset: 2 });
  });
});
