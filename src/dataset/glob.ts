import picomatch from 'picomatch';
import type { Selection } from '../domain/plan.ts';

/** Which files a selection takes, and which folders may hold some. Paths are text, relative to the root. */
export interface Matcher {
  takes(file: string): boolean;
  /** False: nothing below this folder can match, it needn't be listed. */
  mayHold(folder: string): boolean;
}

const EVERYTHING: Matcher = { takes: () => true, mayHold: () => true };

/** `all` takes hidden files too; a glob takes them where the pattern spells out the dot. */
export function matcherFor(selection: Selection): Matcher {
  if (selection.by !== 'glob') return EVERYTHING;
  const { pattern } = selection;
  // `s`: a dot of the generated expression matches line breaks, which file names may hold
  const takes = picomatch(pattern, { dot: false, windows: false, flags: 's' });
  return { takes: (file) => takes(file), mayHold: folderFilter(pattern) };
}

/** Folders that lead to or lie below the fixed front of the pattern, no deeper than it can reach. */
function folderFilter(pattern: string): (folder: string) => boolean {
  const scanned = picomatch.scan(pattern);
  if (scanned.negated || pattern.includes('\\')) return () => true;
  const base = scanned.base.split('/').filter((part) => part !== '' && part !== '.');
  const depth = depthOf(scanned.isGlob ? scanned.glob : '', base.length);
  return (folder) => {
    const parts = folder.split('/');
    return parts.length < depth && parts.every((part, i) => i >= base.length || part === base[i]);
  };
}

/** Parts of the longest path that can match; Infinity where the pattern may reach any depth or is too clever to tell. */
function depthOf(glob: string, baseParts: number): number {
  if (glob === '') return baseParts;
  if (/\*\*|[{}()[\]]/.test(glob)) return Infinity;
  return baseParts + glob.split('/').length;
}
