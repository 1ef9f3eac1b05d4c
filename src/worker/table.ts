/** Table mini-batches: a slice of a table to an Arrow table. Loaded with the first one, because Arrow is heavy. */
import { unreachable } from '../domain/assert.ts';
import type { TableCell, TableMiniBatch } from '../domain/entry.ts';
import type { ItemRange } from '../domain/minibatch.ts';
import type { WorkerTable } from '../domain/protocol.ts';
import { fileColumns } from '../domain/transform.ts';
import { tableOf } from './arrowtable.ts';
import { csvCells } from './csvcells.ts';
import { inputError } from './input.ts';
import type { ReadItems } from './input.ts';
import { jsonCells } from './jsoncells.ts';
import { SliceError, readRange } from './slice.ts';
import type { RowsSource } from './slice.ts';
import { constantsOf, convertedCells } from './view.ts';

/** Only the rows of `range`: others of the slice, also such as can't be read, are passed over. */
export async function readTableSlice(source: RowsSource, table: WorkerTable, range: ItemRange): Promise<ReadItems> {
  const count = range.to - range.from;
  try {
    return { ok: true, items: await itemsOf(source, table, range), count };
  } catch (error) {
    const row = error instanceof SliceError ? error.row : undefined;
    return { ok: false, error: explain(error, source), count, ...(row !== undefined && { item: row - range.from }) };
  }
}

async function itemsOf(source: RowsSource, table: WorkerTable, range: ItemRange): Promise<TableMiniBatch> {
  const { columns } = table.schema;
  if (table.format === 'arrow') {
    const { arrowSlice } = await import('./arrowslice.ts');
    return arrowSlice(source, columns, range);
  }
  const inFile = columns.filter(({ path }) => path !== true);
  const read = await cellsOf(source, { ...table, schema: { columns: fileColumns(columns) } }, range);
  const own = inFile.map((column, i) => convertedCells(column, read[i] ?? [], range.from));
  const constants = constantsOf(columns, source);
  const shown = inFile.flatMap((column, i) => (column.hidden === true ? [] : [{ column, cells: own[i] ?? [] }]));
  for (const [column, value] of constants)
    shown.push({ column, cells: new Array<TableCell>(range.to - range.from).fill(value) });
  return tableOf(
    shown.map(({ column }) => column),
    shown.map(({ cells }) => cells),
  );
}

type TableOfCells = Exclude<WorkerTable, { readonly format: 'arrow' }>;

async function cellsOf(source: RowsSource, table: TableOfCells, range: ItemRange): Promise<TableCell[][]> {
  switch (table.format) {
    case 'csv':
      return csvCells(readRange(source), source, table, range);
    case 'jsonl':
      return jsonCells(readRange(source), source, table, range);
    case 'parquet': {
      const { parquetCells } = await import('./parquetcells.ts');
      return parquetCells(source, table.schema, range);
    }
    default:
      return unreachable(table);
  }
}

function explain(error: unknown, source: RowsSource): ReturnType<typeof inputError> {
  if (error instanceof SliceError) return inputError(source.file, error.message);
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
    return inputError(source.file, error.message, error.code);
  }
  throw error;
}
