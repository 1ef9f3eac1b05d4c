/**
 * Fields of CSV in any dialect, byte by byte, as pandas' `read_csv` has them: as in `csv.ts`, and behind the escape character
 * every byte is text; a line that begins with the comment character is no row, elsewhere outside quotes the rest of the
 * line belongs to no field. Pure.
 */
import type { CsvDialect } from './plan.ts';

/** Told about each field as it comes. A row that turns out to be incomplete comes again, from its start. */
export interface FieldSink {
  beginRow(): void;
  /** The field lies between `start` and `end` of `bytes`, quotes removed. */
  field(column: number, bytes: Buffer, start: number, end: number): void;
  /** The row, its line break included, lies between `start` and `end` of `bytes`. @returns false: enough. */
  endRow(fields: number, bytes: Buffer, start: number, end: number): boolean;
}

export interface FieldScanner {
  /**
   * Goes through the rows of `bytes` from `start`, which must be the start of a row.
   * @param ended no more bytes follow. Otherwise the last row is left alone unless it is certainly complete.
   * @returns offset after the last complete row; with `ended`, anything short of the end (when the sink did not say
   *   "enough") is a row with an open quote
   */
  scan(bytes: Buffer, start: number, ended: boolean): number;
}

const LF = 10;
const CR = 13;
const TAB = 9;
const SPACE = 32;
const NONE = -1;

const byteOf = (character: string | undefined): number => (character ? character.charCodeAt(0) : NONE);

/** Any dialect, also the plain one. */
export class DialectScanner implements FieldScanner {
  readonly #delimiter: number;
  readonly #quote: number;
  readonly #escape: number;
  readonly #comment: number;
  readonly #sink: FieldSink;
  #field = Buffer.allocUnsafe(1024);
  #used = 0;
  #at = 0;

  constructor(csv: Omit<CsvDialect, 'header'>, sink: FieldSink) {
    this.#delimiter = csv.delimiter.charCodeAt(0);
    this.#quote = byteOf(csv.quote ?? '"');
    this.#escape = byteOf(csv.escape);
    this.#comment = byteOf(csv.comment);
    this.#sink = sink;
  }

  scan(bytes: Buffer, start: number, ended: boolean): number {
    this.#at = start;
    for (;;) {
      const rowStart = this.#at;
      if (rowStart >= bytes.length) return rowStart;
      const skipped = this.#skipLine(bytes, ended);
      if (skipped === 'skipped') continue;
      if (skipped === 'unknown') return rowStart;
      this.#sink.beginRow();
      const fields = this.#row(bytes, ended);
      if (fields === 0) {
        this.#at = rowStart;
        return rowStart;
      }
      if (!this.#sink.endRow(fields, bytes, rowStart, this.#at)) return this.#at;
    }
  }

  /** A blank line, or one that is a comment. */
  #skipLine(bytes: Buffer, ended: boolean): 'skipped' | 'none' | 'unknown' {
    let i = this.#at;
    if (bytes[i] === this.#comment) while (i < bytes.length && !isBreak(bytes[i])) i++;
    else while (i < bytes.length && isBlank(bytes[i]) && bytes[i] !== this.#delimiter) i++;
    if (i === bytes.length) {
      if (!ended) return 'unknown';
      this.#at = i;
      return 'skipped';
    }
    if (!isBreak(bytes[i])) return 'none';
    return this.#passBreak(bytes, i, ended) ? 'skipped' : 'unknown';
  }

  /** @returns the number of fields, 0 where the row is incomplete */
  #row(bytes: Buffer, ended: boolean): number {
    let column = 0;
    let state: 'start' | 'plain' | 'quoted' | 'closed' | 'comment' = 'start';
    this.#used = 0;
    for (let i = this.#at; i < bytes.length; i++) {
      const byte = bytes[i] as number;
      if (byte === this.#escape && state !== 'closed' && state !== 'comment') {
        i += 1;
        if (i === bytes.length) return 0;
        this.#keep(bytes[i] as number);
        if (state === 'start') state = 'plain';
      } else if (state === 'quoted') {
        if (byte === this.#quote) state = 'closed';
        else this.#keep(byte);
      } else if (isBreak(byte)) {
        if (!this.#passBreak(bytes, i, ended)) return 0;
        this.#end(column);
        return column + 1;
      } else if (state === 'comment') {
        continue;
      } else if (byte === this.#delimiter) {
        this.#end(column);
        column += 1;
        state = 'start';
      } else if (byte === this.#quote && (state === 'start' || state === 'closed')) {
        if (state === 'closed') this.#keep(byte);
        state = 'quoted';
      } else if (byte === this.#comment && state !== 'closed') {
        state = 'comment';
      } else {
        this.#keep(byte);
        state = 'plain';
      }
    }
    if (!ended || state === 'quoted') return 0;
    this.#at = bytes.length;
    this.#end(column);
    return column + 1;
  }

  /** Passes the line break at `i`. False: a CR is the last byte, and an LF may follow. */
  #passBreak(bytes: Buffer, i: number, ended: boolean): boolean {
    if (bytes[i] === CR && i + 1 === bytes.length && !ended) return false;
    this.#at = bytes[i] === CR && bytes[i + 1] === LF ? i + 2 : i + 1;
    return true;
  }

  #keep(byte: number): void {
    if (this.#used === this.#field.length) this.#field = Buffer.concat([this.#field], 2 * this.#field.length);
    this.#field[this.#used] = byte;
    this.#used += 1;
  }

  #end(column: number): void {
    this.#sink.field(column, this.#field, 0, this.#used);
    this.#used = 0;
  }
}

const isBreak = (byte: number | undefined): boolean => byte === LF || byte === CR;
const isBlank = (byte: number | undefined): boolean => byte === SPACE || byte === TAB;

/** Quotes are `"`, and nothing else means anything. */
export function isPlain({ quote = '"', escape, comment }: Omit<CsvDialect, 'header'>): boolean {
  return quote === '"' && !escape && !comment;
}

/** @returns the first byte from `from` on that belongs to a row: blank lines and comments are none. */
export function startOfRow(csv: Omit<CsvDialect, 'header'>, bytes: Uint8Array, from: number): number {
  const [comment, delimiter] = [byteOf(csv.comment), csv.delimiter.charCodeAt(0)];
  for (let start = from; ;) {
    let i = start;
    if (bytes[i] === comment) while (i < bytes.length && !isBreak(bytes[i])) i++;
    else while (isBlank(bytes[i]) && bytes[i] !== delimiter) i++;
    if (!isBreak(bytes[i])) return start;
    start = bytes[i] === CR && bytes[i + 1] === LF ? i + 2 : i + 1;
  }
}
