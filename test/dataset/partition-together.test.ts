/** Partition keys beside what else there is: Arrow files, queries, lists, ragged rows, files that differ. */
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, test } from 'vitest';
import { checkQueries, copyQueries, decideSchema, pathColumns, withCopies } from '../../src/dataset/index.ts';
import { cutGroups } from '../../src/dataset/group/groups.ts';
import type { TableMiniBatch, TableRow } from '../../src/domain/entry.ts';
import { describeSource } from '../../src/domain/minibatch.ts';
import type { InputSpec, TableFormat, TableSchema } from '../../src/domain/plan.ts';
import { readTableSlice } from '../../src/worker/table.ts';
import { TEST_PYTHON, hasModule } from '../e2e/rig.ts';
import { collect, scratchFolder, tableAt, writeFiles } from './scratch.ts';

interface Grouped {
  readonly keys: readonly (readonly (string | null)[])[];
  readonly groups: readonly (readonly TableRow[])[];
  readonly described: readonly string[];
  readonly skipped: readonly (readonly [reason: string, rows: number | undefined])[];
}

async function schemaOf(inputs: readonly InputSpec[]): Promise<TableSchema> {
  const schema = await decideSchema(inputs);
  if (!schema.ok) throw Object.assign(new Error(schema.error.what), { problem: schema.error });
  return schema.value;
}

async function grouped(inputs: readonly InputSpec[], ...keys: string[]): Promise<Grouped> {
  const { columns: own } = await schemaOf(inputs);
  const cutting = { by: 'keys', keys } as const;
  const columns = [...own, ...(await pathColumns(inputs, cutting, { exclude: [], columns: own }))];
  const copies = `${scratchFolder()}/copies`;
  const skipped: Grouped['skipped'][number][] = [];
  const onSkip = (_: string, reason: string, rows?: number): number => skipped.push([reason, rows]);
  const drafts = await collect(cutGroups(inputs, cutting, { exclude: [], columns, copies, onSkip }));
  const groups: (readonly TableRow[])[] = [];
  for (const { source, items } of drafts) {
    const [input] = inputs;
    if (source.kind !== 'rows' || input?.kind !== 'table') throw new Error('no rows');
    const table = { ...input.table, schema: { columns } };
    const all = await readTableSlice(source, table, { from: 0, to: items });
    const end = await readTableSlice(source, table, { from: items - 1, to: items });
    if (!all.ok || !end.ok) throw new Error(JSON.stringify([all, end]));
    const { rows } = all.items as TableMiniBatch;
    expect((end.items as TableMiniBatch).rows).toEqual(rows.slice(-1));
    expect((all.items as TableMiniBatch & { numRows: number }).numRows).toBe(items);
    groups.push(rows);
  }
  const described = drafts.map(({ source }) => describeSource(source));
  const named = drafts.map(({ source }) =>
    source.kind === 'rank' ? [] : (source.keys ?? []).map(([, value]) => value),
  );
  return { keys: named, groups, described, skipped };
}

const ids = ({ groups }: Grouped): unknown[][] => groups.map((rows) => rows.map(({ id }) => id));

describe.runIf(hasModule('pyarrow'))('Arrow', () => {
  const WRITER = `
import datetime, decimal, json, sys
import pyarrow as pa
root, compression = sys.argv[1:]
when = datetime.datetime(2024, 1, 2, 3, 4, 5, 600)
for part in range(2):
    ids = range(part * 50, part * 50 + 50)
    gap = lambda i, v: None if i % 7 == 3 else v
    table = pa.table({
        "id": pa.array(ids, pa.int32()),
        "text": pa.array([gap(i, "é%d" % (i % 3)) for i in ids]),
        "category": pa.array([gap(i, "c%d" % (i % 4 + part)) for i in ids]).dictionary_encode(),
        "whole": pa.array([gap(i, 2**60 + i % 3) for i in ids], pa.int64()),
        "unsigned": pa.array([gap(i, 2**64 - 1 - i % 3) for i in ids], pa.uint64()),
        "number": pa.array([float("nan") if i % 5 == 4 else gap(i, i % 3 / 4) for i in ids]),
        "truth": pa.array([gap(i, i % 2 == 0) for i in ids]),
        "day": pa.array([gap(i, datetime.date(1969, 12, 30 + i % 2)) for i in ids]),
        "time": pa.array([gap(i, when + datetime.timedelta(microseconds=i % 3)) for i in ids], pa.timestamp("us", "UTC")),
        "amount": pa.array([gap(i, decimal.Decimal(i % 3 - 1) / 4) for i in ids], pa.decimal128(12, 2)),
        "bytes": pa.array([gap(i, bytes([i % 3, 255])) for i in ids]),
        "list": pa.array([[i] for i in ids]),
    })
    options = pa.ipc.IpcWriteOptions(compression=None if compression == "none" else compression)
    with pa.ipc.new_file("%s/shop=%d/%d.arrow" % (root, part, part), table.schema, options=options) as file:
        for batch in table.to_batches(max_chunksize=17): file.write_batch(batch)
`;
  function written(compression: string): InputSpec {
    const root = scratchFolder();
    writeFiles(root, { 'shop=0/none': '', 'shop=1/none': '' });
    execFileSync(TEST_PYTHON ?? 'python3', ['-c', WRITER, root, compression]);
    return { ...tableAt(root, { format: 'arrow' }), select: { by: 'glob', pattern: '**/*.arrow' } };
  }

  /** By the values that scripts get. */
  function expected(valueOf: (id: number) => string | null): number[][] {
    const groups = new Map<string | null, number[]>();
    for (let id = 0; id < 100; id++) {
      const value = id % 7 === 3 ? null : valueOf(id);
      groups.set(value, [...(groups.get(value) ?? []), id]);
    }
    return [...groups.values()];
  }

  test.each(['none', 'lz4', 'zstd'])('%s: values of every plain type, as they are stored', async (compression) => {
    const input = written(compression);
    const cases: readonly (readonly [string, (id: number) => string | null])[] = [
      ['text', (i) => `é${i % 3}`],
      ['category', (i) => `c${(i % 4) + Math.floor(i / 50)}`],
      ['whole', (i) => String(2n ** 60n + BigInt(i % 3))],
      ['unsigned', (i) => String(2n ** 64n - 1n - BigInt(i % 3))],
      ['number', (i) => (i % 5 === 4 ? null : String((i % 3) / 4))],
      ['truth', (i) => String(i % 2 === 0)],
      ['day', (i) => `1969-12-${30 + (i % 2)}`],
      ['time', (i) => `2024-01-02T03:04:05.000${600 + (i % 3)}`.replace(/0+$/, '')],
      ['amount', (i) => ['-0.25', '0.00', '0.25'][i % 3] ?? ''],
      ['bytes', (i) => `0${i % 3}ff`],
    ];
    for (const [key, valueOf] of cases) {
      const found = await grouped([input], key);
      expect(ids(found), key).toEqual(
        key === 'number' ? expected((i) => (i % 5 === 4 ? null : valueOf(i))) : expected(valueOf),
      );
      const values = found.groups.map(([row]) => (Number(row?.['id']) % 7 === 3 ? null : valueOf(Number(row?.['id']))));
      expect(found.keys, key).toEqual(values.map((value) => [value]));
    }
  });

  test('a key in the path is a column of each mini-batch, behind those of the files', async () => {
    const found = await grouped([written('none')], 'text', 'shop');
    expect(found.keys).toContainEqual(['é1', '1']);
    for (const [g, rows] of found.groups.entries())
      for (const row of rows) {
        expect(row['shop']).toBe(found.keys[g]?.[1]);
        expect(row['shop']).toBe(Number(row['id']) < 50 ? '0' : '1');
        expect(Object.keys(row).at(-1)).toBe('shop');
        expect(row['list']).toEqual([row['id']]);
        expect(row['category']).toBe(
          Number(row['id']) % 7 === 3 ? null : `c${(Number(row['id']) % 4) + Number(row['shop'])}`,
        );
      }
  });

  test('columns are looked at before anything is grouped', async () => {
    const input = written('none');
    const { columns } = await schemaOf([input]);
    const check = (key: string) => pathColumns([input], { by: 'keys', keys: [key] }, { exclude: [], columns });
    for (const { name } of columns) if (name !== 'list') expect(await check(name), name).toEqual([]);
    await expect(check('list')).rejects.toMatchObject({
      problem: { code: 'PR3304', why: 'its values are lists, maps or structures' },
    });
  });

  test('what cannot be read is refused', async () => {
    const root = scratchFolder();
    writeFiles(root, { 'runs/none': '' });
    rmSync(`${root}/runs/none`);
    const write = `
import sys, pyarrow as pa
table = pa.table({"id": [1, 2, 3], "view": pa.array(["a", None, "a" * 20], pa.string_view())})
with pa.ipc.new_file(sys.argv[1] + "/1.arrow", table.schema) as file: file.write_table(table)
runs = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["a", "b"]))
table = pa.table({"id": [1, 2, 3], "runs": runs})
with pa.ipc.new_file(sys.argv[1] + "/runs/1.arrow", table.schema) as file: file.write_table(table)
`;
    execFileSync(TEST_PYTHON ?? 'python3', ['-c', write, root]);
    const views = { ...tableAt(root, { format: 'arrow' }), select: { by: 'glob', pattern: '*.arrow' } } as const;
    expect((await grouped([views], 'view')).keys).toEqual([['a'], [null], ['a'.repeat(20)]]);
    const runs = [tableAt(`${root}/runs`, { format: 'arrow' })];
    const { columns } = await schemaOf(runs);
    const cutting = { by: 'keys', keys: ['runs'] } as const;
    const refused = { problem: { code: 'PR3306' } };
    await expect(pathColumns(runs, cutting, { exclude: [], columns })).rejects.toMatchObject(refused);
    await expect(collect(cutGroups(runs, cutting, { exclude: [], columns }))).rejects.toMatchObject(refused);
  });
});

describe('rows of a query', () => {
  const TEXT = "SELECT * FROM (VALUES (0, 'a'), (1, 'b'), (2, 'a'), (3, NULL), (4, 'b')) AS t (id, brand) ORDER BY id";

  test('are grouped by its columns, in both databases', async () => {
    for (const engine of ['duckdb', 'sqlite'] as const) {
      const folder = scratchFolder();
      const database = engine === 'duckdb' ? folder : `${folder}/shop.db`;
      if (engine === 'sqlite') writeFileSync(database, '');
      const text =
        engine === 'duckdb'
          ? TEXT
          : TEXT.replace('(VALUES', '(SELECT column1 AS id, column2 AS brand FROM (VALUES').replace(
              ') AS t (id, brand)',
              '))',
            );
      const table: TableFormat = engine === 'duckdb' ? { format: 'parquet' } : { format: 'jsonl' };
      const input = { ...tableAt(folder, table), query: { engine, database, text } } as InputSpec;
      await checkQueries([input], `${folder}/temp`);
      await copyQueries([input], `${folder}/queries`);
      const inputs = withCopies([input], `${folder}/queries`);
      const found = await grouped(inputs, 'brand');
      expect(ids(found)).toEqual([[0, 2], [1, 4], [3]]);
      expect(found.keys).toEqual([['a'], ['b'], [null]]);
      expect(found.described[0]).toBe(`brand=a: 2 rows of ${database} query`);
      await expect(grouped(inputs, 'Brand')).rejects.toMatchObject({
        problem: { code: 'PR3301', where: { file: database }, next: 'did you mean "brand"?' },
      });
    }
  });
});

const CSV = { format: 'csv', delimiter: ',', header: true } as const;

describe('rows with another number of fields', () => {
  const texts = { '1.csv': 'id,k\n0,a\n1\n2,b\n', '2.csv': 'id,k\n4,a\n3,b,x\n' };
  function input(ragged?: 'skip' | 'error'): InputSpec {
    const root = scratchFolder();
    for (const [name, text] of Object.entries(texts)) writeFileSync(`${root}/${name}`, text);
    return tableAt(root, { ...CSV, ...(ragged && { ragged }) });
  }

  test('are left out and told', async () => {
    const found = await grouped([input('skip')], 'k');
    expect(ids(found)).toEqual([[0, 4], [2]]);
    expect(found.skipped).toEqual([
      ['line 3 has 1 field, not 2: "1"', 1],
      ['line 3 has 3 fields, not 2: "3,b,x"', 1],
    ]);
  });

  test('end the run', async () => {
    await expect(grouped([input('error')], 'k')).rejects.toMatchObject({
      problem: { code: 'PR3014', where: { line: 3 } },
    });
  });

  test('by default what a short one lacks is missing; of one that is too long no line of the copy is told', async () => {
    const wanted = 'data row 1: it has 3 fields, its file has 2 columns';
    await expect(grouped([input()], 'k')).rejects.toThrow(wanted);
  });
});

describe('files that differ, by name', () => {
  test('Parquet: wider types, and a key that a file lacks is missing', async () => {
    const root = scratchFolder();
    const write = (name: string, data: Record<string, readonly [string, unknown[]]>): void => {
      const columnData = Object.entries(data).map(([column, [type, values]]) => ({ name: column, data: values, type }));
      writeFileSync(`${root}/${name}`, Buffer.from(parquetWriteBuffer({ columnData: columnData as never })));
    };
    write('1.parquet', { id: ['INT32', [0, 1]], k: ['INT32', [7, 8]], t: ['STRING', ['x', 'y']] });
    write('2.parquet', { k: ['INT64', [8n, 7n]], id: ['INT32', [2, 3]] });
    write('3.parquet', { id: ['INT32', [4]], t: ['STRING', ['x']] });
    const input = tableAt(root, { format: 'parquet', drift: 'by_name' });
    const byNumber = await grouped([input], 'k');
    expect(ids(byNumber)).toEqual([[0, 3], [1, 2], [4]]);
    expect(byNumber.keys).toEqual([['7'], ['8'], [null]]);
    expect(byNumber.groups[0]?.map(({ t }) => t)).toEqual(['x', null]);
    expect(ids(await grouped([input], 't'))).toEqual([[0, 4], [1], [2, 3]]);
    write('0.parquet', { t: ['STRING', []] });
    expect(ids(await grouped([input], 'k'))).toEqual([[0, 3], [1, 2], [4]]);
  });

  test.runIf(hasModule('pyarrow'))('Parquet: a key that only some files have is looked at in one of them', async () => {
    const root = scratchFolder();
    const write = `
import datetime, sys, pyarrow as pa, pyarrow.parquet as pq
root = sys.argv[1]
pq.write_table(pa.table({"id": [0]}), root + "/1.parquet")
table = pa.table({"id": [1], "list": [[1]], "time": [datetime.datetime(2024, 1, 2)]})
pq.write_table(table, root + "/2.parquet", use_deprecated_int96_timestamps=True)
`;
    execFileSync(TEST_PYTHON ?? 'python3', ['-c', write, root]);
    const input = tableAt(root, { format: 'parquet', drift: 'by_name' });
    const { columns } = await schemaOf([input]);
    const check = (key: string) => pathColumns([input], { by: 'keys', keys: [key] }, { exclude: [], columns });
    expect(await check('id')).toEqual([]);
    const refused = (why: string) => ({ problem: { code: 'PR3304', where: { file: `${root}/2.parquet` }, why } });
    await expect(check('list')).rejects.toMatchObject(refused('its values are lists, maps or structures'));
    await expect(check('time')).rejects.toMatchObject(refused('its times are of the old type INT96'));
  });

  test('CSV whose files differ is refused before anything is grouped', async () => {
    const root = scratchFolder();
    writeFileSync(`${root}/1.csv`, 'id,k\n0,a\n');
    writeFileSync(`${root}/2.csv`, 'id,k\n1,a\n');
    const table = { ...CSV, drift: 'by_name' } as const;
    expect(ids(await grouped([tableAt(root, table)], 'k'))).toEqual([[0, 1]]);
    writeFileSync(`${root}/3.csv`, 'k,id\na,2\n');
    await expect(
      pathColumns(
        [tableAt(root, table)],
        { by: 'keys', keys: ['k'] },
        {
          exclude: [],
          columns: [
            { name: 'id', type: 'int64' },
            { name: 'k', type: 'string' },
          ],
        },
      ),
    ).rejects.toMatchObject({ problem: { code: 'PR3309', where: { file: `${root}/3.csv` } } });
  });
});

test('files of a list, by what their paths say', async () => {
  const root = scratchFolder();
  writeFiles(root, { 'a/k=1/x': '', 'b/k=2/y': '', 'b/k=1/z': '' });
  writeFileSync(`${root}/list.txt`, ['b/k=1/z', 'b/k=2/y', 'a/k=1/x', 'b/k=1/z', ''].join('\n'));
  const list: InputSpec = { kind: 'files', name: 'in', root: '/', select: { by: 'list', file: `${root}/list.txt` } };
  const files = async (format?: string) => {
    const cutting = { by: 'keys', keys: ['k'], ...(format !== undefined && { format }) } as const;
    const drafts = await collect(cutGroups([list], cutting, { exclude: [], stamps: true }));
    expect(drafts.every(({ stamps, items }) => stamps?.length === items)).toBe(true);
    return drafts.map(({ source }) =>
      source.kind === 'files' ? source.files.map((file) => `${source.root}/${file}`) : [],
    );
  };
  expect(await files()).toEqual([[`${root}/b/k=1/z`, `${root}/a/k=1/x`, `${root}/b/k=1/z`], [`${root}/b/k=2/y`]]);
  expect(await files('**/{k}/*/*')).toEqual([
    [`${root}/b/k=1/z`, `${root}/b/k=2/y`, `${root}/b/k=1/z`],
    [`${root}/a/k=1/x`],
  ]);
  await expect(files('{k}/*')).rejects.toMatchObject({ problem: { code: 'PR3303' } });
});
