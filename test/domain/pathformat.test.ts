import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hiveValue, parsePathFormat } from '../../src/domain/pathformat.ts';

function values(format: string, path: string): Record<string, string> | undefined {
  const parsed = parsePathFormat(format);
  if (typeof parsed === 'string') throw new Error(parsed);
  const found = parsed.match(path);
  return found && Object.fromEntries(found);
}

describe('a format', () => {
  test.each([
    ['{Store}/{Brand}/{date}.csv', '7/Dole/2020-01-02.csv', { Store: '7', Brand: 'Dole', date: '2020-01-02' }],
    ['year={year}/{*}', 'year=2020/a b.parquet', { year: '2020' }],
    ['year={year}/**', 'year=2020/x/y/z.csv', { year: '2020' }],
    ['**/{name}.csv', 'z.csv', { name: 'z' }],
    ['**/{name}.csv', 'x/y/z.csv', { name: 'z' }],
    ['{a}_{b}.csv', 'x_y_z.csv', { a: 'x', b: 'y_z' }],
    ['data?/{a}-*', 'data1/q-r-s', { a: 'q' }],
    ['(x)[1]/{a}.$', '(x)[1]/é\n.$', { a: 'é\n' }],
    ['{d:yyyy/MM/dd}/{a}.csv', '2020/01/02/x.csv', { d: '2020-01-02T00:00:00', a: 'x' }],
    ['{a}_{d:yyyyMMdd-HHmm}.csv', 'x_20200102-0304.csv', { a: 'x', d: '2020-01-02T03:04:00' }],
    ['{a b}/f', '\udcff/f', { 'a b': '\udcff' }],
  ])('%s takes %s', (format, path, expected) => {
    expect(values(format, path)).toEqual(expected);
  });

  test.each([
    ['{a}/{b}', 'x'],
    ['{a}/{b}', 'x/y/z'],
    ['{a}.csv', '.csv'],
    ['{a}/f', '/f'],
    ['{a}.csv', 'x.csvx'],
    ['{d:yyyy/MM}/f', '2020/1/f'],
  ])('%s does not take %s', (format, path) => {
    expect(values(format, path)).toBeUndefined();
  });

  test.each([
    '',
    '/{a}',
    '{a}/',
    'a//{b}',
    'a/*',
    '{a}/{a}',
    '{a}{b}',
    '{a',
    'a}',
    '{date:long}',
    '{a}{date:yyyy}',
    '{date:yyyy}/{date}',
    '{date:yyyy}/{date:yyyy}',
    '{}',
  ])('%j is none', (format) => {
    expect(parsePathFormat(format)).toBeTypeOf('string');
  });

  test('what is put together of values is taken apart into them', () => {
    const value = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !text.includes('/'));
    fc.assert(
      fc.property(value, value, (a, b) => {
        expect(values('{a}/k={b}/x', `${a}/k=${b}/x`)).toEqual({ a, b });
      }),
    );
  });
});

test.each([
  ['a=1/b=2/f.csv', 'b', '2'],
  ['a=1/a=3/f.csv', 'a', '3'],
  ['a=x%2Fy%20z/f', 'a', 'x/y z'],
  ['a=100%/f', 'a', '100%'],
  ['a=/f', 'a', ''],
  ['a=__HIVE_DEFAULT_PARTITION__/f', 'a', null],
  ['b=1/a=2', 'a', undefined],
])('folders of %s: %s', (path, name, value) => {
  expect(hiveValue(path, name)).toBe(value);
});
