import { writeWhole } from './whole.ts';
import { writeAll } from './write.ts';

const CHUNK_CHARS = 256 * 1024;

/** Gives a file a new content as a whole, never a part. */
export async function replaceFile(target: string, pieces: AsyncIterable<string>): Promise<void> {
  await writeWhole(target, async (file) => {
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
  });
}
