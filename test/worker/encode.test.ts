import { describe, expect, test } from 'vitest';
import { wellFormed } from '../../src/domain/wellformed.ts';
import { rowEncoder } from '../../src/worker/encode.ts';
import type { OutputFormat } from '../../src/domain/plan.ts';

const lines = (format: OutputFormat, elements: readonly unknown[]): string => {
  const encoder = rowEncoder(format);
  return elements.map((element) => encoder.encode(element)).join('');
};
const DATE = new Date(Date.UTC(2024, 0, 2));

describe('txt', () => {
  test.each([
    ['a b', 'a b\n'],
    ['two\nlines', 'two\nlines\n'],
    [1.5, '1.5\n'],
    [NaN, 'NaN\n'],
    [-0, '-0\n'],
    [2n ** 64n, '18446744073709551616\n'],
    [true, 'true\n'],
    [null, 'null\n'],
    [undefined, 'undefined\n'],
    [DATE, '2024-01-02T00:00:00.000Z\n'],
    [['a', 1, null], '["a",1,null]\n'],
    [{ id: 2n ** 60n, deep: [{ n: 1n }], gone: undefined }, '{"id":1152921504606846976,"deep":[{"n":1}]}\n'],
  ])('%#', (element, expected) => {
    expect(lines('txt', [element])).toBe(expected);
  });
});

describe('csv', () => {
  test('strings are one field, arrays are fields, objects go by the columns of the first', () => {
    expect(lines('csv', ['a,b', ['x', 1, null, 'say "hi"'], { a: 'l1\nl2', b: 2 }, { b: 3 }])).toBe(
      '"a,b"\nx,1,,"say ""hi"""\n"l1\nl2",2\n,3\n',
    );
  });

  test('an empty row is still a row to a reader', () => {
    expect(lines('csv', ['', [], [null]])).toBe('""\n""\n""\n');
  });

  test('a key the columns do not have is refused instead of dropped', () => {
    const encoder = rowEncoder('csv');
    encoder.encode({ a: 1 });
    expect(encoder.columns).toEqual(['a']);
    expect(() => encoder.encode({ a: 1, z: 2 })).toThrow('the row has a key "z", the columns are a');
  });

  test('nested values are JSON', () => {
    expect(lines('csv', [{ a: { b: [1, 2n] }, c: DATE }])).toBe('"{""b"":[1,2]}",2024-01-02T00:00:00.000Z\n');
  });
});

describe('jsonl', () => {
  test.each([
    ['a\nb', '"a\\nb"\n'],
    [undefined, 'null\n'],
    [{ x: NaN, y: 1n }, '{"x":null,"y":1}\n'],
    [{ toJSON: () => ({ n: 5n }) }, '{"n":5}\n'],
    ['\ud800', '"\\ud800"\n'],
  ])('%#', (element, expected) => {
    expect(lines('jsonl', [element])).toBe(expected);
  });
});

test('what has no form is refused', () => {
  const cycle: { self?: unknown; n: bigint } = { n: 1n };
  cycle.self = cycle;
  for (const format of ['txt', 'csv', 'jsonl'] as const) {
    expect(() => lines(format, [cycle])).toThrow(TypeError);
    expect(() => lines(format, [() => 1])).toThrow(TypeError);
    expect(() => lines(format, [Symbol('x')])).toThrow(TypeError);
  }
});

test('lone surrogates are escaped, pairs stay', () => {
  expect(wellFormed('a\ud800b😀\udfff')).toBe('a\\ud800b😀\\udfff');
});
