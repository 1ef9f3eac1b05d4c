/** Table mini-batches: bytes of a CSV file to an Arrow table. Loaded with the first one, because Arrow is heavy. */
import { closeSync, openSync, readSync } from 'node:fs';
import {
  Bool,
  Field,
  Float64,
  Int64,
  RecordBatch,
  Schema,
  Struct,
  Table,
  Uint64,
  Utf8,
  makeData,
  vectorFromArray,
} from 'apache-arrow';
import type { Data, Vector } from 'apache-arrow';
import { parseCell } from '../domain/cells.ts';
import { CsvError, CsvReader } from '../domain/csv.ts';
import type { TableCell, TableMiniBatch, TableRow } from '../domain/entry.ts';
import type { ItemRange, MiniBatchSource } from '../domain/minibatch.ts';
import type { Column } from '../domain/plan.ts';
import type { WorkerTable } from '../domain/protocol.ts';
import { inputError } from './input.ts';
import type { ReadItems } from './input.ts';

type RowsSource = Extract<MiniBatchSource, { kind: 'rows' }>;

/** The slice does not hold what was listed. `row`: the one that is to blame, among the rows of the slice. */
class SliceError extends Error {
  override readonly name = 'SliceError';
  readonly row: number | undefined;
  constructor(message: string, row?: number) {
    super(message);
    this.row = row;
  }
}

/** Only the rows of `range`: others of the slice, also such as can't be read, are passed over. */
export function readTableSlice(source: RowsSource, table: WorkerTable, range: ItemRange): ReadItems {
  const count = range.to - range.from;
  try {
    const columns = parseColumns(readRange(source), source, table, range);
    return { ok: true, items: tableOf(table.schema.columns, columns), count };
  } catch (error) {
    const row = error instanceof SliceError ? error.row : undefined;
    return { ok: false, error: explain(error, source), count, ...(row !== undefined && { item: row - range.from }) };
  }
}

function explain(error: unknown, source: RowsSource): ReturnType<typeof inputError> {
  if (error instanceof SliceError) return inputError(source.file, error.message);
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
    return inputError(source.file, error.message, error.code);
  }
  throw error;
}

function readRange(source: RowsSource): Uint8Array {
  const bytes = Buffer.allocUnsafe(source.end - source.start);
  const file = openSync(source.file, 'r');
  try {
    let filled = 0;
    while (filled < bytes.length) {
      const read = readSync(file, bytes, filled, bytes.length - filled, source.start + filled);
      if (read === 0) {
        const end = source.start + filled;
        throw new SliceError(`the file ends at byte ${end}, it had at least ${source.end} when it was listed`);
      }
      filled += read;
    }
  } finally {
    closeSync(file);
  }
  return bytes;
}

/** Cells by column. Fields that a row lacks at its end are missing, as in pandas. */
function parseColumns(bytes: Uint8Array, source: RowsSource, table: WorkerTable, range: ItemRange): TableCell[][] {
  const { columns } = table.schema;
  const cells: TableCell[][] = columns.map(() => []);
  const reader = new CsvReader(bytes, table.delimiter);
  let rows = 0;
  for (; ; rows++) {
    const fields = nextFields(reader, rows, source, range);
    if (fields === undefined) break;
    if (fields === 'passed over') continue;
    const number = source.firstRow + rows;
    if (fields.length > columns.length) {
      const wrong = `data row ${number} has ${fields.length} fields, the input has ${columns.length} columns`;
      throw new SliceError(wrong, rows);
    }
    for (const [index, column] of columns.entries()) {
      cells[index]?.push(cellOf(fields[index] ?? '', column, rows, number));
    }
  }
  if (rows !== source.rows) {
    throw new SliceError(`${rows} rows where ${source.rows} were counted when the file was listed: it has changed`);
  }
  return cells;
}

/** Fields of row `row` of the slice; undefined behind the last one. */
function nextFields(
  reader: CsvReader,
  row: number,
  source: RowsSource,
  { from, to }: ItemRange,
): readonly string[] | 'passed over' | undefined {
  const isWanted = row >= from && row < to;
  try {
    const fields = reader.next();
    return fields === undefined || isWanted ? fields : 'passed over';
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const isFound = reader.position > error.offset;
    if (isFound && !isWanted) return 'passed over';
    // a row whose end isn't found may be the fault of one before it
    throw new SliceError(`${error.message}, data row ${source.firstRow + row}`, isFound ? row : undefined);
  }
}

function cellOf(text: string, column: Column, row: number, number: number): TableCell {
  const value = parseCell(text, column.type);
  if (value !== undefined) return value;
  const shown = JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
  throw new SliceError(`data row ${number}, column ${column.name}: ${shown} is no ${column.type}`, row);
}

/** @param cells by column, each value of the type its column names. */
export function tableOf(columns: readonly Column[], cells: readonly (readonly TableCell[])[]): TableMiniBatch {
  const table = arrowTable(columns, cells);
  let rows: readonly TableRow[] | undefined;
  const view = (): readonly TableRow[] => (rows ??= rowsOf(columns, cells));
  return Object.defineProperty(table, 'rows', { get: view, enumerable: false }) as unknown as TableMiniBatch;
}

/** By position: keys of an object would lose a column named `__proto__`, and put numbers like 2020 in front. */
function arrowTable(columns: readonly Column[], cells: readonly (readonly TableCell[])[]): Table {
  const vectors = columns.map(({ type }, index) => vectorOf(type, cells[index] ?? []));
  const fields = columns.map(({ name }, index) => new Field(name, vectors[index]?.type ?? new Utf8(), true));
  const schema = new Schema(fields);
  // an array of cells becomes one chunk
  const children = vectors.flatMap((vector) => vector.data as readonly Data[]);
  const length = cells[0]?.length ?? 0;
  return new Table(
    schema,
    new RecordBatch(schema, makeData({ type: new Struct(fields), length, nullCount: 0, children })),
  );
}

function vectorOf(type: Column['type'], cells: readonly TableCell[]): Vector {
  switch (type) {
    case 'int64':
      return vectorFromArray(cells.map(toBigInt), new Int64());
    case 'uint64':
      return vectorFromArray(cells.map(toBigInt), new Uint64());
    case 'float64':
      return vectorFromArray(cells, new Float64());
    case 'bool':
    case 'nullable-bool':
      return vectorFromArray(cells, new Bool());
    case 'string':
      return vectorFromArray(cells, new Utf8());
  }
}

function toBigInt(cell: TableCell): bigint | null {
  return cell === null ? null : BigInt(cell);
}

function rowsOf(columns: readonly Column[], cells: readonly (readonly TableCell[])[]): readonly TableRow[] {
  const count = cells[0]?.length ?? 0;
  const rows: TableRow[] = [];
  for (let row = 0; row < count; row++) {
    // entries, not assignments: a column may be named __proto__
    rows.push(Object.fromEntries(columns.map((column, index) => [column.name, cells[index]?.[row] ?? null])));
  }
  return rows;
}
