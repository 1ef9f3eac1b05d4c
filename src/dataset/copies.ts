import { bytesOf } from './bytepath.ts';
import type { ManifestReader } from './manifestreader.ts';
import { differs, isKnown, stampOf } from './stamp.ts';
import { stampedFiles } from './stampedfiles.ts';
import type { Stamps } from './stamps.ts';
import { sourceAt } from './storedfiles.ts';

const FILES_MAX = 32;
/** Fewer may well have been replaced one by one. */
const FILES_MIN = 4;

/**
 * Whether the input has been copied or restored as a whole since it was listed: files all over it have the sizes and
 * times they had, and none of them its inode. Then inodes say nothing about a change.
 */
export function isCopied(manifest: ManifestReader, stamps: Stamps, count: number): boolean {
  const seen = new Set<string>();
  let others = 0;
  for (let i = 0; i < Math.min(FILES_MAX, count); i++) {
    const index = Math.floor((i * count) / Math.min(FILES_MAX, count));
    const [file] = stampedFiles(sourceAt(manifest, index), index, stamps);
    if (!file || seen.has(file.path) || !isKnown(file.was)) continue;
    seen.add(file.path);
    const is = stampOf(bytesOf(file.path));
    if (is === 'gone' || !isKnown(is) || differs(file.was, is, false)) continue;
    if (is.inode === file.was.inode) return false;
    others += 1;
  }
  return others >= FILES_MIN && 2 * others > seen.size;
}
