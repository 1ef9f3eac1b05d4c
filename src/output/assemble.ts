import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { ExtentTable } from './extents.ts';
import { WINDOW_BYTES, committedBytes } from './readspool.ts';
import { writeWhole } from './whole.ts';
import { writeAll } from './write.ts';

export interface Assembled {
  readonly rows: number;
  readonly bytes: number;
}

/**
 * Writes the result in mini-batch order, so that it is whole or not there. Can be repeated after a crash at any point.
 * Each extent's checksum is verified on the way.
 *
 * @param header bytes in front of the rows (CSV column names), may be empty
 */
export async function assemble(
  spoolPath: string,
  target: string,
  extents: ExtentTable,
  header: Uint8Array,
): Promise<Assembled> {
  const spool = await open(spoolPath, 'r');
  try {
    return await writeWhole(target, async (file) => {
      const sink = new Sink(file);
      await sink.write(header);
      for await (const bytes of committedBytes(spool, extents)) await sink.write(bytes);
      await sink.flush();
      return { rows: extents.rows, bytes: sink.written };
    });
  } finally {
    await spool.close();
  }
}

/** Gathers small pieces into large writes. */
class Sink {
  written = 0;
  private readonly file: FileHandle;
  private pieces: Uint8Array[] = [];
  private size = 0;

  constructor(file: FileHandle) {
    this.file = file;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    this.pieces.push(bytes);
    this.size += bytes.length;
    if (this.size >= WINDOW_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    const all = Buffer.concat(this.pieces, this.size);
    this.pieces = [];
    this.size = 0;
    await writeAll(this.file, all, this.written);
    this.written += all.length;
  }
}
