/** Rows of a Parquet file as cells by column. Loaded with the first of them. */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import type { TableCell } from '../domain/entry.ts';
import type { ItemRange } from '../domain/minibatch.ts';
import type { TableSchema } from '../domain/plan.ts';
import { SliceError, changedCount, readRange } from './slice.ts';
import type { RowsSource } from './slice.ts';

/** @throws SliceError, an error of the system */
export async function parquetCells(
  source: RowsSource,
  { columns }: TableSchema,
  { from, to }: ItemRange,
): Promise<TableCell[][]> {
  const cells: TableCell[][] = columns.map(() => []);
  const rows = source.keys
    ? withinPart(groupedRows(source), from, to)
    : [[source.data ?? source.file, source.start + from, source.start + to] as const];
  for (const window of windowsOf(rows)) await readWindow(window, source, columns, cells);
  return cells;
}

/** Rows of a file, by their numbers. */
type Rows = readonly [path: string, start: number, end: number];

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

function groupedRows(source: RowsSource): Rows[] {
  const folder = source.file.endsWith('/') ? source.file : `${source.file}/`;
  const lines = readRange(source).toString('utf8').split('\n').slice(0, -1);
  return lines.map((line) => {
    const [below, start, end] = JSON.parse(line) as Rows;
    return [folder + below, start, end];
  });
}

/** Of the rows, taken one behind the other, those from `from` up to `to`. */
function withinPart(rows: readonly Rows[], from: number, to: number): Rows[] {
  const found: Rows[] = [];
  let at = 0;
  for (const [path, start, end] of rows) {
    const first = Math.max(start, start + from - at);
    const last = Math.min(end, start + to - at);
    if (first < last) found.push([path, first, last]);
    at += end - start;
  }
  return found;
}

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

async function readWindow(
  { path, start, end, wanted }: Window,
  source: RowsSource,
  columns: TableSchema['columns'],
  cells: TableCell[][],
): Promise<void> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const rows = await parquetReadObjects({
      file: { byteLength: size, slice: (first, behind) => readAt(file, first, behind ?? size) },
      columns: columns.map(({ name }) => name),
      compressors,
      rowStart: start,
      rowEnd: end,
    }).catch((error: unknown) => {
      if (error instanceof Error && 'syscall' in error) throw error;
      throw new SliceError(`rows ${start} to ${end - 1}: ${(error as Error).message}`);
    });
    if (rows.length !== end - start) throw changedCount(rows.length, { ...source, rows: end - start });
    for (const [, first, behind] of wanted) {
      const part = wanted.length === 1 ? rows : rows.slice(first - start, behind - start);
      for (const [i, { name }] of columns.entries()) for (const row of part) cells[i]?.push(cellOf(row[name]));
    }
  } finally {
    await file.close();
  }
}

async function readAt(file: FileHandle, start: number, end: number): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(end - start);
  for (let filled = 0; filled < bytes.length;) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, start + filled);
    if (bytesRead === 0) throw new Error(`the file ends at byte ${start + filled}`);
    filled += bytesRead;
  }
  return bytes.buffer;
}

/** Whole numbers are plain ones where they keep their digits, as of every table. */
function cellOf(value: unknown): TableCell {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'bigint') return value as TableCell;
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}
