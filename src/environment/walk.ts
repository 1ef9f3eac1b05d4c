import type { Dirent, Stats } from 'node:fs';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { err, ok, type Problem, type Result } from '../domain/problem.ts';
import { compileIgnoreFile, isNeverCode, type IgnoreRule } from './ignore.ts';
import { codeTooLarge, codeUnreadable } from './problems.ts';

/**
 * Paths of the user's files are held as one character per byte (latin1), so that names which are not valid UTF-8
 * survive. `toDisk` gives what the file system wants, `toText` what a person reads.
 */
export type BytePath = string;
export const toDisk = (path: BytePath): Buffer => Buffer.from(path, 'latin1');
export const toText = (path: BytePath): string => Buffer.from(path, 'latin1').toString('utf8');
export const fromText = (path: string): BytePath => Buffer.from(path, 'utf8').toString('latin1');

export type CodeEntry =
  | { readonly kind: 'folder'; readonly path: BytePath }
  | { readonly kind: 'file'; readonly path: BytePath; readonly bytes: number; readonly mode: number }
  /** Shown in the snapshot by a link to the original: a link already, too large to copy, or `node_modules`. */
  | {
      readonly kind: 'link';
      readonly path: BytePath;
      /** Absolute. */ readonly target: BytePath;
      /** State of a large file. */ readonly state?: string;
    };

/** Files, folders and links. */
export const CODE_ENTRIES_MAX = 20_000;
export const CODE_BYTES_MAX = 300 * 1024 * 1024;
/** A folder with more entries than this is data that lies beside the code: it is linked, not copied. */
export const LINKED_FOLDER_ENTRIES_MIN = 2_000;
/** From this size on a file is linked, not copied. */
export const LINKED_FILE_BYTES_MIN = 16 * 1024 * 1024;

export interface WalkOptions {
  /** Absolute paths that are left out with all below them. */
  readonly exclude: readonly string[];
  /** Absolute path that is always taken: the entry script. */
  readonly keep?: string | undefined;
}

interface Walk {
  readonly root: BytePath;
  readonly exclude: ReadonlySet<BytePath>;
  readonly keep: BytePath | undefined;
  readonly ignore: IgnoreRule;
  readonly entries: CodeEntry[];
  /** Copied bytes per name at the top, to say where a large folder is large. */
  readonly bytesAtTop: Map<string, number>;
  bytes: number;
}

class WalkProblem extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.what);
    this.problem = problem;
  }
}

/** Lists what a snapshot of a code folder consists of, depth first, names in the order of their bytes. */
export async function listCode(
  codeFolder: string,
  options: WalkOptions,
): Promise<Result<readonly CodeEntry[], Problem>> {
  const root = fromText(resolve(codeFolder));
  const walk: Walk = {
    root,
    // Leaving out the code folder itself, or what it lies in, would leave nothing: such wishes mean the data in it.
    exclude: new Set(options.exclude.map((path) => fromText(resolve(path))).filter((path) => !isAtOrBelow(root, path))),
    keep: options.keep === undefined ? undefined : fromText(resolve(options.keep)),
    ignore: await readIgnoreFile(codeFolder),
    entries: [],
    bytesAtTop: new Map(),
    bytes: 0,
  };
  try {
    await walkFolder(walk, '');
    return ok(walk.entries);
  } catch (error) {
    if (error instanceof WalkProblem) return err(error.problem);
    const { path, message } = error as NodeJS.ErrnoException;
    return err(codeUnreadable(path ?? codeFolder, message));
  }
}

async function walkFolder(walk: Walk, relative: BytePath): Promise<void> {
  const names = await readdir(toDisk(join(walk.root, relative)), { withFileTypes: true, encoding: 'buffer' });
  if (relative !== '' && names.length >= LINKED_FOLDER_ENTRIES_MIN && !holdsKept(walk, relative)) {
    walk.entries.push({
      kind: 'link',
      path: relative,
      target: join(walk.root, relative),
      state: `${names.length} entries`,
    });
    return;
  }
  if (relative !== '') walk.entries.push({ kind: 'folder', path: relative });
  const sorted = names
    .map((entry) => ({ entry, name: entry.name.toString('latin1') }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { entry, name } of sorted) {
    const path = relative === '' ? name : `${relative}/${name}`;
    if (await isLeftOut(walk, path, name, entry)) continue;
    if (walk.entries.length >= CODE_ENTRIES_MAX) throw new WalkProblem(tooLarge(walk));
    await addEntry(walk, path, name, entry);
  }
}

function holdsKept(walk: Walk, relative: BytePath): boolean {
  return walk.keep !== undefined && isAtOrBelow(walk.keep, join(walk.root, relative));
}

async function isLeftOut(walk: Walk, path: BytePath, name: BytePath, entry: Dirent<Buffer>): Promise<boolean> {
  const absolute = join(walk.root, path);
  if (walk.keep !== undefined && isAtOrBelow(walk.keep, absolute)) return false;
  // On the way to a kept script that lies in a folder left out, only the script itself is taken.
  if (walk.keep !== undefined && isInsideLeftOut(walk, path)) return true;
  if (walk.exclude.has(absolute) || walk.ignore(toText(path), entry.isDirectory())) return true;
  if (!entry.isDirectory()) return false;
  return isNeverCode(name) || (await exists(join(absolute, 'pyvenv.cfg')));
}

function isInsideLeftOut(walk: Walk, path: BytePath): boolean {
  for (let cut = path.lastIndexOf('/'); cut > 0; cut = path.lastIndexOf('/', cut - 1)) {
    const above = path.slice(0, cut);
    if (walk.exclude.has(join(walk.root, above)) || walk.ignore(toText(above), true)) return true;
  }
  return false;
}

async function addEntry(walk: Walk, path: BytePath, name: BytePath, entry: Dirent<Buffer>): Promise<void> {
  const absolute = join(walk.root, path);
  if (entry.isSymbolicLink()) {
    const target = (await readlink(toDisk(absolute), { encoding: 'buffer' })).toString('latin1');
    walk.entries.push({ kind: 'link', path, target: resolve(absolute, '..', target) });
  } else if (entry.isDirectory() && name === 'node_modules') {
    walk.entries.push({ kind: 'link', path, target: absolute });
  } else if (entry.isDirectory()) {
    await walkFolder(walk, path);
  } else if (entry.isFile()) {
    addFile(walk, path, await lstat(toDisk(absolute)));
  }
  // Sockets, pipes and devices are no code.
}

function addFile(walk: Walk, path: BytePath, info: Stats): void {
  if (info.size >= LINKED_FILE_BYTES_MIN) {
    walk.entries.push({ kind: 'link', path, target: join(walk.root, path), state: `${info.size} ${info.mtimeMs}` });
    return;
  }
  walk.entries.push({ kind: 'file', path, bytes: info.size, mode: info.mode & 0o777 });
  walk.bytes += info.size;
  const top = toText(path.split('/')[0] ?? path);
  walk.bytesAtTop.set(top, (walk.bytesAtTop.get(top) ?? 0) + info.size);
  if (walk.bytes > CODE_BYTES_MAX) throw new WalkProblem(tooLarge(walk));
}

function tooLarge(walk: Walk): Problem {
  const found =
    walk.bytes > CODE_BYTES_MAX ? `more than ${CODE_BYTES_MAX / 2 ** 20} MiB` : `more than ${CODE_ENTRIES_MAX} files`;
  const [largest] = [...walk.bytesAtTop].sort((a, b) => b[1] - a[1]);
  return codeTooLarge(
    toText(walk.root),
    found,
    `${CODE_ENTRIES_MAX} files and ${CODE_BYTES_MAX / 2 ** 20} MiB`,
    largest?.[0],
  );
}

async function readIgnoreFile(codeFolder: string): Promise<IgnoreRule> {
  const text = await readFile(join(codeFolder, '.amlignore'), 'utf8').catch(() => '');
  return compileIgnoreFile(text);
}

async function exists(path: BytePath): Promise<boolean> {
  return lstat(toDisk(path)).then(
    () => true,
    () => false,
  );
}

function isAtOrBelow(path: BytePath, above: BytePath): boolean {
  return path === above || path.startsWith(above.endsWith('/') ? above : `${above}/`);
}
