/** What the columns of JSON Lines hold, judged on their bytes: a number keeps its digits. */
import type { Column } from '../../domain/plan.ts';
import { Seen, classify } from './classify.ts';
import { MemberScanner, isOpening, isQuote } from './jsonmembers.ts';

/** Beside the flags of `Seen`: an object or a list. */
const NESTED = 1 << 12;
const NUMBERS = Seen.whole | Seen.unsigned | Seen.huge | Seen.hugeNegative | Seen.float;

/** Gathers the keys of objects, in the order in which they first come, and what stands behind them. */
export class JsonFacts {
  rows = 0;
  readonly #columns = new Map<string, { flags: number; rows: number; lastRow: number }>();
  readonly #members = new MemberScanner((key, bytes, start, end) => this.#note(key, flagsOf(bytes, start, end)));

  /** One line. A line that is no object says nothing: its row fails where it is read. */
  line(bytes: Buffer, from: number, to: number): void {
    this.rows += 1;
    this.#members.scan(bytes, from, to);
  }

  /**
   * @param sampled not every row was looked at
   * @param gapsOf columns of which it is said whether values are missing
   */
  columns(sampled: boolean, gapsOf?: ReadonlySet<string>): Column[] {
    return [...this.#columns].map(([name, { flags, rows }]) => {
      const seen = rows < this.rows ? flags | Seen.missing : flags;
      const missing = gapsOf?.has(name) === true && (seen & Seen.missing) !== 0;
      return { name, type: typeFor(seen, sampled), ...(missing && { missing }) };
    });
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
}

function flagsOf(bytes: Buffer, start: number, end: number): number {
  if (start === end) return Seen.missing;
  if (isQuote(bytes[start])) return Seen.text;
  if (isOpening(bytes[start])) return NESTED;
  const found = classify(bytes, start, end);
  return found === Seen.text ? Seen.missing : found;
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
