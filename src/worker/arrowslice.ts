/** Rows of an Arrow IPC file as an Arrow table, with the types of the file. Loaded with the first of them. */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import {
  CompressionType,
  DataType,
  RecordBatchReader,
  Table,
  compressionRegistry,
  vectorFromArray,
} from 'apache-arrow';
import type { RecordBatch, Vector } from 'apache-arrow';
import { decompressZstd } from 'hyparquet-compressors';
import { ARROW_TAIL_BYTES, footerBytes, parseBatch, parseFooter } from '../domain/arrowfile.ts';
import type { TableCell, TableMiniBatch } from '../domain/entry.ts';
import type { ItemRange } from '../domain/minibatch.ts';
import type { TableSchema } from '../domain/plan.ts';
import { arrowCell } from './arrowcells.ts';
import { withRows } from './arrowtable.ts';
import { unpackLz4 } from './lz4frame.ts';
import { SliceError, changedCount } from './slice.ts';
import type { RowsSource } from './slice.ts';

compressionRegistry.set(CompressionType.LZ4_FRAME, { decode: unpackLz4 });
// A copy of its own: numbers of eight bytes must lie at multiples of eight.
compressionRegistry.set(CompressionType.ZSTD, { decode: (bytes) => decompressZstd(bytes).slice() });

/** @throws SliceError, an error of the system */
export async function arrowSlice(
  source: RowsSource,
  { columns }: TableSchema,
  range: ItemRange,
): Promise<TableMiniBatch> {
  const [from, to] = [source.start + range.from, source.start + range.to];
  const path = source.data ?? source.file;
  const file = await open(path, 'r');
  const table = await tableOf(file, path, from, to)
    .catch((error: unknown) => {
      if (error instanceof Error && 'syscall' in error) throw error;
      throw new SliceError(`rows ${from} to ${to - 1}: ${(error as Error).message}`);
    })
    .finally(() => file.close());
  if (table.numRows !== to - from) throw changedCount(table.numRows, source);
  let result = table;
  for (const [i, { name }] of columns.entries()) {
    const vector = table.schema.fields[i]?.name === name ? table.getChildAt(i) : null;
    if (!vector) throw new SliceError(`column ${i + 1} is no longer ${JSON.stringify(name)}: the file has changed`);
    if (DataType.isDictionary(vector.type))
      result = result.setChildAt(i, plain(vector, vector.type.dictionary as DataType));
  }
  return withRows(result, columns, () => columns.map((_, i) => cellsOf(result.getChildAt(i))));
}

function cellsOf(vector: Vector | null): TableCell[] {
  return vector ? Array.from(vector, (value: unknown) => arrowCell(value, vector.type as DataType)) : [];
}

/** Categories differ from slice to slice: their values don't. */
function plain(vector: Vector, type: DataType): Vector {
  return vectorFromArray(
    Array.from(vector, (value: unknown) => value),
    type,
  );
}

async function tableOf(file: FileHandle, path: string, from: number, to: number): Promise<Table> {
  const starts = await batchStarts(file, path);
  const reader = await RecordBatchReader.from(file);
  if (!reader.isFile()) throw new Error('it is no Arrow file any more');
  await reader.open();
  const batches: RecordBatch[] = [];
  for (const [i, start] of starts.entries()) {
    const end = starts[i + 1] ?? start;
    if (end <= from || start >= to) continue;
    const batch = await reader.readRecordBatch(i);
    if (batch) batches.push(batch.slice(Math.max(0, from - start), Math.min(end, to) - start));
  }
  return new Table(reader.schema, batches);
}

/** What was found in the file that was read last: mini-batches of one file follow each other. */
let known: { readonly key: string; readonly starts: readonly number[] } | undefined;

/** Number of the first row of each batch, and behind them that of all rows. */
async function batchStarts(file: FileHandle, path: string): Promise<readonly number[]> {
  const { dev, ino, size, mtimeMs } = await file.stat();
  const key = JSON.stringify([path, dev, ino, size, mtimeMs]);
  if (known?.key === key) return known.starts;
  const tailAt = size - ARROW_TAIL_BYTES;
  const length = footerBytes(await readAt(file, tailAt, ARROW_TAIL_BYTES));
  if (length === undefined) throw new Error('the end of the file is missing');
  const { batches } = parseFooter(await readAt(file, tailAt - length, length));
  const starts = [0];
  for (const { offset, metadataBytes } of batches)
    starts.push((starts.at(-1) ?? 0) + parseBatch(await readAt(file, offset, metadataBytes)).rows);
  known = { key, starts };
  return starts;
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const { buffer, bytesRead } = await file.read(new Uint8Array(length), 0, length, Math.max(0, position));
  if (bytesRead < length) throw new Error('the file ends earlier than it did');
  return buffer;
}
