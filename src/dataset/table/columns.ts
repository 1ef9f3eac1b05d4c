import type { Column } from '../../domain/plan.ts';
import { Seen, classify } from './classify.ts';
import type { FieldSink } from '../../domain/dialect.ts';

/** Gathers what each column holds. Fields beyond the last column are not looked at. */
export class ColumnFacts implements FieldSink {
  rows = 0;
  readonly #seen: Uint16Array;
  /** 1: whether a value is missing matters also among texts. */
  readonly #gaps: Uint8Array;

  /** @param gaps for each column, whether it is to be said that values are missing */
  constructor(columns: number, gaps: readonly boolean[] = []) {
    this.#seen = new Uint16Array(columns);
    this.#gaps = Uint8Array.from({ length: columns }, (_, i) => Number(gaps[i] === true));
  }

  beginRow(): void {
    // a row that comes again sets the same flags again
  }

  field(column: number, bytes: Buffer, start: number, end: number): void {
    const seen = this.#seen[column];
    if (seen === undefined || (seen & Seen.text && this.#gaps[column] === 0)) return;
    const found = classify(bytes, start, end);
    // pandas stops at the first field that is no whole number in range: a float before a huge number makes floats
    if (found === Seen.huge && seen & Seen.float) return;
    this.#seen[column] = seen | found;
  }

  endRow(fields: number): boolean {
    this.rows += 1;
    for (let column = fields; column < this.#seen.length; column++) {
      this.#seen[column] = (this.#seen[column] as number) | Seen.missing;
    }
    return true;
  }

  /** @param sampled not every row was looked at: a column without a value so far may hold anything */
  columns(names: readonly string[], sampled: boolean): Column[] {
    return names.map((name, i) => {
      const seen = this.#seen[i] ?? 0;
      const missing = this.#gaps[i] === 1 && (seen & Seen.missing) !== 0;
      return { name, type: typeFor(seen, sampled), ...(missing && { missing }) };
    });
  }
}

/** The type pandas would give to a column, from the flags of what it holds. */
export function typeFor(seen: number, sampled: boolean): Column['type'] {
  const has = (flags: number): boolean => (seen & flags) !== 0;
  const numbers = Seen.whole | Seen.unsigned | Seen.huge | Seen.hugeNegative | Seen.float;
  if (has(Seen.text | Seen.huge)) return 'string';
  if (has(Seen.truth)) return has(numbers) ? 'string' : has(Seen.missing) ? 'nullable-bool' : 'bool';
  if (has(Seen.float)) return 'float64';
  if (has(Seen.hugeNegative)) return 'string';
  if (has(Seen.unsigned)) return has(Seen.negative | Seen.missing) ? 'string' : 'uint64';
  if (has(Seen.whole)) return has(Seen.missing) ? 'float64' : 'int64';
  // no value at all: NaN where there are rows; without rows pandas has nothing to go by either
  return has(Seen.missing) && !sampled ? 'float64' : 'string';
}
