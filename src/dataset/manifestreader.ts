import { closeSync, fstatSync, openSync } from 'node:fs';
import { invariant } from '../domain/assert.ts';
import { DatasetError, datasetProblem, reasonOf } from './error.ts';
import { fill } from './fill.ts';
import { ENTRY_BYTES, INDEX_HEADER_BYTES, INDEX_VERSION, decodeIndexHeader, readEntry } from './manifestformat.ts';
import type { IndexEntry } from './manifestformat.ts';

export interface ManifestPaths {
  /** Absolute path of the file with a line of JSON per mini-batch. */
  readonly manifest: string;
  /** Absolute path of its index. */
  readonly index: string;
  /** Absolute path of the stamps of its files; absent: none are kept. */
  readonly stamps?: string;
}

export interface ManifestEntry {
  /** JSON of the `MiniBatchSource`, UTF-8: the line as it is stored. */
  readonly source: Uint8Array;
  readonly items: number;
}

/** Bytes read ahead where mini-batches are asked for one after the other. */
const WINDOW_BYTES = 64 * 1024;
const INDEX_WINDOW_ENTRIES = 4096;
const LINE_BREAK = 10;
const OPEN_BRACE = 123;

/**
 * Reads stored mini-batches, also while more are being appended. Only complete ones exist for it: what a crash left
 * torn at the end is not there. Reading is synchronous (about a microsecond each in order): dispatch waits for nobody.
 */
export class ManifestReader {
  readonly #paths: ManifestPaths;
  readonly #data: number;
  readonly #index: number;
  #count = 0;
  /** End of the line of the last complete mini-batch. */
  #dataEnd = 0;
  /** Part of the data in memory, from `#windowAt` on. */
  #window: Buffer = Buffer.alloc(0);
  #windowAt = 0;
  #entries: Buffer = Buffer.alloc(0);
  #entriesFrom = 0;
  /** The one that comes next when they are read in order. */
  #expected = -1;

  /** @throws DatasetError PR3010 where the files are not there or no manifest */
  constructor(paths: ManifestPaths) {
    this.#paths = paths;
    this.#data = this.#open(paths.manifest);
    this.#index = this.#open(paths.index);
    const version = decodeIndexHeader(fill(this.#index, 0, INDEX_HEADER_BYTES));
    if (version !== INDEX_VERSION) {
      this.close();
      throw this.#damaged(
        version === undefined ? 'the index does not start as one' : `its version is ${version}, not ${INDEX_VERSION}`,
      );
    }
    this.refresh();
  }

  /** Complete mini-batches known so far; `refresh` looks for more. */
  get count(): number {
    return this.#count;
  }

  /** Looks how many complete mini-batches there are now. */
  refresh(): number {
    const dataBytes = fstatSync(this.#data).size;
    let count = Math.floor((fstatSync(this.#index).size - INDEX_HEADER_BYTES) / ENTRY_BYTES);
    let end: number | undefined;
    while (count > this.#count && end === undefined) {
      end = this.#endOfComplete(count - 1, dataBytes);
      if (end === undefined) count -= 1;
    }
    if (end !== undefined) {
      this.#count = count;
      this.#dataEnd = end;
    }
    return this.#count;
  }

  /** @throws DatasetError PR3010 where the stored line cannot be read */
  read(index: number): ManifestEntry {
    if (index >= this.#count) this.refresh();
    invariant(index >= 0 && index < this.#count, `mini-batch ${index} of ${this.#count}`);
    const entry = this.#entry(index);
    if (!entry) throw this.#damaged(`the entry of mini-batch ${index} is not what was written`);
    const source = this.#line(entry, index === this.#expected);
    if (source[0] !== OPEN_BRACE) throw this.#damaged(`the line of mini-batch ${index} is not what was written`);
    this.#expected = index + 1;
    return { source, items: entry.items };
  }

  /** Mini-batches `from` up to, not including, `to`. */
  readRange(from: number, to: number): ManifestEntry[] {
    const entries: ManifestEntry[] = [];
    for (let index = from; index < to; index++) entries.push(this.read(index));
    return entries;
  }

  /** Bytes of the lines of the first `count` mini-batches. @throws DatasetError PR3010 where there are fewer */
  bytesBefore(count: number): number {
    if (count === 0) return 0;
    if (count > this.#count) throw this.#damaged(`it holds ${this.#count} mini-batches, the ledger knows ${count}`);
    const last = this.#entry(count - 1);
    if (!last) throw this.#damaged(`the entry of mini-batch ${count - 1} is not what was written`);
    return last.offset + last.length + 1;
  }

  /** Items of the first `count` mini-batches; only the index is read. */
  itemsBefore(count: number): number {
    let items = 0;
    for (let index = 0; index < count; index++) items += this.#entry(index)?.items ?? 0;
    return items;
  }

  close(): void {
    closeSync(this.#data);
    closeSync(this.#index);
  }

  /** Where the line of a mini-batch ends in the data; undefined where entry or line is torn. */
  #endOfComplete(index: number, dataBytes: number): number | undefined {
    const stored = fill(this.#index, positionOf(index), ENTRY_BYTES);
    const entry = stored.length === ENTRY_BYTES ? readEntry(stored, 0) : undefined;
    if (!entry) return undefined;
    const end = entry.offset + entry.length + 1;
    return end <= dataBytes && fill(this.#data, end - 1, 1)[0] === LINE_BREAK ? end : undefined;
  }

  #entry(index: number): IndexEntry | undefined {
    const at = (index - this.#entriesFrom) * ENTRY_BYTES;
    if (at >= 0 && at + ENTRY_BYTES <= this.#entries.length) return readEntry(this.#entries, at);
    this.#entriesFrom = index;
    // nothing beyond `count`: it may be half written now, and whole when it is asked for
    const wanted = Math.min(INDEX_WINDOW_ENTRIES, this.#count - index);
    this.#entries = fill(this.#index, positionOf(index), wanted * ENTRY_BYTES);
    return this.#entries.length >= ENTRY_BYTES ? readEntry(this.#entries, 0) : undefined;
  }

  /** A piece of the window, not a copy: those in flight keep a window or two alive, which is less than copies of all cost. */
  #line({ offset, length }: IndexEntry, inOrder: boolean): Uint8Array {
    const at = offset - this.#windowAt;
    if (at >= 0 && at + length <= this.#window.length) return this.#window.subarray(at, at + length);
    if (!inOrder || length >= WINDOW_BYTES) return this.#readData(offset, length, length);
    this.#window = this.#readData(offset, Math.min(WINDOW_BYTES, this.#dataEnd - offset), length);
    this.#windowAt = offset;
    return this.#window.subarray(0, length);
  }

  #readData(offset: number, wanted: number, needed: number): Buffer {
    const bytes = fill(this.#data, offset, wanted);
    if (bytes.length < needed) throw this.#damaged(`it ends before byte ${offset + needed}`);
    return bytes;
  }

  #open(path: string): number {
    try {
      return openSync(path, 'r');
    } catch (error) {
      throw this.#damaged(reasonOf(error));
    }
  }

  #damaged(why: string): DatasetError {
    return new DatasetError(
      datasetProblem({
        code: 'PR3010',
        what: 'the stored list of mini-batches cannot be read',
        file: this.#paths.manifest,
        why,
        next: 'run the job again; this run cannot be replayed or resumed',
      }),
    );
  }
}

function positionOf(index: number): number {
  return INDEX_HEADER_BYTES + index * ENTRY_BYTES;
}
