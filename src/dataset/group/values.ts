/**
 * Values of key columns as texts that are equal where the values are: compared by the type that was decided for the
 * column, so that 1, +1 and 01 are one whole number and three texts. A value that is not of its column's type stands
 * for itself, in quotes: the mini-batch that gets it says what is wrong.
 */
import { parseCell } from '../../domain/cells.ts';
import type { Column } from '../../domain/plan.ts';
import { textOf } from '../bytepath.ts';
import { isOpening, isQuote } from '../table/jsonmembers.ts';

/** @param raw the bytes of a field, a character each */
export function csvValue(raw: string, type: Column['type']): string | null {
  const text = textOf(raw);
  const value = parseCell(text, type);
  if (value === undefined) return JSON.stringify(text);
  return value === null || typeof value === 'string' ? value : shown(value);
}

/** @param raw the bytes of a JSON value, a character each */
export function jsonValue(raw: string, type: Column['type']): string | null {
  const text = textOf(raw);
  const value = parsed(text);
  if (value === null) return null;
  if (typeof value === 'string') return type === 'string' ? value : JSON.stringify(value);
  if (type === 'string') return text;
  return shown(type === 'float64' && typeof value === 'bigint' ? Number(value) : value);
}

/** Whole numbers keep their digits. NaN, which Python and others write, is no value. */
function parsed(text: string): unknown {
  if (text === '' || text === 'null' || text === 'NaN') return null;
  const first = text.charCodeAt(0);
  if (!isQuote(first) && !isOpening(first)) {
    if (/^-?\d+$/.test(text)) return BigInt(text);
    const number = Number(text);
    if (!Number.isNaN(number)) return number;
    return text === 'true' || (text === 'false' ? false : text);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function shown(value: unknown): string {
  if (typeof value === 'number') return Number.isInteger(value) ? String(BigInt(value)) : String(value);
  return typeof value === 'bigint' ? String(value) : JSON.stringify(value);
}
