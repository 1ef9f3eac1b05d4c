/** Rows of a Parquet file as cells by column. Loaded with the first of them. */
import { open } from 'node:fs/promises';
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import type { AsyncBuffer } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { orNothing } from '../domain/lz4frame.ts';
import type { TableCell } from '../domain/entry.ts';
import type { ItemRange } from '../domain/minibatch.ts';
import type { TableSchema } from '../domain/plan.ts';
import { rowsOf } from './grouped.ts';
import type { Rows } from './grouped.ts';
import { SliceError, changedCount, readAt } from './slice.ts';
import type { RowsSource } from './slice.ts';

const COMPRESSORS = { ...compressors, LZ4_RAW: orNothing(compressors.LZ4_RAW) };

/** @throws SliceError, an error of the system */
export async function parquetCells(
  source: RowsSource,
  { columns }: TableSchema,
  range: ItemRange,
): Promise<TableCell[][]> {
  const cells: TableCell[][] = columns.map(() => []);
  for (const window of windowsOf(rowsOf(source, range))) await readWindow(window, source, range.from, columns, cells);
  return cells;
}

/** Rows of a group that lie near each other in a file, read at once. */
interface Window {
  readonly path: string;
  readonly start: number;
  readonly end: number;
  readonly wanted: readonly Rows[];
}

/** Rows between wanted ones that cost less than another look at the file. */
const GAP_ROWS = 65_536;
const WINDOW_ROWS = 1_048_576;

function windowsOf(rows: readonly Rows[]): Window[] {
  const windows: { path: string; start: number; end: number; wanted: Rows[] }[] = [];
  for (const next of rows) {
    const [path, start, end] = next;
    const last = windows.at(-1);
    if (last?.path === path && start >= last.end && start - last.end <= GAP_ROWS && end - last.start <= WINDOW_ROWS) {
      last.end = end;
      last.wanted.push(next);
    } else windows.push({ path, start, end, wanted: [next] });
  }
  return windows;
}

/** @param from row of the slice that the first of the cells belongs to */
async function readWindow(
  { path, start, end, wanted }: Window,
  source: RowsSource,
  from: number,
  columns: TableSchema['columns'],
  cells: TableCell[][],
): Promise<void> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const reader: AsyncBuffer = {
      byteLength: size,
      slice: (first, behind) => readAt(file, first, behind ?? size).then(({ buffer }) => buffer),
    };
    const rows = await parquetReadObjects({
      file: reader,
      columns: await namesIn(reader, columns),
      compressors: COMPRESSORS,
      rowStart: start,
      rowEnd: end,
    }).catch((error: unknown) => {
      if (error instanceof Error && 'syscall' in error) throw error;
      throw new SliceError(`rows ${start} to ${end - 1}: ${(error as Error).message}`);
    });
    if (rows.length !== end - start) throw changedCount(rows.length, { ...source, rows: end - start });
    for (const [, first, behind] of wanted) {
      const part = wanted.length === 1 ? rows : rows.slice(first - start, behind - start);
      for (const [i, { name, native }] of columns.entries()) {
        const into = cells[i] ?? [];
        for (const row of part) {
          const cell = cellOf(row[name]);
          into.push(native === 'double' ? doubleOf(cell, name, from + into.length) : cell);
        }
      }
    }
  } finally {
    await file.close();
  }
}

/** In a file of its own the column may hold whole numbers. */
function doubleOf(cell: TableCell, name: string, row: number): TableCell {
  if (typeof cell !== 'bigint') return cell;
  if (BigInt(Number(cell)) === cell) return Number(cell);
  throw new SliceError(`column ${name} holds ${cell}, which the numbers of the other files don't hold`, row);
}

/** Of the columns of all files those that this one has. */
async function namesIn(file: AsyncBuffer, columns: TableSchema['columns']): Promise<string[]> {
  const names = columns.map(({ name }) => name);
  if (columns.every(({ lacking }) => lacking === undefined)) return names;
  const { schema } = await parquetMetadataAsync(file, { geoparquet: false });
  const own = new Set(schema.map(({ name }) => name));
  return names.filter((name) => own.has(name));
}

/** Whole numbers are plain ones where they keep their digits, as of every table. */
function cellOf(value: unknown): TableCell {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'bigint') return value as TableCell;
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}
