import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isMissing, parseCell } from '../../src/domain/cells.ts';
import { CsvError, CsvReader, parseCsvRows } from '../../src/domain/csv.ts';

const rows = (text: string, delimiter = ','): string[][] => [...parseCsvRows(Buffer.from(text), delimiter)];

describe('CSV rows', () => {
  test.each([
    ['', []],
    [
      'a,b\n1,2',
      [
        ['a', 'b'],
        ['1', '2'],
      ],
    ],
    ['a\r\nb\rc\n', [['a'], ['b'], ['c']]],
    [
      'a,\n,b\n,\n',
      [
        ['a', ''],
        ['', 'b'],
        ['', ''],
      ],
    ],
    ['\n\n  \t\na\n\n', [['a']]],
    ['"a\nb","c""d",""\r\n', [['a\nb', 'c"d', '']]],
    ['""\n', [['']]],
    ['a"b,c\n', [['a"b', 'c']]],
    ['"a"b,c\n', [['ab', 'c']]],
    ['"a"b"c",d\n', [['ab"c"', 'd']]],
    ['"a","b\r\n', 'a quoted field is not closed'],
    ['é;ü\n😀', [['é;ü'], ['😀']]],
  ] as const)('%j', (text, expected) => {
    if (typeof expected === 'string') expect(() => rows(text)).toThrow(expected);
    else expect(rows(text)).toEqual(expected);
  });

  test('a tab may be the delimiter: a line of tabs is a row then', () => {
    expect(rows('a\tb\n\t\n', '\t')).toEqual([
      ['a', 'b'],
      ['', ''],
    ]);
  });

  test('bytes that are not UTF-8 are an error with its row', () => {
    const reader = new CsvReader(Buffer.from([0x61, 0x0a, 0xe9, 0x0a]), ',');
    expect(reader.next()).toEqual(['a']);
    expect(() => reader.next()).toThrow(new CsvError('the text is not valid UTF-8', 1, 2));
  });

  const field = fc.string({ unit: fc.constantFrom('a', 'é', '"', ',', '\n', '\r', ' ', '😀'), maxLength: 6 });
  const table = fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { maxLength: 6 });
  const written = (fields: readonly (readonly string[])[]): Buffer =>
    Buffer.from(fields.map((row) => row.map((text) => `"${text.replaceAll('"', '""')}"`).join(',')).join('\r\n'));

  test('what is quoted comes back', () => {
    fc.assert(
      fc.property(table, (fields) => {
        expect([...parseCsvRows(written(fields), ',')]).toEqual(fields);
      }),
    );
  });

  test('a stream cut anywhere gives the same rows as the whole', () => {
    const anything = fc.string({ unit: fc.constantFrom('a', 'é', '"', ',', '\n', '\r', ' '), maxLength: 30 });
    fc.assert(
      fc.property(anything, fc.integer({ min: 1, max: 5 }), (text, step) => {
        const bytes = Buffer.from(text);
        const whole = tolerant(() => [...parseCsvRows(bytes, ',')]);
        expect(tolerant(() => inPieces(bytes, step))).toEqual(whole);
      }),
      { numRuns: 500 },
    );
  });
});

/** Reads a growing buffer the way a reader of a file does: what is not complete is looked at again with more bytes. */
function inPieces(bytes: Buffer, step: number): string[][] {
  const found: string[][] = [];
  let start = 0;
  for (let end = step; ; end += step) {
    const last = end >= bytes.length;
    const reader = new CsvReader(bytes.subarray(0, end), ',', { start, more: !last });
    for (let row = reader.next(); row !== undefined; row = reader.next()) found.push(row);
    start = reader.position;
    if (last) return found;
  }
}

function tolerant(read: () => string[][]): string[][] | string {
  try {
    return read();
  } catch (error) {
    if (error instanceof CsvError) return error.message;
    throw error;
  }
}

describe('cells', () => {
  test.each([
    ['12', 'int64', 12],
    [' +12 ', 'int64', 12],
    ['\v9\r\n', 'int64', 9],
    ['\n1.5\f', 'float64', 1.5],
    ['-0', 'int64', 0],
    ['9223372036854775807', 'int64', 9223372036854775807n],
    ['9223372036854775808', 'int64', undefined],
    ['18446744073709551615', 'uint64', 18446744073709551615n],
    ['-1', 'uint64', undefined],
    ['1.0', 'int64', undefined],
    ['', 'int64', undefined],
    ['1e3', 'float64', 1000],
    ['.5', 'float64', 0.5],
    ['5.', 'float64', 5],
    ['-Infinity', 'float64', -Infinity],
    ['NaN', 'float64', null],
    ['0x10', 'float64', undefined],
    ['TRUE', 'bool', true],
    ['', 'bool', undefined],
    ['', 'nullable-bool', null],
    ['n/a', 'string', null],
    [' n/a', 'string', ' n/a'],
  ] as const)('%j as %s', (text, type, expected) => {
    expect(parseCell(text, type)).toBe(expected);
  });

  test('missing', () => {
    expect(['', 'NA', '#N/A N/A', '-1.#QNAN', 'None'].map(isMissing)).toEqual([true, true, true, true, true]);
    expect(['none', 'N.A.', '-', ' '].map(isMissing)).toEqual([false, false, false, false]);
  });
});
