import { realpath } from 'node:fs/promises';
import { bytesOf, forFs, isBelow } from './bytepath.ts';
import type { BytePath } from './bytepath.ts';

/** Folders (or files) below a root that are never listed. One that holds the root itself does not count. */
export interface Exclusion {
  /** @param lexical path as walked; @param real the same without symlinks */
  has(lexical: BytePath, real: BytePath): boolean;
}

/**
 * @param paths absolute, as text; they need not exist
 * @returns undefined where none of them is below the root
 */
export async function exclusionFor(
  paths: readonly string[],
  root: BytePath,
  realRoot: BytePath,
): Promise<Exclusion | undefined> {
  const excluded: BytePath[] = [];
  for (const path of paths) {
    const lexical = withoutTrailingSlash(bytesOf(path));
    const real = (await realBytes(lexical)) ?? lexical;
    if (isBelow(lexical, root)) excluded.push(lexical);
    if (isBelow(real, realRoot)) excluded.push(real);
  }
  if (excluded.length === 0) return undefined;
  const exact = new Set(excluded);
  // a symlink may lead below an excluded folder without passing through it
  return { has: (lexical, real) => exact.has(lexical) || exact.has(real) || excluded.some((e) => isBelow(real, e)) };
}

/** The path without symlinks; undefined where there is nothing. */
export async function realBytes(path: BytePath): Promise<BytePath | undefined> {
  try {
    return (await realpath(forFs(path), { encoding: 'buffer' })).toString('latin1');
  } catch {
    return undefined;
  }
}

export function withoutTrailingSlash(path: BytePath): BytePath {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}
