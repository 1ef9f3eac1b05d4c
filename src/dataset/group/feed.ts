/** Goes through all items of an input once, in listed order, and says of each which key it has. */
import { invariant, unreachable } from '../../domain/assert.ts';
import type { FieldSink } from '../../domain/dialect.ts';
import type { Column, InputSpec, TableFormat } from '../../domain/plan.ts';
import { bytesOf, joinText } from '../bytepath.ts';
import { DatasetError, datasetProblem } from '../error.ts';
import { cutFile } from '../table/cut.ts';
import { placesOf } from '../table/drift.ts';
import { readHead } from '../table/head.ts';
import type { TableHead } from '../table/head.ts';
import { MemberScanner } from '../table/jsonmembers.ts';
import { readLines } from '../table/lines.ts';
import type { LineSink } from '../table/lines.ts';
import { readFacts } from '../table/numbered.ts';
import type { NumberedFormat } from '../table/numbered.ts';
import { EvenRows } from '../table/ragged.ts';
import { scanRows } from '../table/sample.ts';
import type { RowPicker } from '../transform/pick.ts';
import { pathValues } from '../transform/paths.ts';
import { walk } from '../walk.ts';
import type { WalkOptions } from '../walk.ts';
import type { GatheredFile } from './gather.ts';
import { keyOf, listed } from './keys.ts';
import type { VisitKeys } from './notplain.ts';
import type { Keys } from './keys.ts';
import { csvValue, jsonValue } from './values.ts';

/** Takes items in their order; those of one call lie in `bytes` from `from` up to `to`. */
export interface ItemSink {
  add(key: string, bytes: Uint8Array, from: number, to: number, items?: number, cost?: number): void;
  /** Rows of this file are next. Lines of rows that are found by their number have an empty path then. */
  begin?(file: GatheredFile): void;
  /** So many rows are taken at once, where each counts so many bytes. Absent: any number. */
  room?(rowBytes: number): number;
}

export interface FeedOptions extends WalkOptions {
  /** Decides which rows count; absent: all. */
  readonly picker?: RowPicker | undefined;
  /** A file is next. @param path absolute, as text */
  readonly onFile?: (path: string, input: InputSpec) => Promise<void>;
}

/**
 * Rows of tables: of text, their bytes, each row ended by a line break; of rows that are found by their number, a line
 * `["path below the folder",first row,row behind the last]` for some that follow each other.
 * Files: their paths below the folder, as bytes, a zero behind each.
 * @param folder that all inputs lie in. @throws DatasetError
 */
export async function feed(
  inputs: readonly InputSpec[],
  folder: string,
  keys: Keys,
  sink: ItemSink,
  options: FeedOptions,
): Promise<void> {
  const { picker } = options;
  for (const [table, input] of inputs.entries()) {
    for await (const names of walk(input, options)) {
      for (const name of names) {
        const path = joinText(input.root, name);
        await options.onFile?.(path, input);
        if (picker?.ended === true) continue;
        picker?.begin(input, name);
        const values = keys.ofPath(input, name);
        const below = path.slice(folder === '/' ? 1 : folder.length + 1);
        const origin = input.origin === undefined ? {} : { origin: `${input.origin}/${name}` };
        const file: GatheredFile = { path, table, ...origin, paths: pathValues(input, name) };
        if (input.kind === 'table')
          await feedSome({
            path,
            below: sink.begin ? '' : below,
            file,
            values,
            table: input.table,
            keys,
            sink,
            options,
          });
        else {
          const bytes = Buffer.from(`${bytesOf(below)}\0`, 'latin1');
          sink.add(keyOf(values), bytes, 0, bytes.length);
        }
      }
    }
  }
}

interface TableFile {
  readonly path: string;
  readonly below: string;
  readonly file: GatheredFile;
  /** Of the keys that the path names. */
  readonly values: readonly (string | null)[];
  readonly table: TableFormat;
  readonly keys: Keys;
  readonly sink: ItemSink;
  readonly options: FeedOptions;
}

async function feedSome(file: TableFile): Promise<void> {
  try {
    await feedTable(file);
  } catch (error) {
    if (!(error instanceof AllTaken)) throw error;
  }
}

async function feedTable(file: TableFile): Promise<void> {
  const { path, table, options, sink: items } = file;
  const { signal } = options;
  if (table.format !== 'csv') items.begin?.(file.file);
  switch (table.format) {
    case 'csv': {
      const head = await readHead(path, table);
      if (items.begin) {
        const fields = head && placesOf(file.keys.tableColumns, head.names);
        items.begin({ ...file.file, ...(fields && { fields }) });
      } else if (head) checkColumns(path, head, file.keys);
      // Rows of another width are refused or told where tables are cut.
      if (table.ragged) for await (const _ of cutFile(path, table, WHOLE, options));
      const rows = new CsvRows(file, head?.names ?? [], table.escape);
      const sink = head && table.ragged === 'skip' ? new EvenRows(head.names.length, rows) : rows;
      if (head) await scanRows(path, table, sink, { start: head.dataStart, signal });
      if (rows.count === 0 && !table.ragged)
        options.onSkip?.(path, head ? 'the table has a header and no rows' : 'the table is empty');
      return;
    }
    case 'jsonl': {
      const rows = new JsonRows(file);
      await readLines(path, rows, { start: 0, signal, encoding: table.encoding });
      if (rows.count === 0) options.onSkip?.(path, 'the table is empty');
      return;
    }
    case 'parquet':
    case 'arrow':
      return feedNumbered(file, table);
    default:
      return unreachable(table);
  }
}

/** No row behind this one counts: the rest of the file isn't read. */
class AllTaken extends Error {}

const WHOLE = { bytes: Infinity, rows: Infinity };

/**
 * Rows of CSV are put together as they are, so all of them have the columns of the table in its order.
 * @throws DatasetError PR3309
 */
export function checkColumns(path: string, head: TableHead, { tableColumns }: Keys): void {
  if (!placesOf(tableColumns, head.names)) return;
  throw new DatasetError(
    datasetProblem({
      code: 'PR3309',
      what: 'files of CSV that differ in columns cannot be grouped by partition keys',
      file: path,
      why: `its columns are ${listed(head.names)}; those of all files are ${listed(tableColumns)}`,
      next: 'write the files with the same columns in the same order, or as JSON Lines or Parquet, which are matched by name',
    }),
  );
}

const RAW_MAX = 65_536;
const LF = 10;

/** Of the raw values of the key columns, the key; the same ones come again and again. */
class RawKeys {
  readonly #columns: Keys['columns'];
  readonly #values: (string | null)[];
  readonly #valueOf: (raw: string, type: Column['type']) => string | null;
  readonly #known = new Map<string, string>();

  constructor({ values, keys }: TableFile, valueOf: (raw: string, type: Column['type']) => string | null) {
    this.#columns = keys.columns;
    this.#values = [...values];
    this.#valueOf = valueOf;
  }

  of(raws: readonly string[]): string {
    const raw = raws.length === 1 ? (raws[0] ?? '') : raws.map((each) => `${each.length}:${each}`).join('');
    let key = this.#known.get(raw);
    if (key === undefined) {
      for (const [i, { column, key: at }] of this.#columns.entries())
        this.#values[at] = this.#valueOf(raws[i] ?? '', column.type);
      key = keyOf(this.#values);
      if (this.#known.size >= RAW_MAX) this.#known.clear();
      this.#known.set(raw, key);
    }
    return key;
  }
}

/** A slot for each column of the table: which of the key columns it is. */
function slotsOf(keys: Keys): Int32Array {
  const slots = new Int32Array(Math.max(0, ...keys.columns.map(({ position }) => position + 1))).fill(-1);
  for (const [slot, { position }] of keys.columns.entries()) slots[position] = slot;
  return slots;
}

class CsvRows implements FieldSink {
  count = 0;
  readonly #keys: RawKeys;
  readonly #sink: ItemSink;
  readonly #escape: number;
  readonly #slots: Int32Array;
  readonly #raws: string[];
  readonly #picker: RowPicker | undefined;
  /** Of the columns that the picker looks at. */
  readonly #pickSlots: Int32Array;
  readonly #picked: string[];

  /** @param names of the columns of the file */
  constructor(file: TableFile, names: readonly string[], escape = '') {
    this.#picker = file.options.picker;
    const looked = this.#picker?.columns.map(({ name }) => name) ?? [];
    this.#pickSlots = Int32Array.from(looked.length > 0 ? names : [], (name) => looked.indexOf(name));
    this.#picked = looked.map(() => '');
    this.#keys = new RawKeys(file, csvValue);
    this.#sink = file.sink;
    this.#escape = escape === '' ? -1 : escape.charCodeAt(0);
    this.#slots = slotsOf(file.keys);
    this.#raws = file.keys.columns.map(() => '');
  }

  beginRow(): void {
    this.#raws.fill('');
    this.#picked.fill('');
  }

  field(column: number, bytes: Buffer, start: number, end: number): void {
    const slot = column < this.#slots.length ? (this.#slots[column] as number) : -1;
    if (slot >= 0) this.#raws[slot] = bytes.toString('latin1', start, end);
    const pick = column < this.#pickSlots.length ? (this.#pickSlots[column] as number) : -1;
    if (pick >= 0) this.#picked[pick] = bytes.toString('latin1', start, end);
  }

  endRow(_fields: number, bytes: Buffer, start: number, end: number): boolean {
    this.count += 1;
    if (this.#picker?.takes(this.#picked) === false) return true;
    const key = this.#keys.of(this.#raws);
    // One that is escaped ends no row; a line break too many makes a blank line, which is none either.
    if (bytes[end - 1] === LF && (end - start < 2 || bytes[end - 2] !== this.#escape))
      this.#sink.add(key, bytes, start, end);
    else addEnded(this.#sink, key, bytes, start, end);
    if (this.#picker?.ended === true) throw new AllTaken();
    return true;
  }
}

function addEnded(sink: ItemSink, key: string, bytes: Buffer, start: number, end: number): void {
  const ended = Buffer.allocUnsafe(end - start + 1);
  bytes.copy(ended, 0, start, end);
  ended[end - start] = LF;
  sink.add(key, ended, 0, ended.length);
}

class JsonRows implements LineSink {
  count = 0;
  readonly #keys: RawKeys;
  readonly #sink: ItemSink;
  readonly #slots: ReadonlyMap<string, number>;
  readonly #raws: string[];
  readonly #picker: RowPicker | undefined;
  readonly #pickSlots: ReadonlyMap<string, number>;
  readonly #picked: string[];
  readonly #members = new MemberScanner((name, bytes, start, end) => {
    const slot = this.#slots.get(name);
    if (slot !== undefined) this.#raws[slot] = bytes.toString('latin1', start, end);
    const pick = this.#pickSlots.get(name);
    if (pick !== undefined) this.#picked[pick] = bytes.toString('latin1', start, end);
  });

  constructor(file: TableFile) {
    this.#picker = file.options.picker;
    this.#pickSlots = new Map(this.#picker?.columns.map(({ name }, slot) => [name, slot]));
    this.#picked = [...this.#pickSlots].map(() => '');
    this.#keys = new RawKeys(file, jsonValue);
    this.#sink = file.sink;
    this.#slots = new Map(file.keys.columns.map(({ column }, slot) => [column.name, slot]));
    this.#raws = file.keys.columns.map(() => '');
  }

  line(bytes: Buffer, from: number, to: number): void {
    this.count += 1;
    this.#raws.fill('');
    this.#picked.fill('');
    // A line that is no object doesn't share the mini-batch of the rows without a key: it would fail them all.
    if (!this.#members.scan(bytes, from, to)) this.#raws.fill(NO_OBJECT);
    if (this.#picker?.takes(this.#picked) === false) return;
    const key = this.#keys.of(this.#raws);
    if (bytes[to] === LF && to < bytes.length) this.#sink.add(key, bytes, from, to + 1);
    else addEnded(this.#sink, key, bytes, from, to);
    if (this.#picker?.ended === true) throw new AllTaken();
  }
}

const NO_OBJECT = '{no object';

async function feedNumbered(
  { path, below, values, keys, sink, options }: TableFile,
  table: NumberedFormat,
): Promise<void> {
  const { picker } = options;
  const { columns } = keys;
  const { groups } = await readFacts(path, table);
  const [rowsTotal, bytesTotal] = [sumOf(groups, 'rows'), sumOf(groups, 'bytes')];
  const rowBytes = rowsTotal > 0 ? bytesTotal / rowsTotal : 0;
  const put = (key: string, start: number, end: number): void => {
    for (let from = start; from < end;) {
      const to = Math.min(end, from + (sink.room?.(rowBytes) ?? Infinity));
      const line = Buffer.from(`${JSON.stringify([below, from, to])}\n`);
      sink.add(key, line, 0, line.length, to - from, (to - from) * rowBytes);
      from = to;
    }
  };
  if (rowsTotal === 0) options.onSkip?.(path, 'the table has no rows');
  const looked = picker?.columns ?? [];
  if (columns.length === 0 && !picker) {
    if (rowsTotal > 0) put(keyOf(values), 0, rowsTotal);
    return;
  }
  const row = [...values];
  const visit: VisitKeys = (firstRow, rows, found) => {
    options.signal?.throwIfAborted();
    let from = 0;
    let last: string | undefined;
    const end = (at: number): void => {
      if (last !== undefined) put(last, firstRow + from, firstRow + at);
      last = undefined;
    };
    const picked: (string | null)[] = [];
    for (let i = 0; i < rows; i++) {
      for (const slot of looked.keys()) picked[slot] = found[columns.length + slot]?.[i] ?? null;
      if (picker?.takes(picked) === false) {
        end(i);
        if (picker.ended) throw new AllTaken();
        continue;
      }
      for (const [slot, { key }] of columns.entries()) row[key] = found[slot]?.[i] ?? null;
      const key = keyOf(row);
      if (key !== last) {
        end(i);
        from = i;
      }
      last = key;
    }
    end(rows);
    if (picker?.ended === true) throw new AllTaken();
  };
  if (columns.length + looked.length === 0) return visit(0, rowsTotal, []);
  const readKeys =
    table.format === 'parquet'
      ? (await import('./parquetkeys.ts')).readParquetKeys
      : (await import('./arrowkeys.ts')).readArrowKeys;
  const read = [...columns.map(({ column }) => column), ...looked];
  await readKeys(path, read, visit).catch((error: unknown) => {
    options.signal?.throwIfAborted();
    // the readers take what ends them early for a fault of the file
    if (picker?.ended !== true) throw error;
  });
}

const sumOf = <K extends string>(of: readonly Readonly<Record<K, number>>[], key: K): number =>
  of.reduce((sum, one) => sum + one[key], 0);

/** @throws DatasetError PR3305 where rows of the inputs can't lie in one file */
export function checkOneDialect(inputs: readonly InputSpec[]): void {
  const [first, ...others] = inputs.map((input) => {
    invariant(input.kind === 'table', 'all inputs are tables');
    // Neither is looked at any more where rows are grouped.
    const { header: _, encoding: __, ...dialect } = { header: true, encoding: '', ...input.table };
    return { root: input.root, dialect: JSON.stringify(dialect) };
  });
  const other = others.find(({ dialect }) => dialect !== first?.dialect);
  if (!first || !other) return;
  throw new DatasetError(
    datasetProblem({
      code: 'PR3305',
      what: 'inputs that are written in different ways cannot be grouped together',
      file: other.root,
      why: `the rows of a partition key come from all inputs, and those of ${first.root} have other delimiters or quotes`,
      next: 'give the inputs to runs of their own, or write them in one way',
    }),
  );
}
