/** Values of the key columns of a Parquet file, as texts that are equal where the stored values are. */
import { parquetScan } from 'hyparquet';
import type { FileMetaData, SchemaElement } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { orNothing } from '../../domain/lz4frame.ts';
import type { Column } from '../../domain/plan.ts';
import { firstLevel, withParquet } from '../table/parquet.ts';
import { notPlain } from './notplain.ts';
import type { VisitKeys } from './notplain.ts';
import { isoDay, isoTime, scaled } from './typedtexts.ts';

const COMPRESSORS = { ...compressors, LZ4_RAW: orNothing(compressors.LZ4_RAW) };

/**
 * A group of rows at a time is in memory, of the columns that are asked for. Values are taken as they are stored, since
 * dates, decimals and times lose digits on their way to plain ones.
 * @throws DatasetError PR3003, PR3011, PR3304
 */
export async function readParquetKeys(path: string, columns: readonly Column[], visit: VisitKeys): Promise<void> {
  await withParquet(path, async (file, metadata) => {
    const elements = columns.map((column) => elementOf(metadata, column, path));
    const stored = {
      ...metadata,
      schema: metadata.schema.map((element) => (elements.includes(element) ? plain(element) : element)),
    };
    const names = elements.flatMap((element) => element?.name ?? []);
    const scan = await parquetScan({
      file,
      metadata: stored,
      columns: names,
      compressors: COMPRESSORS,
      utf8: false,
    });
    for (const { rowStart, rowEnd } of scan.ranges) {
      const values: (string | null)[][] = [];
      for (const element of elements) {
        if (!element) {
          values.push([]);
          continue;
        }
        const texts = new Texts(element);
        const read = (await scan.readColumn({ column: element.name, rowStart, rowEnd })) as ArrayLike<unknown>;
        values.push(Array.from(read, (value) => texts.of(value)));
      }
      await visit(rowStart, rowEnd - rowStart, values);
    }
  });
}

/** @throws DatasetError PR3003, PR3011, PR3304 where the column can't be a key */
export async function checkParquetKey(path: string, column: Column): Promise<void> {
  await withParquet(path, (_, metadata) => Promise.resolve(elementOf(metadata, column, path)));
}

/** Undefined: this file is one of those that lack the column; one without rows lacks none. */
function elementOf(metadata: FileMetaData, { name, lacking }: Column, path: string): SchemaElement | undefined {
  const element = firstLevel(metadata).find((each) => each.name === name);
  if (!element && (lacking || metadata.num_rows === 0n)) return undefined;
  if (!element) throw notPlain(path, name, 'absent');
  if (element.num_children !== undefined || element.repetition_type === 'REPEATED')
    throw notPlain(path, name, 'nested');
  // The reader takes some of these times for others.
  if (element.type === 'INT96') throw notPlain(path, name, 'int96');
  return element;
}

/** What values mean is left out: they come as they are stored. */
function plain({ converted_type: _, logical_type: __, ...element }: SchemaElement): SchemaElement {
  return element;
}

const TEXTS_MAX = 65_536;

class Texts {
  readonly #element: SchemaElement;
  readonly #known = new Map<string, string>();

  constructor(element: SchemaElement) {
    this.#element = element;
  }

  /** NaN is a missing value. */
  of(value: unknown): string | null {
    if (value === null || value === undefined || Number.isNaN(value)) return null;
    if (!(value instanceof Uint8Array)) return this.#number(value as number | bigint | boolean);
    const raw = Buffer.from(value.buffer, value.byteOffset, value.length).toString('latin1');
    let text = this.#known.get(raw);
    if (text === undefined) {
      if (this.#known.size >= TEXTS_MAX) this.#known.clear();
      text = this.#bytes(Buffer.from(raw, 'latin1'));
      this.#known.set(raw, text);
    }
    return text;
  }

  #number(value: number | bigint | boolean): string {
    const { type, converted_type: converted, logical_type: logical } = this.#element;
    if (typeof value === 'boolean') return String(value);
    if (converted === 'DECIMAL' || logical?.type === 'DECIMAL') return scaled(BigInt(value), scaleOf(this.#element));
    if (converted === 'DATE' || logical?.type === 'DATE') return isoDay(Number(value)) ?? String(value);
    const digits = timestampDigits(this.#element);
    if (digits !== undefined) return isoTime(BigInt(value), digits);
    const unsigned = converted?.startsWith('UINT') === true || (logical?.type === 'INTEGER' && !logical.isSigned);
    if (unsigned) return String(BigInt.asUintN(type === 'INT64' ? 64 : 32, BigInt(value)));
    return String(value);
  }

  #bytes(bytes: Buffer): string {
    const { type, converted_type: converted, logical_type: logical } = this.#element;
    if (converted === 'DECIMAL' || logical?.type === 'DECIMAL') return scaled(signed(bytes), scaleOf(this.#element));
    if (logical?.type === 'FLOAT16' || type === 'FIXED_LEN_BYTE_ARRAY') return bytes.toString('hex');
    const text = bytes.toString('utf8');
    const isText = converted === 'UTF8' || ['STRING', 'JSON', 'ENUM'].includes(logical?.type ?? converted ?? '');
    return isText ? text : bytes.toString('hex');
  }
}

function timestampDigits({ converted_type: converted, logical_type: logical }: SchemaElement): number | undefined {
  if (logical?.type === 'TIMESTAMP') return { MILLIS: 3, MICROS: 6, NANOS: 9 }[logical.unit];
  return converted === 'TIMESTAMP_MILLIS' ? 3 : converted === 'TIMESTAMP_MICROS' ? 6 : undefined;
}

function signed(bytes: Buffer): bigint {
  return bytes.length === 0 ? 0n : BigInt.asIntN(8 * bytes.length, BigInt(`0x${bytes.toString('hex')}`));
}

function scaleOf({ logical_type: logical, scale = 0 }: SchemaElement): number {
  return logical?.type === 'DECIMAL' ? logical.scale : scale;
}
