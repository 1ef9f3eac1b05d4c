/**
 * Finds the rows of a CSV file and cuts them into ranges. Pure: bytes in, ranges out.
 *
 * Rows are what pandas' `read_csv` takes for rows: LF, CRLF and CR end a row outside quotes; a quote opens a quoted
 * field only at the start of a field; lines of nothing but spaces and tabs are no rows.
 */

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

const LF = 10;
const CR = 13;
const TAB = 9;
const SPACE = 32;
const QUOTE = 34;

export class RowCutter {
  /** Set once the file turns out to be no CSV; nothing more comes of it then. */
  fault: RowFault | undefined;
  /** True once a row with the column names has been seen. */
  headerSeen = false;
  readonly #delimiter: number;
  readonly #limits: RangeLimits;
  readonly #rowBytesMax: number;
  #ranges: RowRange[] = [];
  /** Offset of the next byte to come. */
  #offset: number;
  /** The byte before it. */
  #previous = LF;
  #headerPending: boolean;
  #rowStart: number;
  /** The part of the row before this chunk holds something. */
  #hasContent = false;
  #quoted = false;
  #quoteAt = 0;
  #closedAt = -2;
  /** A CR ended the chunk: whether an LF belongs to it is still to be seen. */
  #afterCr: 'no' | 'row' | 'blank' = 'no';
  #rangeStart: number;
  #rangeEnd: number;
  #rows = 0;
  #firstRow = 0;

  /** @param options.start offset of the first byte to come (after a byte order mark) */
  constructor(options: {
    readonly delimiter: string;
    readonly header: boolean;
    readonly limits: RangeLimits;
    readonly start: number;
    readonly rowBytesMax?: number;
  }) {
    this.#delimiter = options.delimiter.charCodeAt(0);
    this.#headerPending = options.header;
    this.#limits = options.limits;
    this.#rowBytesMax = options.rowBytesMax ?? ROW_BYTES_MAX;
    this.#offset = this.#rowStart = this.#rangeStart = this.#rangeEnd = options.start;
  }

  /** Data rows found so far. */
  get rowsTotal(): number {
    return this.#firstRow + this.#rows;
  }

  /** @param chunk the next bytes of the file. @returns the ranges that are complete now */
  push(chunk: Uint8Array): RowRange[] {
    const length = chunk.length;
    const base = this.#offset;
    const delimiter = this.#delimiter;
    let i = 0;
    let quoted = this.#quoted;
    if (length > 0 && this.#afterCr !== 'no') {
      if (chunk[0] === LF) i = 1;
      this.#endCr(base + i);
    }
    while (i < length) {
      if (quoted) {
        while (i < length && chunk[i] !== QUOTE) i++;
        if (i < length) {
          quoted = false;
          this.#closedAt = base + i;
          i += 1;
        }
        continue;
      }
      // all bytes that mean something here are small, most bytes of data are not
      while (i < length && (chunk[i] as number) > QUOTE) i++;
      if (i === length) break;
      const byte = chunk[i];
      if (byte === LF) {
        this.#endRow(base + i + 1, this.#isBlank(chunk, base, i));
      } else if (byte === QUOTE) {
        const reopens = this.#closedAt === base + i - 1;
        const before = i > 0 ? chunk[i - 1] : this.#previous;
        if (reopens || before === delimiter || before === LF || before === CR) {
          quoted = true;
          if (!reopens) this.#quoteAt = base + i;
        }
      } else if (byte === CR) {
        const blank = this.#isBlank(chunk, base, i);
        if (i + 1 === length) {
          this.#afterCr = blank ? 'blank' : 'row';
        } else {
          if (chunk[i + 1] === LF) i += 1;
          this.#endRow(base + i + 1, blank);
        }
      }
      i += 1;
    }
    this.#quoted = quoted;
    this.#endChunk(chunk);
    return this.#taken();
  }

  /** The file ends here. @returns the last ranges */
  finish(): RowRange[] {
    if (this.#afterCr !== 'no') this.#endCr(this.#offset);
    if (this.#quoted) {
      this.fault ??= { kind: 'open-quote', offset: this.#quoteAt };
      return [];
    }
    if (this.#hasContent) this.#endRow(this.#offset, false);
    if (this.#rows > 0) this.#cut();
    return this.#taken();
  }

  #endChunk(chunk: Uint8Array): void {
    const base = this.#offset;
    this.#offset = base + chunk.length;
    this.#previous = chunk[chunk.length - 1] ?? this.#previous;
    if (this.#afterCr === 'no' && !this.#hasContent) this.#hasContent = !this.#isBlank(chunk, base, chunk.length);
    if (this.#offset - this.#rowStart > this.#rowBytesMax) this.#tooLong(this.#quoted);
  }

  /** Whether the row holds nothing up to `end` of the chunk. */
  #isBlank(chunk: Uint8Array, base: number, end: number): boolean {
    if (this.#hasContent) return false;
    for (let i = Math.max(0, this.#rowStart - base); i < end; i++) {
      const byte = chunk[i];
      if ((byte !== SPACE && byte !== TAB) || byte === this.#delimiter) return false;
    }
    return true;
  }

  #endCr(end: number): void {
    const blank = this.#afterCr === 'blank';
    this.#afterCr = 'no';
    this.#endRow(end, blank);
  }

  #endRow(end: number, blank: boolean): void {
    if (end - this.#rowStart > this.#rowBytesMax) this.#tooLong(false);
    this.#rowStart = end;
    this.#hasContent = false;
    if (blank) {
      if (this.#rows === 0) this.#rangeStart = end;
      return;
    }
    if (this.#headerPending) {
      this.#headerPending = false;
      this.headerSeen = true;
      this.#rangeStart = end;
      return;
    }
    this.#rows += 1;
    this.#rangeEnd = end;
    if (this.#rows >= this.#limits.rows || end - this.#rangeStart >= this.#limits.bytes) this.#cut();
  }

  #cut(): void {
    if (this.fault === undefined) {
      this.#ranges.push({
        start: this.#rangeStart,
        end: this.#rangeEnd,
        firstRow: this.#firstRow,
        rows: this.#rows,
      });
    }
    this.#firstRow += this.#rows;
    this.#rows = 0;
    this.#rangeStart = this.#rangeEnd;
  }

  #tooLong(inQuotes: boolean): void {
    this.fault ??= inQuotes
      ? { kind: 'open-quote', offset: this.#quoteAt }
      : { kind: 'row-too-long', offset: this.#rowStart };
  }

  #taken(): RowRange[] {
    const ranges = this.#ranges;
    this.#ranges = [];
    return ranges;
  }
}
