/** Values of the key columns of a Parquet file, as texts that are equal where the stored values are. */
import { parquetScan } from 'hyparquet';
import type { FileMetaData, SchemaElement } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { DatasetError, datasetProblem } from '../error.ts';
import { firstLevel, withParquet } from '../table/parquet.ts';

/** Called for each group of rows; `values` by column. */
type Visit = (firstRow: number, rows: number, values: readonly (readonly (string | null)[])[]) => void | Promise<void>;

/**
 * A group of rows at a time is in memory, of the columns that are asked for. Values are taken as they are stored, since
 * dates, decimals and times lose digits on their way to plain ones.
 * @throws DatasetError PR3003, PR3011, PR3304
 */
export async function readParquetKeys(path: string, names: readonly string[], visit: Visit): Promise<void> {
  await withParquet(path, async (file, metadata) => {
    const elements = names.map((name) => elementOf(metadata, name, path));
    const stored = {
      ...metadata,
      schema: metadata.schema.map((element) => (elements.includes(element) ? plain(element) : element)),
    };
    const scan = await parquetScan({ file, metadata: stored, columns: [...names], compressors, utf8: false });
    for (const { rowStart, rowEnd } of scan.ranges) {
      const values: (string | null)[][] = [];
      for (const element of elements) {
        const texts = new Texts(element);
        const read = (await scan.readColumn({ column: element.name, rowStart, rowEnd })) as ArrayLike<unknown>;
        values.push(Array.from(read, (value) => texts.of(value)));
      }
      await visit(rowStart, rowEnd - rowStart, values);
    }
  });
}

/** @throws DatasetError PR3003, PR3011, PR3304 where one of the columns can't be a key */
export async function checkParquetKeys(path: string, names: readonly string[]): Promise<void> {
  await withParquet(path, (_, metadata) => {
    for (const name of names) elementOf(metadata, name, path);
    return Promise.resolve();
  });
}

function elementOf(metadata: FileMetaData, name: string, path: string): SchemaElement {
  const element = firstLevel(metadata).find((each) => each.name === name);
  const isNested = element?.num_children !== undefined || element?.repetition_type === 'REPEATED';
  // The reader takes some of these times for others.
  const isOld = element?.type === 'INT96';
  if (element && !isNested && !isOld) return element;
  throw new DatasetError(
    datasetProblem({
      code: 'PR3304',
      what: `the column ${JSON.stringify(name)} cannot be a partition key`,
      file: path,
      why: isNested
        ? 'its values are lists, maps or structures'
        : isOld
          ? 'its times are of the old type INT96'
          : 'this file has no such column',
      next: 'name columns of plain values: texts, numbers, truth values, dates and times',
    }),
  );
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
    if (converted === 'DECIMAL' || logical?.type === 'DECIMAL') return scaled(BigInt(value), this.#element);
    if (converted === 'DATE' || logical?.type === 'DATE') return isoDay(Number(value)) ?? String(value);
    const digits = timestampDigits(this.#element);
    if (digits !== undefined) return isoTime(BigInt(value), digits);
    const unsigned = converted?.startsWith('UINT') === true || (logical?.type === 'INTEGER' && !logical.isSigned);
    if (unsigned) return String(BigInt.asUintN(type === 'INT64' ? 64 : 32, BigInt(value)));
    return String(value);
  }

  #bytes(bytes: Buffer): string {
    const { type, converted_type: converted, logical_type: logical } = this.#element;
    if (converted === 'DECIMAL' || logical?.type === 'DECIMAL') return scaled(signed(bytes), this.#element);
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

/** `-12.30` */
function scaled(value: bigint, element: SchemaElement): string {
  const scale = element.logical_type?.type === 'DECIMAL' ? element.logical_type.scale : (element.scale ?? 0);
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  return `${value < 0n ? '-' : ''}${whole}${scale > 0 ? `.${digits.slice(-scale)}` : ''}`;
}

const DAY_MS = 86_400_000;

function isoDay(days: number): string | undefined {
  const date = new Date(days * DAY_MS);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString().slice(0, -'T00:00:00.000Z'.length);
}

/** `2020-01-02T03:04:05.000006`; a number of units where no calendar reaches. @param digits of a second in the value */
function isoTime(value: bigint, digits: number): string {
  const perSecond = 10n ** BigInt(digits);
  const part = ((value % perSecond) + perSecond) % perSecond;
  const date = new Date(Number((value - part) / perSecond) * 1000);
  if (Number.isNaN(date.getTime())) return String(value);
  return `${date.toISOString().slice(0, -'.000Z'.length)}${part === 0n ? '' : `.${String(part).padStart(digits, '0')}`}`;
}
