/** Cuts JSON Lines into ranges of rows: each line that holds anything is a row. Pure: bytes in, ranges out. */
import { ROW_BYTES_MAX, Ranges } from './ranges.ts';
import type { RangeLimits, RowFault, RowRange } from './ranges.ts';

const LF = 10;

export class LineCutter {
  readonly headerSeen = false;
  readonly #rowBytesMax: number;
  readonly #ranges: Ranges;
  /** Offset of the next byte to come. */
  #offset: number;
  #lineStart: number;
  /** The part of the line before this chunk holds something. */
  #hasContent = false;

  /** @param options.start offset of the first byte to come (after a byte order mark) */
  constructor(options: { readonly limits: RangeLimits; readonly start: number; readonly rowBytesMax?: number }) {
    this.#ranges = new Ranges(options.limits, options.start);
    this.#rowBytesMax = options.rowBytesMax ?? ROW_BYTES_MAX;
    this.#offset = this.#lineStart = options.start;
  }

  get rowsTotal(): number {
    return this.#ranges.rowsTotal;
  }

  /** Set once a line turns out to have no end; nothing more comes of it then. */
  get fault(): RowFault | undefined {
    return this.#ranges.fault;
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
    return this.#ranges.taken();
  }

  /** The file ends here. @returns the last ranges */
  finish(): RowRange[] {
    if (this.#hasContent) this.#endLine(this.#offset, true);
    this.#ranges.finish();
    return this.#ranges.taken();
  }

  #endLine(end: number, isRow: boolean): void {
    if (end - this.#lineStart > this.#rowBytesMax) this.#tooLong();
    this.#lineStart = end;
    this.#hasContent = false;
    if (isRow) this.#ranges.add(end);
    else this.#ranges.pass(end);
  }

  #tooLong(): void {
    this.#ranges.fault ??= { kind: 'row-too-long', offset: this.#lineStart };
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
