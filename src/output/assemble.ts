import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { ExtentTable } from './extents.ts';
import { committedBytes } from './readspool.ts';
import { WINDOW_BYTES } from './spoolreader.ts';
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
      sink.add(header);
      for await (const bytes of committedBytes(spool, extents)) {
        sink.add(bytes);
        if (sink.isFull) await sink.flush();
      }
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

  add(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.pieces.push(bytes);
    this.size += bytes.length;
  }

  get isFull(): boolean {
    return this.size >= WINDOW_BYTES;
  }

  async flush(): Promise<void> {
    const all = Buffer.concat(this.pieces, this.size);
    this.pieces = [];
    this.size = 0;
    await writeAll(this.file, all, this.written);
    this.written += all.length;
  }
}
