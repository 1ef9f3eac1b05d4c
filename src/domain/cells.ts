import type { TableCell } from './entry.ts';
import type { Column } from './plan.ts';

/** Texts that pandas takes as "no value" in every column. */
const MISSING: ReadonlySet<string> = new Set([
  '', '#N/A', '#N/A N/A', '#NA', '-1.#IND', '-1.#QNAN', '-NaN', '-nan', '1.#IND', '1.#QNAN', '<NA>', 'N/A', 'NA',
  'NULL', 'NaN', 'None', 'n/a', 'nan', 'null',
]); // prettier-ignore

// White space around numbers is what C and hence pandas take for it: a quoted field may hold line breaks.
const WHOLE = /^[ \t\n\v\f\r]*[+-]?[0-9]+[ \t\n\v\f\r]*$/;
const DECIMAL = /^[ \t\n\v\f\r]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t\n\v\f\r]*$/;
const INFINITE = /^[ \t]*([+-]?)(?:inf|infinity)[ \t]*$/i;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

export function isMissing(text: string): boolean {
  return text.length <= 8 && MISSING.has(text);
}

/** @returns the whole number, a `bigint` where a number would lose digits, or undefined for any other text. */
export function parseWhole(text: string): number | bigint | undefined {
  if (!WHOLE.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value + 0 : BigInt(text.trim().replace(/^\+/, ''));
}

export function parseDecimal(text: string): number | undefined {
  if (DECIMAL.test(text)) return Number(text);
  const infinite = INFINITE.exec(text);
  if (infinite === null) return undefined;
  return infinite[1] === '-' ? -Infinity : Infinity;
}

export function parseTruth(text: string): boolean | undefined {
  if (text === 'True' || text === 'TRUE' || text === 'true') return true;
  if (text === 'False' || text === 'FALSE' || text === 'false') return false;
  return undefined;
}

/** @returns the value of a cell, `null` where it is missing, or undefined where the text doesn't fit the column. */
export function parseCell(text: string, type: Column['type']): TableCell | undefined {
  switch (type) {
    case 'string':
      return isMissing(text) ? null : text;
    case 'float64':
      return isMissing(text) ? null : parseDecimal(text);
    case 'nullable-bool':
      return isMissing(text) ? null : parseTruth(text);
    case 'bool':
      return parseTruth(text);
    case 'int64':
      return within(parseWhole(text), INT64_MIN, INT64_MAX);
    case 'uint64':
      return within(parseWhole(text), 0n, UINT64_MAX);
    // these are of formats that have values, not texts
    case 'json':
    case 'native':
    case 'datetime':
      return undefined;
  }
}

function within(value: number | bigint | undefined, low: bigint, high: bigint): number | bigint | undefined {
  return value !== undefined && value >= low && value <= high ? value : undefined;
}
