/** Paths as people write them, to absolute local ones; and a few questions to the file system. I/O. */
import { existsSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { lstat, opendir, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Result } from '../domain/problem.ts';
import { err, ok } from '../domain/problem.ts';
import { nearest } from '../domain/nearest.ts';
import { reasonOf } from './problems.ts';

/** At least two characters: `C:` is no scheme but a file name. */
const SCHEME_PATTERN = /^([A-Za-z][A-Za-z0-9+.-]+):/;
const GLOB_CHARACTERS = /[*?[\]{}]/;
/** Folders with more names than this are not searched for a similar one. */
const NAMES_MAX = 2000;

/** @returns the absolute path, or as error the scheme (`azureml`, `https`) that makes it a remote one. */
export function toLocalPath(text: string, base: string): Result<string, string> {
  const scheme = SCHEME_PATTERN.exec(text)?.[1];
  const literal = path.resolve(base, text);
  // A file may be called `https:x`; whoever has one means it.
  if (scheme === undefined || existsSync(literal)) return ok(literal);
  if (scheme.toLowerCase() !== 'file') return err(scheme);
  if (!/^file:\/\//i.test(text)) return ok(path.resolve(base, text.slice('file:'.length)));
  try {
    return ok(fileURLToPath(text));
  } catch {
    return err('file');
  }
}

/** @returns what is there, or why it can't be told. */
export async function look(file: string): Promise<Result<Stats, string>> {
  try {
    return ok(await stat(file));
  } catch (error) {
    const link = await lstat(file).catch(() => undefined);
    return err(link?.isSymbolicLink() === true ? 'it is a symbolic link that leads nowhere' : reasonOf(error));
  }
}

/** @returns a name in the same folder that looks like the missing one, as a path written like `text`. */
export async function similarPath(file: string, text: string): Promise<string | undefined> {
  const entries = await entriesIn(path.dirname(file));
  const others = entries.map((entry) => entry.name).filter((name) => name !== path.basename(file));
  const name = nearest(path.basename(file), others);
  return name === undefined ? undefined : path.join(path.dirname(text), name);
}

export interface FolderEntry {
  readonly name: string;
  readonly isFolder: boolean;
}

/** What is in a folder, in no order, nothing where it can't be read; at most `NAMES_MAX`. */
export async function entriesIn(folder: string): Promise<readonly FolderEntry[]> {
  const entries: FolderEntry[] = [];
  try {
    for await (const entry of await opendir(folder)) {
      entries.push({ name: entry.name, isFolder: entry.isDirectory() });
      if (entries.length >= NAMES_MAX) break;
    }
  } catch {
    return [];
  }
  return entries;
}

export const looksLikeGlob = (text: string): boolean => GLOB_CHARACTERS.test(text);

/** Cuts an absolute glob behind its longest literal folder. */
export function splitGlob(glob: string): { readonly root: string; readonly pattern: string } {
  const parts = glob.split('/');
  const first = parts.findIndex((part) => GLOB_CHARACTERS.test(part));
  return { root: parts.slice(0, first).join('/') || '/', pattern: parts.slice(first).join('/') };
}

/** Whether `inner` is `outer` or lies below it. Both absolute. */
export function isWithin(inner: string, outer: string): boolean {
  const relative = path.relative(outer, inner);
  return relative === '' || (relative !== '..' && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative));
}

/** The nearest folder or file above that exists; `/` at last. */
export async function existingAncestor(
  file: string,
): Promise<{ readonly path: string; readonly stats: Stats | undefined }> {
  for (let here = file; ; here = path.dirname(here)) {
    const stats = await stat(here).catch(() => undefined);
    if (stats !== undefined || here === path.dirname(here)) return { path: here, stats };
  }
}
