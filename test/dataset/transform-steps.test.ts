/** Steps of an MLTable where a random test would hardly come: their order, digits, and values that can't be converted. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it, test } from 'vitest';
import { createMiniBatches, decideSchema, withSteps } from '../../src/dataset/index.ts';
import { convert } from '../../src/domain/convert.ts';
import type { TableMiniBatch } from '../../src/domain/entry.ts';
import type { Cutting, InputSpec } from '../../src/domain/plan.ts';
import type { Conversion } from '../../src/domain/transform.ts';
import { openInput } from '../../src/sdk/input.ts';
import { readTableSlice } from '../../src/worker/table.ts';
import { compiled, workspace } from '../job/workspace.ts';
import { scratchFolder, tableAt, writeFiles } from './scratch.ts';

const PYTHON = process.env.PARALLELRUN_TEST_PYTHON;
const HOST = fileURLToPath(new URL('../../python', import.meta.url));

/** The rows that are left of a table, as the Node host reads them. */
async function left(
  steps: readonly string[],
  files: Readonly<Record<string, string>>,
  more = '    mini_batch_rows: 4\n',
) {
  const lines = steps.map((step) => `  - ${step}\n`).join('');
  const job = `type: pipeline\njobs:\n  a:\n    type: parallel\n${more}    inputs: { t: { type: mltable, path: ./table } }\n    input_data: \${{inputs.t}}\n    task: { code: ., entry_script: score.py }\n`; // prettier-ignore
  const table = Object.fromEntries(Object.entries(files).map(([name, text]) => [`table/${name}`, text]));
  const reader = Object.keys(files)[0]?.endsWith('.jsonl') === true ? 'read_json_lines' : 'read_delimited';
  const mltable = `paths: [ { pattern: "./**/*.*" } ]\ntransformations:\n  - ${reader}\n${lines}`;
  const cwd = await workspace({ ...table, 'table/MLTable': mltable, 'job.yml': job });
  const { plan } = await compiled(cwd, { jobFile: 'job.yml' });
  const { columns = [], drafts } = await openInput({ ...plan, allowEmpty: true });
  const [input] = plan.inputs;
  if (input?.kind !== 'table') throw new Error('no table');
  const rows: Readonly<Record<string, unknown>>[] = [];
  for await (const chunk of drafts)
    for (const { source, items } of chunk) {
      if (source.kind !== 'rows') throw new Error('no rows');
      const read = await readTableSlice(source, { ...input.table, schema: { columns } }, { from: 0, to: items });
      if (!read.ok) throw new Error(read.error.reason);
      rows.push(...(read.items as TableMiniBatch).rows);
    }
  return rows;
}

const TEN = { 'a.csv': `n\n${[0, 1, 2, 3, 4].join('\n')}\n`, 'b.csv': `n\n${[5, 6, 7, 8, 9].join('\n')}\n` };
const ODD = 'filter: \'not (col("n") == 0 or col("n") == 2 or col("n") == 4 or col("n") == 6 or col("n") == 8)\'';

it.each([
  [
    [ODD, 'take: 3'],
    [1, 3, 5],
  ],
  [['take: 3', ODD], [1]],
  [
    ['skip: 3', 'take: 4'],
    [3, 4, 5, 6],
  ],
  [['take: 4', 'skip: 3'], [3]],
  [
    ['skip: 2', 'skip: 2', 'take: 5', 'take: 2'],
    [4, 5],
  ],
  [
    [ODD, 'skip: 2', 'filter: col("n") < 9', 'take: 9'],
    [5, 7],
  ],
  [['take: 0'], []],
  [['skip: 10'], []],
])('transformations are carried out in their order: %j', async (steps, wanted) => {
  expect((await left(steps, TEN)).map(({ n }) => n)).toEqual(wanted);
});

it('a filter sees times and whole numbers to their last digit', async () => {
  const rows = ['2024-01-01T00:00:00.000001', '2024-01-01T00:00:00.000002', '2024-01-01T02:00:00.000001+02:00'].map(
    (at, i) => `{"at":"${at}","id":${9007199254740992n + BigInt(i)},"n":${i}}\n`,
  );
  const files = { 'a.jsonl': rows.join('') };
  const toTime = 'convert_column_types: [ { columns: at, column_type: datetime } ]';
  const of = async (expression: string) => (await left([toTime, `filter: '${expression}'`], files)).map(({ n }) => n);
  expect(await of('col("at") == "2024-01-01T00:00:00.000001"')).toEqual([0, 2]);
  expect(await of('col("at") > "2024-01-01T00:00:00.000001Z"')).toEqual([1]);
  expect(await of('col("id") == 9007199254740993')).toEqual([1]);
  expect(await of('9007199254740993 < col("id")')).toEqual([2]);
});

it('by keys a filter sees what paths name beside them', async () => {
  const files = { 's1/1.csv': 'n\n1\n2\n', 's1/2.csv': 'n\n3\n', 's2/2.csv': 'n\n4\n' };
  const steps = [
    'extract_columns_from_partition_format: { partition_format: "/{store}/{part}.csv" }',
    `filter: 'col("part") == "2"'`,
  ];
  const rows = await left(steps, files, '    partition_keys: [store]\n');
  expect(rows).toEqual([
    { n: 3, store: 's1' },
    { n: 4, store: 's2' },
  ]);
});

it.each([
  ['drop_columns: m', 'there is no column "m"'],
  ['drop_columns: [s, s2]', 'there is no column "s2"'],
  [`filter: 'col("s") > 1'`, 'the column "s" holds texts, and is compared with 1'],
  [`filter: 'col("n") == col("s")'`, 'the column "n" holds numbers, and the other one texts'],
  [`filter: 'col("n")'`, 'the column "n" holds numbers: compare it with a value'],
  [`filter: 'col("n") == "2024-01-31"'`, 'write a number'],
  ['extract_columns_from_partition_format: { partition_format: "/{n}.csv" }', 'the table has a column "n" already'],
])('what does not fit the table is told with its line: %s', async (step, why) => {
  const refused = left(['take: 5', step], { 'a.csv': 'n,s\n1,x\n' });
  await expect(refused).rejects.toMatchObject({
    problems: [{ code: 'PR1036', where: { line: 5 }, why: expect.stringContaining(why) as string }],
  });
});

it('a column that was dropped is told where a step behind names it', async () => {
  await expect(left(['drop_columns: s', `filter: 'col("s") == "x"'`], { 'a.csv': 'n,s\n1,x\n' })).rejects.toMatchObject(
    {
      problems: [{ code: 'PR1036', where: { line: 5 } }],
    },
  );
});

it('tables whose steps pick no rows are cut as ever, without a copy', async () => {
  const folder = scratchFolder();
  writeFiles(folder, { 'a.csv': 'n,s\n1,x\n2,y\n' });
  const step = { step: 'drop', columns: ['s'], at: { file: 'MLTable' } } as const;
  const inputs = [
    { ...tableAt(folder, { format: 'csv', delimiter: ',', header: true }), steps: [step] },
  ] as InputSpec[];
  const schema = await decideSchema(inputs);
  if (!schema.ok) throw new Error(schema.error.what);
  const cutting: Cutting = { by: 'rows', rows: 5 };
  const columns = withSteps(schema.value.columns, inputs, cutting);
  expect(columns.map(({ name, hidden }) => [name, hidden])).toEqual([
    ['n', undefined],
    ['s', true],
  ]);
  for await (const chunk of createMiniBatches(inputs, cutting, { exclude: [], copies: `${folder}/c`, columns }))
    expect(chunk.map(({ source }) => source)).toEqual([
      { kind: 'rows', file: `${folder}/a.csv`, start: 4, end: 12, firstRow: 0, rows: 2, table: 0 },
    ]);
});

/** Value, type, what comes out: of a time its text; undefined: it can't be converted. */
const CONVERSIONS: readonly (readonly [value: unknown, to: Conversion, wanted: unknown])[] = [
  [' 12 ', { type: 'int' }, 12],
  ['1e3', { type: 'int' }, 1000],
  ['1.5', { type: 'int' }, undefined],
  ['٣', { type: 'int' }, undefined],
  ['1_000', { type: 'int' }, undefined],
  ['9223372036854775808', { type: 'int' }, undefined],
  [true, { type: 'int' }, 1],
  ['inf', { type: 'int' }, undefined],
  ['.5', { type: 'float' }, 0.5],
  ['x', { type: 'float' }, undefined],
  ['', { type: 'float' }, undefined],
  [true, { type: 'string' }, 'True'],
  [7, { type: 'string' }, '7'],
  [0.1, { type: 'string' }, '0.1'],
  [1e-7, { type: 'string' }, '1e-07'],
  [1.5e22, { type: 'string' }, '1.5e+22'],
  [[1], { type: 'string' }, undefined],
  [null, { type: 'string' }, null],
  ['1', { type: 'boolean' }, true],
  ['false', { type: 'boolean' }, false],
  ['yes', { type: 'boolean' }, undefined],
  ['yes', { type: 'boolean', otherwise: false }, false],
  ['yes', { type: 'boolean', trueValues: ['yes'], falseValues: ['no'] }, true],
  ['1', { type: 'boolean', trueValues: ['yes'], falseValues: ['no'] }, undefined],
  ['2024-02-29', { type: 'datetime', formats: [] }, '2024-02-29T00:00:00.000'],
  ['2023-02-29', { type: 'datetime', formats: [] }, undefined],
  ['2024-01-01T00:30:00.5+01:00', { type: 'datetime', formats: [] }, '2023-12-31T23:30:00.500'],
  ['31/12/99', { type: 'datetime', formats: ['%d/%m/%y'] }, '1999-12-31T00:00:00.000'],
  ['3 March 2024, 12 am', { type: 'datetime', formats: ['%d %B %Y, %I %p'] }, '2024-03-03T00:00:00.000'],
  ['13 pm', { type: 'datetime', formats: ['%I %p'] }, undefined],
  ['3 Foo 2024', { type: 'datetime', formats: ['%d %b %Y'] }, undefined],
  ['(2024)', { type: 'datetime', formats: ['%Y', '(%Y)'] }, '2024-01-01T00:00:00.000'],
  [20240131, { type: 'datetime', formats: ['%Y%m%d'] }, '2024-01-31T00:00:00.000'],
  ['24:00', { type: 'datetime', formats: ['%H:%M'] }, undefined],
  ['0000-01-01', { type: 'datetime', formats: [] }, undefined],
];
const IN_PYTHON = `
import datetime, json, sys
from parallelrun_host.convert import Misfit, converted
for value, to in json.load(sys.stdin):
    try:
        found = converted([value], "c", to)[0]
    except Misfit:
        found = "misfit"
    print(json.dumps(found.isoformat(timespec="milliseconds") if isinstance(found, datetime.datetime) else found))
`;

test('conversions, in TypeScript', () => {
  const found = CONVERSIONS.map(([value, to]) => {
    const made = convert(value as string, to, typeof value === 'number' && !Number.isInteger(value));
    return made instanceof Date ? made.toISOString().slice(0, -1) : made;
  });
  expect(found.map((made, i) => [CONVERSIONS[i]?.slice(0, 2), made])).toEqual(
    CONVERSIONS.map(([value, to, wanted]) => [[value, to], wanted]),
  );
});

test.skipIf(PYTHON === undefined)('conversions, in Python', () => {
  const input = JSON.stringify(CONVERSIONS.map(([value, to]) => [value, to]));
  const lines = execFileSync(PYTHON ?? '', ['-c', IN_PYTHON], { input, cwd: HOST, encoding: 'utf8' })
    .trim()
    .split('\n');
  expect(lines.map((line, i) => [CONVERSIONS[i]?.slice(0, 2), JSON.parse(line) as unknown])).toEqual(
    CONVERSIONS.map(([value, to, wanted]) => [[value, to], wanted === undefined ? 'misfit' : wanted]),
  );
});
