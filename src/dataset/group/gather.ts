/**
 * Takes the rows that steps of an MLTable leave, in the order of the input, and cuts them into mini-batches: as a grouper
 * does whose groups are cut by size and end with their file.
 */
import type { KeyValues } from '../../domain/minibatch.ts';
import type { RangeLimits } from '../table/ranges.ts';
import { Output } from './grouper.ts';
import type { Group } from './grouper.ts';
import { keyOf } from './keys.ts';

/** A file whose rows are next. */
export interface GatheredFile {
  /** Absolute, as text. */
  readonly path: string;
  /** Position of its input. */
  readonly table: number;
  readonly origin?: string;
  readonly paths: KeyValues;
  /** As of a `MiniBatchSource`. */
  readonly fields?: readonly number[];
}

/** Rows of one mini-batch; `first`: number of the first among those that are taken of the file. */
export interface Slice extends Group {
  readonly file: GatheredFile;
}

const SLICES_PER_CHUNK = 1024;
const NO_KEY = keyOf([]);

export class Gather {
  /** Rows so far. */
  items = 0;
  readonly #limits: RangeLimits;
  readonly #output: Output;
  readonly #slices: Slice[] = [];
  #file: GatheredFile | undefined;
  /** Of the file, so far. */
  #rowsBefore = 0;
  #rows = 0;
  #cost = 0;
  #start = 0;

  constructor(limits: RangeLimits, output?: string) {
    this.#limits = limits;
    this.#output = new Output(output);
  }

  /** Of the output. */
  get bytes(): number {
    return this.#output.position;
  }

  begin(file: GatheredFile): void {
    this.#close();
    this.#file = file;
    this.#rowsBefore = 0;
  }

  /** Rows that the mini-batch under way takes, where each counts so many bytes. */
  room(rowBytes: number): number {
    const byBytes = rowBytes > 0 ? Math.round((this.#limits.bytes - this.#cost) / rowBytes) : Infinity;
    return Math.max(1, Math.min(this.#limits.rows - this.#rows, byBytes));
  }

  /** The next rows; they lie in `bytes` from `from` up to `to`. @param cost bytes that they count */
  add(_: string, bytes: Uint8Array, from: number, to: number, items = 1, cost = to - from): void {
    this.#output.write(Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from), to - from);
    this.items += items;
    this.#rows += items;
    this.#cost += cost;
    if (this.#rows >= this.#limits.rows || Math.round(this.#cost) >= this.#limits.bytes) this.#close();
  }

  // a generator like that of the grouper, though it has nothing to wait for
  // eslint-disable-next-line @typescript-eslint/require-await
  async *groups(): AsyncGenerator<readonly Slice[], void, undefined> {
    this.#close();
    try {
      this.#output.finish();
    } finally {
      this.#output.close();
    }
    for (let from = 0; from < this.#slices.length; from += SLICES_PER_CHUNK)
      yield this.#slices.slice(from, from + SLICES_PER_CHUNK);
  }

  #close(): void {
    if (this.#rows > 0 && this.#file)
      this.#slices.push({
        key: NO_KEY,
        file: this.#file,
        first: this.#rowsBefore,
        items: this.#rows,
        start: this.#start,
        end: this.#output.position,
      });
    this.#rowsBefore += this.#rows;
    this.#start = this.#output.position;
    this.#rows = 0;
    this.#cost = 0;
  }
}
