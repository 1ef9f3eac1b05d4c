/**
 * Finds the rows of a CSV file and cuts them into ranges. Pure: bytes in, ranges out.
 *
 * Rows are what pandas' `read_csv` takes for rows: LF, CRLF and CR end a row outside quotes; a quote opens a quoted
 * field only at the start of a field; lines of nothing but spaces and tabs are no rows, nor are lines that begin with the
 * comment character; what follows it elsewhere outside quotes belongs to no field. Behind the escape character every
 * byte is text.
 */
import type { CsvDialect } from '../../domain/plan.ts';
import { ROW_BYTES_MAX, Ranges } from './ranges.ts';
import type { RangeLimits, RowFault, RowRange } from './ranges.ts';

const LF = 10;
const CR = 13;
const TAB = 9;
const SPACE = 32;
const QUOTE = 34;
const NONE = -1;

const byteOf = (character: string | undefined): number => (character ? character.charCodeAt(0) : NONE);

export class RowCutter {
  /** True once a row with the column names has been seen. */
  headerSeen = false;
  readonly #delimiter: number;
  readonly #quote: number;
  readonly #escape: number;
  readonly #comment: number;
  /** Of a dialect with more than quotes: 1 for the bytes that mean something outside of them. */
  readonly #meaning: Uint8Array | undefined;
  readonly #rowBytesMax: number;
  readonly #ranges: Ranges;
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
  /** The byte before was the escape character. */
  #escaped = false;
  /** The byte that it took the meaning from. */
  #escapedAt = -2;
  /** In a comment, up to the end of the line. */
  #inComment = false;
  #commentAt = -1;
  /** A CR ended the chunk: whether an LF belongs to it is still to be seen. */
  #afterCr: 'no' | 'row' | 'blank' = 'no';

  /** @param options.start offset of the first byte to come (after a byte order mark) */
  constructor(
    options: CsvDialect & { readonly limits: RangeLimits; readonly start: number; readonly rowBytesMax?: number },
  ) {
    this.#delimiter = options.delimiter.charCodeAt(0);
    this.#quote = byteOf(options.quote ?? '"');
    this.#escape = byteOf(options.escape);
    this.#comment = byteOf(options.comment);
    if (this.#quote !== QUOTE || this.#escape !== NONE || this.#comment !== NONE) {
      this.#meaning = new Uint8Array(256);
      for (const byte of [LF, CR, this.#quote, this.#escape, this.#comment]) if (byte !== NONE) this.#meaning[byte] = 1;
    }
    this.#headerPending = options.header;
    this.#ranges = new Ranges(options.limits, options.start);
    this.#rowBytesMax = options.rowBytesMax ?? ROW_BYTES_MAX;
    this.#offset = this.#rowStart = options.start;
  }

  /** Data rows found so far. */
  get rowsTotal(): number {
    return this.#ranges.rowsTotal;
  }

  /** Set once the file turns out to be no CSV; nothing more comes of it then. */
  get fault(): RowFault | undefined {
    return this.#ranges.fault;
  }

  /** @param chunk the next bytes of the file. @returns the ranges that are complete now */
  push(chunk: Uint8Array): RowRange[] {
    let from = 0;
    if (chunk.length > 0 && this.#afterCr !== 'no') {
      if (chunk[0] === LF) from = 1;
      this.#endCr(this.#offset + from);
    }
    if (this.#meaning === undefined) this.#scan(chunk, from);
    else this.#scanDialect(chunk, from, this.#meaning);
    this.#endChunk(chunk);
    return this.#ranges.taken();
  }

  /** Quotes are `"`, and nothing else means anything. */
  #scan(chunk: Uint8Array, from: number): void {
    const length = chunk.length;
    const base = this.#offset;
    const delimiter = this.#delimiter;
    const words = wordsOf(chunk);
    let i = from;
    let quoted = this.#quoted;
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
      i = nextSmall(chunk, words, i);
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
        i = this.#passCr(chunk, i);
      }
      i += 1;
    }
    this.#quoted = quoted;
  }

  #scanDialect(chunk: Uint8Array, from: number, meaning: Uint8Array): void {
    const length = chunk.length;
    const base = this.#offset;
    for (let i = from; i < length; i++) {
      const byte = chunk[i] as number;
      if (this.#escaped) {
        this.#escaped = false;
      } else if (this.#quoted) {
        if (byte === this.#escape) this.#escaped = true;
        else if (byte === this.#quote) {
          this.#quoted = false;
          this.#closedAt = base + i;
        }
      } else if (meaning[byte] === 0) {
        continue;
      } else if (byte === LF) {
        this.#endRow(base + i + 1, this.#isBlank(chunk, base, i));
      } else if (byte === CR) {
        i = this.#passCr(chunk, i);
      } else if (!this.#inComment) {
        this.#special(byte, base + i, i > 0 ? (chunk[i - 1] as number) : this.#previous);
      }
    }
  }

  /** A quote, an escape or the start of a comment, outside of quotes. @param at offset in the file */
  #special(byte: number, at: number, before: number): void {
    const reopens = this.#closedAt === at - 1;
    if (byte === this.#quote) {
      const opens = before === this.#delimiter || before === LF || before === CR;
      this.#quoted = reopens || (opens && !this.#wasEscaped(at));
      if (this.#quoted && !reopens) this.#quoteAt = at;
    } else if (reopens) {
      // behind a closing quote they are text
    } else if (byte === this.#escape) {
      this.#escaped = true;
      this.#escapedAt = at + 1;
    } else {
      this.#inComment = true;
      this.#commentAt = at;
    }
  }

  #wasEscaped(at: number): boolean {
    return this.#escapedAt === at - 1;
  }

  /** A CR outside of quotes. @returns position of the last byte of the line break */
  #passCr(chunk: Uint8Array, at: number): number {
    const blank = this.#isBlank(chunk, this.#offset, at);
    if (at + 1 === chunk.length) {
      this.#afterCr = blank ? 'blank' : 'row';
      return at;
    }
    const end = chunk[at + 1] === LF ? at + 1 : at;
    this.#endRow(this.#offset + end + 1, blank);
    return end;
  }

  /** The file ends here. @returns the last ranges */
  finish(): RowRange[] {
    if (this.#afterCr !== 'no') this.#endCr(this.#offset);
    if (this.#quoted) {
      this.#ranges.fault ??= { kind: 'open-quote', offset: this.#quoteAt };
      return [];
    }
    if (this.#hasContent) this.#endRow(this.#offset, false);
    this.#ranges.finish();
    return this.#ranges.taken();
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
    if (this.#inComment && this.#commentAt === this.#rowStart) return true;
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
    this.#inComment = false;
    if (blank) {
      this.#ranges.pass(end);
    } else if (this.#headerPending) {
      this.#headerPending = false;
      this.headerSeen = true;
      this.#ranges.pass(end);
    } else this.#ranges.add(end);
  }

  #tooLong(inQuotes: boolean): void {
    this.#ranges.fault ??= inQuotes
      ? { kind: 'open-quote', offset: this.#quoteAt }
      : { kind: 'row-too-long', offset: this.#rowStart };
  }
}

/** Four bytes of a chunk at a time; the first `ahead` bytes are in none of them. */
interface Words {
  readonly ahead: number;
  readonly values: Int32Array;
}

const WORD = 4;

function wordsOf(chunk: Uint8Array): Words {
  const ahead = Math.min(chunk.length, -chunk.byteOffset & (WORD - 1));
  const count = Math.floor((chunk.length - ahead) / WORD);
  return { ahead, values: new Int32Array(chunk.buffer, count > 0 ? chunk.byteOffset + ahead : 0, count) };
}

/**
 * All bytes that mean something in plain CSV are small, up to the quote; most bytes of data are not.
 * @returns position of the next small byte from `from` on, or the length
 */
function nextSmall(chunk: Uint8Array, { ahead, values }: Words, from: number): number {
  const length = chunk.length;
  let i = from;
  while (i < length && ((i - ahead) & (WORD - 1)) !== 0) {
    if ((chunk[i] as number) <= QUOTE) return i;
    i++;
  }
  if (i === length) return i;
  let word = (i - ahead) >> 2;
  // takes 35 from each byte: the top bit is set then where it was less, and its own wasn't
  while (word < values.length && !hasSmall(values[word] as number)) word++;
  i = ahead + word * WORD;
  while (i < length && (chunk[i] as number) > QUOTE) i++;
  return i;
}

const hasSmall = (word: number): boolean => ((word - 0x23232323) & ~word & 0x80808080) !== 0;
