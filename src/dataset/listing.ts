/** The entries of one folder, sorted by the bytes of their names, in memory that stays small for a million names. */
import { opendir, stat } from 'node:fs/promises';
import type { Dir, Dirent } from 'node:fs';
import { forFs, joinBytes, textOf } from './bytepath.ts';
import type { BytePath } from './bytepath.ts';
import { errnoOf, unreadable } from './error.ts';

/** `file`, `folder`; `link`: symlink to a folder; `dangling`; `special`: socket, pipe, device. */
export type EntryType = 'file' | 'folder' | 'link' | 'dangling' | 'special';

const LETTER = { file: 'f', folder: 'd', link: 'l', dangling: 'x', special: 's' } as const satisfies Record<
  EntryType,
  string
>;
const TYPE_OF = new Map<string, EntryType>(Object.entries(LETTER).map(([type, letter]) => [letter, type as EntryType]));

/** One system call brings so many entries; they are sorted, then packed into one buffer. */
const ENTRIES_PER_READ = 1024;
const READ_TRIES = 3;

/**
 * A sorted walk over the entries: `advance()` moves on, `name` and `type` tell where it is.
 * Entries lie packed in sorted runs, `name NUL letter` with a slash after each (neither byte can be in a name: and
 * NUL sorts before all others, so that sorting the packed form sorts the names). The runs are merged on the way out.
 */
export class FolderListing {
  name: BytePath = '';
  type: EntryType = 'file';
  readonly #heap: RunCursor[];

  constructor(runs: readonly Buffer[]) {
    this.#heap = runs.map((run) => new RunCursor(run)).filter((cursor) => cursor.advance());
    for (let i = (this.#heap.length >> 1) - 1; i >= 0; i--) this.#siftDown(i);
  }

  /** @returns false at the end. */
  advance(): boolean {
    const [top] = this.#heap;
    if (top === undefined) return false;
    this.name = top.head.slice(0, -2);
    this.type = TYPE_OF.get(top.head.slice(-1)) ?? 'special';
    if (top.advance()) this.#siftDown(0);
    else this.#removeTop();
    return true;
  }

  #removeTop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#siftDown(0);
  }

  #siftDown(from: number): void {
    const heap = this.#heap;
    const moving = heap[from];
    if (moving === undefined) return;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      let smaller = heap[child];
      if (smaller === undefined) break;
      const right = heap[child + 1];
      if (right !== undefined && right.head < smaller.head) {
        smaller = right;
        child += 1;
      }
      if (moving.head <= smaller.head) break;
      heap[at] = smaller;
      at = child;
    }
    heap[at] = moving;
  }
}

class RunCursor {
  head = '';
  readonly #run: Buffer;
  #at = 0;
  constructor(run: Buffer) {
    this.#run = run;
  }
  advance(): boolean {
    if (this.#at >= this.#run.length) return false;
    const end = this.#run.indexOf(0x2f, this.#at);
    this.head = this.#run.toString('latin1', this.#at, end);
    this.#at = end + 1;
    return true;
  }
}

/**
 * Lists a folder. Symlinks are resolved to what they point at; nothing else is stat'ed, except where the file system
 * doesn't tell the kind of an entry (Node asks then).
 * @throws the error of the file system; DatasetError PR3003 for a symlink whose target can't be looked at
 */
export async function listFolder(path: BytePath): Promise<FolderListing> {
  for (let tries = 1; ; tries++) {
    const encoding = tries === 1 ? 'latin1' : 'buffer';
    const directory = await openFolder(path, encoding);
    try {
      return new FolderListing(await readRuns(directory, path));
    } catch (error) {
      // With latin1 names Node can't ask for the kind of an entry with a name beyond ASCII, should it need to; and
      // where it asks, an entry may vanish under its hands. Never mistake that for a folder that is gone.
      if (tries === READ_TRIES) throw error;
    } finally {
      // it has nothing to wait for, and a promise costs more
      directory.closeSync();
    }
  }
}

function openFolder(path: BytePath, encoding: 'latin1' | 'buffer'): Promise<Dir> {
  // the declared type leaves out 'buffer', which has worked since opendir exists; Buffers come back as names then
  return opendir(forFs(path), { encoding: encoding as 'latin1', bufferSize: ENTRIES_PER_READ });
}

/** Each chunk is sorted for itself: larger runs would outlive the young generation, and make the heap grow. */
async function readRuns(directory: Dir, path: BytePath): Promise<Buffer[]> {
  const runs: Buffer[] = [];
  for (;;) {
    const chunk = await readChunk(directory);
    if (chunk.length > 0) {
      const entries = await packChunk(chunk, path);
      runs.push(Buffer.from(`${entries.sort().join('/')}/`, 'latin1'));
    }
    if (chunk.length < ENTRIES_PER_READ) return runs;
  }
}

/**
 * One system call's worth of entries. The first `read` goes to a thread (a slow file system doesn't hold up the
 * process) and fills the directory's buffer; the others take from that buffer, far cheaper than a promise each.
 */
async function readChunk(directory: Dir): Promise<Dirent[]> {
  const chunk: Dirent[] = [];
  for (let entry = await directory.read(); entry !== null; entry = directory.readSync()) {
    chunk.push(entry);
    if (chunk.length === ENTRIES_PER_READ) break;
  }
  return chunk;
}

async function packChunk(chunk: readonly Dirent[], folder: BytePath): Promise<string[]> {
  const packed: string[] = [];
  const links: BytePath[] = [];
  for (const entry of chunk) {
    const name = byteName(entry);
    if (entry.isSymbolicLink()) links.push(name);
    else packed.push(`${name}\0${LETTER[typeOf(entry)]}`);
  }
  if (links.length === 0) return packed;
  const resolved = await Promise.all(links.map(async (name) => `${name}\0${LETTER[await resolveLink(folder, name)]}`));
  return packed.concat(resolved);
}

function byteName(entry: Dirent): BytePath {
  const name: unknown = entry.name;
  return Buffer.isBuffer(name) ? name.toString('latin1') : entry.name;
}

function typeOf(entry: Dirent): EntryType {
  return entry.isFile() ? 'file' : entry.isDirectory() ? 'folder' : 'special';
}

async function resolveLink(folder: BytePath, name: BytePath): Promise<EntryType> {
  try {
    const target = await stat(forFs(joinBytes(folder, name)));
    return target.isFile() ? 'file' : target.isDirectory() ? 'link' : 'special';
  } catch (error) {
    const code = errnoOf(error);
    // a loop of links leads nowhere either
    if (code === 'ENOENT' || code === 'ELOOP' || code === 'ENOTDIR') return 'dangling';
    throw unreadable(textOf(joinBytes(folder, name)), 'file', error);
  }
}
