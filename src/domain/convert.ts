/**
 * Conversions of values, the same for a row whichever host reads it: `parallelrun_host/convert.py` is this in Python.
 * Pure.
 */
import { parseDecimal, parseTruth, parseWhole } from './cells.ts';
import type { TableCell } from './entry.ts';
import type { Column } from './plan.ts';
import type { Conversion } from './transform.ts';

/** A time without zone, as the milliseconds of UTC; `Date` where a script gets it. */
type Value = TableCell | Date;

const INT64 = [-(2n ** 63n), 2n ** 63n - 1n] as const;

/**
 * @param isFloat the column holds numbers with fractions, so that 1 is the text `1.0`
 * @returns null where the value is missing, undefined where it can't be converted
 */
export function convert(value: Value, to: Conversion, isFloat = false): Value | undefined {
  if (value === null || Number.isNaN(value)) return null;
  switch (to.type) {
    case 'string':
      return textOf(value, isFloat);
    case 'int':
      return toInt(value);
    case 'float':
      return toFloat(value);
    case 'boolean':
      return toTruth(value, to, isFloat);
    case 'datetime':
      return toTime(value, to.formats);
  }
}

/** A whole number in such a column has a fraction of zero. */
export const isFloat = ({ type, native = '' }: Column): boolean =>
  type === 'float64' || (type === 'native' && /^(?:float|double)/.test(native));

function textOf(value: Value, isFloat: boolean): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Date) return value.toISOString().replace(/(?:\.000)?Z$/, '');
  if (typeof value !== 'number') return undefined;
  if (!isFloat) return String(value);
  return floatText(value);
}

/** As Python writes it: the shortest digits, an exponent from 1e16 on and below 1e-4. */
function floatText(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  const size = Math.abs(value);
  if (Object.is(value, -0)) return '-0.0';
  if (size !== 0 && (size >= 1e16 || size < 1e-4)) return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

function toInt(value: Value): number | bigint | undefined {
  if (typeof value === 'boolean') return Number(value);
  const read = typeof value === 'string' ? (parseWhole(value) ?? parseDecimal(value)) : value;
  if (typeof read === 'number' && Number.isSafeInteger(read)) return read + 0;
  if (typeof read === 'number' && !Number.isInteger(read)) return undefined;
  if (typeof read !== 'number' && typeof read !== 'bigint') return undefined;
  const whole = BigInt(read);
  return whole >= INT64[0] && whole <= INT64[1] ? whole : undefined;
}

function toFloat(value: Value): number | undefined {
  if (typeof value === 'string') return parseDecimal(value);
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
    ? Number(value)
    : undefined;
}

function toTruth(
  value: Value,
  { trueValues = [], falseValues = [], otherwise }: Extract<Conversion, { type: 'boolean' }>,
  isFloat: boolean,
): boolean | undefined {
  if (typeof value === 'boolean') return value;
  const text = textOf(value, isFloat);
  if (text === undefined) return otherwise;
  if (trueValues.length + falseValues.length > 0)
    return trueValues.includes(text) ? true : falseValues.includes(text) ? false : otherwise;
  return parseTruth(text) ?? (/^1(?:\.0)?$/.test(text) ? true : /^0(?:\.0)?$/.test(text) ? false : otherwise);
}

function toTime(value: Value, formats: readonly string[]): Date | undefined {
  if (value instanceof Date) return value;
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'bigint') return undefined;
  const time = timeOf(String(value), formats);
  return time && new Date(time.ms);
}

interface Time {
  /** Of UTC. */
  readonly ms: number;
  /** Behind them, 0 to 999. */
  readonly us: number;
}

/** With the digits that a `Date` has no room for. @param formats empty: ISO 8601 */
export function timeOf(text: string, formats: readonly string[] = []): Time | undefined {
  for (const format of formats.length > 0 ? formats : ISO) {
    const time = parseTime(text, format);
    if (time) return time;
  }
  return undefined;
}

/** What stands in for "no format": dates, and dates with times. */
const ISO = [
  '%Y-%m-%d', '%Y-%m-%dT%H:%M:%S', '%Y-%m-%d %H:%M:%S', '%Y-%m-%dT%H:%M:%S.%f', '%Y-%m-%d %H:%M:%S.%f',
  '%Y-%m-%dT%H:%M:%S%z', '%Y-%m-%dT%H:%M:%S.%f%z', '%Y-%m-%d %H:%M:%S%z', '%Y-%m-%d %H:%M:%S.%f%z',
  '%Y-%m-%dT%H:%M', '%Y-%m-%d %H:%M',
]; // prettier-ignore

const MONTHS = [
  'january', 'february', 'march', 'april', 'may', 'june', 'july', 'august', 'september', 'october', 'november',
  'december',
]; // prettier-ignore
const PIECES: Readonly<Record<string, string>> = {
  Y: '(\\d{4})',
  y: '(\\d{2})',
  m: '(\\d{1,2})',
  b: '([A-Za-z]{3})',
  B: '([A-Za-z]+)',
  d: '(\\d{1,2})',
  H: '(\\d{1,2})',
  I: '(\\d{1,2})',
  M: '(\\d{1,2})',
  S: '(\\d{1,2})',
  f: '(\\d{1,6})',
  p: '([AaPp][Mm])',
  z: '(Z|[+-]\\d{2}:?\\d{2})',
  '%': '%',
};

interface Format {
  readonly pattern: RegExp;
  readonly names: readonly string[];
}
const formats = new Map<string, Format>();

/** @returns what is wrong with the text of a format; undefined where nothing is */
export function wrongFormat(format: string): string | undefined {
  const unknown = [...format.matchAll(/%(.?)/gs)].find(([, letter = '']) => PIECES[letter] === undefined);
  if (unknown) return `${unknown[0]} is not known; known are ${Object.keys(PIECES).map((letter) => `%${letter}`).join(' ')}`; // prettier-ignore
  return format.includes('%') ? undefined : 'it has no part such as %Y';
}

function formatOf(text: string): Format {
  const known = formats.get(text);
  if (known) return known;
  const names: string[] = [];
  const source = text.replace(/%(.)|[^%]/gs, (piece, letter: string | undefined) => {
    if (letter === undefined) return /\s/.test(piece) ? '\\s+' : piece.replace(/[\\^$.*+?()[\]{}|/-]/, '\\$&');
    if (letter !== '%') names.push(letter);
    return PIECES[letter] ?? piece;
  });
  const made = { pattern: new RegExp(`^${source}$`), names };
  formats.set(text, made);
  return made;
}

/** Parts that are not named are those of 1900-01-01 00:00. */
function parseTime(text: string, format: string): Time | undefined {
  const { pattern, names } = formatOf(format);
  const found = pattern.exec(text.trim());
  if (!found) return undefined;
  const part = new Map(names.map((name, i) => [name, found[i + 1] ?? '']));
  const number = (name: string, missing: number): number => Number(part.get(name) ?? missing);
  const year = part.has('y') ? number('y', 0) + (number('y', 0) < 69 ? 2000 : 1900) : number('Y', 1900);
  const month = monthOf(part) ?? number('m', 1);
  const day = number('d', 1);
  const half = part.get('p')?.toLowerCase();
  const hour = part.has('I') ? (number('I', 0) % 12) + (half === 'pm' ? 12 : 0) : number('H', 0);
  const hourIsWrong = part.has('I') && (number('I', 0) < 1 || number('I', 0) > 12);
  const [minute, second] = [number('M', 0), number('S', 0)];
  if (hourIsWrong || year < 1 || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59) return undefined;
  const us = Number((part.get('f') ?? '').padEnd(6, '0'));
  const time = new Date(0);
  time.setUTCFullYear(year, month - 1, day);
  // a day that the month doesn't have
  if (time.getUTCDate() !== day) return undefined;
  time.setUTCHours(hour, minute, second, Math.floor(us / 1000));
  return { ms: time.getTime() - zoneMs(part.get('z')), us: us % 1000 };
}

function monthOf(part: ReadonlyMap<string, string>): number | undefined {
  const [short, long] = [part.get('b')?.toLowerCase(), part.get('B')?.toLowerCase()];
  if (short === undefined && long === undefined) return undefined;
  return MONTHS.findIndex((month) => (long === undefined ? month.slice(0, 3) === short : month === long)) + 1;
}

function zoneMs(zone = 'Z'): number {
  if (zone === 'Z') return 0;
  const [, sign, hours = '', minutes = ''] = /^([+-])(\d{2}):?(\d{2})$/.exec(zone) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
}
