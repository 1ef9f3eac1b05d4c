/** Splits bytes of CSV into fields, by the same rules as `rowcutter.ts`, without making strings. Pure. */

import type { FieldScanner, FieldSink } from '../../domain/dialect.ts';

const LF = 10;
const CR = 13;
const TAB = 9;
const SPACE = 32;
const QUOTE = 34;

export class RecordScanner implements FieldScanner {
  readonly #delimiter: number;
  readonly #sink: FieldSink;
  /** Fields with quotes inside are put together here. */
  #scratch = Buffer.allocUnsafe(1024);
  /** Where the scan is; the methods below move it. */
  #at = 0;

  constructor(delimiter: string, sink: FieldSink) {
    this.#delimiter = delimiter.charCodeAt(0);
    this.#sink = sink;
  }

  /**
   * Goes through the rows of `bytes` from `start`, which must be the start of a row.
   * @param ended no more bytes follow. Otherwise the last row is left alone unless it is certainly complete.
   * @returns offset after the last complete row; with `ended`, anything short of the end (when the sink did not say
   *   "enough") is a row with an open quote
   */
  scan(bytes: Buffer, start: number, ended: boolean): number {
    this.#at = start;
    for (;;) {
      const rowStart = this.#at;
      if (rowStart >= bytes.length) return rowStart;
      const blank = this.#skipBlankLine(bytes, ended);
      if (blank === 'skipped') continue;
      if (blank === 'unknown') return rowStart;
      const fields = this.#row(bytes, ended);
      if (fields === 0) return rowStart;
      if (!this.#sink.endRow(fields, bytes, rowStart, this.#at)) return this.#at;
    }
  }

  #skipBlankLine(bytes: Buffer, ended: boolean): 'skipped' | 'none' | 'unknown' {
    let i = this.#at;
    let byte = bytes[i];
    while (i < bytes.length && (byte === SPACE || byte === TAB) && byte !== this.#delimiter) {
      i += 1;
      byte = bytes[i];
    }
    if (i === bytes.length) {
      if (!ended) return 'unknown';
      this.#at = i;
      return 'skipped';
    }
    if (byte !== LF && byte !== CR) return 'none';
    return this.#endLine(bytes, i, ended) ? 'skipped' : 'unknown';
  }

  /** Passes the line break at `i`. False: a CR is the last byte, and an LF may follow. */
  #endLine(bytes: Buffer, i: number, ended: boolean): boolean {
    if (bytes[i] === CR) {
      if (i + 1 === bytes.length && !ended) return false;
      this.#at = bytes[i + 1] === LF ? i + 2 : i + 1;
    } else {
      this.#at = i + 1;
    }
    return true;
  }

  /** @returns the number of fields, 0 where the row is incomplete */
  #row(bytes: Buffer, ended: boolean): number {
    const delimiter = this.#delimiter;
    const length = bytes.length;
    this.#sink.beginRow();
    let i = this.#at;
    for (let column = 0; ; column++) {
      if (bytes[i] === QUOTE) {
        i = this.#quotedField(bytes, i, ended, column);
        if (i < 0) return 0;
      } else {
        const from = i;
        while (i < length) {
          const byte = bytes[i];
          if (byte === delimiter || byte === LF || byte === CR) break;
          i += 1;
        }
        if (i === length && !ended) return 0;
        this.#sink.field(column, bytes, from, i);
      }
      if (i === length) {
        this.#at = i;
        return column + 1;
      }
      if (bytes[i] !== delimiter) return this.#endLine(bytes, i, ended) ? column + 1 : 0;
      i += 1;
    }
  }

  /** @returns where the field ends; -1 where that is beyond the bytes */
  #quotedField(bytes: Buffer, open: number, ended: boolean, column: number): number {
    const close = bytes.indexOf(QUOTE, open + 1);
    if (close < 0 || (close + 1 === bytes.length && !ended)) return -1;
    if (close + 1 === bytes.length || this.#endsField(bytes[close + 1])) {
      this.#sink.field(column, bytes, open + 1, close);
      return close + 1;
    }
    return this.#patchedField(bytes, open, ended, column);
  }

  /** A quoted field with quotes inside, or with text after its closing quote. */
  #patchedField(bytes: Buffer, open: number, ended: boolean, column: number): number {
    let used = 0;
    let from = open + 1;
    for (;;) {
      const quote = bytes.indexOf(QUOTE, from);
      if (quote < 0 || (quote + 1 === bytes.length && !ended)) return -1;
      const doubled = bytes[quote + 1] === QUOTE;
      used = this.#keep(bytes, from, doubled ? quote + 1 : quote, used);
      from = quote + (doubled ? 2 : 1);
      if (!doubled) break;
    }
    let end = from;
    while (end < bytes.length && !this.#endsField(bytes[end])) end++;
    if (end === bytes.length && !ended) return -1;
    used = this.#keep(bytes, from, end, used);
    this.#sink.field(column, this.#scratch, 0, used);
    return end;
  }

  #endsField(byte: number | undefined): boolean {
    return byte === this.#delimiter || byte === LF || byte === CR;
  }

  #keep(bytes: Buffer, from: number, to: number, used: number): number {
    const needed = used + to - from;
    if (needed > this.#scratch.length) {
      const larger = Buffer.allocUnsafe(2 * needed);
      this.#scratch.copy(larger, 0, 0, used);
      this.#scratch = larger;
    }
    bytes.copy(this.#scratch, used, from, to);
    return needed;
  }
}
