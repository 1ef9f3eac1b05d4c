/**
 * Rows to text: pure. Each encoder takes one element of what `run` returned and gives its line, line break included; for
 * Parquet see `blocks.ts`.
 *
 * | element             | txt                    | csv                              | jsonl           |
 * |---------------------|------------------------|----------------------------------|-----------------|
 * | string              | as it is               | one field                        | JSON string     |
 * | number, boolean ... | `String(element)`      | one field                        | JSON            |
 * | Date                | ISO 8601               | one field, ISO 8601              | JSON            |
 * | array               | JSON                   | its elements are the fields      | JSON            |
 * | object              | JSON                   | columns by the first object's keys | JSON          |
 * | row of a table      | cells, one space apart | cells                            | object of cells |
 *
 * `null` and `undefined` are empty fields in csv; NaN and infinities are `null` in JSON, which has no such numbers.
 * Lone surrogates become `\udXXX`: the output is valid UTF-8 whatever comes.
 */
import { unreachable } from '../domain/assert.ts';
import type { OutputFormat } from '../domain/plan.ts';
import type { TableColumn } from './arrowcolumns.ts';
import { BlockEncoder, isRecord } from './blocks.ts';
import { jsonOf } from './json.ts';

export interface RowEncoder {
  /** @throws whatever keeps the element from being written. */
  encode(element: unknown): string;
  /** Parquet only: rows that `encode` has not given yet. */
  finish?(): string;
  /** csv only: the columns, once they are known. */
  readonly columns: readonly string[] | undefined;
}

/** @param table columns of a returned table: its elements are arrays of cells. */
export function rowEncoder(format: OutputFormat, table?: readonly TableColumn[]): RowEncoder {
  const columns = table?.map(({ name }) => name);
  switch (format) {
    case 'txt':
      return { encode: columns === undefined ? textLine : spacedLine, columns: undefined };
    case 'jsonl':
      return { encode: columns === undefined ? jsonLine : (cells) => cellsLine(columns, cells), columns: undefined };
    case 'csv':
      return csvEncoder(columns);
    case 'parquet':
      return new BlockEncoder(table);
    default:
      return unreachable(format);
  }
}

function textLine(element: unknown): string {
  return `${typeof element === 'string' ? element : plainText(element, String(element))}\n`;
}

/** A row of a table in txt: like pandas writes it with a space as separator, no header, no index. */
function spacedLine(cells: unknown): string {
  return `${asArray(cells)
    .map((cell) => quoted(fieldText(cell), /[ "\r\n]/))
    .join(' ')}\n`;
}

function jsonLine(element: unknown): string {
  return `${element === undefined ? 'null' : jsonOf(element)}\n`;
}

function cellsLine(columns: readonly string[], cells: unknown): string {
  const pairs = asArray(cells).map((cell, index) => [columns[index] ?? String(index), cell ?? null] as const);
  return jsonLine(Object.fromEntries(pairs));
}

function csvEncoder(given: readonly string[] | undefined): RowEncoder {
  let columns = given;
  return {
    get columns() {
      return columns;
    },
    encode(element) {
      if (Array.isArray(element)) return csvLine(element as readonly unknown[]);
      if (!isRecord(element)) return csvLine([element]);
      columns ??= Object.keys(element);
      return csvLine(fieldsOf(element, columns));
    },
  };
}

/** Dropping a value because the first row didn't have it would lose data without a word. */
function fieldsOf(row: Readonly<Record<string, unknown>>, columns: readonly string[]): unknown[] {
  for (const key of Object.keys(row)) {
    if (!columns.includes(key)) {
      throw new TypeError(`the row has a key ${JSON.stringify(key)}, the columns are ${columns.join(', ')}`);
    }
  }
  return columns.map((column) => row[column]);
}

function csvLine(fields: readonly unknown[]): string {
  const line = fields.map((field) => quoted(fieldText(field), /[,"\r\n]/)).join(',');
  // an empty line is no row to a reader
  return `${line === '' ? '""' : line}\n`;
}

function quoted(text: string, special: RegExp): string {
  return special.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function fieldText(field: unknown): string {
  if (typeof field === 'string') return field;
  return field === null || field === undefined ? '' : plainText(field, '');
}

function plainText(value: unknown, absent: string): string {
  switch (typeof value) {
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value);
    case 'boolean':
    case 'bigint':
      return String(value);
    case 'undefined':
      return absent;
    case 'object':
      if (value === null) return absent;
      if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
      return jsonOf(value);
    default:
      throw new TypeError(`a ${typeof value} cannot be written as a row`);
  }
}

function asArray(cells: unknown): readonly unknown[] {
  return Array.isArray(cells) ? (cells as readonly unknown[]) : [cells];
}
