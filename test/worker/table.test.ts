import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { TableSchema } from '../../src/domain/plan.ts';
import type { Agent } from './rig.ts';
import { Workshop } from './rig.ts';

const shop = new Workshop();
beforeAll(() => shop.buildHost());
afterEach(() => shop.endAll());
afterAll(() => shop.remove());

const SCHEMA: TableSchema = {
  columns: [
    { name: 'id', type: 'int64' },
    { name: 'x', type: 'float64' },
    { name: 'name', type: 'string' },
    { name: 'ok', type: 'nullable-bool' },
  ],
};

function start(script: string, format: 'txt' | 'csv' | 'jsonl' = 'txt'): Agent {
  const tables = [{ format: 'csv', delimiter: ';', schema: SCHEMA }] as const;
  return shop.script(script, { tables, output: { action: 'append_row', format } });
}

function slice(agent: Agent, head: string, rows: string, count: number, tail = ''): void {
  const file = path.join(agent.folder, 'input.csv');
  writeFileSync(file, head + rows + tail);
  const start = Buffer.byteLength(head);
  const end = start + Buffer.byteLength(rows);
  agent.run(0, { kind: 'rows', file, start, end, firstRow: 10, rows: count, table: 0 });
}

test('a slice comes as rows and as an Arrow table, with the types of the whole input', async () => {
  const agent = start(
    `export function run(table) {
      const sum = table.getChild('id').toArray().reduce((a, b) => a + b, 0n);
      return [sum, table.numRows, ...table.rows];
    }`,
    'jsonl',
  );
  slice(agent, 'id;x;name;ok\n', '1;1.5;"a ;""b"";\nc";True\n\n9007199254740993;;NA;\r\n-3;-inf;é;false', 3, '\nrest;');
  const done = await agent.message('done');
  expect(done).toMatchObject({ n: 3, k: 5 });
  expect(done.body.toString().split('\n')).toEqual([
    '9007199254740991',
    '3',
    '{"id":1,"x":1.5,"name":"a ;\\"b\\";\\nc","ok":true}',
    '{"id":9007199254740993,"x":null,"name":null,"ok":null}',
    '{"id":-3,"x":null,"name":"é","ok":false}',
    '',
  ]);
});

test('a table that is returned is written by rows, csv with its columns', async () => {
  const agent = start(`export const run = (table) => table;`, 'csv');
  slice(agent, '', '1;2;a b;True\n2;;"x,y";\n', 2);
  const done = await agent.message('done');
  expect(done.columns).toEqual(['id', 'x', 'name', 'ok']);
  expect(done.body.toString()).toBe('1,2,a b,true\n2,,"x,y",\n');
});

test('a table in txt has one space between its cells', async () => {
  const agent = start(`export const run = (table) => table.select(['id', 'name']);`);
  slice(agent, '', '1;2;a b;True\n2;;c;\n', 2);
  expect((await agent.message('done')).body.toString()).toBe('1 "a b"\n2 c\n');
});

test('columns of any name keep their place and their rows', async () => {
  const names = ['b', '2020', '__proto__', '7'];
  const schema = { columns: names.map((name) => ({ name, type: 'int64' as const })) };
  const tables = [{ format: 'csv', delimiter: ';', schema }] as const;
  const script = `export function run(table) {
    if (table.rows[1]['__proto__'] !== 7 || table.getChild('__proto__').get(1) !== 7n) throw new Error('lost');
    return table;
  }`;
  const agent = shop.script(script, { tables, output: { action: 'append_row', format: 'csv' } });
  slice(agent, '', '1;2;3;4\n5;6;7;8\n', 2);
  const done = await agent.message('done');
  expect(done.columns).toEqual(names);
  expect(done.body.toString()).toBe('1,2,3,4\n5,6,7,8\n');
});

test.each([
  ['a cell of another type', '1;2;a;True\nx;2;a;True\n', 2, 'data row 11, column id: "x" is no int64'],
  ['a missing whole number', ';2;a;True\n', 1, 'data row 10, column id: "" is no int64'],
  [
    'too many fields',
    '1;2;a;True;5\n',
    1,
    'data row 10 (line 2): it has 5 fields, its file has 4 columns: "1;2;a;True;5"',
  ],
  ['another number of rows', '1;2;a;True\n', 2, '1 rows where 2 were counted when the file was listed: it has changed'],
  ['an open quote', '1;2;"a;True\n', 1, 'a quoted field is not closed, data row 10'],
])('%s is an error of the input', async (_name, rows, count, reason) => {
  const agent = start(`export const run = (table) => table;`);
  slice(agent, 'h\n', rows, count);
  const file = path.join(agent.folder, 'input.csv');
  expect((await agent.message('failed')).error).toEqual({ kind: 'input-error', path: file, reason });
});

test('a file that is gone or shorter is an error of the input', async () => {
  const agent = start(`export const run = (table) => table;`);
  const file = path.join(agent.folder, 'short.csv');
  agent.run(0, { kind: 'rows', file, start: 0, end: 8, firstRow: 0, rows: 1, table: 0 });
  expect((await agent.message('failed')).error).toMatchObject({ kind: 'input-error', path: file, errno: 'ENOENT' });
  writeFileSync(file, '1;2');
  agent.run(1, { kind: 'rows', file, start: 0, end: 8, firstRow: 0, rows: 1, table: 0 });
  expect((await agent.message('failed', 1)).error).toEqual({
    kind: 'input-error',
    path: file,
    reason: 'the file ends at byte 3, it had at least 8 when it was listed',
  });
});
