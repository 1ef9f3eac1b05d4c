/** Cells of a block as values of the settled column. Pure. */
import { unreachable } from '../../domain/assert.ts';
import type { BlockCell, BlockColumn, TimeUnit } from '../../domain/block.ts';
import { wellFormed } from '../../domain/wellformed.ts';
import { timeFactor } from './columns.ts';
import type { ColumnType } from './columns.ts';

/** As the writer takes it: whole numbers of 64 bits and unscaled decimals as `bigint`. */
export type ParquetValue = boolean | number | bigint | string | Uint8Array | null;
type Present = Exclude<BlockCell, null>;

/** @param from of the block @param to of the result: one that holds all values of `from` */
export function converterOf(from: BlockColumn, to: ColumnType): (cell: Present) => ParquetValue {
  switch (to.type) {
    case 'bool':
    case 'int32':
    case 'date':
      return (cell) => cell;
    case 'int64':
    case 'uint64':
      return (cell) => BigInt(cell);
    case 'float32':
    case 'float64':
      return Number;
    case 'string':
      return (cell) => wellFormed(String(cell));
    case 'binary':
      return (cell) => Buffer.from(String(cell), 'base64');
    case 'decimal':
      return (cell) => unscaled(String(cell), to.scale);
    case 'timestamp': {
      const factor = from.type === 'timestamp' ? timeFactor(from.unit, to.unit) : 1n;
      return (cell) => BigInt(cell) * factor;
    }
    case 'json':
      return jsonOf(from);
    default:
      return unreachable(to);
  }
}

/** `-1.5` with a scale of 3: -1500n. */
function unscaled(text: string, scale: number): bigint {
  const [before = '', behind = ''] = text.split('.');
  return BigInt(before + behind.padEnd(scale, '0'));
}

/** Text of a JSON value; what JSON has no value for is missing. */
function jsonOf(from: BlockColumn): (cell: Present) => string | null {
  switch (from.type) {
    case 'json':
      return (cell) => wellFormed(String(cell));
    case 'null':
    case 'string':
    case 'binary':
    case 'decimal':
      return (cell) => JSON.stringify(wellFormed(String(cell)));
    case 'bool':
    case 'int32':
    case 'int64':
    case 'uint64':
      return String;
    case 'float32':
    case 'float64':
      return (cell) =>
        Number.isFinite(Number(cell)) ? String(Object.is(Number(cell), -0) ? '-0.0' : Number(cell)) : null;
    case 'date':
      return (cell) => JSON.stringify(dateText(Number(cell)));
    case 'timestamp':
      return (cell) => JSON.stringify(timeText(BigInt(cell), from.unit, from.utc));
    default:
      return unreachable(from);
  }
}

const DAY_MS = 86_400_000;

function dateText(days: number): string {
  const [text = ''] = new Date(days * DAY_MS).toISOString().split('T');
  return text;
}

const FRACTION_DIGITS: Readonly<Record<TimeUnit, number>> = { ms: 3, us: 6, ns: 9 };

/** ISO 8601, with as many digits as its unit has. */
function timeText(time: bigint, unit: TimeUnit, utc: boolean): string {
  const perSecond = timeFactor('ms', unit) * 1000n;
  const fraction = ((time % perSecond) + perSecond) % perSecond;
  const seconds = Number((time - fraction) / perSecond);
  const date = new Date(seconds * 1000);
  // beyond what a Date holds (the year 275760): the number itself
  if (Number.isNaN(date.getTime())) return `${time} ${unit}`;
  const [text = ''] = date.toISOString().split('.');
  return `${text}.${String(fraction).padStart(FRACTION_DIGITS[unit], '0')}${utc ? 'Z' : ''}`;
}
