/** What the columns of JSON Lines hold, judged on their bytes: a number keeps its digits. */
import type { Column } from '../../domain/plan.ts';
import { Seen, classify } from './classify.ts';

const QUOTE = 34;
const BACKSLASH = 92;
const COLON = 58;
const COMMA = 44;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
/** Beside the flags of `Seen`: an object or a list. */
const NESTED = 1 << 12;
const NUMBERS = Seen.whole | Seen.unsigned | Seen.huge | Seen.hugeNegative | Seen.float;

/** Gathers the keys of objects, in the order in which they first come, and what stands behind them. */
export class JsonFacts {
  rows = 0;
  readonly #columns = new Map<string, { flags: number; rows: number; lastRow: number }>();
  /** Keys by their bytes, so that no text is made for one that was seen. */
  readonly #keys = new Map<string, string>();
  #at = 0;

  /** One line. A line that is no object says nothing: its row fails where it is read. */
  line(bytes: Buffer, from: number, to: number): void {
    this.rows += 1;
    this.#at = skipSpace(bytes, from, to);
    if (bytes[this.#at] !== OPEN_BRACE) return;
    this.#at = skipSpace(bytes, this.#at + 1, to);
    while (this.#at < to && bytes[this.#at] === QUOTE) {
      const start = this.#at;
      this.#skipString(bytes, to);
      const key = this.#keyOf(bytes.toString('latin1', start, this.#at), bytes, start);
      this.#at = skipSpace(bytes, this.#at, to);
      if (key === undefined || bytes[this.#at] !== COLON) return;
      this.#at = skipSpace(bytes, this.#at + 1, to);
      this.#note(key, this.#value(bytes, to));
      this.#at = skipSpace(bytes, this.#at, to);
      if (bytes[this.#at] !== COMMA) return;
      this.#at = skipSpace(bytes, this.#at + 1, to);
    }
  }

  /** @param sampled not every row was looked at */
  columns(sampled: boolean): Column[] {
    return [...this.#columns].map(([name, { flags, rows }]) => ({
      name,
      type: typeFor(rows < this.rows ? flags | Seen.missing : flags, sampled),
    }));
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

  #note(key: string, flags: number): void {
    const column = this.#columns.get(key);
    if (!column) this.#columns.set(key, { flags, rows: 1, lastRow: this.rows });
    else {
      column.flags |= flags;
      // A key that comes twice in an object counts once.
      if (column.lastRow !== this.rows) column.rows += 1;
      column.lastRow = this.rows;
    }
  }

  #value(bytes: Buffer, to: number): number {
    const from = this.#at;
    switch (bytes[from]) {
      case QUOTE:
        this.#skipString(bytes, to);
        return Seen.text;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        this.#skipNested(bytes, to);
        return NESTED;
      case undefined:
        return Seen.missing;
      default:
    }
    while (this.#at < to && !endsValue(bytes[this.#at])) this.#at += 1;
    const found = classify(bytes, from, this.#at);
    return found === Seen.text ? Seen.missing : found;
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
      if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth += 1;
      else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) return;
    }
  }
}

/** Types that hold every value there is; columns of several kinds are handed over as they are. */
function typeFor(flags: number, sampled: boolean): Column['type'] {
  const has = (some: number): boolean => (flags & some) !== 0;
  const kinds = [NUMBERS, Seen.truth, Seen.text, NESTED].filter(has).length;
  if (kinds > 1 || has(NESTED)) return 'json';
  // Without any value: NaN where every row was looked at, else nobody knows.
  if (kinds === 0) return sampled ? 'json' : 'float64';
  if (has(Seen.text)) return 'string';
  if (has(Seen.truth)) return has(Seen.missing) ? 'nullable-bool' : 'bool';
  if (has(Seen.huge | Seen.hugeNegative)) return 'json';
  if (has(Seen.float)) return 'float64';
  if (has(Seen.unsigned)) return has(Seen.negative | Seen.missing) ? 'json' : 'uint64';
  return has(Seen.missing) ? 'float64' : 'int64';
}

function skipSpace(bytes: Buffer, from: number, to: number): number {
  let i = from;
  while (i < to && isSpace(bytes[i])) i++;
  return i;
}

const isSpace = (byte: number | undefined): boolean => byte === 32 || byte === 9 || byte === 10 || byte === 13;
const endsValue = (byte: number | undefined): boolean =>
  byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET || isSpace(byte);
