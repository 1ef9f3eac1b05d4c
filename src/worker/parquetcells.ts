/** Rows of a Parquet file as cells by column. Loaded with the first of them. */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import type { AsyncBuffer } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import type { TableCell } from '../domain/entry.ts';
import type { ItemRange } from '../domain/minibatch.ts';
import type { TableSchema } from '../domain/plan.ts';
import { SliceError, changedCount } from './slice.ts';
import type { RowsSource } from './slice.ts';

/** LZ4 of nothing, as where all values of a page are missing, is a byte that the package can't read. */
const lz4: NonNullable<typeof compressors.LZ4_RAW> = (input, length) =>
  length === 0 ? new Uint8Array() : (compressors.LZ4_RAW?.(input, length) ?? input);
const COMPRESSORS = { ...compressors, LZ4_RAW: lz4 };

/** @throws SliceError, an error of the system */
export async function parquetCells(
  source: RowsSource,
  { columns }: TableSchema,
  { from, to }: ItemRange,
): Promise<TableCell[][]> {
  const file = await open(source.data ?? source.file, 'r');
  try {
    const { size } = await file.stat();
    const reader = { byteLength: size, slice: (start: number, end?: number) => readAt(file, start, end ?? size) };
    const rows = await parquetReadObjects({
      file: reader,
      columns: await namesIn(reader, columns),
      compressors: COMPRESSORS,
      rowStart: source.start + from,
      rowEnd: source.start + to,
    }).catch((error: unknown) => {
      if (error instanceof Error && 'syscall' in error) throw error;
      throw new SliceError(`rows ${source.start + from} to ${source.start + to - 1}: ${(error as Error).message}`);
    });
    if (rows.length !== to - from) throw changedCount(rows.length, source);
    return columns.map((column) => {
      const cells = rows.map((row) => cellOf(row[column.name]));
      return column.native === 'double' ? cells.map((cell, row) => doubleOf(cell, column.name, row)) : cells;
    });
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
