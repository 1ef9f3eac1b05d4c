/** Values of the key columns of an Arrow IPC file, as texts that are equal where the stored values are. */
import {
  CompressionType,
  DataType,
  RecordBatchReader,
  Type,
  Vector,
  compressionRegistry,
  makeData,
} from 'apache-arrow';
import type { AsyncRecordBatchFileReader, Data, RecordBatch } from 'apache-arrow';
import { decompressZstd } from 'hyparquet-compressors';
import { wholeOfWords } from '../../domain/arrowtypes.ts';
import { unpackLz4 } from '../../domain/lz4frame.ts';
import type { Column } from '../../domain/plan.ts';
import { DatasetError, datasetProblem } from '../error.ts';
import { isOfSystem, withFile } from '../read.ts';
import { notPlain } from './notplain.ts';
import type { VisitKeys } from './notplain.ts';
import { isoDay, isoTime, scaled } from './typedtexts.ts';

compressionRegistry.set(CompressionType.LZ4_FRAME, { decode: unpackLz4 });
// A copy of its own: numbers of eight bytes must lie at multiples of eight.
compressionRegistry.set(CompressionType.ZSTD, { decode: (bytes) => decompressZstd(bytes).slice() });

/** A batch at a time is in memory. @throws DatasetError PR3003, PR3304, PR3306 */
export async function readArrowKeys(path: string, columns: readonly Column[], visit: VisitKeys): Promise<void> {
  await withArrow(path, async (reader) => {
    for (let i = 0, firstRow = 0; i < reader.numRecordBatches; i++) {
      const batch = await reader.readRecordBatch(i);
      if (!batch) throw new Error(`batch ${i} of it is missing`);
      await visit(
        firstRow,
        batch.numRows,
        columns.map(({ name }) => textsOf(column(batch, name, path), () => notPlain(path, name, 'nested'))),
      );
      firstRow += batch.numRows;
    }
  });
}

/** @throws DatasetError PR3003, PR3304, PR3306 where the column can't be a key, or nothing of the file be read */
export async function checkArrowKey(path: string, { name }: Column): Promise<void> {
  await withArrow(path, ({ schema }) => {
    const field = schema.fields.find((each) => each.name === name);
    if (!field) throw notPlain(path, name, 'absent');
    textsOf(new Vector([makeData({ type: field.type as DataType, length: 0 })]), () => notPlain(path, name, 'nested'));
  });
}

async function withArrow(
  path: string,
  use: (reader: AsyncRecordBatchFileReader) => void | Promise<void>,
): Promise<void> {
  await withFile(path, async (file) => {
    try {
      const reader = await RecordBatchReader.from(file);
      if (!reader.isFile()) throw new Error('it is no Arrow file');
      await reader.open();
      await use(reader);
    } catch (error) {
      if (error instanceof DatasetError || isOfSystem(error)) throw error;
      throw unreadableKeys(path, error as Error);
    }
  });
}

function column(batch: RecordBatch, name: string, path: string): Vector {
  const vector = batch.getChildAt(batch.schema.fields.findIndex((field) => field.name === name));
  if (!vector) throw notPlain(path, name, 'absent');
  return vector;
}

type Texts = readonly (string | null)[];

function textsOf(vector: Vector, refusal: () => DatasetError): Texts {
  return (vector.data as readonly Data[]).flatMap((data) => {
    const text = DataType.isDictionary(data.type) ? categoryOf(data, refusal) : textOf(data, refusal);
    return Array.from({ length: data.length }, (_, i) => (data.getValid(i) ? text(i) : null));
  });
}

type TextAt = (i: number) => string | null;

/** Of the batches of one file the categories are mostly the same. */
const categories = new WeakMap<Vector, Texts>();

function categoryOf(data: Data, refusal: () => DatasetError): TextAt {
  const { dictionary } = data;
  if (!dictionary) return () => null;
  const texts = categories.get(dictionary) ?? textsOf(dictionary, refusal);
  categories.set(dictionary, texts);
  const positions = data.values as ArrayLike<number | bigint>;
  return (i) => texts[Number(positions[i])] ?? null;
}

const AS_TEXT: ReadonlySet<Type> = new Set([Type.Utf8, Type.LargeUtf8, Type.Utf8View, Type.Bool]);
const AS_BYTES: ReadonlySet<Type> = new Set([Type.Binary, Type.LargeBinary, Type.BinaryView, Type.FixedSizeBinary]);

/** Of numbers as they are stored: dates, decimals and times lose digits on their way to plain ones. */
function textOf(data: Data, refusal: () => DatasetError): TextAt {
  const { type } = data as { readonly type: DataType };
  const stored = data.values as ArrayLike<number | bigint>;
  const at = (i: number): bigint => BigInt(stored[i] ?? 0);
  if (DataType.isNull(type)) return () => null;
  if (DataType.isDecimal(type)) return decimalOf(data.values as Uint32Array, type.bitWidth, type.scale);
  if (DataType.isTimestamp(type)) return (i) => isoTime(at(i), 3 * type.unit);
  if (DataType.isDate(type)) return stored instanceof Int32Array ? (i) => dayOf(at(i)) : (i) => isoTime(at(i), 3);
  if (DataType.isInt(type) || DataType.isTime(type) || DataType.isDuration(type)) return (i) => String(stored[i]);
  const values = new Vector([data]);
  if (AS_TEXT.has(type.typeId)) return (i) => String(values.get(i));
  if (DataType.isFloat(type))
    return (i) => {
      const value = values.get(i) as number;
      return Number.isNaN(value) ? null : String(value);
    };
  if (AS_BYTES.has(type.typeId)) return (i) => Buffer.from(values.get(i) as Uint8Array).toString('hex');
  throw refusal();
}

const dayOf = (days: bigint): string => isoDay(Number(days)) ?? String(days);

function decimalOf(values: Uint32Array, bits: number, scale: number): TextAt {
  const words = bits / 32;
  return (i) => scaled(wholeOfWords(values.subarray(i * words, (i + 1) * words)), scale);
}

function unreadableKeys(path: string, { message }: Error): DatasetError {
  return new DatasetError(
    datasetProblem({
      code: 'PR3306',
      what: 'the key columns of an Arrow file cannot be read',
      file: path,
      why: message,
      next: 'write the file anew without what is named here, convert it to Parquet, or cut it with mini_batch_rows',
    }),
  );
}
