/**
 * CSV as RFC 4180 has it, read the way pandas reads it: any of LF, CRLF, CR ends a row outside quotes; a quote opens a
 * quoted field only at the start of the field; `""` inside it is one quote; what follows a closing quote belongs to
 * the field as it stands; lines that hold nothing, or nothing but spaces and tabs, are no rows.
 * Pure, over bytes: positions are byte offsets, so that what was cut here can be cut elsewhere at the same place.
 */

const LF = 10;
const CR = 13;
const QUOTE = 34;
const SPACE = 32;
const TAB = 9;

/** The bytes are no CSV in UTF-8. `offset` counts bytes from the start of the given bytes, `row` rows from 0. */
export class CsvError extends Error {
  override readonly name = 'CsvError';
  readonly offset: number;
  readonly row: number;
  constructor(message: string, row: number, offset: number) {
    super(message);
    this.row = row;
    this.offset = offset;
  }
}

/**
 * Gives the rows of `bytes` one by one. With `more: true` the bytes are the front of a longer stream: `next` then
 * gives `undefined` before a row that is not certainly complete, and `position` says from where to go on.
 */
export class CsvReader {
  /** Offset of the first byte that belongs to no row given so far. */
  position: number;
  /** Rows given so far. */
  rows = 0;
  readonly #bytes: Uint8Array;
  readonly #delimiter: string;
  readonly #delimiterByte: number;
  readonly #more: boolean;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  /** Of the line found last: end without its line break, start of the next one, and whether it holds quotes. */
  #end = 0;
  #next = 0;
  #quoted = false;

  /** @param delimiter one ASCII character, not a quote or a line break. */
  constructor(
    bytes: Uint8Array,
    delimiter: string,
    options: { readonly start?: number; readonly more?: boolean } = {},
  ) {
    this.#bytes = bytes;
    this.#delimiter = delimiter;
    this.#delimiterByte = delimiter.charCodeAt(0);
    this.#more = options.more ?? false;
    this.position = options.start ?? 0;
  }

  /** @throws CsvError where a quoted field never ends (unless more bytes follow) or text is not UTF-8. */
  next(): string[] | undefined {
    while (this.position < this.#bytes.length) {
      const start = this.position;
      if (!this.#findEnd(start)) return undefined;
      const end = this.#end;
      const quoted = this.#quoted;
      this.position = this.#next;
      if (!quoted && this.#isBlank(start, end)) continue;
      const fields = quoted ? this.#splitQuoted(start, end) : this.#decode(start, end).split(this.#delimiter);
      this.rows += 1;
      return fields;
    }
    return undefined;
  }

  /** Finds where the row that starts at `start` ends. False: it may go on beyond the bytes. */
  #findEnd(start: number): boolean {
    const bytes = this.#bytes;
    const length = bytes.length;
    const delimiter = this.#delimiterByte;
    this.#quoted = false;
    let atFieldStart = true;
    for (let i = start; i < length; i++) {
      const byte = bytes[i];
      if (byte === LF || byte === CR) {
        if (byte === CR && i + 1 === length && this.#more) return false;
        return this.#endAt(i, byte === CR && bytes[i + 1] === LF ? i + 2 : i + 1);
      }
      if (byte === QUOTE && atFieldStart) {
        this.#quoted = true;
        i = this.#closingQuote(i + 1);
        if (i < 0) {
          if (this.#more) return false;
          throw new CsvError('a quoted field is not closed', this.rows, start);
        }
      }
      atFieldStart = byte === delimiter;
    }
    return this.#more ? false : this.#endAt(length, length);
  }

  #endAt(end: number, next: number): true {
    this.#end = end;
    this.#next = next;
    return true;
  }

  /** Offset of the quote that closes the field whose content starts at `from`; -1 where there is none. */
  #closingQuote(from: number): number {
    const bytes = this.#bytes;
    let at = bytes.indexOf(QUOTE, from);
    while (at >= 0) {
      // the last byte of what is here so far may be the first half of a doubled quote
      if (at + 1 === bytes.length && this.#more) return -1;
      if (bytes[at + 1] !== QUOTE) return at;
      at = bytes.indexOf(QUOTE, at + 2);
    }
    return -1;
  }

  #isBlank(start: number, end: number): boolean {
    for (let i = start; i < end; i++) {
      const byte = this.#bytes[i];
      if ((byte !== SPACE && byte !== TAB) || byte === this.#delimiterByte) return false;
    }
    return true;
  }

  #splitQuoted(start: number, end: number): string[] {
    const bytes = this.#bytes;
    const fields: string[] = [];
    let at = start;
    for (;;) {
      let text = '';
      if (at < end && bytes[at] === QUOTE) {
        const close = this.#closingQuote(at + 1);
        text = this.#decode(at + 1, close).replaceAll('""', '"');
        at = close + 1;
      }
      let stop = at;
      while (stop < end && bytes[stop] !== this.#delimiterByte) stop += 1;
      fields.push(stop > at ? text + this.#decode(at, stop) : text);
      if (stop >= end) return fields;
      at = stop + 1;
    }
  }

  #decode(start: number, end: number): string {
    try {
      return this.#decoder.decode(this.#bytes.subarray(start, end));
    } catch {
      throw new CsvError('the text is not valid UTF-8', this.rows, start);
    }
  }
}

/** All rows of `bytes`, which hold whole rows. @throws CsvError while iterating. */
export function* parseCsvRows(bytes: Uint8Array, delimiter: string): Generator<string[], void, undefined> {
  const reader = new CsvReader(bytes, delimiter);
  for (let row = reader.next(); row !== undefined; row = reader.next()) yield row;
}
