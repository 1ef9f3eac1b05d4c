/** The stored list of mini-batches of a run: position in it = index of the mini-batch. */
import type { FileHandle } from 'node:fs/promises';
import { invariant } from '../domain/assert.ts';
import type { MiniBatchDraft } from './draft.ts';
import { closeFiles, openFiles } from './manifestfiles.ts';
import type { ManifestFiles } from './manifestfiles.ts';
import { ENTRY_BYTES, INDEX_HEADER_BYTES, encodeIndexHeader } from './manifestformat.ts';
import { ManifestReader } from './manifestreader.ts';
import type { ManifestEntry, ManifestPaths } from './manifestreader.ts';
import { packDrafts } from './pack.ts';
import type { ManifestEnd } from './pack.ts';
import { STAMPS_HEADER_BYTES, STAMP_BYTES, encodeStampsHeader } from './stampformat.ts';
import { Stamps } from './stamps.ts';
import { writeAll } from './write.ts';

export type { ManifestEntry, ManifestPaths, ManifestReader };

/** Opens the manifest of a run that has one. @throws DatasetError PR3010 */
export function openManifest(paths: ManifestPaths): ManifestReader {
  return new ManifestReader(paths);
}

/** Starts a manifest; files that are there are emptied. @throws the error of the file system */
export async function createManifest(paths: ManifestPaths): Promise<Manifest> {
  const files = await openFiles(paths, 'w');
  try {
    await writeAll(files.index, encodeIndexHeader(), 0);
    if (files.stamps) await writeAll(files.stamps, encodeStampsHeader(), 0);
    return new Manifest(paths, files);
  } catch (error) {
    await closeFiles(files);
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
  const stamps = stampsBefore(paths, keep);
  const files = await openFiles(paths, 'r+');
  try {
    await files.data.truncate(bytes);
    await files.index.truncate(INDEX_HEADER_BYTES + keep * ENTRY_BYTES);
    if (files.stamps) {
      await writeAll(files.stamps, encodeStampsHeader(), 0);
      await files.stamps.truncate(STAMPS_HEADER_BYTES + stamps * STAMP_BYTES);
    }
    // What was cut off must not come back behind what is written from now on.
    await Promise.all([files.data.datasync(), files.index.datasync(), files.stamps?.sync()]);
    return new Manifest(paths, files, { count: keep, bytes, stamps });
  } catch (error) {
    await closeFiles(files);
    throw error;
  }
}

function stampsBefore(paths: ManifestPaths, keep: number): number {
  const stamps = paths.stamps === undefined ? undefined : Stamps.open(paths.stamps);
  if (!stamps) return 0;
  try {
    return stamps.firstFrom(keep);
  } finally {
    stamps.close();
  }
}

const NOTHING: ManifestEnd = { count: 0, bytes: 0, stamps: 0 };

/**
 * Takes mini-batches and gives them back. An index entry is written only after its line and stamps, and, where it
 * matters, synced only after them: a reader never meets an entry without its line.
 */
export class Manifest {
  readonly #paths: ManifestPaths;
  readonly #files: ManifestFiles;
  #reader: ManifestReader | undefined;
  #pending: MiniBatchDraft[] = [];
  /** What is in the files. */
  #written: ManifestEnd;
  /** Bytes that a crash could not take away any more. */
  #durable = 0;
  #flushing: Promise<void> = Promise.resolve();
  /** Why nothing more can be stored. */
  #broken: Error | undefined;

  constructor(paths: ManifestPaths, files: ManifestFiles, written = NOTHING) {
    this.#paths = paths;
    this.#files = files;
    this.#written = written;
  }

  /** Mini-batches taken, flushed or not. */
  get count(): number {
    return this.#written.count + this.#pending.length;
  }

  /** The first draft gets index `count`, and so on. Nothing is readable before `flush`. */
  append(drafts: readonly MiniBatchDraft[]): void {
    for (const draft of drafts) this.#pending.push(draft);
  }

  /**
   * Resolves when all that was appended before the call can be read, and, with `durable`, is on the disk. Calls may
   * overlap. @throws the error of the file system. What could not be written (a full disk) is written anew by the next
   * call; after a failed sync nobody knows what is on the disk, and the manifest is of no more use.
   */
  flush(durable = false): Promise<void> {
    const flushed = this.#flushing.then(() => this.#flush(durable));
    this.#flushing = flushed.catch(() => undefined);
    return flushed;
  }

  /** Only what has been flushed. */
  read(index: number): ManifestEntry {
    invariant(index < this.#written.count, `mini-batch ${index} is not stored yet`);
    return this.#open().read(index);
  }

  /** Mini-batches `from` up to, not including, `to`; only what has been flushed. */
  readRange(from: number, to: number): ManifestEntry[] {
    invariant(to <= this.#written.count, `mini-batch ${to - 1} is not stored yet`);
    return this.#open().readRange(from, to);
  }

  /** Flushes to the disk and closes. A failure that `flush` has told already is not told again. */
  async close(): Promise<void> {
    try {
      if (this.#broken === undefined) await this.flush(true);
    } finally {
      this.#reader?.close();
      this.#reader = undefined;
      await closeFiles(this.#files);
    }
  }

  #open(): ManifestReader {
    return (this.#reader ??= new ManifestReader(this.#paths));
  }

  async #flush(durable: boolean): Promise<void> {
    if (this.#broken !== undefined) throw this.#broken;
    const drafts = [...this.#pending];
    const { data, index, stamps } = this.#files;
    const { count, bytes, stamps: stamped } = this.#written;
    if (drafts.length > 0) {
      const packed = packDrafts(drafts, this.#written);
      await writeAll(data, packed.lines, bytes);
      if (stamps) await writeAll(stamps, packed.stamps, STAMPS_HEADER_BYTES + stamped * STAMP_BYTES);
      if (durable) await this.#sync(data, stamps);
      await writeAll(index, packed.entries, INDEX_HEADER_BYTES + count * ENTRY_BYTES);
      // only now: a write that failed changes nothing, and is repeated as a whole
      this.#pending.splice(0, drafts.length);
      this.#written = packed.end;
    } else if (durable && this.#durable < bytes) {
      await this.#sync(data, stamps);
    }
    if (!durable || this.#durable === this.#written.bytes) return;
    await this.#sync(index);
    this.#durable = this.#written.bytes;
  }

  async #sync(...files: readonly (FileHandle | undefined)[]): Promise<void> {
    try {
      await Promise.all(files.flatMap((file) => (file ? [file.datasync()] : [])));
    } catch (error) {
      this.#broken = error instanceof Error ? error : new Error(String(error));
      throw error;
    }
  }
}
