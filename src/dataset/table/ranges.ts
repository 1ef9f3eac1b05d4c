/** Ranges of rows, as the rows of a file are found. */

export interface RowRange {
  /** First byte of the first row. */
  readonly start: number;
  /** First byte after the last row and its line break. */
  readonly end: number;
  /** Number of its first row among the data rows of the file, from 0. */
  readonly firstRow: number;
  readonly rows: number;
}

/** A range ends with the row that reaches one of these; `Infinity` switches a limit off. */
export interface RangeLimits {
  readonly bytes: number;
  readonly rows: number;
}

export interface RowFault {
  readonly kind: 'row-too-long' | 'open-quote';
  /** Byte offset of the quote that was never closed, or of the row where none is open. */
  readonly offset: number;
}

/** Longer than any row of sense: a quote must be missing. */
export const ROW_BYTES_MAX = 64 * 1024 * 1024;

export class Ranges {
  /** Set once the file turns out to be no table; nothing more comes of it then. */
  fault: RowFault | undefined;
  readonly #limits: RangeLimits;
  #ranges: RowRange[] = [];
  #start: number;
  #end: number;
  #rows = 0;
  #firstRow = 0;

  /** @param start offset of the first row */
  constructor(limits: RangeLimits, start: number) {
    this.#limits = limits;
    this.#start = this.#end = start;
  }

  /** Rows found so far. */
  get rowsTotal(): number {
    return this.#firstRow + this.#rows;
  }

  /** What lies before `end` is no row. */
  pass(end: number): void {
    if (this.#rows === 0) this.#start = end;
  }

  /** A row ends there. */
  add(end: number): void {
    this.#rows += 1;
    this.#end = end;
    if (this.#rows >= this.#limits.rows || end - this.#start >= this.#limits.bytes) this.#cut();
  }

  /** No more rows follow. */
  finish(): void {
    if (this.#rows > 0) this.#cut();
  }

  /** Those that are complete since the last call. */
  taken(): RowRange[] {
    const ranges = this.#ranges;
    this.#ranges = [];
    return ranges;
  }

  #cut(): void {
    if (this.fault === undefined)
      this.#ranges.push({ start: this.#start, end: this.#end, firstRow: this.#firstRow, rows: this.#rows });
    this.#firstRow += this.#rows;
    this.#rows = 0;
    this.#start = this.#end;
  }
}
