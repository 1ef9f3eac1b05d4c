/** Cells to an Arrow table. */
import {
  Bool,
  Field,
  Float64,
  Int32,
  Int64,
  RecordBatch,
  Schema,
  Struct,
  Table,
  TimestampMillisecond,
  Uint64,
  Utf8,
  makeData,
  vectorFromArray,
} from 'apache-arrow';
import type { Data, Vector } from 'apache-arrow';
import type { TableCell, TableMiniBatch, TableRow } from '../domain/entry.ts';
import type { Column } from '../domain/plan.ts';

/** @param cells by column, each value of the type its column names. */
export function tableOf(columns: readonly Column[], cells: readonly (readonly TableCell[])[]): TableMiniBatch {
  return withRows(arrowTable(columns, cells), columns, () => cells);
}

/** The table with its rows as objects, made when they are first asked for. */
export function withRows(
  table: Table,
  columns: readonly Column[],
  cells: () => readonly (readonly TableCell[])[],
): TableMiniBatch {
  let rows: readonly TableRow[] | undefined;
  const view = (): readonly TableRow[] => (rows ??= rowsOf(columns, cells()));
  return Object.defineProperty(table, 'rows', { get: view, enumerable: false }) as unknown as TableMiniBatch;
}

/** By position: keys of an object would lose a column named `__proto__`, and put numbers like 2020 in front. */
function arrowTable(columns: readonly Column[], cells: readonly (readonly TableCell[])[]): Table {
  const vectors = columns.map((column, index) => vectorOf(column, cells[index] ?? []));
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

/** A vector of the type that the column has in every slice. */
export function vectorOf({ type, native = '' }: Column, cells: readonly TableCell[]): Vector {
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
    case 'json':
      return vectorFromArray(cells.map(toJson), new Utf8());
    case 'datetime':
      return vectorFromArray(cells, new TimestampMillisecond());
    case 'native':
      return nativeVector(native, cells);
  }
}

/** The same type in every slice. What Arrow here has no plain type for is the text of its JSON; rows have it as it is. */
function nativeVector(native: string, cells: readonly TableCell[]): Vector {
  if (/^int64$|^u?int(?:32|64) \(/.test(native)) return vectorFromArray(cells.map(toBigInt), new Int64());
  if (/^(?:u?int(?:8|16)|int32)/.test(native)) return vectorFromArray(cells, new Int32());
  if (/^(?:float|double)/.test(native)) return vectorFromArray(cells, new Float64());
  if (native.startsWith('boolean')) return vectorFromArray(cells, new Bool());
  if (native.startsWith('timestamp')) return vectorFromArray(cells, new TimestampMillisecond());
  return vectorFromArray(
    cells.map((cell) => (typeof cell === 'string' ? cell : toJson(cell))),
    new Utf8(),
  );
}

/** Objects and lists, which the rows have as they are. */
function toJson(cell: TableCell): string | null {
  if (cell === null) return null;
  return JSON.stringify(cell, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}

function toBigInt(cell: TableCell): bigint | null {
  return cell === null ? null : BigInt(cell as number | bigint);
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
