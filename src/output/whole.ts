import { open, rename, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Gives a file a new content as a whole: into a temporary file beside it, synced, then renamed. Can be repeated after a
 * crash at any point; the file is the former or the new one, never a part.
 */
export async function writeWhole<T>(target: string, fill: (file: FileHandle) => Promise<T>): Promise<T> {
  const temporary = `${target}.assembling`;
  let file: FileHandle | undefined;
  try {
    file = await open(temporary, 'w', 0o666);
    const made = await fill(file);
    await file.sync();
    await file.close();
    file = undefined;
    await rename(temporary, target);
    await syncFolder(dirname(target));
    return made;
  } catch (error) {
    await file?.close().catch(() => undefined);
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
}

/** Makes a rename in it durable. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
