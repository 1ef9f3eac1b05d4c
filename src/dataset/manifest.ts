/** The stored list of mini-batches of a run: position in it = index of the mini-batch. */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { invariant } from '../domain/assert.ts';
import type { MiniBatchDraft } from './draft.ts';
import { ENTRY_BYTES, INDEX_HEADER_BYTES, encodeIndexHeader, writeEntry } from './manifestformat.ts';
import { ManifestReader } from './manifestreader.ts';
import type { ManifestEntry, ManifestPaths } from './manifestreader.ts';

export type { ManifestEntry, ManifestPaths, ManifestReader };

const FILE_MODE = 0o600;

/** Opens the manifest of a run that has one. @throws DatasetError PR3010 */
export function openManifest(paths: ManifestPaths): ManifestReader {
  return new ManifestReader(paths);
}

/** Starts a manifest; files that are there are emptied. @throws the error of the file system */
export async function createManifest(paths: ManifestPaths): Promise<Manifest> {
  const data = await open(paths.manifest, 'w', FILE_MODE);
  let index: FileHandle | undefined;
  try {
    index = await open(paths.index, 'w', FILE_MODE);
    await writeAll(index, encodeIndexHeader(), 0);
    return new Manifest(paths, data, index);
  } catch (error) {
    await data.close();
    await index?.close();
    throw error;
  }
}

/**
 * Goes on with the first `keep` mini-batches of a manifest; entries behind them are cut off.
 * @throws DatasetError PR3010 where it has fewer
 */
export async function reopenManifest(paths: ManifestPaths, keep: number): Promise<Manifest> {
  const reader = new ManifestReader(paths);
  let bytes: number;
  try {
    bytes = reader.bytesBefore(keep);
  } finally {
    reader.close();
  }
  const data = await open(paths.manifest, 'r+');
  const index = await open(paths.index, 'r+');
  await data.truncate(bytes);
  await index.truncate(INDEX_HEADER_BYTES + keep * ENTRY_BYTES);
  return new Manifest(paths, data, index, keep, bytes);
}

/**
 * Takes mini-batches and gives them back. An index entry is written only after its line, and, where it matters, synced
 * only after it: a reader never meets an entry without its line.
 */
export class Manifest {
  readonly #paths: ManifestPaths;
  readonly #data: FileHandle;
  readonly #index: FileHandle;
  #reader: ManifestReader | undefined;
  #pending: MiniBatchDraft[] = [];
  /** Mini-batches and bytes in the files. */
  #written = 0;
  #bytes = 0;
  /** Bytes that a crash could not take away any more. */
  #durable = 0;
  #flushing: Promise<void> = Promise.resolve();
  #broken = false;

  /** @param written mini-batches that are in the files already, `bytes` their lines */
  constructor(paths: ManifestPaths, data: FileHandle, index: FileHandle, written = 0, bytes = 0) {
    this.#paths = paths;
    this.#data = data;
    this.#index = index;
    this.#written = written;
    this.#bytes = bytes;
  }

  /** Mini-batches taken, flushed or not. */
  get count(): number {
    return this.#written + this.#pending.length;
  }

  /** The first draft gets index `count`, and so on. Nothing is readable before `flush`. */
  append(drafts: readonly MiniBatchDraft[]): void {
    for (const draft of drafts) this.#pending.push(draft);
  }

  /**
   * Resolves when all that was appended before the call can be read, and, with `durable`, is on the disk. Calls may
   * overlap. @throws the error of the file system; the manifest is of no more use then
   */
  flush(durable = false): Promise<void> {
    const flushed = this.#flushing.then(() => this.#flush(durable));
    // one failure is everybody's failure: whoever comes later gets it too
    this.#flushing = flushed;
    flushed.catch(() => {
      this.#broken = true;
    });
    return flushed;
  }

  /** Only what has been flushed. */
  read(index: number): ManifestEntry {
    invariant(index < this.#written, `mini-batch ${index} is not stored yet`);
    return this.#open().read(index);
  }

  /** Mini-batches `from` up to, not including, `to`; only what has been flushed. */
  readRange(from: number, to: number): ManifestEntry[] {
    invariant(to <= this.#written, `mini-batch ${to - 1} is not stored yet`);
    return this.#open().readRange(from, to);
  }

  /** Flushes to the disk and closes. A failure that `flush` has told already is not told again. */
  async close(): Promise<void> {
    try {
      if (!this.#broken) await this.flush(true);
    } finally {
      this.#reader?.close();
      this.#reader = undefined;
      await this.#data.close();
      await this.#index.close();
    }
  }

  #open(): ManifestReader {
    return (this.#reader ??= new ManifestReader(this.#paths));
  }

  async #flush(durable: boolean): Promise<void> {
    const drafts = this.#pending;
    this.#pending = [];
    if (drafts.length > 0) {
      const { lines, entries } = encode(drafts, this.#bytes);
      await writeAll(this.#data, lines, this.#bytes);
      if (durable) await this.#data.datasync();
      await writeAll(this.#index, entries, INDEX_HEADER_BYTES + this.#written * ENTRY_BYTES);
      this.#bytes += lines.length;
      this.#written += drafts.length;
    } else if (durable && this.#durable < this.#bytes) {
      await this.#data.datasync();
    }
    if (!durable || this.#durable === this.#bytes) return;
    await this.#index.datasync();
    this.#durable = this.#bytes;
  }
}

function encode(drafts: readonly MiniBatchDraft[], from: number): { lines: Buffer; entries: Buffer } {
  const entries = Buffer.alloc(drafts.length * ENTRY_BYTES);
  const lines: Buffer[] = [];
  let offset = from;
  for (const [i, { source, items }] of drafts.entries()) {
    // lone surrogates come out as escapes: the line is UTF-8 whatever the file names hold
    const line = Buffer.from(`${JSON.stringify(source)}\n`, 'utf8');
    lines.push(line);
    writeEntry(entries, i * ENTRY_BYTES, { offset, length: line.length - 1, items });
    offset += line.length;
  }
  return { lines: Buffer.concat(lines), entries };
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
}
