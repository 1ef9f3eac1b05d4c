import type { InputSpec } from '../domain/plan.ts';
import { DatasetError, datasetProblem } from './error.ts';
import type { ManifestReader } from './manifestreader.ts';
import { PathSet } from './pathset.ts';
import type { RowRange } from './table/ranges.ts';
import { sourceAt, storedFiles } from './storedfiles.ts';
import { joinText } from './bytepath.ts';

/** Files that are named in a message. */
const EXAMPLES_MAX = 5;

export interface KnownOptions {
  readonly manifest: ManifestReader;
  /** Mini-batches of it that count. */
  readonly count: number;
  /** The listing was interrupted behind them: of the last table more may follow. */
  readonly interrupted: boolean;
  /** False for a listed file that makes no mini-batch: a table without rows. Asked only where that matters. */
  readonly hasItems: (input: InputSpec, path: string) => Promise<boolean>;
}

/** Files: how many, and the first of them, absolute, as text. */
export interface SomeFiles {
  readonly count: number;
  readonly examples: readonly string[];
}

/** What differs between the listed input and the manifest. */
export interface ListingDifference {
  readonly added: SomeFiles;
  readonly removed: SomeFiles;
}

/** The input isn't the one that the run began with. */
export class ListingDiffers extends Error {
  override readonly name = 'ListingDiffers';
  readonly difference: ListingDifference;
  constructor(difference: ListingDifference) {
    super(`${difference.added.count} files were added, ${difference.removed.count} removed`);
    this.difference = difference;
  }
}

/**
 * Which files of an input, listed anew, are in the manifest already. As long as they come in its order, nothing is
 * remembered; from the first difference on the files left of the manifest are a set in memory, sixteen bytes each.
 */
export class KnownFiles {
  readonly tail: InterruptedTable | undefined;
  readonly #options: KnownOptions;
  readonly #stored: AsyncGenerator<readonly string[], void, undefined>;
  #chunk: readonly string[] = [];
  #at = 0;
  #exhausted = false;
  #left: PathSet | undefined;
  /** Unknown files since the last known one, and those with a known one behind them. */
  #behind = new FileCount();
  readonly #between = new FileCount();

  constructor(options: KnownOptions) {
    this.#options = options;
    this.#stored = storedFiles(options.manifest, options.count);
    this.tail = options.interrupted ? InterruptedTable.of(options.manifest, options.count) : undefined;
  }

  /** True while the files have come in the order of the manifest, none missing, none between them. */
  get inOrder(): boolean {
    return this.#left === undefined;
  }

  /** Unknown files that came in front of a known one: nobody had listed them then. */
  get inserted(): SomeFiles {
    return this.#between;
  }

  /** Of files of the input those that are not in the manifest, and the table whose mini-batches are not all there. */
  async unknown(input: InputSpec, files: readonly string[]): Promise<readonly string[]> {
    const unknown: string[] = [];
    for (const file of files) {
      const path = joinText(input.root, file);
      const known = await this.#take(input, path);
      if (!known || path === this.tail?.file) unknown.push(file);
      if (this.inOrder) continue;
      if (!known) this.#behind.note(path);
      else if (this.#behind.count > 0) {
        this.#between.take(this.#behind);
        this.#behind = new FileCount();
      }
    }
    return unknown;
  }

  /** To be asked when the listing has ended: the files of the manifest that it did not have. */
  async missing(): Promise<SomeFiles> {
    await this.#remember();
    const left = this.#left ?? new PathSet();
    const count = left.size;
    const examples: string[] = [];
    if (count === 0) return { count, examples };
    const wanted = Math.min(count, EXAMPLES_MAX);
    for await (const paths of storedFiles(this.#options.manifest, this.#options.count)) {
      for (const path of paths) if (examples.length < wanted && left.take(path)) examples.push(path);
      if (examples.length === wanted) break;
    }
    return { count, examples };
  }

  async close(): Promise<void> {
    await this.#stored.return();
  }

  async #take(input: InputSpec, path: string): Promise<boolean> {
    if (this.#left) return this.#left.take(path);
    const next = await this.#next();
    if (next === path) {
      this.#at += 1;
      return true;
    }
    // Behind the last one, all others are new, and nothing has to be remembered.
    if (next === undefined || !(await this.#options.hasItems(input, path))) return false;
    await this.#remember();
    return this.#take(input, path);
  }

  async #next(): Promise<string | undefined> {
    while (!this.#exhausted && this.#at >= this.#chunk.length) {
      const { done, value } = await this.#stored.next();
      this.#chunk = done === true ? [] : value;
      this.#at = 0;
      this.#exhausted = done === true;
    }
    return this.#chunk[this.#at];
  }

  async #remember(): Promise<void> {
    if (this.#left) return;
    const left = new PathSet();
    for (let path = await this.#next(); path !== undefined; path = await this.#next()) {
      left.add(path);
      this.#at += 1;
    }
    this.#left = left;
  }
}

export class FileCount implements SomeFiles {
  count = 0;
  readonly examples: string[] = [];

  note(path: string): void {
    this.count += 1;
    if (this.examples.length < EXAMPLES_MAX) this.examples.push(path);
  }

  take(other: SomeFiles): void {
    this.count += other.count;
    this.examples.push(...other.examples.slice(0, EXAMPLES_MAX - this.examples.length));
  }
}

/** The table that was being cut when the listing was interrupted: its mini-batches so far must come out the same. */
export class InterruptedTable {
  readonly file: string;
  readonly #manifest: ManifestReader;
  readonly #count: number;
  #index: number;

  static of(manifest: ManifestReader, count: number): InterruptedTable | undefined {
    if (count === 0) return undefined;
    const last = sourceAt(manifest, count - 1);
    if (last.kind !== 'rows') return undefined;
    // Its mini-batches lie one behind the other: half and half again to the first of them.
    let first = 0;
    for (let behind = count - 1; first < behind;) {
      const middle = (first + behind) >>> 1;
      const source = sourceAt(manifest, middle);
      if (source.kind === 'rows' && source.file === last.file) behind = middle;
      else first = middle + 1;
    }
    return new InterruptedTable(last.file, manifest, first, count);
  }

  private constructor(file: string, manifest: ManifestReader, first: number, count: number) {
    this.file = file;
    this.#manifest = manifest;
    this.#index = first;
    this.#count = count;
  }

  /** Of the ranges cut anew, in their order, those that make no mini-batch yet. @throws DatasetError PR5007 */
  unknown(ranges: readonly RowRange[]): readonly RowRange[] {
    const known = Math.min(ranges.length, this.#count - this.#index);
    for (const range of ranges.slice(0, known)) this.#compare(range);
    return ranges.slice(known);
  }

  /** The table has ended. @throws DatasetError PR5007 where it has fewer rows than before */
  end(): void {
    if (this.#index < this.#count) throw this.changed();
  }

  #compare(range: RowRange): void {
    const stored = sourceAt(this.#manifest, this.#index);
    const same =
      stored.kind === 'rows' &&
      stored.start === range.start &&
      stored.end === range.end &&
      stored.firstRow === range.firstRow &&
      stored.rows === range.rows;
    if (!same) throw this.changed();
    this.#index += 1;
  }

  changed(): DatasetError {
    return new DatasetError(
      datasetProblem({
        code: 'PR5007',
        what: 'a table has changed while its rows were only half listed',
        file: this.file,
        why: `from mini-batch ${this.#index} on it would have other rows than when the run was started`,
        next: 'put the table back as it was and resume, or start a new run',
      }),
    );
  }
}
