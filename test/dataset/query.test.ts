import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classify, Seen } from '../../src/dataset/table/classify.ts';
import { bareStatement } from '../../src/dataset/query/statement.ts';
import { jsonOf } from '../../src/dataset/query/sqlite.ts';

const flagsOf = (text: string): number => classify(Buffer.from(text), 0, Buffer.byteLength(text));

describe('values of SQLite as JSON', () => {
  test('whole numbers keep all their digits, and stay whole', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        const text = jsonOf(value);
        expect(BigInt(text)).toBe(value);
        expect(flagsOf(text) & Seen.whole).toBe(Seen.whole);
      }),
    );
  });

  test('other numbers stay what they are, also whole ones, and are never taken for whole numbers', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (value) => {
        const text = jsonOf(value);
        expect(Object.is(JSON.parse(text), value)).toBe(true);
        expect(flagsOf(text)).toBe(Seen.float);
      }),
    );
    expect([1, -0, 1e21, 1e300, Infinity, -Infinity].map(jsonOf)).toEqual([
      '1.0',
      '-0.0',
      '1e+21',
      '1e+300',
      '1e999',
      '-1e999',
    ]);
  });

  test('texts as they are, bytes as Base64, nothing as null', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        expect(JSON.parse(jsonOf(value))).toBe(value);
        expect(jsonOf(value)).not.toContain('\n');
      }),
    );
    expect(jsonOf(Uint8Array.of(0, 255))).toBe('"AP8="');
    expect(jsonOf(null)).toBe('null');
  });
});

test.each([
  ['select 1', 'select 1'],
  [' select 1 ; \n;-- end', ' select 1'],
  ["select ';--' /* ; */ ;", "select ';--'"],
  ['select "a;""--" -- x\n;', 'select "a;""--"'],
  ["select 'it''s; -- so'", "select 'it''s; -- so'"],
  ['select 1 -- one\n+ 1 /* and\n;', 'select 1 -- one\n+ 1 /* and'],
  ['select 1; select 2;', 'select 1; select 2'],
  ['-- nothing', ''],
])('%j can stand within another statement as %j', (sql, bare) => {
  expect(bareStatement(sql)).toBe(bare);
});
