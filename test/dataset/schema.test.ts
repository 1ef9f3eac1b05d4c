import { describe, expect, test } from 'vitest';
import { decideSchema } from '../../src/dataset/index.ts';
import type { SchemaOptions } from '../../src/dataset/index.ts';
import { columnNames } from '../../src/dataset/table/names.ts';
import type { Column, InputSpec, TableSchema } from '../../src/domain/plan.ts';
import type { Problem, Result } from '../../src/domain/problem.ts';
import { scratchFolder, writeFiles } from './scratch.ts';

type Files = Parameters<typeof writeFiles>[1];

function decide(
  files: Files,
  options: SchemaOptions & { header?: boolean; delimiter?: string } = {},
): Promise<Result<TableSchema, Problem>> {
  const root = scratchFolder();
  writeFiles(root, files);
  const { header = true, delimiter = ',', ...rest } = options;
  return decideSchema([tableAt(root, header, delimiter)], rest);
}

const tableAt = (root: string, header = true, delimiter = ','): InputSpec => ({
  kind: 'table',
  name: 'data',
  root,
  select: { by: 'all' },
  table: { format: 'csv', delimiter, header },
});

async function columnsOf(files: Files, options?: Parameters<typeof decide>[1]): Promise<string[]> {
  const schema = await decide(files, options);
  if (!schema.ok) throw new Error(schema.error.code);
  return schema.value.columns.map(({ name, type }) => `${name} ${type}`);
}

async function problemOf(files: Files, options?: Parameters<typeof decide>[1]): Promise<Problem> {
  const schema = await decide(files, options);
  if (schema.ok) throw new Error(JSON.stringify(schema.value));
  return schema.error;
}

/** What pandas 3.1 makes of a column of these fields. */
const CASES: readonly (readonly [Column['type'], ...string[]])[] = [
  ['int64', '1', '2'],
  ['int64', ' 1', '2 '],
  ['int64', '+5', '-0'],
  ['int64', '007', '0000000000000000000000000001'],
  ['int64', '-9223372036854775808', '9223372036854775807'],
  ['int64', '"1"', '2'],
  ['int64', '"1"2', '3'],
  ['int64', '"12\n"', '3'],
  ['uint64', '18446744073709551615', '1'],
  ['uint64', '9223372036854775808', '0000018446744073709551615'],
  ['float64', '1', ''],
  ['float64', '1', 'NA'],
  ['float64', '9223372036854775807', ''],
  ['float64', '-9223372036854775808', ''],
  ['float64', '1.5', '2'],
  ['float64', '.5', '5.'],
  ['float64', '1e5 ', ' 2'],
  ['float64', '1E+5', '1'],
  ['float64', '1e400', '1e-400'],
  ['float64', 'inf', '1'],
  ['float64', '-Infinity', '+inf'],
  ['float64', 'iNF', ''],
  ['float64', '1.5', '18446744073709551616'],
  ['float64', '18446744073709551615', '-1', '1.5'],
  ['float64', '-9223372036854775809', '0.5'],
  ['float64', '', ''],
  ['float64', '""', '1'],
  [
    'float64',
    'None',
    'nan',
    'null',
    'NULL',
    '<NA>',
    'n/a',
    'N/A',
    '#N/A',
    '#N/A N/A',
    '-1.#IND',
    '1.#QNAN',
    '-nan',
    '1',
  ],
  ['bool', 'True', 'false'],
  ['bool', 'TRUE', 'FALSE'],
  ['nullable-bool', 'True', ''],
  ['nullable-bool', 'NA', 'false'],
  ['string', 'True', '1'],
  ['string', ' True', 'False'],
  ['string', 'yes', 'no'],
  ['string', '18446744073709551616', '1'],
  ['string', '18446744073709551616', '1.5'],
  ['string', '18446744073709551616', ''],
  ['string', '-9223372036854775809', '1'],
  ['string', '18446744073709551615', ''],
  ['string', '18446744073709551615', '-1'],
  ['string', '-0', '18446744073709551615'],
  ['string', ' inf', '2'],
  ['string', '0x10', '1'],
  ['string', '1_000', '1'],
  ['string', '"1,5"', '1'],
  ['string', '"1""2"', '3'],
  ['string', '.', '1'],
  ['string', '5e', '1'],
  ['string', '5e+', '1'],
  ['string', 'e5', '1'],
  ['string', '1.2.3', '1'],
  ['string', '- 5', '1'],
  ['string', '1 2', '3'],
  ['string', '1.0f', '1'],
  ['string', '  ', '1'],
  ['string', 'NAN', '1'],
  ['string', 'Null', '1'],
  ['string', '+nan', '1'],
  ['string', ' NA', '1'],
  ['string', 'infty', '1'],
  ['string', '1\u00002', '1'],
  ['string', 'x', ''],
];

describe('types', () => {
  test.each(CASES.map(([type, ...fields]) => ({ type, fields })))('$fields: $type', async ({ type, fields }) => {
    expect(await columnsOf({ 't.csv': `a,b\n${fields.map((field) => `${field},z\n`).join('')}` })).toEqual([
      `a ${type}`,
      'b string',
    ]);
  });

  test('a value in the last row of the last file decides', async () => {
    const rows = '1,2,3\n'.repeat(50_000);
    expect(await columnsOf({ '1.csv': `a,b,c\n${rows}`, '2.csv': `a,b,c\n${rows}1,,x` })).toEqual([
      'a int64',
      'b float64',
      'c string',
    ]);
  });

  test('fields that are not there are missing; fields too many are left to the rows that have them', async () => {
    expect(await columnsOf({ 't.csv': 'a,b,c\n1,2,3\n1,2\n1,2,3,4\n' })).toEqual(['a int64', 'b int64', 'c float64']);
  });

  test('without rows there is no type to tell', async () => {
    expect(await columnsOf({ 't.csv': 'a,b\n' })).toEqual(['a string', 'b string']);
    expect(await columnsOf({ 't.csv': '' })).toEqual([]);
    expect(await columnsOf({})).toEqual([]);
  });

  test('rows longer than what is read at once', async () => {
    const long = `"${'x, ""y""\n'.repeat(300_000)}"`;
    expect(await columnsOf({ 't.csv': `a,b\n${long},1\n2,3\n` })).toEqual(['a string', 'b int64']);
  });
});

describe('names', () => {
  // each checked against pandas
  test.each([
    [
      ['a', 'a', 'a.1'],
      ['a', 'a.2', 'a.1'],
    ],
    [
      ['a', '', 'a', ''],
      ['a', 'Unnamed: 1', 'a.1', 'Unnamed: 3'],
    ],
    [
      ['x', 'x', 'x.1', 'x'],
      ['x', 'x.2', 'x.1', 'x.3'],
    ],
    [
      ['a.1', 'a', 'a'],
      ['a.1', 'a', 'a.2'],
    ],
    [
      ['', '', 'Unnamed: 1'],
      ['Unnamed: 0', 'Unnamed: 1.1', 'Unnamed: 1'],
    ],
    [
      ['__proto__', 'constructor', '__proto__'],
      ['__proto__', 'constructor', '__proto__.1'],
    ],
  ])('%j', (header, names) => {
    expect(columnNames(header)).toEqual(names);
  });

  test('from the header: quotes, white space, mark, other delimiter', async () => {
    expect(await columnsOf({ t: Buffer.from('\ufeff"q""1"; b;"c\nd";é\n1;2;3;4\n') }, { delimiter: ';' })).toEqual([
      'q"1 int64',
      ' b int64',
      'c\nd int64',
      'é int64',
    ]);
  });

  test('without a header columns are numbered, and the first row counts', async () => {
    expect(await columnsOf({ t: 'x,1\n2,2\n' }, { header: false })).toEqual(['Column1 string', 'Column2 int64']);
  });

  test('many columns, and a header longer than the first look', async () => {
    const names = Array.from({ length: 30_000 }, (_, i) => `column_${i}`);
    const columns = await columnsOf({ t: `${names.join(',')}\n${names.map((_, i) => i).join(',')}\n` });
    expect(columns).toHaveLength(30_000);
    expect(columns[29_999]).toBe('column_29999 int64');
  });
});

describe('files that differ', () => {
  const different = async (a: string, b: string): Promise<Problem> =>
    problemOf({ 'a.csv': `${a}\n1\n`, 'b.csv': `${b}\n1\n` });

  test('both files and the difference are named', async () => {
    const problem = await different('id,x,y', 'id,z,y');
    expect(problem).toMatchObject({ code: 'PR3007', where: { file: expect.stringMatching(/\/b\.csv$/) as string } });
    expect(problem.why).toMatch(/^compared with .*\/a\.csv, it lacks "x" and it has "z" besides$/);
  });

  test('order counts', async () => {
    expect((await different('id,x,y', 'id,y,x')).why).toMatch(
      /, its columns come in another order: column 2 is "y", there "x"$/,
    );
  });

  test('a missing and an added column', async () => {
    expect((await different('a,b', 'a')).why).toMatch(/, it lacks "b"$/);
    expect((await different('a', 'a,b')).why).toMatch(/, it has "b" besides$/);
  });

  test('between inputs too; files that hold nothing do not count', async () => {
    const [a, b] = [scratchFolder(), scratchFolder()];
    writeFiles(a, { t: 'x,y\n1,2\n', empty: '' });
    writeFiles(b, { t: 'x;y\n1;\n' });
    expect(await decideSchema([tableAt(a), tableAt(b, true, ';')])).toEqual({
      ok: true,
      value: {
        columns: [
          { name: 'x', type: 'int64' },
          { name: 'y', type: 'float64' },
        ],
      },
    });
    writeFiles(b, { u: 'x;z\n' });
    expect(await decideSchema([tableAt(a), tableAt(b, true, ';')])).toMatchObject({
      ok: false,
      error: { code: 'PR3007' },
    });
  });
});

describe('what is no table', () => {
  test('more fields than names', async () => {
    expect(await problemOf({ t: 'a,b\n1,2,\n' })).toMatchObject({
      code: 'PR3008',
      why: '2 names in the header, 3 fields in the first row',
    });
  });
  test('an open quote in header, first row, or later', async () => {
    expect(await problemOf({ t: 'a,"b\n1,2\n' })).toMatchObject({ code: 'PR3005', where: { line: 1 } });
    expect(await problemOf({ t: 'a,b\n1,"2\n' })).toMatchObject({ code: 'PR3005', where: { line: 2 } });
    expect(await problemOf({ t: `a,b\n${'1,2\n'.repeat(40_000)}3,"x\n` })).toMatchObject({
      code: 'PR3005',
      where: { line: 40_002 },
    });
  });
  test('names that are not UTF-8', async () => {
    expect(await problemOf({ t: Buffer.from('a,caf\xe9\n1,2\n', 'latin1') })).toMatchObject({ code: 'PR3006' });
  });
  test('a root that is not there', async () => {
    expect(await decideSchema([tableAt(`${scratchFolder()}/no`)])).toMatchObject({
      ok: false,
      error: { code: 'PR3002' },
    });
  });
});

describe('large inputs are sampled', () => {
  const limits = { wholeBytesMax: 1000, frontBytes: 2000, samples: 10, sampleBytes: 1000 };
  const rows = (from: number, to: number, row: (i: number) => string): string =>
    Array.from({ length: to - from }, (_, i) => row(from + i)).join('');

  test('the front and all along', async () => {
    const text = `a,b,c,d\n${rows(0, 5000, (i) => `${i},${i < 4000 ? i : 'x'},"q,\n""${i}",\n`)}`;
    const schema = await decide({ t: text }, limits);
    expect(schema).toEqual({
      ok: true,
      value: {
        sampled: true,
        columns: [
          { name: 'a', type: 'int64' },
          { name: 'b', type: 'string' },
          { name: 'c', type: 'string' },
          // nothing seen: only a text can take whatever comes
          { name: 'd', type: 'string' },
        ],
      },
    });
  });

  test('over several files, small ones whole', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 20 }, (_, i) => [
        `${i + 10}.csv`,
        `a,b\n${rows(0, 20, (k) => `${k},${i === 19 ? '1.5' : '2'}\n`)}`,
      ]),
    );
    expect(await columnsOf(files, limits)).toEqual(['a int64', 'b float64']);
  });

  test('a sample that makes sense with and without an open quote tells nothing', async () => {
    // nearly everything is quoted text that looks like rows of another kind
    const text = `a,b\n${rows(0, 50, (i) => `${i},"${'1,x\n'.repeat(100)}"\n`)}`;
    expect(await columnsOf({ t: text }, { ...limits, frontBytes: 500 })).toEqual(['a int64', 'b string']);
  });
});
