/** Columns of an Arrow table that a script returned, of whatever version or copy of the package. Pure. */
import type { BlockColumn, TimeUnit } from '../domain/block.ts';

export interface ArrowTable {
  readonly numRows: number;
  readonly schema: { readonly fields: readonly { readonly name: string; readonly type?: unknown }[] };
  getChildAt(index: number): ArrowColumn | null;
}

interface ArrowColumn {
  get(row: number): unknown;
  readonly data?: readonly { readonly length: number; readonly values?: unknown }[];
}

export interface TableColumn {
  /** As it is written: one that came before gets a number. */
  readonly name: string;
  /** Of a result that has types; undefined: what its values are. */
  readonly type?: BlockColumn extends infer C ? (C extends unknown ? Omit<C, 'name'> : never) : never;
}

const TYPES: readonly (readonly [RegExp, TableColumn['type']])[] = [
  [/^(?:Int(?:8|16|32)|Uint(?:8|16))$/, { type: 'int32' }],
  [/^(?:Int64|Uint32)$/, { type: 'int64' }],
  [/^Uint64$/, { type: 'uint64' }],
  [/^Float(?:16|32)$/, { type: 'float32' }],
  [/^Float64$/, { type: 'float64' }],
  [/^Bool$/, { type: 'bool' }],
  [/^(?:Large)?Utf8(?:View)?$/, { type: 'string' }],
  [/^(?:Large|FixedSize)?Binary(?:View)?(?:\[\d+\])?$/, { type: 'binary' }],
  [/^Date\d+</, { type: 'date' }],
];
const TIMESTAMP = /^Timestamp<(SECOND|MILLISECOND|MICROSECOND|NANOSECOND)(, .+)?>$/;
const UNITS: Readonly<Record<string, TimeUnit>> = { MICROSECOND: 'us', NANOSECOND: 'ns' };
const DECIMAL = /^Decimal\[(\d+)e\+?(\d+)\]$/;
const DAY_MS = 86_400_000;

export function tableColumns({ schema }: ArrowTable): readonly TableColumn[] {
  return schema.fields.map(({ name, type }) => {
    const known = typeOf(String(type));
    return known ? { name, type: known } : { name };
  });
}

function typeOf(text: string): TableColumn['type'] {
  const [, unit, zone] = TIMESTAMP.exec(text) ?? [];
  if (unit !== undefined) return { type: 'timestamp', unit: UNITS[unit] ?? 'ms', utc: zone !== undefined };
  const [, digits, scale] = DECIMAL.exec(text) ?? [];
  if (digits !== undefined) return { type: 'decimal', digits: Number(digits), scale: Number(scale) };
  return TYPES.find(([pattern]) => pattern.test(text))?.[1];
}

/** Rows whose cells are those of a block: times to their last digit, dates as days, decimals as texts. */
export function* typedRows(table: ArrowTable): Generator<unknown[], void, undefined> {
  const readers = tableColumns(table).map(({ type }, i) => readerOf(table.getChildAt(i), type));
  for (let row = 0; row < table.numRows; row++) yield readers.map((read) => read(row));
}

function readerOf(column: ArrowColumn | null, type: TableColumn['type']): (row: number) => unknown {
  const get = (row: number): unknown => column?.get(row) ?? null;
  switch (type?.type) {
    case 'timestamp':
      return timeReader(column, get, type.unit);
    case 'date':
      return (row) => {
        const value = get(row);
        return value === null ? null : Math.floor(Number(value) / DAY_MS);
      };
    case 'decimal':
      return (row) => decimalText(get(row), type.scale);
    default:
      return get;
  }
}

/** `get` gives milliseconds: what is finer is read from what the column is stored as. */
function timeReader(
  column: ArrowColumn | null,
  get: (row: number) => unknown,
  unit: TimeUnit,
): (row: number) => unknown {
  const chunks = unit === 'ms' ? [] : (column?.data ?? []);
  const stored = chunks.every(({ values }) => values instanceof BigInt64Array) ? chunks : [];
  const perMillisecond = unit === 'ns' ? 1_000_000 : unit === 'us' ? 1000 : 1;
  let chunk = 0;
  let first = 0;
  return (row) => {
    const value = get(row);
    if (value === null) return null;
    while (chunk < stored.length && row >= first + (stored[chunk]?.length ?? 0)) {
      first += stored[chunk]?.length ?? 0;
      chunk += 1;
    }
    const exact = (stored[chunk]?.values as BigInt64Array | undefined)?.[row - first];
    return exact ?? BigInt(Math.round(Number(value) * perMillisecond));
  };
}

/** Of a whole number in words of 32 bits, the lowest first. */
function decimalText(value: unknown, scale: number): unknown {
  if (!(value instanceof Uint32Array)) return value;
  let whole = 0n;
  for (const word of Array.from(value).reverse()) whole = (whole << 32n) | BigInt(word);
  whole = BigInt.asIntN(32 * value.length, whole);
  const digits = String(whole < 0n ? -whole : whole).padStart(scale + 1, '0');
  const at = digits.length - scale;
  return `${whole < 0n ? '-' : ''}${digits.slice(0, at)}${scale > 0 ? `.${digits.slice(at)}` : ''}`;
}
