/** Finds the files of an input, in the order that mini-batches have (`settled.md` 7), a few at a time. */
import { stat } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Stats } from 'node:fs';
import { unreachable } from '../domain/assert.ts';
import type { InputSpec } from '../domain/plan.ts';
import { bytesOf, forFs, joinBytes, textOf } from './bytepath.ts';
import type { BytePath } from './bytepath.ts';
import { DatasetError, errnoOf, missingInput, unreadable, wrongKind } from './error.ts';
import { exclusionFor, realBytes, withoutTrailingSlash } from './exclude.ts';
import type { Exclusion } from './exclude.ts';
import { matcherFor } from './glob.ts';
import type { Matcher } from './glob.ts';
import { listedFiles } from './list.ts';
import { listFolder } from './listing.ts';
import type { FolderListing } from './listing.ts';
import { linkTrouble } from './links.ts';
import type { OpenFolder } from './links.ts';

export interface WalkOptions {
  /** Absolute paths below the root that are never listed, as text. */
  readonly exclude?: readonly string[];
  /** Something the selection takes is left out. @param path absolute, as text */
  readonly onSkip?: (path: string, reason: string, rows?: number) => void;
  readonly signal?: AbortSignal;
}

/** The first chunk holds one file, each following one twice as many: work starts at once, and is cheap later. */
const CHUNK_FILES_MAX = 512;
/** Entries looked at before others get their turn: some milliseconds. */
const ENTRIES_PER_TURN = 8192;

interface Frame extends OpenFolder {
  /** Path below the root: bytes, and text; both empty for the root. */
  readonly path: BytePath;
  readonly text: string;
  readonly listing: FolderListing;
}

/**
 * Files below the root of `input`, as text relative to the root: depth first, the entries of a folder, files and
 * folders alike, sorted by the bytes of their names. Only names are read; only symlinks are stat'ed.
 * @throws DatasetError PR3002, PR3003, PR3004, of lists also PR3401 and PR3402; the reason of `signal` once that is aborted
 */
export async function* walk(input: InputSpec, options: WalkOptions): AsyncGenerator<string[], void, undefined> {
  const { select } = input;
  if (select.by === 'one') {
    await checkFile(joinBytes(bytesOf(input.root), bytesOf(select.file)));
    yield [select.file];
    return;
  }
  if (select.by === 'list') {
    await checkFile(bytesOf(select.file));
    yield* inChunks(listedFiles(select, options.signal));
    return;
  }
  const walker = await Walker.open(withoutTrailingSlash(bytesOf(input.root)), matcherFor(select), options);
  let size = 1;
  for (;;) {
    const chunk = await walker.take(size);
    if (chunk.length === 0) return;
    yield chunk;
    size = Math.min(2 * size, CHUNK_FILES_MAX);
  }
}

/** Smaller chunks of larger ones: a list comes by the thousand. */
async function* inChunks(lists: AsyncIterable<readonly string[]>): AsyncGenerator<string[], void, undefined> {
  let size = 1;
  for await (const files of lists) {
    for (let from = 0; from < files.length; from += size) {
      if (from > 0) size = Math.min(2 * size, CHUNK_FILES_MAX);
      yield files.slice(from, from + size);
    }
  }
}

class Walker {
  readonly #root: BytePath;
  readonly #matcher: Matcher;
  readonly #options: WalkOptions;
  readonly #exclusion: Exclusion | undefined;
  readonly #stack: Frame[];

  static async open(root: BytePath, matcher: Matcher, options: WalkOptions): Promise<Walker> {
    const stats = await statInput(root);
    if (!stats.isDirectory()) throw wrongKind(textOf(root), 'a file', 'a folder');
    const real = (await realBytes(root)) ?? root;
    const listing = await listFolder(root).catch((error: unknown) => {
      throw error instanceof DatasetError ? error : unreadable(textOf(root), 'folder', error);
    });
    const exclusion = await exclusionFor(options.exclude ?? [], root, real);
    return new Walker(root, { path: '', text: '', real, links: 0, listing }, matcher, exclusion, options);
  }

  private constructor(
    root: BytePath,
    top: Frame,
    matcher: Matcher,
    exclusion: Exclusion | undefined,
    options: WalkOptions,
  ) {
    this.#root = root;
    this.#stack = [top];
    this.#matcher = matcher;
    this.#exclusion = exclusion;
    this.#options = options;
  }

  /** The next files, at most `count`; none at the end. */
  async take(count: number): Promise<string[]> {
    const files: string[] = [];
    for (;;) {
      this.#options.signal?.throwIfAborted();
      const frame = this.#stack.at(-1);
      if (frame === undefined) return files;
      // no `await` per file: that would cost more than the file
      const folder = this.#takeFrom(frame, files, count);
      if (files.length >= count) return files;
      if (folder === 'end') this.#stack.pop();
      else if (folder === undefined) await nextTurn();
      else await this.#enter(frame, folder.path, folder.text);
    }
  }

  /**
   * Takes files until there are `count`, the folder ends, or a folder comes that is to be entered. A million entries
   * that the selection doesn't take are passed in several turns: undefined.
   */
  #takeFrom(frame: Frame, files: string[], count: number): { path: BytePath; text: string } | 'end' | undefined {
    const { listing } = frame;
    for (let passed = 0; files.length < count && passed < ENTRIES_PER_TURN; passed++) {
      if (!listing.advance()) return 'end';
      const path = frame.path === '' ? listing.name : `${frame.path}/${listing.name}`;
      const name = textOf(listing.name);
      const text = frame.path === '' ? name : `${frame.text}/${name}`;
      switch (listing.type) {
        case 'file':
          if (this.#matcher.takes(text) && !this.#isExcluded(frame, path)) files.push(text);
          break;
        case 'folder':
        case 'link':
          if (this.#matcher.mayHold(text) && !this.#isExcluded(frame, path)) return { path, text };
          break;
        case 'dangling':
          if (this.#matcher.takes(text)) this.#skip(path, 'a symlink that leads nowhere');
          break;
        case 'special':
          if (this.#matcher.takes(text)) this.#skip(path, 'neither a file nor a folder: a socket, pipe or device');
          break;
        default:
          unreachable(listing.type);
      }
    }
    return undefined;
  }

  async #enter(parent: Frame, path: BytePath, text: string): Promise<void> {
    const absolute = joinBytes(this.#root, path);
    const isLink = parent.listing.type === 'link';
    const real = isLink ? await realBytes(absolute) : joinBytes(parent.real, parent.listing.name);
    if (real === undefined) return this.#skip(path, 'a symlink that leads nowhere');
    const links = parent.links + (isLink ? 1 : 0);
    const trouble = linkTrouble(this.#stack, { real, links }, isLink);
    if (trouble !== undefined) return this.#skip(path, trouble);
    if (this.#exclusion?.has(absolute, real)) return;
    const listing = await this.#list(path, absolute);
    if (listing) this.#stack.push({ path, text, real, links, listing });
  }

  async #list(path: BytePath, absolute: BytePath): Promise<FolderListing | undefined> {
    try {
      return await listFolder(absolute);
    } catch (error) {
      if (error instanceof DatasetError) throw error;
      const gone = isMissing(error) && (await realBytes(absolute)) === undefined;
      if (!gone) throw unreadable(textOf(absolute), 'folder', error);
      this.#skip(path, 'the folder vanished while the input was being listed');
      return undefined;
    }
  }

  #isExcluded(frame: Frame, path: BytePath): boolean {
    if (this.#exclusion === undefined) return false;
    return this.#exclusion.has(joinBytes(this.#root, path), joinBytes(frame.real, frame.listing.name));
  }

  #skip(path: BytePath, reason: string): void {
    this.#options.onSkip?.(textOf(joinBytes(this.#root, path)), reason);
  }
}

function isMissing(error: unknown): boolean {
  const code = errnoOf(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

async function statInput(path: BytePath): Promise<Stats> {
  try {
    return await stat(forFs(path));
  } catch (error) {
    if (isMissing(error)) throw missingInput(textOf(path));
    throw unreadable(textOf(path), 'file', error);
  }
}

async function checkFile(path: BytePath): Promise<void> {
  const stats = await statInput(path);
  if (stats.isDirectory()) throw wrongKind(textOf(path), 'a folder', 'a file');
  if (!stats.isFile()) throw wrongKind(textOf(path), 'a socket, pipe or device', 'a file');
}
