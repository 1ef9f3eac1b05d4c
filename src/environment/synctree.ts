import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { fromText, toDisk, type BytePath } from './walk.ts';

/** One sync makes the kernel write what others wait for too. */
const SYNCS_AT_ONCE = 16;

/**
 * Resolves when a folder with all files and folders in it survives a loss of power. A file that was only written has
 * its name on the disk long before its content: after a power cut it would be there, and empty. Links are not followed.
 */
export async function syncTree(folder: string): Promise<void> {
  const { files, folders } = await listTree(fromText(folder));
  await syncAll(files);
  // Names last: what a folder names is whole by then.
  await syncAll(folders);
}

async function listTree(root: BytePath): Promise<{ files: BytePath[]; folders: BytePath[] }> {
  const files: BytePath[] = [];
  const folders = [root];
  // Grows while it is gone through.
  for (const folder of folders) {
    for (const entry of await readdir(toDisk(folder), { withFileTypes: true, encoding: 'buffer' })) {
      const path = `${folder}/${entry.name.toString('latin1')}`;
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile()) files.push(path);
    }
  }
  return { files, folders };
}

async function syncAll(paths: readonly BytePath[]): Promise<void> {
  let next = 0;
  const syncSome = async () => {
    for (let path = paths[next++]; path !== undefined; path = paths[next++]) {
      const handle = await open(toDisk(path), constants.O_RDONLY | constants.O_NOFOLLOW);
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
  };
  await Promise.all(Array.from({ length: SYNCS_AT_ONCE }, syncSome));
}
