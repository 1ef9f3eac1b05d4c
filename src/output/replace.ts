import { open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from './assemble.ts';
import { writeAll } from './write.ts';

const CHUNK_CHARS = 256 * 1024;

/**
 * Gives a file a new content as a whole: into a temporary file beside it, synced, then renamed. Can be repeated after a
 * crash at any point; the file is the former or the new one, never a part.
 */
export async function replaceFile(target: string, pieces: AsyncIterable<string>): Promise<void> {
  const temporary = `${target}.assembling`;
  const file = await open(temporary, 'w', 0o666);
  try {
    let position = 0;
    let waiting: string[] = [];
    let chars = 0;
    const flush = async (): Promise<void> => {
      const bytes = Buffer.from(waiting.join(''));
      waiting = [];
      chars = 0;
      await writeAll(file, bytes, position);
      position += bytes.length;
    };
    for await (const piece of pieces) {
      waiting.push(piece);
      chars += piece.length;
      if (chars >= CHUNK_CHARS) await flush();
    }
    await flush();
    await file.sync();
    await file.close();
    await rename(temporary, target);
    await syncFolder(dirname(target));
  } catch (error) {
    await file.close().catch(() => undefined);
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
}
