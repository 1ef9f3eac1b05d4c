/** What `run` may return, told apart: pure. */
import { tableColumns } from './arrowcolumns.ts';
import type { ArrowTable, TableColumn } from './arrowcolumns.ts';

export type Returned =
  | {
      readonly ok: true;
      readonly rows: Iterable<unknown> | AsyncIterable<unknown>;
      /** Column names, where a table was returned; its rows are then arrays of cells. */
      readonly columns?: readonly TableColumn[];
      /** That table. */
      readonly table?: ArrowTable;
      /** Number of the rows, where it is known before they are taken. */
      readonly length?: number;
      /** The rows are made while they are taken: user code runs then. */
      readonly lazy: boolean;
    }
  | {
      readonly ok: false;
      /** Name of the type that came: `undefined`, `string`, `Object`. */ readonly returned: string;
    };

/** Lists, typed arrays, Arrow tables, (async) iterables and generators; a Buffer is a file's content, not a list. */
export function readReturned(value: unknown): Returned {
  if (Array.isArray(value)) return { ok: true, rows: value as readonly unknown[], length: value.length, lazy: false };
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return refused(value);
  if (isTable(value)) {
    const columns = tableColumns(value);
    return { ok: true, rows: tableRows(value), columns, table: value, length: value.numRows, lazy: false };
  }
  if (isIterable(value)) return { ok: true, rows: value, lazy: !ArrayBuffer.isView(value) };
  if (isAsyncIterable(value)) return { ok: true, rows: value, lazy: true };
  return refused(value);
}

function refused(value: unknown): Returned {
  return { ok: false, returned: typeNameOf(value) };
}

export function typeNameOf(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value !== 'object') return typeof value;
  try {
    const name: unknown = value.constructor.name;
    return typeof name === 'string' && name !== '' ? name.slice(0, 200) : 'object';
  } catch {
    return 'object';
  }
}

function isTable(value: object): value is ArrowTable {
  if (!('numRows' in value && 'schema' in value && 'getChildAt' in value)) return false;
  const { numRows, schema, getChildAt } = value;
  if (typeof numRows !== 'number' || typeof getChildAt !== 'function') return false;
  return typeof schema === 'object' && schema !== null && 'fields' in schema && Array.isArray(schema.fields);
}

function* tableRows(table: ArrowTable): Generator<unknown[], void, undefined> {
  const columns = table.schema.fields.map((_, index) => table.getChildAt(index));
  for (let row = 0; row < table.numRows; row++) yield columns.map((column) => column?.get(row) ?? null);
}

function isIterable(value: object): value is Iterable<unknown> {
  return Symbol.iterator in value && typeof value[Symbol.iterator] === 'function';
}

function isAsyncIterable(value: object): value is AsyncIterable<unknown> {
  return Symbol.asyncIterator in value && typeof value[Symbol.asyncIterator] === 'function';
}
