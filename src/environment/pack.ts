/**
 * A folder as one piece of bytes, to be laid out again on another machine: gzip of frames, one for each folder, file and
 * link. Links that lead out of the folder become what they lead to.
 */
import { chmod, lstat, mkdir, readdir, readFile, readlink, realpath, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { encodeFrames, FrameDecoder } from '../domain/frame.ts';

type Entry =
  | { readonly m: 'folder'; readonly path: string }
  | { readonly m: 'file'; readonly path: string; readonly mode: number }
  | { readonly m: 'link'; readonly path: string; readonly target: string };

interface Piece {
  readonly header: Entry;
  readonly body: Uint8Array;
}

const EMPTY = new Uint8Array(0);

/** A folder that holds more is no code: bytes. */
export const PACK_BYTES_MAX = 512 * 1024 * 1024;

export class PackTooLarge extends Error {
  override readonly name = 'PackTooLarge';
}

/** @throws PackTooLarge; and what the file system says of a file that can't be read */
export async function packFolder(folder: string): Promise<Uint8Array> {
  const root = await realpath(folder);
  const pieces: Piece[] = [];
  let total = 0;
  const add = (header: Entry, body: Uint8Array = EMPTY): void => {
    total += body.length;
    if (total > PACK_BYTES_MAX) throw new PackTooLarge(`over ${PACK_BYTES_MAX} bytes at ${header.path}`);
    pieces.push({ header, body });
  };
  const walk = async (real: string, path: string, above: readonly string[]): Promise<void> => {
    for (const name of (await readdir(real)).sort()) {
      await one(join(real, name), path === '' ? name : `${path}/${name}`, above);
    }
  };
  const one = async (file: string, path: string, above: readonly string[]): Promise<void> => {
    const info = await lstat(file);
    if (info.isSymbolicLink()) {
      const target = await realpath(file).catch(() => undefined);
      if (target === undefined) return; // it leads nowhere here, and would there
      const inside = relative(root, target);
      if (!inside.startsWith('..')) {
        add({
          m: 'link',
          path,
          target: (await readlink(file)).startsWith('/') ? relative(dirname(file), target) : await readlink(file),
        });
        return;
      }
      // a link to a folder above itself would have no end
      if (!above.includes(target)) await one(target, path, [...above, target]);
      return;
    }
    if (info.isDirectory()) {
      add({ m: 'folder', path });
      await walk(file, path, above);
    } else if (info.isFile()) {
      add({ m: 'file', path, mode: info.mode & 0o777 }, await readFile(file));
    }
  };
  await walk(root, '', [root]);
  return promisify(gzip)(encodeFrames(pieces), { level: 1 });
}

/** @param folder is made; what lies there already is written over */
export async function unpackFolder(bytes: Uint8Array, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const decoder = new FrameDecoder();
  decoder.push(await promisify(gunzip)(bytes, { maxOutputLength: 2 * PACK_BYTES_MAX }));
  for (let frame = decoder.next(); frame; frame = decoder.next()) {
    const entry = frame.header as unknown as Entry;
    if (entry.path.split('/').some((name) => name === '..' || name === '')) throw new Error(`bad path ${entry.path}`);
    const file = join(folder, entry.path);
    if (entry.m === 'folder') await mkdir(file, { recursive: true });
    else if (entry.m === 'link') await symlink(entry.target, file);
    else {
      await writeFile(file, frame.body);
      await chmod(file, entry.mode | 0o600);
    }
  }
}
