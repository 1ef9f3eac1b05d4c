/** Cuts a CSV file into ranges of rows that have as many fields as the file has columns; the others are told. */
import type { FieldScanner, FieldSink } from '../../domain/dialect.ts';
import { LineCounter } from '../../domain/linecounter.ts';
import type { CsvDialect } from '../../domain/plan.ts';
import { RowCutter } from './rowcutter.ts';
import { scannerFor } from './scanner.ts';
import type { RangeLimits, RowFault, RowRange } from './ranges.ts';

/** A row with another number of fields than there are columns. */
export interface RaggedRow {
  /** In which it begins, from 1. */
  readonly line: number;
  readonly fields: number;
  readonly columns: number;
  /** Its front. */
  readonly text: string;
}

const TEXT_BYTES = 80;

/**
 * Like `RowCutter`, which finds the rows. A range has no ragged row in it: it ends before one, so that it may have fewer
 * rows than asked for, and rows are counted without them.
 */
export class WidthCutter {
  headerSeen = false;
  readonly #options: CsvDialect;
  readonly #limits: RangeLimits;
  readonly #rows: RowCutter;
  readonly #onRagged: (row: RaggedRow) => void;
  readonly #width = new FieldCount();
  readonly #scanner: FieldScanner;
  #columns: number | undefined;
  /** What has come of rows that are not complete, from `#at` on. */
  #waiting: Buffer = Buffer.alloc(0);
  #at: number;
  readonly #lines = new LineCounter();
  #open: RowRange | undefined;
  #count = 0;

  /** @param options.start offset of the first byte to come (after a byte order mark) */
  constructor(
    options: CsvDialect & { readonly limits: RangeLimits; readonly start: number; readonly rowBytesMax?: number },
    onRagged: (row: RaggedRow) => void,
  ) {
    this.#options = options;
    this.#limits = options.limits;
    this.#rows = new RowCutter({ ...options, header: false, limits: { rows: 1, bytes: Infinity } });
    this.#onRagged = onRagged;
    this.#scanner = scannerFor(options, this.#width);
    this.#at = options.start;
  }

  get fault(): RowFault | undefined {
    return this.#rows.fault;
  }

  /** Data rows found so far that are not ragged. */
  get rowsTotal(): number {
    return this.#count;
  }

  /** @param chunk the next bytes of the file. @returns the ranges that are complete now */
  push(chunk: Uint8Array): RowRange[] {
    this.#waiting = Buffer.concat([this.#waiting, chunk]);
    return this.#sorted(this.#rows.push(chunk));
  }

  /** The file ends here. @returns the last ranges */
  finish(): RowRange[] {
    const ranges = this.#sorted(this.#rows.finish());
    return this.#open ? [...ranges, this.#open] : ranges;
  }

  #sorted(rows: readonly RowRange[]): RowRange[] {
    const ranges: RowRange[] = [];
    const at = this.#at;
    let behind = at;
    let counted = at;
    for (const row of rows) {
      behind = row.end;
      this.#scanner.scan(this.#waiting, row.start - at, true);
      const { fields } = this.#width;
      const isHeader = this.#columns === undefined && this.#options.header;
      const columns = (this.#columns ??= fields);
      if (fields !== columns) {
        this.#close(ranges);
        this.#lines.take(this.#waiting.subarray(counted - at, row.start - at));
        counted = row.start;
        this.#onRagged({ ...this.#place(this.#waiting.subarray(row.start - at, row.end - at)), fields, columns });
      } else if (isHeader) this.headerSeen = true;
      else this.#take(row, ranges);
    }
    this.#lines.take(this.#waiting.subarray(counted - at, behind - at));
    // a copy: the chunk's memory is filled anew
    this.#waiting = Buffer.from(this.#waiting.subarray(behind - at));
    this.#at = behind;
    return ranges;
  }

  #take(row: RowRange, ranges: RowRange[]): void {
    const open = this.#open;
    const start = open?.start ?? row.start;
    this.#open = { start, end: row.end, firstRow: open?.firstRow ?? this.#count, rows: (open?.rows ?? 0) + 1 };
    this.#count += 1;
    if (this.#open.rows >= this.#limits.rows || row.end - start >= this.#limits.bytes) this.#close(ranges);
  }

  #close(ranges: RowRange[]): void {
    if (this.#open) ranges.push(this.#open);
    this.#open = undefined;
  }

  /** Line and front of a row. */
  #place(bytes: Buffer): Pick<RaggedRow, 'line' | 'text'> {
    const { line } = this.#lines;
    const text = bytes.toString('utf8', 0, TEXT_BYTES).trimEnd();
    return { line, text: bytes.length > TEXT_BYTES ? `${text}...` : text };
  }
}

class FieldCount implements FieldSink {
  fields = 0;
  beginRow(): void {
    // one row only
  }
  field(): void {
    // their number is enough
  }
  endRow(fields: number): boolean {
    this.fields = fields;
    return false;
  }
}
