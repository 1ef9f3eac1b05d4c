/** Rows of an Arrow IPC file as an Arrow table, with the types of the file. Loaded with the first of them. */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import {
  CompressionType,
  DataType,
  Field,
  RecordBatch,
  RecordBatchReader,
  Schema,
  Struct,
  Table,
  Utf8,
  compressionRegistry,
  makeData,
  vectorFromArray,
} from 'apache-arrow';
import type { Data, Vector } from 'apache-arrow';
import { decompressZstd } from 'hyparquet-compressors';
import { ARROW_TAIL_BYTES, footerBytes, parseBatch, parseFooter } from '../domain/arrowfile.ts';
import type { TableCell, TableMiniBatch } from '../domain/entry.ts';
import type { ItemRange } from '../domain/minibatch.ts';
import type { Column } from '../domain/plan.ts';
import { arrowCell } from './arrowcells.ts';
import { vectorOf, withRows } from './arrowtable.ts';
import { unpackLz4 } from '../domain/lz4frame.ts';
import { rowsOf } from './grouped.ts';
import type { Rows } from './grouped.ts';
import { SliceError, changedCount, readAt } from './slice.ts';
import type { RowsSource } from './slice.ts';
import { constantsOf, convertedCells } from './view.ts';

compressionRegistry.set(CompressionType.LZ4_FRAME, { decode: unpackLz4 });
// A copy of its own: numbers of eight bytes must lie at multiples of eight.
compressionRegistry.set(CompressionType.ZSTD, { decode: (bytes) => decompressZstd(bytes).slice() });

/** @throws SliceError, an error of the system */
export async function arrowSlice(
  source: RowsSource,
  columns: readonly Column[],
  range: ItemRange,
): Promise<TableMiniBatch> {
  const inFile = columns.filter(({ path }) => path !== true);
  const pieces: Table[] = [];
  for (const { path, rows } of byFile(rowsOf(source, range))) pieces.push(await piece(path, rows, inFile));
  const [first = new Table(), ...others] = pieces;
  const whole = others.length > 0 ? first.concat(...others) : first;
  if (whole.numRows !== range.to - range.from) throw changedCount(whole.numRows, source);
  const shown = inFile.flatMap((column, i) => (column.hidden === true ? [] : [{ column, i }]));
  let own = inFile.every(({ hidden }) => hidden !== true) ? whole : whole.selectAt(shown.map(({ i }) => i));
  for (const [place, { column, i }] of shown.entries()) {
    if (!column.convert) continue;
    const cells = convertedCells(column, cellsOf(whole.getChildAt(i)), range.from);
    own = own.setChildAt(place, vectorOf(column, cells));
  }
  const constants = constantsOf(columns, source);
  const result = withConstants(own, constants);
  const places = [...shown.keys(), ...constants.map((_, i) => own.numCols + i)];
  const handed = [...shown, ...constants.map(([column]) => ({ column }))].map(({ column }) => column);
  return withRows(result, handed, () => places.map((i) => cellsOf(result.getChildAt(i))));
}

/** Rows that follow each other in one file. */
function byFile(rows: readonly Rows[]): { readonly path: string; readonly rows: Rows[] }[] {
  const files: { readonly path: string; readonly rows: Rows[] }[] = [];
  for (const next of rows) {
    const last = files.at(-1);
    if (last?.path === next[0]) last.rows.push(next);
    else files.push({ path: next[0], rows: [next] });
  }
  return files;
}

/** @param rows of one file, ascending */
async function piece(path: string, rows: readonly Rows[], columns: readonly Column[]): Promise<Table> {
  const file = await open(path, 'r');
  const table = await tableOf(file, path, rows)
    .catch((error: unknown) => {
      if (error instanceof Error && 'syscall' in error) throw error;
      throw new SliceError(`rows ${rows[0]?.[1] ?? 0} to ${(rows.at(-1)?.[2] ?? 0) - 1}: ${(error as Error).message}`);
    })
    .finally(() => file.close());
  let result = table;
  for (const [i, { name }] of columns.entries()) {
    const vector = table.schema.fields[i]?.name === name ? table.getChildAt(i) : null;
    if (!vector) throw new SliceError(`column ${i + 1} is no longer ${JSON.stringify(name)}: the file has changed`);
    if (DataType.isDictionary(vector.type))
      result = result.setChildAt(i, plain(vector, vector.type.dictionary as DataType));
  }
  return result;
}

/** With columns of one value each behind the others. */
function withConstants(table: Table, columns: ReturnType<typeof constantsOf>): Table {
  if (columns.length === 0) return table;
  const types = columns.map(([column]) => vectorOf(column, []).type as DataType);
  const fields = [
    ...table.schema.fields,
    ...columns.map(([{ name }], i) => new Field(name, types[i] ?? new Utf8(), true)),
  ];
  const schema = new Schema(fields);
  const batches = table.batches.map(({ data, numRows: length }) => {
    const constants = columns.flatMap(
      ([column, value]) => vectorOf(column, new Array<TableCell>(length).fill(value)).data,
    );
    const children = [...data.children, ...constants] as Data[];
    return new RecordBatch(schema, makeData({ type: new Struct(fields), length, nullCount: 0, children }));
  });
  return new Table(schema, batches);
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

async function tableOf(file: FileHandle, path: string, rows: readonly Rows[]): Promise<Table> {
  const starts = await batchStarts(file, path);
  const reader = await RecordBatchReader.from(file);
  if (!reader.isFile()) throw new Error('it is no Arrow file any more');
  await reader.open();
  const batches: RecordBatch[] = [];
  let next = 0;
  for (const [i, start] of starts.entries()) {
    const end = starts[i + 1] ?? start;
    let batch: RecordBatch | null = null;
    for (; next < rows.length; next++) {
      const [, from, to] = rows[next] as Rows;
      if (from >= end) break;
      batch ??= await reader.readRecordBatch(i);
      if (batch) batches.push(batch.slice(Math.max(0, from - start), Math.min(end, to) - start));
      // the rest of it is in the next one
      if (to > end) break;
    }
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
  const length = footerBytes(await readAt(file, Math.max(0, tailAt), size));
  if (length === undefined) throw new Error('the end of the file is missing');
  const { batches } = parseFooter(await readAt(file, Math.max(0, tailAt - length), tailAt));
  const starts = [0];
  for (const { offset, metadataBytes } of batches)
    starts.push((starts.at(-1) ?? 0) + parseBatch(await readAt(file, offset, offset + metadataBytes)).rows);
  known = { key, starts };
  return starts;
}
