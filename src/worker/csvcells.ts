/** Rows of CSV as cells by column. */
import { parseCell } from '../domain/cells.ts';
import { CsvError, CsvReader } from '../domain/csv.ts';
import { DialectScanner, isPlain, startOfRow } from '../domain/dialect.ts';
import type { FieldSink } from '../domain/dialect.ts';
import type { TableCell } from '../domain/entry.ts';
import type { ItemRange } from '../domain/minibatch.ts';
import type { Column } from '../domain/plan.ts';
import type { WorkerTable } from '../domain/protocol.ts';
import { SliceError, changedCount, lineAt } from './slice.ts';
import type { RowsSource } from './slice.ts';

type CsvTable = Extract<WorkerTable, { format: 'csv' }>;

/** Cells by column. Fields that a row lacks at its end are missing, as in pandas. */
export function csvCells(bytes: Buffer, source: RowsSource, table: CsvTable, range: ItemRange): TableCell[][] {
  const { columns } = table.schema;
  const places = source.fields ?? columns.map((_, i) => i);
  const width = places.filter((place) => place >= 0).length;
  const cells: TableCell[][] = columns.map(() => []);
  const reader = isPlain(table) ? new CsvReader(bytes, table.delimiter) : new DialectReader(bytes, table);
  let rows = 0;
  for (; ; rows++) {
    const fields = nextFields(reader, rows, source, range);
    if (fields === undefined) break;
    if (fields === 'passed over') continue;
    const number = source.firstRow + rows;
    if (fields.length > width) throw tooLong(bytes, source, table, rows, [fields.length, width]);
    for (const [index, column] of columns.entries()) {
      cells[index]?.push(cellOf(fields[places[index] ?? -1] ?? '', column, rows, number));
    }
  }
  if (rows !== source.rows) throw changedCount(rows, source);
  return cells;
}

const TEXT_BYTES = 80;

/** Where a row begins among the bytes of a slice. */
function startOf(bytes: Buffer, table: CsvTable, row: number): number {
  let left = row;
  const sink: FieldSink = { beginRow: nothing, field: nothing, endRow: () => --left > 0 };
  return startOfRow(table, bytes, row === 0 ? 0 : new DialectScanner(table, sink).scan(bytes, 0, true));
}

const nothing = (): void => undefined;

/** @param row of the slice @param counts its fields, and those it may have */
function tooLong(
  bytes: Buffer,
  source: RowsSource,
  table: CsvTable,
  row: number,
  [fields, width]: readonly [number, number],
): SliceError {
  const at = startOf(bytes, table, row);
  const text = bytes.toString('utf8', at, Math.min(bytes.length, at + TEXT_BYTES)).trimEnd();
  const shown = JSON.stringify(bytes.length - at > TEXT_BYTES ? `${text}...` : text);
  // what is regrouped has lines of its own
  const place = source.keys ? '' : ` (line ${lineAt(source, source.start + at)})`;
  const what = `data row ${source.firstRow + row}${place}: it has ${fields} fields, its file has ${width} columns`;
  return new SliceError(`${what}: ${shown}`, row);
}

/** Fields of row `row` of the slice; undefined behind the last one. */
function nextFields(
  reader: Pick<CsvReader, 'next' | 'position'>,
  row: number,
  source: RowsSource,
  { from, to }: ItemRange,
): readonly string[] | 'passed over' | undefined {
  const isWanted = row >= from && row < to;
  try {
    const fields = reader.next();
    return fields === undefined || isWanted ? fields : 'passed over';
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const isFound = reader.position > error.offset;
    if (isFound && !isWanted) return 'passed over';
    // a row whose end isn't found may be the fault of one before it
    throw new SliceError(`${error.message}, data row ${source.firstRow + row}`, isFound ? row : undefined);
  }
}

function cellOf(text: string, column: Column, row: number, number: number): TableCell {
  if (text === '' && column.empty === true) return text;
  const value = parseCell(text, column.type);
  if (value !== undefined) return value;
  const shown = JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
  throw new SliceError(`data row ${number}, column ${column.name}: ${shown} is no ${column.type}`, row);
}

/** The rows of a dialect, one by one, as `CsvReader` gives them. */
class DialectReader implements FieldSink {
  /** Behind every row: where one ends is known before it is asked for. */
  position = 0;
  readonly #rows: Buffer[][] = [];
  readonly #isOpen: boolean;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #fields: Buffer[] = [];
  #next = 0;

  constructor(bytes: Buffer, table: CsvTable) {
    this.#isOpen = new DialectScanner(table, this).scan(bytes, 0, true) < bytes.length;
  }

  beginRow(): void {
    this.#fields = [];
  }

  field(_column: number, bytes: Buffer, start: number, end: number): void {
    this.#fields.push(Buffer.from(bytes.subarray(start, end)));
  }

  endRow(): boolean {
    this.#rows.push(this.#fields);
    return true;
  }

  /** @throws CsvError */
  next(): string[] | undefined {
    const row = this.#next;
    const fields = this.#rows[row];
    this.#next += 1;
    if (!fields) {
      if (!this.#isOpen) return undefined;
      this.position = 0;
      throw new CsvError('a quoted field or an escape has no end', row, 0);
    }
    this.position = Infinity;
    try {
      return fields.map((field) => this.#decoder.decode(field));
    } catch {
      throw new CsvError('the text is not valid UTF-8', row, 0);
    }
  }
}
