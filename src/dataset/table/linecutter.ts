/** Cuts JSON Lines into ranges of rows: each line that holds anything is a row. Pure: bytes in, ranges out. */
import { ROW_BYTES_MAX } from './rowcutter.ts';
import type { RangeLimits, RowFault, RowRange } from './rowcutter.ts';

const LF = 10;

export class LineCutter {
  /** Set once a line turns out to have no end; nothing more comes of it then. */
  fault: RowFault | undefined;
  readonly headerSeen = false;
  readonly #limits: RangeLimits;
  readonly #rowBytesMax: number;
  #ranges: RowRange[] = [];
  /** Offset of the next byte to come. */
  #offset: number;
  #lineStart: number;
  /** The part of the line before this chunk holds something. */
  #hasContent = false;
  #rangeStart: number;
  #rangeEnd: number;
  #rows = 0;
  #firstRow = 0;

  /** @param options.start offset of the first byte to come (after a byte order mark) */
  constructor(options: { readonly limits: RangeLimits; readonly start: number; readonly rowBytesMax?: number }) {
    this.#limits = options.limits;
    this.#rowBytesMax = options.rowBytesMax ?? ROW_BYTES_MAX;
    this.#offset = this.#lineStart = this.#rangeStart = this.#rangeEnd = options.start;
  }

  get rowsTotal(): number {
    return this.#firstRow + this.#rows;
  }

  /** @param chunk the next bytes of the file. @returns the ranges that are complete now */
  push(chunk: Uint8Array): RowRange[] {
    const base = this.#offset;
    let from = 0;
    for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, from)) {
      this.#endLine(base + at + 1, this.#hasContent || holdsText(chunk, from, at));
      from = at + 1;
    }
    this.#offset = base + chunk.length;
    if (!this.#hasContent) this.#hasContent = holdsText(chunk, from, chunk.length);
    if (this.#offset - this.#lineStart > this.#rowBytesMax) this.#tooLong();
    return this.#taken();
  }

  /** The file ends here. @returns the last ranges */
  finish(): RowRange[] {
    if (this.#hasContent) this.#endLine(this.#offset, true);
    if (this.#rows > 0) this.#cut();
    return this.#taken();
  }

  #endLine(end: number, isRow: boolean): void {
    if (end - this.#lineStart > this.#rowBytesMax) this.#tooLong();
    this.#lineStart = end;
    this.#hasContent = false;
    if (!isRow) {
      if (this.#rows === 0) this.#rangeStart = end;
      return;
    }
    this.#rows += 1;
    this.#rangeEnd = end;
    if (this.#rows >= this.#limits.rows || end - this.#rangeStart >= this.#limits.bytes) this.#cut();
  }

  #cut(): void {
    if (this.fault === undefined) {
      const [start, end, firstRow, rows] = [this.#rangeStart, this.#rangeEnd, this.#firstRow, this.#rows];
      this.#ranges.push({ start, end, firstRow, rows });
    }
    this.#firstRow += this.#rows;
    this.#rows = 0;
    this.#rangeStart = this.#rangeEnd;
  }

  #tooLong(): void {
    this.fault ??= { kind: 'row-too-long', offset: this.#lineStart };
  }

  #taken(): RowRange[] {
    const ranges = this.#ranges;
    this.#ranges = [];
    return ranges;
  }
}

/** What JSON takes for white space is no row. */
export function holdsText(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    const byte = bytes[i];
    if (byte !== 32 && byte !== 9 && byte !== 13 && byte !== LF) return true;
  }
  return false;
}
