/** Which symlinked folders are followed, so that no arrangement of links makes an endless walk. */
import { isBelow } from './bytepath.ts';
import type { BytePath } from './bytepath.ts';

export interface OpenFolder {
  /** Path without symlinks. */
  readonly real: BytePath;
  /** Symlinks followed on the way down to it. */
  readonly links: number;
}

/** Folders that link to one another in all combinations would make a tree without end in practice. */
const LINKED_FOLDERS_DEEP_MAX = 4;

/**
 * Why a folder is not entered, or undefined where it is.
 * @param stack the folders being walked, the root first
 * @param isLink true where the folder itself was reached through a symlink
 */
export function linkTrouble(stack: readonly OpenFolder[], folder: OpenFolder, isLink: boolean): string | undefined {
  const [root] = stack;
  if (root === undefined || folder.links === 0) return undefined;
  if (isLink && folder.real !== root.real && !isBelow(folder.real, root.real)) {
    return 'a symlink to a folder outside the input';
  }
  // below a symlink even real folders can be ones that are open further up
  if (stack.some((open) => open.real === folder.real || (isLink && isBelow(open.real, folder.real)))) {
    return 'a symlink that leads back to a folder above it';
  }
  if (folder.links > LINKED_FOLDERS_DEEP_MAX) {
    return `more than ${LINKED_FOLDERS_DEEP_MAX} symlinked folders within one another`;
  }
  return undefined;
}
