/**
 * Random tables and random transformations of an MLTable, read from its text: what both hosts make of all slices, cut in
 * several ways, is what carrying the steps out one by one on all rows gives. The seed is printed with what fails.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { expect, test } from 'vitest';
import { createMiniBatches, decideSchema, gapsOf, withSteps } from '../../src/dataset/index.ts';
import type { TableCell, TableMiniBatch } from '../../src/domain/entry.ts';
import type { MiniBatchSource } from '../../src/domain/minibatch.ts';
import type { Column, Cutting, InputSpec, TableFormat } from '../../src/domain/plan.ts';
import { readTableSlice } from '../../src/worker/table.ts';
import { compiled } from '../job/workspace.ts';

const PYTHON = process.env.PARALLELRUN_TEST_PYTHON;
const SCRIPT = fileURLToPath(new URL('transforms.py', import.meta.url));
const SEED = Number(process.env.TRANSFORMS_SEED ?? Math.floor(Math.random() * 1e9));
const CASES = Number(process.env.TRANSFORMS_CASES ?? 60);

type Format = 'csv' | 'jsonl' | 'parquet';
type Value = string | number | boolean | null;
/** `raw`: the text in a file of CSV. */
interface Cell {
  readonly value: Value;
  readonly raw: string;
}
type Row = ReadonlyMap<string, Cell>;
/** What a step does to all rows, in their order. */
interface Step {
  readonly yaml: string;
  readonly on: (rows: readonly Row[]) => readonly Row[];
}

/** The same numbers for the same seed. */
class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }
  below(count: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % count;
  }
  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}

const NAMES = ['ada', 'bob', 'two words', 'ü', 'a,b'];
const cell = (value: Value, raw = value === null ? '' : String(value)): Cell => ({ value, raw });

function rowOf(random: Random, id: number, format: Format): Row {
  const code = `00${random.below(10)}`;
  const price = random.below(20) / 2;
  const ok = random.below(2) === 0;
  return new Map([
    ['id', cell(id)],
    ['price', random.below(6) === 0 ? cell(null) : cell(price, Number.isInteger(price) ? `${price}.0` : String(price))],
    // a column without a single value would be one of numbers
    ['name', id > 0 && random.below(4) === 0 ? cell(null) : cell(random.of(NAMES))],
    ['ok', cell(ok, ok ? 'True' : 'False')],
    ['day', cell(`2024-01-0${1 + random.below(9)}`)],
    // of CSV a number, until it is wanted as a text
    ['code', cell(format === 'csv' ? Number(code) : code, code)],
  ]);
}

const text = (value: string): string => JSON.stringify(value);
const at = (row: Row, name: string): Value => row.get(name)?.value ?? null;
const changed = (row: Row, name: string, value: Value): Row => new Map([...row, [name, cell(value)]]);

function conditionOf(random: Random, columns: readonly string[], depth = 0): [string, (row: Row) => boolean] {
  if (depth < 2 && random.below(3) === 0) {
    const [a, testA] = conditionOf(random, columns, depth + 1);
    const [b, testB] = conditionOf(random, columns, depth + 1);
    return random.of<[string, (row: Row) => boolean]>([
      [`(${a} and ${b})`, (row) => testA(row) && testB(row)],
      [`(${a} | ${b})`, (row) => testA(row) || testB(row)],
      [`not ${a}`, (row) => !testA(row)],
    ]);
  }
  const number = random.below(12);
  const name = random.of(NAMES);
  const day = `2024-01-0${1 + random.below(9)}`;
  const known: [string, string, (row: Row) => boolean][] = [
    ['id', `col("id") > ${number}`, (row) => Number(at(row, 'id')) > number],
    [
      'price',
      `col("price") <= ${number / 2}`,
      (row) => at(row, 'price') !== null && Number(at(row, 'price')) <= number / 2,
    ],
    ['name', `col('name') == ${text(name)}`, (row) => at(row, 'name') === name],
    ['name', `${text(name)} != col("name")`, (row) => at(row, 'name') !== null && at(row, 'name') !== name],
    ['name', 'col("name").is_null()', (row) => at(row, 'name') === null],
    ['price', 'col("price") != null', (row) => at(row, 'price') !== null],
    ['ok', 'col("ok")', (row) => at(row, 'ok') === true],
    ['ok', 'col("ok") == false', (row) => at(row, 'ok') === false],
    ['day', `col("day") >= "${day}"`, (row) => String(at(row, 'day')) >= day],
  ];
  const [, written, holds] = random.of(known.filter(([column]) => columns.includes(column)));
  return [written, holds];
}

function stepOf(random: Random, columns: string[], converted: Set<string>, keys: readonly string[]): Step | undefined {
  const free = columns.filter((name) => !keys.includes(name));
  switch (random.below(6)) {
    case 0: {
      const count = random.below(9);
      return { yaml: `skip: ${count}`, on: (rows) => rows.slice(count) };
    }
    case 1: {
      const count = 1 + random.below(30);
      return { yaml: `take: ${count}`, on: (rows) => rows.slice(0, count) };
    }
    case 2: {
      const plain = columns.filter((name) => !converted.has(name) && name !== 'code');
      if (plain.length === 0) return undefined;
      const [written, holds] = conditionOf(random, plain);
      return { yaml: `filter: '${written.replaceAll("'", "''")}'`, on: (rows) => rows.filter(holds) };
    }
    case 3: {
      if (free.length < 3) return undefined;
      const name = random.of(free);
      columns.splice(columns.indexOf(name), 1);
      const without = (row: Row): Row => new Map([...row].filter(([key]) => key !== name));
      return { yaml: `drop_columns: ${random.of([name, `[${name}]`])}`, on: (rows) => rows.map(without) };
    }
    case 4: {
      const kept = columns.filter((name) => keys.includes(name) || random.below(4) > 0);
      if (kept.length < 2) return undefined;
      columns.splice(0, columns.length, ...kept);
      const only = (row: Row): Row => new Map([...row].filter(([key]) => kept.includes(key)));
      return { yaml: `keep_columns: [${kept.join(', ')}]`, on: (rows) => rows.map(only) };
    }
    default: {
      const plain = free.filter((each) => !converted.has(each) && each !== 'name');
      if (plain.length === 0) return undefined;
      const name = random.of(plain);
      converted.add(name);
      const [to, of] = CONVERSIONS[name] as [string, (cell: Cell) => Value];
      return {
        yaml: `convert_column_types: [ { columns: ${name}, column_type: ${to} } ]`,
        on: (rows) => rows.map((row) => changed(row, name, of(row.get(name) as Cell))),
      };
    }
  }
}

const CONVERSIONS: Readonly<Record<string, [type: string, of: (cell: Cell) => Value]>> = {
  id: ['string', ({ raw }) => raw],
  price: ['string', ({ value, raw }) => (value === null ? null : raw)],
  ok: ['{ boolean: { true_values: ["True"], false_values: ["False"] } }', ({ value }) => value],
  day: ["{ datetime: { formats: ['%Y-%m-%d'] } }", ({ value }) => `${String(value)}T00:00:00`],
  code: ['string', ({ raw }) => raw],
};

interface Case {
  readonly folder: string;
  readonly format: Format;
  readonly steps: readonly string[];
  readonly keys: readonly string[];
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
}

function makeCase(folder: string, seed: number): Case {
  const random = new Random(seed);
  const format = random.of<Format>(['csv', 'jsonl', 'parquet']);
  const readers = { csv: 'read_delimited', jsonl: 'read_json_lines', parquet: 'read_parquet' };
  let rows: Row[] = [];
  const extracts = random.below(2) === 0;
  for (let file = 0, id = 0; file < 1 + random.below(3); file++) {
    const path = `table/shop=${file}/f.dat`;
    const own = Array.from({ length: 1 + random.below(25) }, () => rowOf(random, id++, format));
    write(join(folder, path), bytesOf(own, format));
    rows.push(...own.map((row) => (extracts ? new Map([...row, ['shop', cell(String(file))]]) : row)));
  }
  const keys = random.below(4) === 0 ? ['day'] : [];
  const columns = [...(rows[0]?.keys() ?? [])];
  const yaml = extracts ? ['extract_columns_from_partition_format: "shop={shop}/f.dat"'] : [];
  const columnsInFiles = columns.filter((name) => name !== 'shop' || keys.length === 0);
  if (keys.length > 0) rows = rows.map((row) => new Map([...row].filter(([name]) => name !== 'shop')));
  const converted = new Set<string>(['shop']);
  let left: readonly Row[] = rows;
  for (let i = random.below(6); i > 0; i--) {
    const step = stepOf(random, columnsInFiles, converted, keys);
    if (!step) continue;
    yaml.push(step.yaml);
    left = step.on(left);
  }
  const mltable = [
    'paths: [ { pattern: "./*/f.dat" } ]',
    'transformations:',
    ...[readers[format], ...yaml].map((step) => `  - ${step}`),
  ];
  write(join(folder, 'table/MLTable'), `${mltable.join('\n')}\n`);
  const job = `jobs:\n  s:\n    type: parallel\n${keys.length > 0 ? `    partition_keys: [${keys.join(', ')}]\n` : ''}    inputs: { d: { type: mltable, path: ./table } }\n    input_data: \${{inputs.d}}\n    task: { code: ., entry_script: score.py }\n`;
  write(join(folder, 'job.yml'), job);
  write(join(folder, 'score.py'), 'def run(b): return b\n');
  return { folder, format, steps: yaml, keys, columns: columnsInFiles, rows: left };
}

function write(path: string, bytes: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
}

function bytesOf(rows: readonly Row[], format: Format): string | Uint8Array {
  const names = [...(rows[0]?.keys() ?? [])];
  switch (format) {
    case 'csv': {
      const field = ({ raw }: Cell): string => (raw.includes(',') ? `"${raw}"` : raw);
      return [names.join(','), ...rows.map((row) => [...row.values()].map(field).join(','))]
        .map((line) => `${line}\n`)
        .join('');
    }
    case 'jsonl':
      return rows
        .map((row) => `${JSON.stringify(Object.fromEntries(names.map((name) => [name, at(row, name)])))}\n`)
        .join('');
    case 'parquet': {
      const types = {
        id: 'INT32',
        price: 'DOUBLE',
        name: 'STRING',
        ok: 'BOOLEAN',
        day: 'STRING',
        code: 'STRING',
      } as const;
      const columnData = names.map((name) => ({
        name,
        data: rows.map((row) => at(row, name)),
        type: types[name as keyof typeof types],
      }));
      return new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 7 }));
    }
  }
}

interface Found {
  readonly table: TableFormat;
  readonly columns: readonly Column[];
  readonly sources: readonly MiniBatchSource[];
  readonly items: readonly number[];
}

async function cut(inputs: readonly InputSpec[], cutting: Cutting, folder: string): Promise<Found> {
  const tables = inputs.filter((input) => input.kind === 'table');
  const [input] = tables;
  if (!input) throw new Error('no table');
  const schema = await decideSchema(tables, { gapsOf: gapsOf(tables) });
  if (!schema.ok) throw new Error(JSON.stringify(schema.error));
  const columns = withSteps(schema.value.columns, inputs, cutting);
  const sources: MiniBatchSource[] = [];
  const items: number[] = [];
  for await (const drafts of createMiniBatches(inputs, cutting, {
    exclude: [],
    copies: join(folder, 'copies'),
    columns,
  })) {
    sources.push(...drafts.map((draft) => draft.source));
    items.push(...drafts.map((draft) => draft.items));
  }
  return { table: input.table, columns, sources, items };
}

async function asNodeReads({ table, columns, sources, items }: Found): Promise<Value[][][]> {
  const found: Value[][][] = [];
  for (const [i, source] of sources.entries()) {
    if (source.kind !== 'rows') throw new Error('no rows');
    const read = await readTableSlice(source, { ...table, schema: { columns } }, { from: 0, to: items[i] ?? 0 });
    if (!read.ok) throw new Error(read.error.reason);
    const { rows } = read.items as TableMiniBatch;
    found.push(rows.map((row) => Object.values(row).map(plain)));
  }
  return found;
}

function plain(value: TableCell | undefined): Value {
  if ((value as unknown) instanceof Date) return (value as unknown as Date).toISOString().slice(0, 19);
  return typeof value === 'bigint' ? Number(value) : ((value ?? null) as Value);
}

/** Rows of each mini-batch. By keys: those of a key together, in the order of its first row. */
function grouped(rows: readonly Row[], keys: readonly string[], columns: readonly string[]): Value[][][] {
  const values = (row: Row): Value[] => columns.map((name) => at(row, name));
  if (keys.length === 0) return [rows.map(values)];
  const groups = new Map<string, Value[][]>();
  for (const row of rows) {
    const key = JSON.stringify(keys.map((name) => row.get(name)?.raw));
    groups.set(key, [...(groups.get(key) ?? []), values(row)]);
  }
  return [...groups.values()];
}

test.skipIf(PYTHON === undefined)('what is left of a table is what its steps leave', { timeout: 180_000 }, async () => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'transforms-')));
  const forPython: object[] = [];
  const rightOnes: Value[][][][] = [];
  const names: string[] = [];
  try {
    for (let number = 0; number < CASES; number++) {
      const one = makeCase(join(root, String(number)), SEED + number);
      const { plan } = await compiled(one.folder, { jobFile: 'job.yml' });
      const shown = `TRANSFORMS_SEED=${SEED + number} TRANSFORMS_CASES=1: ${one.format}, ${one.steps.join('; ')}`;
      const cuttings: readonly Cutting[] =
        one.keys.length > 0 ? [plan.cutting] : [plan.cutting, { by: 'rows', rows: 3 }, { by: 'bytes', bytes: 60 }];
      const right = grouped(one.rows, one.keys, one.columns);
      for (const [way, cutting] of cuttings.entries()) {
        const found = await cut(plan.inputs, cutting, join(one.folder, `copies-${way}`)).catch((cause: unknown) => {
          throw new Error(`${shown}: ${String(cause)}`, { cause });
        });
        const read = await asNodeReads(found);
        if (cutting.by === 'rows') expect(Math.max(0, ...found.items), shown).toBeLessThanOrEqual(3);
        expect(one.keys.length > 0 ? read : [read.flat()], shown).toEqual(
          one.keys.length > 0 || right.length > 0 ? right : [[]],
        );
        forPython.push({ table: { ...found.table, schema: { columns: found.columns } }, sources: found.sources });
        rightOnes.push(right);
        names.push(shown);
      }
    }
    write(join(root, 'all.json'), JSON.stringify(forPython));
    const texts = execFileSync(PYTHON ?? '', [SCRIPT, join(root, 'all.json')], {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    });
    const lines = texts.trimEnd().split('\n');
    expect(lines).toHaveLength(2 * names.length);
    for (const [i, line] of lines.entries()) {
      const right = rightOnes[i >> 1] ?? [];
      const read = JSON.parse(line) as Value[][][];
      expect(right.length === 1 ? [read.flat()] : read, `python: ${names[i >> 1] ?? ''}`).toEqual(right);
    }
  } finally {
    rmSync(root, { recursive: true });
  }
});
