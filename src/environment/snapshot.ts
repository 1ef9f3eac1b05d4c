import { unreachable } from '../domain/assert.ts';
import { createHash } from 'node:crypto';
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { err, ok, type Problem, type Result } from '../domain/problem.ts';
import { codeUnreadable } from './problems.ts';
import { fromText, listCode, toDisk, toText, type BytePath, type CodeEntry, type WalkOptions } from './walk.ts';

export type SnapshotOptions = WalkOptions;

export interface CodeSnapshot {
  /** Copied files; links are not counted. */
  readonly files: number;
  readonly bytes: number;
  /** sha256, hex: over the sorted names with contents; of a linked file its size and time of change instead. */
  readonly fingerprint: string;
}

/** Files that are read and written at the same time. */
const COPIES_AT_ONCE = 16;

/**
 * Copies a code folder, so that an edit during the run changes nothing in it. What is no code stays behind: version
 * control, caches, virtual environments, what `.amlignore` names, `exclude`. Large files, `node_modules` and links
 * appear as links to the originals. Nothing is written if the folder is too large.
 *
 * @param target absolute; is created, and must be empty if it exists.
 */
export async function snapshotCode(
  codeFolder: string,
  target: string,
  options: SnapshotOptions,
): Promise<Result<CodeSnapshot, Problem>> {
  const info = await stat(codeFolder).catch(() => undefined);
  if (!info?.isDirectory()) return err(codeUnreadable(codeFolder, info ? 'it is not a folder' : 'it does not exist'));
  const listed = await listCode(codeFolder, { ...options, exclude: [...options.exclude, target] });
  if (!listed.ok) return listed;
  try {
    return ok(await copyAll(fromText(resolve(codeFolder)), fromText(resolve(target)), listed.value));
  } catch (error) {
    const { path, message } = error as NodeJS.ErrnoException;
    return err(codeUnreadable(path ?? codeFolder, message));
  }
}

async function copyAll(from: BytePath, to: BytePath, entries: readonly CodeEntry[]): Promise<CodeSnapshot> {
  await mkdir(toDisk(to), { recursive: true });
  for (const entry of entries)
    if (entry.kind === 'folder') await mkdir(toDisk(join(to, entry.path)), { recursive: true });
  const digests = new Array<string>(entries.length).fill('');
  const taken = new Set(entries.map((entry) => entry.path));
  let next = 0;
  const copySome = async () => {
    for (let i = next++; i < entries.length; i = next++) {
      const entry = entries[i];
      if (entry) digests[i] = await copyEntry(from, to, entry, taken);
    }
  };
  await Promise.all(Array.from({ length: COPIES_AT_ONCE }, copySome));

  const files = entries.filter((entry) => entry.kind === 'file');
  const hash = createHash('sha256');
  entries.forEach((entry, i) => hash.update(toDisk(`${entry.kind}\0${entry.path}\0${digests[i] ?? ''}\n`)));
  return {
    files: files.length,
    bytes: files.reduce((sum, file) => sum + file.bytes, 0),
    fingerprint: hash.digest('hex'),
  };
}

/** @returns what tells the content of the entry from another content. */
async function copyEntry(
  from: BytePath,
  to: BytePath,
  entry: CodeEntry,
  taken: ReadonlySet<BytePath>,
): Promise<string> {
  const destination = join(to, entry.path);
  switch (entry.kind) {
    case 'folder':
      return '';
    case 'file': {
      const content = await readFile(toDisk(join(from, entry.path)));
      await writeFile(toDisk(destination), content, { mode: entry.mode | 0o600, flag: 'wx' });
      return createHash('sha256').update(content).digest('hex');
    }
    case 'link': {
      // A link to something that is in the snapshot must not lead back to files which may change during the run.
      const inside = relative(from, entry.target);
      const target =
        taken.has(inside) && inside !== entry.path ? relative(dirname(destination), join(to, inside)) : entry.target;
      await symlink(toDisk(target), toDisk(destination));
      return entry.state ?? toText(target);
    }
    default:
      return unreachable(entry);
  }
}
