/** Rows with another number of fields than there are columns: refused, or left out and told. */
import { DatasetError, datasetProblem } from '../error.ts';
import type { WalkOptions } from '../walk.ts';
import type { FieldSink } from '../../domain/dialect.ts';
import type { RaggedRow } from './widthcutter.ts';

const EXAMPLES_MAX = 3;

/** Those of one file. */
export class RaggedRows {
  readonly #path: string;
  readonly #policy: 'error' | 'skip';
  readonly #examples: string[] = [];
  #count = 0;

  constructor(path: string, policy: 'error' | 'skip') {
    this.#path = path;
    this.#policy = policy;
  }

  /** @throws DatasetError PR3014 where they are refused */
  readonly take = (row: RaggedRow): void => {
    if (this.#policy === 'error') throw raggedRow(this.#path, row);
    this.#count += 1;
    if (this.#examples.length < EXAMPLES_MAX) this.#examples.push(raggedText(row));
  };

  /** At the end of the file. */
  tell(onSkip: WalkOptions['onSkip']): void {
    if (this.#count === 0) return;
    const more = this.#count - this.#examples.length;
    const reason = `${this.#examples.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
    onSkip?.(this.#path, reason, this.#count);
  }
}

/** `line 7 has 3 fields, not 4: "a,b,c"`. */
function raggedText({ line, fields, columns, text }: RaggedRow): string {
  return `line ${line} has ${fields} ${fields === 1 ? 'field' : 'fields'}, not ${columns}: ${JSON.stringify(text)}`;
}

function raggedRow(path: string, row: RaggedRow): DatasetError {
  return new DatasetError(
    datasetProblem({
      code: 'PR3014',
      what: 'a row of a table has another number of fields than there are columns',
      file: path,
      line: row.line,
      why: raggedText(row),
      next: 'mend the row; or csv_ragged: skip leaves such rows out, fill takes the rest of short ones for missing',
    }),
  );
}

/** Lets only rows of the right width through. */
export class EvenRows implements FieldSink {
  readonly #columns: number;
  readonly #into: FieldSink;
  #fields: Buffer[] = [];

  constructor(columns: number, into: FieldSink) {
    this.#columns = columns;
    this.#into = into;
  }

  beginRow(): void {
    this.#fields = [];
  }

  field(_column: number, bytes: Buffer, start: number, end: number): void {
    this.#fields.push(Buffer.from(bytes.subarray(start, end)));
  }

  endRow(fields: number, bytes: Buffer, start: number, end: number): boolean {
    if (fields !== this.#columns) return true;
    this.#into.beginRow();
    for (const [column, field] of this.#fields.entries()) this.#into.field(column, field, 0, field.length);
    return this.#into.endRow(fields, bytes, start, end);
  }
}
