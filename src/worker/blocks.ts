/** Rows of a Parquet result as blocks (`domain/block.ts`): JavaScript values, or cells of a returned Arrow table. */
import { DECIMAL_DIGITS_MAX, VALUE_COLUMN } from '../domain/block.ts';
import type { BlockCell, BlockColumn, BlockHead } from '../domain/block.ts';
import { wellFormed } from '../domain/wellformed.ts';
import type { TableColumn } from './arrowcolumns.ts';
import { jsonOf } from './json.ts';

const BLOCK_ROWS = 4096;
const BLOCK_CHARACTERS = 1024 * 1024;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

type Kind = 'null' | 'bool' | 'whole' | 'float' | 'string' | 'json' | 'binary' | 'instant';
type Value = boolean | number | bigint | string | null;

interface Cell {
  readonly name: string;
  readonly value: Value;
  readonly kind: Kind;
}

/** A column of the block that is being filled. */
interface Column {
  readonly values: Value[];
  /** Of each value. */
  readonly kindAt: Kind[];
  readonly kinds: Set<Kind>;
  /** Bounds of its whole numbers. */
  low: bigint;
  high: bigint;
}

type ColumnType = BlockColumn extends infer C ? (C extends unknown ? Omit<C, 'name'> : never) : never;
interface Described {
  readonly type: ColumnType;
  readonly cells: readonly BlockCell[];
}

/** Gathers rows and gives them as blocks. */
export class BlockEncoder {
  readonly columns = undefined;
  readonly #table: readonly TableColumn[] | undefined;
  #gathered = new Map<string, Column>();
  #rows = 0;
  #characters = 0;

  /** @param table columns of a returned table: its elements are arrays of cells */
  constructor(table?: readonly TableColumn[]) {
    this.#table = table && distinct(table);
  }

  /** @returns the block that is full with this row, else nothing. @throws what keeps the element from being written */
  encode(element: unknown): string {
    // all of them first: a row that can't be written leaves nothing behind
    const cells = this.#table ? cellsOfRow(element, this.#table) : cellsOfElement(element);
    for (const cell of cells) this.#add(cell);
    this.#rows += 1;
    return this.#rows >= BLOCK_ROWS || this.#characters >= BLOCK_CHARACTERS ? this.#take() : '';
  }

  /** @returns what is left; of a table without rows its columns */
  finish(): string {
    return this.#rows > 0 || this.#table ? this.#take() : '';
  }

  #add({ name, value, kind }: Cell): void {
    const column = this.#column(name);
    fill(column, this.#rows);
    if (kind === 'whole') widen(column, BigInt(value as number | bigint));
    column.kinds.add(kind);
    column.values.push(value);
    column.kindAt.push(kind);
    this.#characters += typeof value === 'string' ? value.length + 3 : 8;
  }

  #column(name: string): Column {
    let column = this.#gathered.get(name);
    if (!column) this.#gathered.set(name, (column = { values: [], kindAt: [], kinds: new Set(), low: 0n, high: 0n }));
    return column;
  }

  #take(): string {
    const declared = new Map(this.#table?.map((column) => [column.name, column]));
    for (const name of declared.keys()) this.#column(name);
    const columns: BlockColumn[] = [];
    const cells: (readonly BlockCell[])[] = [];
    for (const [name, column] of this.#gathered) {
      fill(column, this.#rows);
      const described = describe(column, declared.get(name)?.type);
      columns.push({ ...described.type, name });
      cells.push(described.cells);
    }
    const line = `${JSON.stringify(cells)}\n`;
    const head: BlockHead = { rows: this.#rows, bytes: Buffer.byteLength(line), columns };
    this.#gathered = new Map();
    this.#rows = 0;
    this.#characters = 0;
    return `${JSON.stringify(head)}\n${line}`;
  }
}

/** Rows that don't have the column. */
function fill({ values, kindAt }: Column, rows: number): void {
  while (values.length < rows) {
    values.push(null);
    kindAt.push('null');
  }
}

function widen(column: Column, value: bigint): void {
  const isFirst = !column.kinds.has('whole');
  if (isFirst || value < column.low) column.low = value;
  if (isFirst || value > column.high) column.high = value;
}

/** A name that comes again gets a number, so that no value is lost. */
function distinct(table: readonly TableColumn[]): TableColumn[] {
  const used = new Set(table.map(({ name }) => name));
  const seen = new Set<string>();
  return table.map((column) => {
    let name = wellFormed(column.name);
    for (let count = 1; seen.has(name); count++) {
      const numbered = `${column.name}.${count}`;
      if (!used.has(numbered)) name = numbered;
    }
    seen.add(name);
    return { ...column, name };
  });
}

function cellsOfElement(element: unknown): Cell[] {
  if (!isRecord(element)) return [cellOf(VALUE_COLUMN, element)];
  return Object.entries(element).map(([key, value]) => cellOf(wellFormed(key), value));
}

function cellsOfRow(element: unknown, table: readonly TableColumn[]): Cell[] {
  const cells = element as readonly unknown[];
  return table.map(({ name }, i) => cellOf(name, cells[i]));
}

/** @throws TypeError for what has no form in a table */
function cellOf(name: string, value: unknown): Cell {
  switch (typeof value) {
    case 'boolean':
      return { name, value, kind: 'bool' };
    case 'string':
      return { name, value: wellFormed(value), kind: 'string' };
    case 'number':
      return { name, value, kind: Number.isSafeInteger(value) && !Object.is(value, -0) ? 'whole' : 'float' };
    case 'bigint':
      return { name, value, kind: 'whole' };
    case 'undefined':
      return { name, value: null, kind: 'null' };
    case 'object':
      if (value === null) return { name, value, kind: 'null' };
      if (value instanceof Date) return { name, value: instantOf(value), kind: 'instant' };
      if (value instanceof Uint8Array) return { name, value: Buffer.from(value).toString('base64'), kind: 'binary' };
      return { name, value: wellFormed(jsonOf(value)), kind: 'json' };
    default:
      throw new TypeError(`a ${typeof value} cannot be written as a cell`);
  }
}

function instantOf(date: Date): number {
  if (Number.isNaN(date.getTime())) throw new TypeError('an invalid Date cannot be written as a cell');
  return date.getTime();
}

/** @param declared what the returned table says of it */
function describe(column: Column, declared: ColumnType | undefined): Described {
  const kinds = new Set(column.kinds);
  kinds.delete('null');
  const [kind] = kinds;
  if (declared) return ofType(column, declared);
  if (kind === undefined) return plain(column, { type: 'null' });
  if (kinds.size > 1) {
    const areNumbers = kinds.size === 2 && kinds.has('whole') && kinds.has('float') && isSafe(column);
    return areNumbers ? floats(column, { type: 'float64' }) : asJson(column);
  }
  switch (kind) {
    case 'whole':
      return wholes(column);
    case 'float':
      return floats(column, { type: 'float64' });
    case 'instant':
      return plain(column, { type: 'timestamp', unit: 'ms', utc: true });
    default:
      return plain(column, { type: kind });
  }
}

function ofType(column: Column, type: ColumnType): Described {
  switch (type.type) {
    case 'int32':
    case 'int64':
    case 'uint64':
    case 'timestamp':
      return { type: { ...type, ...rangeOf(column) }, cells: column.values.map(wholeCell) };
    case 'float32':
    case 'float64':
      return floats(column, type);
    default:
      return plain(column, type);
  }
}

const plain = ({ values }: Column, type: ColumnType): Described => ({ type, cells: values as BlockCell[] });

const isSafe = ({ low, high }: Pick<Column, 'low' | 'high'>): boolean =>
  low >= BigInt(Number.MIN_SAFE_INTEGER) && high <= BigInt(Number.MAX_SAFE_INTEGER);

function rangeOf({ kinds, low, high }: Column): { range?: readonly [string, string] } {
  return kinds.has('whole') ? { range: [String(low), String(high)] } : {};
}

function wholes(column: Column): Described {
  const { low, high } = column;
  if (low >= INT64_MIN && high <= INT64_MAX) return ofType(column, { type: 'int64' });
  if (low >= 0n && high <= UINT64_MAX) return ofType(column, { type: 'uint64' });
  const digits = Math.max(...[low, high].map((value) => String(value).replace('-', '').length));
  if (digits > DECIMAL_DIGITS_MAX) return asJson(column);
  const cells = column.values.map((value) => (value === null ? null : String(value)));
  return { type: { type: 'decimal', digits, scale: 0 }, cells };
}

function wholeCell(value: Value): BlockCell {
  if (typeof value !== 'bigint') return value;
  return isSafe({ low: value, high: value }) ? Number(value) : String(value);
}

function floats({ values }: Column, type: ColumnType): Described {
  return { type, cells: values.map((value) => (value === null ? null : floatCell(Number(value)))) };
}

/** JSON has no NaN and no infinities, and writes -0 as 0. */
function floatCell(value: number): BlockCell {
  if (Object.is(value, -0)) return '-0';
  return Number.isFinite(value) ? value : String(value);
}

/** Values of several kinds, each as its JSON. */
function asJson({ values, kindAt }: Column): Described {
  return { type: { type: 'json' }, cells: values.map((value, i) => jsonCell(value, kindAt[i])) };
}

function jsonCell(value: Value, kind: Kind | undefined): BlockCell {
  if (value === null || (typeof value === 'number' && !Number.isFinite(value))) return null;
  if (kind === 'json') return String(value);
  return jsonOf(kind === 'instant' ? new Date(Number(value)) : value);
}

/** Whether it has keys of its own that name its values. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return !(value instanceof Date) && !ArrayBuffer.isView(value);
}
