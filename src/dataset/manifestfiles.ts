/** The files of a manifest, opened for writing. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { ManifestPaths } from './manifestreader.ts';

const FILE_MODE = 0o600;
const { O_CREAT, O_RDWR } = constants;

export interface ManifestFiles {
  readonly data: FileHandle;
  readonly index: FileHandle;
  readonly stamps?: FileHandle;
}

export async function openFiles(paths: ManifestPaths, flags: 'w' | 'r+'): Promise<ManifestFiles> {
  const data = await open(paths.manifest, flags, FILE_MODE);
  let index: FileHandle | undefined;
  try {
    index = await open(paths.index, flags, FILE_MODE);
    // A run of a version without stamps gets them for what is listed from now on.
    const stamps =
      paths.stamps === undefined
        ? undefined
        : await open(paths.stamps, flags === 'w' ? 'w' : O_RDWR | O_CREAT, FILE_MODE);
    return { data, index, ...(stamps && { stamps }) };
  } catch (error) {
    await data.close();
    await index?.close();
    throw error;
  }
}

export async function closeFiles({ data, index, stamps }: ManifestFiles): Promise<void> {
  await data.close();
  await index.close();
  await stamps?.close();
}
