/** Rows of JSON Lines as cells by column. */
import type { JsonValue, TableCell } from '../domain/entry.ts';
import type { ItemRange } from '../domain/minibatch.ts';
import type { Column } from '../domain/plan.ts';
import type { WorkerTable } from '../domain/protocol.ts';
import { SliceError, changedCount } from './slice.ts';
import type { RowsSource } from './slice.ts';

const LF = 10;
/** Texts, so that nothing in them is taken for a number, and whole numbers that may not fit a double. */
const TEXT_OR_LONG_NUMBER = /"(?:[^"\\]|\\.)*"|(?<![\d.eE+-])-?\d{16,}(?![\d.eE])/gs;
/** Marks a number that is a text on its way through the parser. */
const MARK = '\u0000\u0001whole number:';

export function jsonCells(
  bytes: Buffer,
  source: RowsSource,
  { schema: { columns } }: Extract<WorkerTable, { format: 'jsonl' }>,
  { from, to }: ItemRange,
): TableCell[][] {
  const cells: TableCell[][] = columns.map(() => []);
  const known = new Set(columns.map(({ name }) => name));
  let row = 0;
  for (const line of linesOf(bytes)) {
    if (row >= from && row < to) {
      const object = objectOf(line, row, source);
      for (const key of Object.keys(object)) if (!known.has(key)) throw unknownKey(key, row, source);
      for (const [i, column] of columns.entries()) cells[i]?.push(cellOf(object, column, row, source));
    }
    row += 1;
  }
  if (row !== source.rows) throw changedCount(row, source);
  return cells;
}

/** Lines that hold anything. */
function* linesOf(bytes: Buffer): Generator<Buffer> {
  for (let from = 0; from < bytes.length;) {
    const found = bytes.indexOf(LF, from);
    const end = found < 0 ? bytes.length : found;
    const line = bytes.subarray(from, end);
    if (line.some((byte) => byte !== 32 && byte !== 9 && byte !== 13)) yield line;
    from = end + 1;
  }
}

type JsonObject = Readonly<Record<string, JsonValue>>;

function objectOf(line: Buffer, row: number, source: RowsSource): JsonObject {
  const value = parse(line, row, source);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new SliceError(`row ${source.firstRow + row} is no JSON object: ${shown(line.toString())}`, row);
}

function parse(line: Buffer, row: number, source: RowsSource): JsonValue {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(line);
    if (!/\d{16}/.test(text)) return JSON.parse(text) as JsonValue;
    const marked = text.replaceAll(TEXT_OR_LONG_NUMBER, (found) =>
      found.startsWith('"') ? found : JSON.stringify(MARK + found),
    );
    return JSON.parse(marked, (_, value: JsonValue) =>
      typeof value === 'string' && value.startsWith(MARK) ? whole(value.slice(MARK.length)) : value,
    ) as JsonValue;
  } catch (error) {
    throw new SliceError(`row ${source.firstRow + row} is no JSON: ${(error as Error).message}`, row);
  }
}

function whole(digits: string): number | bigint {
  const value = Number(digits);
  return Number.isSafeInteger(value) ? value : BigInt(digits);
}

function cellOf(object: JsonObject, { name, type }: Column, row: number, source: RowsSource): TableCell {
  const value = Object.hasOwn(object, name) ? (object[name] ?? null) : null;
  if (type === 'float64' && typeof value === 'bigint') return Number(value);
  if (type === 'json' || fits(value, type)) return value;
  throw new SliceError(`row ${source.firstRow + row}, column ${name}: ${shown(value)} is no ${type}`, row);
}

function fits(value: JsonValue, type: Column['type']): boolean {
  switch (type) {
    case 'int64':
    case 'uint64':
      return typeof value === 'bigint' || Number.isSafeInteger(value);
    case 'float64':
      return value === null || typeof value === 'number';
    case 'bool':
      return typeof value === 'boolean';
    case 'nullable-bool':
      return value === null || typeof value === 'boolean';
    case 'string':
      return value === null || typeof value === 'string';
    case 'json':
    case 'native':
    case 'datetime':
      return true;
  }
}

function unknownKey(key: string, row: number, source: RowsSource): SliceError {
  const why = `row ${source.firstRow + row} has the key ${shown(key)}, which no row had that was looked at to decide the columns`;
  return new SliceError(why, row);
}

function shown(value: JsonValue): string {
  const text = typeof value === 'bigint' ? String(value) : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
