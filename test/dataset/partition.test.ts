/** Mini-batches by partition keys, read as a worker reads them, against a table that is held in memory. */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, test } from 'vitest';
import { createMiniBatches, decideSchema, pathColumns, withCopy } from '../../src/dataset/index.ts';
import { cutGroups } from '../../src/dataset/group/groups.ts';
import type { GroupOptions } from '../../src/dataset/group/groups.ts';
import type { MiniBatchDraft } from '../../src/dataset/index.ts';
import type { TableMiniBatch, TableRow } from '../../src/domain/entry.ts';
import { describeSource } from '../../src/domain/minibatch.ts';
import type { MiniBatchSource } from '../../src/domain/minibatch.ts';
import type { Column, Cutting, InputSpec, TableFormat } from '../../src/domain/plan.ts';
import { readTableSlice } from '../../src/worker/table.ts';
import { collect, scratchFolder, tableAt, writeFiles } from './scratch.ts';

type KeyCutting = Extract<Cutting, { by: 'keys' }>;
type Rows = Extract<MiniBatchSource, { kind: 'rows' }>;
const CSV: TableFormat = { format: 'csv', delimiter: ',', header: true };
const filesAt = (root: string): InputSpec => ({ kind: 'files', name: 'in', root, select: { by: 'all' } });

async function schemaOf(inputs: readonly InputSpec[]): Promise<readonly Column[]> {
  const schema = await decideSchema(inputs);
  if (!schema.ok) throw new Error(schema.error.what);
  return schema.value.columns;
}

async function rowsOf(
  source: MiniBatchSource,
  input: InputSpec,
  columns: readonly Column[],
): Promise<readonly TableRow[]> {
  if (source.kind !== 'rows' || input.kind !== 'table') throw new Error('no rows');
  const read = await readTableSlice(source, { ...input.table, schema: { columns } }, { from: 0, to: source.rows });
  if (!read.ok) throw new Error(read.error.reason);
  return (read.items as TableMiniBatch).rows;
}

interface Grouped {
  readonly drafts: readonly MiniBatchDraft[];
  readonly groups: readonly (readonly TableRow[])[];
}

async function group(
  inputs: readonly InputSpec[],
  cutting: KeyCutting,
  options: Partial<GroupOptions> = {},
): Promise<Grouped> {
  const columns = await schemaOf(inputs);
  const copies = `${scratchFolder()}/copies`;
  const added = await pathColumns(inputs, cutting, { exclude: [], columns });
  const drafts = await collect(cutGroups(inputs, cutting, { exclude: [], columns, copies, ...options }));
  expect(readdirSync(copies).sort()).toEqual(['groups', 'groups.whole']);
  const groups: (readonly TableRow[])[] = [];
  for (const { source, items } of drafts) {
    const rows = await rowsOf(source, inputs[0] as InputSpec, [...columns, ...added]);
    expect(rows.length).toBe(items);
    groups.push(rows);
  }
  return { drafts, groups };
}

/** The rows of the whole table, in its order, by the values that a worker gives. */
async function reference(input: InputSpec, keys: readonly string[]): Promise<readonly (readonly TableRow[])[]> {
  const columns = await schemaOf([input]);
  const copies = `${scratchFolder()}/copies`;
  const found = new Map<string, TableRow[]>();
  for (const { source } of await collect(
    createMiniBatches([input], { by: 'rows', rows: 1000 }, { exclude: [], copies }),
  ))
    for (const row of await rowsOf(source, input, columns)) {
      const key = JSON.stringify(
        keys.map((name) => row[name]),
        (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value),
      );
      const rows = found.get(key);
      if (rows) rows.push(row);
      else found.set(key, [row]);
    }
  return [...found.values()];
}

const text = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom('a', 'b', 'x/y', '"', 'a"b', '\n', 'é', '😀', ',', ' a', 'NA', '', 'null', '\r\n', ';'),
  },
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.integer({ min: 1, max: 4 }).map((times) => 'long '.repeat(500 * times)),
);
const number = fc.constantFrom(
  '1',
  '01',
  '+1',
  ' 2',
  '2',
  '-0',
  '0',
  '3.0',
  '3',
  '9007199254740993',
  '9007199254740992',
);
const cell = {
  text: fc.option(text),
  number: fc.option(number),
  whole: fc.constantFrom('1', '01', '2', '-0', '0'),
  truth: fc.constantFrom('true', 'True', 'false', null),
};
const kinds = fc.constantFrom(...(Object.keys(cell) as (keyof typeof cell)[]));
const memory = fc.constantFrom(0, 3000, 100_000, 100_000_000);

/** Rows of two key columns, with a number behind them, for each of some files. */
const table = fc
  .tuple(kinds, kinds)
  .chain(([a, b]) => fc.array(fc.array(fc.tuple(cell[a], cell[b]), { maxLength: 30 }), { minLength: 1, maxLength: 3 }));
type TableText = readonly (readonly (readonly [string | null, string | null])[])[];

const quoted = (value: string | null): string =>
  value === null ? '' : /[",\r\n]/.test(value) || /^\s*$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;

function csvOf(rows: TableText[number], from: number, end: string, lastEnd: boolean): string {
  const lines = [`a,b,id`, ...rows.map(([a, b], i) => `${quoted(a)},${quoted(b)},${from + i}`)];
  return lines.join(end) + (lastEnd ? end : '');
}

function files(tables: TableText, textOf: (rows: TableText[number], from: number) => string): string[] {
  let from = 0;
  return tables.map((rows) => {
    const made = textOf(rows, from);
    from += rows.length;
    return made;
  });
}

async function expectGroups(input: InputSpec, keys: readonly string[], memoryBytes: number): Promise<void> {
  const { groups } = await group([input], { by: 'keys', keys }, { memoryBytes });
  expect(groups).toEqual(await reference(input, keys));
}

const keyLists = fc.constantFrom(['a'], ['b'], ['a', 'b'], ['b', 'a']);

describe('groups are those of a table in memory', () => {
  test('CSV', async () => {
    await fc.assert(
      fc.asyncProperty(
        table,
        keyLists,
        memory,
        fc.constantFrom('\n', '\r\n', '\r'),
        fc.boolean(),
        fc.boolean(),
        async (tables, keys, memoryBytes, end, lastEnd, packed) => {
          const root = scratchFolder();
          const texts = files(tables, (rows, from) => csvOf(rows, from, end, lastEnd));
          writeFiles(
            root,
            Object.fromEntries(
              texts.map((each, i) => [`${i}.csv${packed ? '.gz' : ''}`, packed ? gzipSync(each) : each]),
            ),
          );
          await expectGroups(tableAt(root, CSV), keys, memoryBytes);
        },
      ),
      { numRuns: 80 },
    );
  }, 120_000);

  test('CSV with escapes and comments', async () => {
    const escaped = (value: string | null): string => (value ?? '').replaceAll(/[\\;#'\r\n]/g, (found) => `\\${found}`);
    await fc.assert(
      fc.asyncProperty(table, keyLists, memory, fc.boolean(), async (tables, keys, memoryBytes, lastEnd) => {
        const root = scratchFolder();
        const texts = files(
          tables,
          (rows, from) =>
            ['a;id;b', ...rows.map(([a, b], i) => `${escaped(a)};${from + i};${escaped(b)}#c`)].join('\n') +
            (lastEnd ? '\n' : ''),
        );
        writeFiles(root, Object.fromEntries(texts.map((each, i) => [`${i}.csv`, each])));
        await expectGroups(
          tableAt(root, { format: 'csv', delimiter: ';', header: true, quote: "'", escape: '\\', comment: '#' }),
          keys,
          memoryBytes,
        );
      }),
      { numRuns: 40 },
    );
  }, 120_000);

  test('JSON Lines', async () => {
    const value = fc.oneof(
      fc.option(text),
      fc.constantFrom<unknown>(1, 2, 1.5, -0, true, false, '1', 9007199254740993n, [1, 'a'], { x: null }, undefined),
    );
    const rowsOfOneKind = fc.constantFrom<fc.Arbitrary<unknown>>(
      fc.option(text),
      fc.constantFrom(1, 2, -3),
      fc.constantFrom<unknown>(1, 2.5, null, 9007199254740993n, 9007199254740992n),
      fc.constantFrom(true, false, undefined),
      value,
    );
    const anyRows = fc
      .tuple(rowsOfOneKind, rowsOfOneKind)
      .chain(([a, b]) => fc.array(fc.tuple(a, b), { maxLength: 60 }));
    const json = (of: unknown): string => (typeof of === 'bigint' ? String(of) : JSON.stringify(of));
    await fc.assert(
      fc.asyncProperty(anyRows, keyLists, memory, fc.boolean(), async (rows, keys, memoryBytes, lastEnd) => {
        const root = scratchFolder();
        const lines = rows.map(
          ([a, b], id) =>
            `{${[...(a === undefined ? [] : [`"a" : ${json(a)}`]), ...(b === undefined ? [] : [`"b":${json(b)}`]), `"id":${id}`].join(', ')}}`,
        );
        const half = Math.floor(lines.length / 2);
        writeFiles(root, {
          '1.jsonl': lines.slice(0, half).join('\n\n') + (lastEnd ? '\n' : ''),
          '2.jsonl': lines.slice(half).join('\n'),
        });
        const columns = await schemaOf([tableAt(root, { format: 'jsonl' })]);
        const known = keys.filter((name) => columns.some((column) => column.name === name));
        if (known.length > 0) await expectGroups(tableAt(root, { format: 'jsonl' }), known, memoryBytes);
      }),
      { numRuns: 80 },
    );
  }, 120_000);

  test('Parquet', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.array(fc.tuple(fc.option(text), fc.option(fc.constantFrom(1n, 2n, 2n ** 60n))), {
            minLength: 1,
            maxLength: 40,
          }),
          { minLength: 1, maxLength: 3 },
        ),
        keyLists,
        memory,
        fc.integer({ min: 1, max: 20 }),
        async (tables, keys, memoryBytes, rowGroupSize) => {
          const root = scratchFolder();
          let from = 0;
          for (const [i, rows] of tables.entries()) {
            const columnData = [
              { name: 'a', data: rows.map(([a]) => a), type: 'STRING' as const, nullable: true },
              { name: 'id', data: Int32Array.from(rows.keys(), (id) => id + from), type: 'INT32' as const },
              { name: 'b', data: rows.map(([, b]) => b), type: 'INT64' as const, nullable: true },
            ];
            writeFileSync(`${root}/${i}.parquet`, Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize })));
            from += rows.length;
          }
          await expectGroups(tableAt(root, { format: 'parquet' }), keys, memoryBytes);
        },
      ),
      { numRuns: 60 },
    );
  }, 120_000);
});

describe('keys in paths', () => {
  test('of files: those of one key in listed order, keys by first appearance', async () => {
    const root = scratchFolder();
    writeFiles(
      root,
      Object.fromEntries(['d1/x/f', 'd1/y/f', 'd1/y/g', 'd2/x/f', 'd3/\xff"/f', 'd3/x/f'].map((name) => [name, ''])),
    );
    const cutting: KeyCutting = { by: 'keys', keys: ['store'], format: '{date}/{store}/*' };
    const copies = `${scratchFolder()}/copies`;
    for (const memoryBytes of [0, 1_000_000]) {
      const drafts = await collect(
        cutGroups([filesAt(root)], cutting, { exclude: [], copies, stamps: true, memoryBytes }),
      );
      expect(drafts.map(({ source }) => source)).toEqual([
        { kind: 'files', root, files: ['d1/x/f', 'd2/x/f', 'd3/x/f'], keys: [['store', 'x']] },
        { kind: 'files', root, files: ['d1/y/f', 'd1/y/g'], keys: [['store', 'y']] },
        { kind: 'files', root, files: ['d3/\udcff"/f'], keys: [['store', '\udcff"']] },
      ]);
      expect(drafts.map(({ stamps }) => stamps?.map(({ bytes }) => bytes))).toEqual([[0, 0, 0], [0, 0], [0]]);
      expect(readdirSync(copies)).toEqual([]);
    }
  });

  test('of files in several inputs', async () => {
    const root = scratchFolder();
    writeFiles(root, { 'one/k=1/a': '', 'two/k=2/b': '', 'two/k=1/c': '' });
    const drafts = await collect(
      cutGroups([filesAt(`${root}/two`), filesAt(`${root}/one`)], { by: 'keys', keys: ['k'] }, { exclude: [] }),
    );
    expect(drafts.map(({ source }) => source.kind === 'files' && source.files)).toEqual([
      ['two/k=1/c', 'one/k=1/a'],
      ['two/k=2/b'],
    ]);
  });

  test.each(['csv', 'jsonl', 'parquet'] as const)('of %s: columns behind those of the files', async (format) => {
    const root = scratchFolder();
    const rows = (ids: readonly number[]): string | Uint8Array => {
      if (format === 'csv') return `id,t\n${ids.map((id) => `${id},t${id % 2}\n`).join('')}`;
      if (format === 'jsonl') return ids.map((id) => `{"id":${id},"t":"t${id % 2}"}\n`).join('');
      const columnData = [
        { name: 'id', data: [...ids], type: 'INT32' as const },
        { name: 't', data: ids.map((id) => `t${id % 2}`), type: 'STRING' as const },
      ];
      return Buffer.from(parquetWriteBuffer({ columnData }));
    };
    writeFiles(root, {
      [`k=a%2Fb/1.${format}`]: rows([1, 2, 3]),
      [`k=__HIVE_DEFAULT_PARTITION__/1.${format}`]: rows([4, 5]),
      [`k=a%2Fb/2.${format}`]: rows([6]),
    });
    const input = tableAt(root, format === 'csv' ? CSV : { format });
    const { groups, drafts } = await group([input], { by: 'keys', keys: ['k', 't'] });
    expect(groups).toEqual([
      [{ id: 4, t: 't0', k: null }],
      [{ id: 5, t: 't1', k: null }],
      [1, 3].map((id) => ({ id, t: 't1', k: 'a/b' })),
      [2, 6].map((id) => ({ id, t: 't0', k: 'a/b' })),
    ]);
    expect(drafts.map(({ source }) => describeSource(source))).toEqual([
      `k=null, t=t0: 1 row of ${root}`,
      `k=null, t=t1: 1 row of ${root}`,
      `k=a/b, t=t1: 2 rows of ${root}`,
      `k=a/b, t=t0: 2 rows of ${root}`,
    ]);
    const whole = await group([input], { by: 'keys', keys: ['k'] });
    expect(whole.groups.map((found) => found.map(({ id }) => id))).toEqual([
      [4, 5],
      [1, 2, 3, 6],
    ]);
  });
});

describe('what is refused', () => {
  const refusal = async (inputs: readonly InputSpec[], cutting: KeyCutting): Promise<string> => {
    const columns = inputs[0]?.kind === 'table' ? await schemaOf(inputs) : undefined;
    const error: unknown = await pathColumns(inputs, cutting, { exclude: [], ...(columns && { columns }) }).then(
      () => undefined,
      (caught: unknown) => caught,
    );
    const { problem } = error as {
      problem: { code: string; what: string; why?: string; next?: string; where: { file: string } };
    };
    return `${problem.code} ${problem.where.file}: ${problem.what}; ${problem.why ?? ''}; ${problem.next ?? ''}`;
  };

  test('a key that is nowhere, with the one that is meant', async () => {
    const root = scratchFolder();
    writeFiles(root, { 'y=1/a.csv': 'Store,x\n1,2\n' });
    expect(await refusal([tableAt(root, CSV)], { by: 'keys', keys: ['store'] })).toBe(
      `PR3301 ${root}/y=1/a.csv: there is no partition key "store"; the columns of the table are "Store", "x"; partition_format is not given; no folder of the path is called store=; did you mean "Store"?`,
    );
    expect(await refusal([filesAt(root)], { by: 'keys', keys: ['z'] })).toContain('whole files, which have no columns');
  });

  test('a file that is not of the format', async () => {
    const root = scratchFolder();
    writeFiles(root, { 'a/b/1': '', c: '' });
    expect(await refusal([filesAt(root)], { by: 'keys', keys: ['s'], format: '{s}/*/*' })).toMatch(/^PR3303 .*\/c: /);
  });

  test('a key that is both in the path and a column', async () => {
    const root = scratchFolder();
    writeFiles(root, { 'a/1.csv': 's\n1\n' });
    expect(await refusal([tableAt(root, CSV)], { by: 'keys', keys: ['s'], format: '{s}/*' })).toMatch(/^PR3302 /);
  });

  test('a nested column', async () => {
    const root = scratchFolder();
    const columnData = [{ name: 's', data: [[1], [2, 3]] }];
    const schema = [
      { name: 'root', num_children: 1 },
      { name: 's', num_children: 1, converted_type: 'LIST' as const, repetition_type: 'OPTIONAL' as const },
      { name: 'list', num_children: 1, repetition_type: 'REPEATED' as const },
      { name: 'element', type: 'INT32' as const, repetition_type: 'OPTIONAL' as const },
    ];
    writeFiles(root, { '1.parquet': Buffer.from(parquetWriteBuffer({ columnData, schema })) });
    expect(await refusal([tableAt(root, { format: 'parquet' })], { by: 'keys', keys: ['s'] })).toMatch(/^PR3304 /);
  });

  test('inputs of different dialects', async () => {
    const root = scratchFolder();
    writeFiles(root, { 'a/1.csv': 's,t\n1,2\n', 'b/1.tsv': 's\tt\n1\t2\n' });
    const inputs = [tableAt(`${root}/a`, CSV), tableAt(`${root}/b`, { ...CSV, delimiter: '\t' })];
    expect(await refusal(inputs, { by: 'keys', keys: ['s'] })).toMatch(/^PR3305 /);
  });
});

test('a value that is not of its column, and a line that is no object, have mini-batches of their own', async () => {
  const root = scratchFolder();
  writeFiles(root, { '1.jsonl': '{"a":1}\n{"a":null}\n{"a":\n{"b":1}\n' });
  const columns: Column[] = [{ name: 'a', type: 'float64' }];
  const drafts = await collect(
    cutGroups([tableAt(root, { format: 'jsonl' })], { by: 'keys', keys: ['a'] }, { exclude: [], columns }),
  );
  expect(drafts.map(({ items }) => items)).toEqual([1, 2, 1]);
});

describe('one mini-batch without the copy of all', () => {
  test.each(['csv', 'parquet'] as const)('%s', async (format) => {
    const root = scratchFolder();
    const columnData = [{ name: 'a', data: [1, 2, 1, 2, 1], type: 'INT32' as const }];
    const bytes = format === 'csv' ? 'a\n1\n2\n1\n2\n1' : Buffer.from(parquetWriteBuffer({ columnData }));
    writeFiles(root, { [`1.${format}`]: bytes });
    const input = tableAt(root, format === 'csv' ? CSV : { format });
    const cutting: KeyCutting = { by: 'keys', keys: ['a'] };
    const columns = await schemaOf([input]);
    const [first, second] = await collect(cutGroups([input], cutting, { exclude: [], columns }));
    expect((first?.source as Rows).data).toBeUndefined();
    const copies = scratchFolder();
    const context = { inputs: [input], cutting, columns, exclude: [] };
    const source = await withCopy(second?.source as Rows, copies, context);
    expect(await rowsOf(source, input, columns)).toEqual([{ a: 2 }, { a: 2 }]);
    writeFiles(root, { [`2.${format}`]: bytes });
    await expect(withCopy(second?.source as Rows, copies, context)).rejects.toMatchObject({
      problem: { code: 'PR3307' },
    });
  });
});

test('a copy is not changed where somebody may be reading it, and is whole before anybody is sent there', async () => {
  const root = scratchFolder();
  writeFiles(root, { '1.csv': `a\n${'1\n2\n'.repeat(100)}` });
  const input = tableAt(root, CSV);
  const columns = await schemaOf([input]);
  const copies = `${scratchFolder()}/copies`;
  const options = { exclude: [], columns, copies, groupedFiles: `${root}.grouped` };
  const first = cutGroups([input], { by: 'keys', keys: ['a'] }, options);
  const { value } = await first.next();
  expect(readFileSync(`${copies}/groups.whole`, 'utf8')).toBe('400');
  expect(existsSync(`${root}.grouped`)).toBe(true);
  expect(value).toHaveLength(2);
  await first.return();
  expect(readdirSync(copies).sort()).toEqual(['groups', 'groups.whole']);
});
