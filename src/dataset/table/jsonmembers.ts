/** The members of JSON objects, found in their bytes: nothing of them is changed on the way. */

const QUOTE = 34;
const BACKSLASH = 92;
const COLON = 58;
const COMMA = 44;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;

/** What a member holds lies between `start` and `end` of the bytes; with `start` at `end`, nothing. */
export type Visit = (key: string, bytes: Buffer, start: number, end: number) => void;

export class MemberScanner {
  /** Keys by their bytes, so that no text is made for one that was seen. */
  readonly #keys = new Map<string, string>();
  readonly #visit: Visit;
  #at = 0;

  constructor(visit: Visit) {
    this.#visit = visit;
  }

  /** One object, as far as it is one. @returns false: it is none, or is broken off */
  scan(bytes: Buffer, from: number, to: number): boolean {
    this.#at = skipSpace(bytes, from, to);
    if (bytes[this.#at] !== OPEN_BRACE) return false;
    this.#at = skipSpace(bytes, this.#at + 1, to);
    while (this.#at < to && bytes[this.#at] === QUOTE) {
      const start = this.#at;
      this.#skipString(bytes, to);
      const key = this.#keyOf(bytes.toString('latin1', start, this.#at), bytes, start);
      this.#at = skipSpace(bytes, this.#at, to);
      if (key === undefined || bytes[this.#at] !== COLON) return false;
      this.#at = skipSpace(bytes, this.#at + 1, to);
      const value = this.#at;
      this.#skipValue(bytes, to);
      this.#visit(key, bytes, value, this.#at);
      this.#at = skipSpace(bytes, this.#at, to);
      if (bytes[this.#at] !== COMMA) break;
      this.#at = skipSpace(bytes, this.#at + 1, to);
    }
    return this.#at < to && bytes[this.#at] === CLOSE_BRACE;
  }

  #keyOf(raw: string, bytes: Buffer, start: number): string | undefined {
    const known = this.#keys.get(raw);
    if (known !== undefined) return known;
    try {
      const key = JSON.parse(bytes.toString('utf8', start, this.#at)) as string;
      this.#keys.set(raw, key);
      return key;
    } catch {
      return undefined;
    }
  }

  #skipValue(bytes: Buffer, to: number): void {
    const byte = bytes[this.#at];
    if (byte === QUOTE) this.#skipString(bytes, to);
    else if (isOpening(byte)) this.#skipNested(bytes, to);
    else while (this.#at < to && !endsValue(bytes[this.#at])) this.#at += 1;
  }

  #skipString(bytes: Buffer, to: number): void {
    let i = this.#at + 1;
    while (i < to && bytes[i] !== QUOTE) i += bytes[i] === BACKSLASH ? 2 : 1;
    this.#at = Math.min(i + 1, to);
  }

  #skipNested(bytes: Buffer, to: number): void {
    let depth = 0;
    while (this.#at < to) {
      const byte = bytes[this.#at];
      if (byte === QUOTE) {
        this.#skipString(bytes, to);
        continue;
      }
      this.#at += 1;
      if (isOpening(byte)) depth += 1;
      else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) return;
    }
  }
}

function skipSpace(bytes: Buffer, from: number, to: number): number {
  let i = from;
  while (i < to && isSpace(bytes[i])) i++;
  return i;
}

/** Whether a value that begins so is a text. */
export const isQuote = (byte: number | undefined): boolean => byte === QUOTE;
/** Whether a value that begins so is an object or a list. */
export const isOpening = (byte: number | undefined): boolean => byte === OPEN_BRACE || byte === OPEN_BRACKET;
const isSpace = (byte: number | undefined): boolean => byte === 32 || byte === 9 || byte === 10 || byte === 13;
const endsValue = (byte: number | undefined): boolean =>
  byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET || isSpace(byte);
