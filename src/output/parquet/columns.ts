/** The columns of a Parquet result and their types, settled over all its blocks: whatever their order, the same types. Pure. */
import { DECIMAL_DIGITS_MAX, VALUE_COLUMN } from '../../domain/block.ts';
import type { BlockColumn, BlockHead, TimeUnit } from '../../domain/block.ts';

export type ColumnType =
  | {
      readonly type:
        'bool' | 'int32' | 'int64' | 'uint64' | 'float32' | 'float64' | 'string' | 'json' | 'binary' | 'date';
    }
  | { readonly type: 'decimal'; readonly digits: number; readonly scale: number }
  | { readonly type: 'timestamp'; readonly unit: TimeUnit; readonly utc: boolean };
export type SettledColumn = ColumnType & { readonly name: string };

type Kind = BlockColumn['type'];

interface Facts {
  readonly kinds: Set<Kind>;
  /** Of whole numbers; of times in each unit. */
  whole: Range | undefined;
  readonly times: Map<TimeUnit, Range | undefined>;
  readonly utc: Set<boolean>;
  /** Digits in front of the point, and behind it. */
  before: number;
  behind: number;
}
interface Range {
  readonly low: bigint;
  readonly high: bigint;
}

/** Gathers what the blocks say; columns come in the order in which they first appear. */
export class ColumnSettler {
  readonly #columns = new Map<string, Facts>();
  rows = 0;

  add({ rows, columns }: BlockHead): void {
    this.rows += rows;
    for (const column of columns) {
      let facts = this.#columns.get(column.name);
      if (!facts) this.#columns.set(column.name, (facts = noFacts()));
      note(facts, column);
    }
  }

  /** At least one: readers can't do with none. */
  settled(): SettledColumn[] {
    const columns = [...this.#columns].map(([name, facts]) => ({ name, ...typeOf(facts) }));
    return columns.length > 0 ? columns : [{ name: VALUE_COLUMN, type: 'string' }];
  }
}

const noFacts = (): Facts => ({
  kinds: new Set(),
  whole: undefined,
  times: new Map(),
  utc: new Set(),
  before: 0,
  behind: 0,
});

function note(facts: Facts, column: BlockColumn): void {
  if (column.type !== 'null') facts.kinds.add(column.type);
  switch (column.type) {
    case 'int32':
    case 'int64':
    case 'uint64':
      facts.whole = joined(facts.whole, column.range);
      return;
    case 'timestamp':
      facts.times.set(column.unit, joined(facts.times.get(column.unit), column.range));
      facts.utc.add(column.utc);
      return;
    case 'decimal':
      facts.before = Math.max(facts.before, column.digits - column.scale);
      facts.behind = Math.max(facts.behind, column.scale);
      return;
    default:
  }
}

function joined(one: Range | undefined, other: readonly [string, string] | undefined): Range | undefined {
  if (!other) return one;
  const [low, high] = [BigInt(other[0]), BigInt(other[1])];
  return one ? { low: low < one.low ? low : one.low, high: high > one.high ? high : one.high } : { low, high };
}

const INT64: Range = { low: -(2n ** 63n), high: 2n ** 63n - 1n };
const UINT64: Range = { low: 0n, high: 2n ** 64n - 1n };
const EXACT_DOUBLE: Range = { low: -(2n ** 53n), high: 2n ** 53n };
/** Decimal digits that hold every whole number of 64 bits. */
const INT64_DIGITS = 20;

const fits = (range: Range | undefined, { low, high }: Range): boolean =>
  range === undefined || (range.low >= low && range.high <= high);
const only = (kinds: ReadonlySet<Kind>, ...allowed: readonly Kind[]): boolean =>
  [...kinds].every((kind) => allowed.includes(kind));

/** One type for all; where there is none that keeps every value, the JSON of each. */
function typeOf(facts: Facts): ColumnType {
  const { kinds, whole, before, behind } = facts;
  const [kind] = kinds;
  if (kind === undefined) return { type: 'string' };
  if (only(kinds, 'int32', 'int64', 'uint64')) return wholeType(kinds, whole);
  if (only(kinds, 'float32')) return { type: 'float32' };
  if (only(kinds, 'int32', 'int64', 'uint64', 'float32', 'float64') && fits(whole, EXACT_DOUBLE))
    return { type: 'float64' };
  if (only(kinds, 'int32', 'int64', 'uint64', 'decimal')) {
    const most = Math.max(before, whole ? digitsOf(whole) : 0);
    if (most + behind <= DECIMAL_DIGITS_MAX)
      return { type: 'decimal', digits: Math.max(1, most + behind), scale: behind };
  }
  if (only(kinds, 'timestamp')) return timeType(facts) ?? { type: 'json' };
  switch (kind) {
    case 'bool':
    case 'string':
    case 'binary':
    case 'date':
      return { type: kinds.size === 1 ? kind : 'json' };
    default:
      return { type: 'json' };
  }
}

function wholeType(kinds: ReadonlySet<Kind>, range: Range | undefined): ColumnType {
  if (only(kinds, 'int32')) return { type: 'int32' };
  if (kinds.has('uint64') && fits(range, UINT64)) return { type: 'uint64' };
  if (fits(range, INT64)) return { type: 'int64' };
  return { type: 'decimal', digits: INT64_DIGITS, scale: 0 };
}

const digitsOf = ({ low, high }: Range): number =>
  Math.max(...[low, high].map((value) => String(value).replace('-', '').length));

const FACTORS: Readonly<Record<TimeUnit, bigint>> = { ms: 1n, us: 1000n, ns: 1_000_000n };

/** The finest of the units, if all times fit into it. */
function timeType({ times, utc }: Facts): ColumnType | undefined {
  if (utc.size > 1) return undefined;
  const unit = times.has('ns') ? 'ns' : times.has('us') ? 'us' : 'ms';
  for (const [from, range] of times) {
    const factor = timeFactor(from, unit);
    if (range && !fits({ low: range.low * factor, high: range.high * factor }, INT64)) return undefined;
  }
  return { type: 'timestamp', unit, utc: utc.has(true) };
}

/** By how much a time in `from` is multiplied in the finer unit `to`. */
export function timeFactor(from: TimeUnit, to: TimeUnit): bigint {
  return FACTORS[to] / FACTORS[from];
}
