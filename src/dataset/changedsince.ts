import { setTimeout as pause } from 'node:timers/promises';
import { bytesOf } from './bytepath.ts';
import { FileCount } from './known.ts';
import type { SomeFiles } from './known.ts';
import type { ManifestReader } from './manifestreader.ts';
import { Stamper, differs } from './stamp.ts';
import { InodeWorth, stampedFiles } from './stampedfiles.ts';
import type { StampedFile } from './stampedfiles.ts';
import type { Stamps } from './stamps.ts';
import { sourceAt } from './storedfiles.ts';

/** Mini-batches whose files have changed since they were done: their rows are those of before. */
export interface ChangedSince {
  readonly miniBatches: number;
  readonly files: SomeFiles;
}

/** Files looked at before others get their turn: one or two milliseconds. */
const FILES_PER_TURN = 256;

export interface ChangedSinceOptions {
  readonly manifest: ManifestReader;
  readonly stamps: Stamps;
  /** Mini-batches of the manifest that are looked at, */
  readonly count: number;
  /** as far as they are done. */
  readonly isDone: (index: number) => boolean;
  /** Whether inode numbers say anything. */
  readonly inodes: boolean;
  /** Others are to have half of the time, at least. */
  readonly beside: boolean;
}

/** Looks at the files of done mini-batches; yields now and then. Files that are gone are not its business. */
export async function* changedSince(options: ChangedSinceOptions): AsyncGenerator<void, ChangedSince, undefined> {
  const { manifest, stamps, count, isDone, beside } = options;
  const looker = new Looker(options.inodes);
  for (let index = 0; index < count; index++) {
    if (isDone(index)) looker.add(index, stampedFiles(sourceAt(manifest, index), index, stamps));
    if (looker.waiting < FILES_PER_TURN && index < count - 1) continue;
    const from = performance.now();
    await looker.look();
    yield;
    if (beside) await pause(performance.now() - from);
  }
  return looker;
}

class Looker implements ChangedSince {
  miniBatches = 0;
  readonly files = new FileCount();
  readonly #stamper = new Stamper();
  readonly #inodes: InodeWorth;
  #waiting: { readonly index: number; readonly file: StampedFile }[] = [];
  #lastMiniBatch = -1;
  #lastFile = '';

  constructor(inodes: boolean) {
    this.#inodes = new InodeWorth(inodes);
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  add(index: number, files: readonly StampedFile[]): void {
    for (const file of files) this.#waiting.push({ index, file });
  }

  async look(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    const paths = [...new Set(waiting.map(({ file }) => file.path))];
    const found = await this.#stamper.stamps(paths.map(bytesOf));
    const now = new Map(paths.map((path, i) => [path, found[i] ?? 'gone']));
    for (const { index, file } of waiting) {
      const is = now.get(file.path) ?? 'gone';
      if (is !== 'gone' && differs(file.was, is, this.#inodes.at(file.path))) this.#note(index, file.path);
    }
  }

  /** Files of a mini-batch, and mini-batches of a table, come one behind the other. */
  #note(index: number, path: string): void {
    if (index !== this.#lastMiniBatch) this.miniBatches += 1;
    this.#lastMiniBatch = index;
    if (path !== this.#lastFile) this.files.note(path);
    this.#lastFile = path;
  }
}
