import { open, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { crc32 } from './checksum.ts';
import type { SpoolExtent } from '../domain/event.ts';
import { SpoolDamagedError } from './damaged.ts';
import { writeAll } from './write.ts';

const COPY_BYTES = 256 * 1024;
/** Below the limit of every kernel for one gathered write. */
const PIECES_PER_WRITE = 512;

/** Rows of one hand-out: bytes, or the part file a worker wrote. `rows` counts them. */
type OnePiece =
  | { readonly bytes: Uint8Array; readonly rows: number }
  | { readonly part: string; readonly length: number; readonly rows: number };

/** Rows of one mini-batch, where need be of several parts one behind the other: they make one extent. */
export type SpoolPiece = OnePiece | { readonly pieces: readonly OnePiece[]; readonly rows: number };

/**
 * Rows of mini-batches in the order of their commitment. What lies behind the last extent in the ledger is nothing and
 * is overwritten or cut off. One writer, positioned writes, never O_APPEND.
 */
export class SpoolWriter {
  private readonly file: FileHandle;
  private end: number;

  private constructor(file: FileHandle, end: number) {
    this.file = file;
    this.end = end;
  }

  static async create(path: string): Promise<SpoolWriter> {
    return new SpoolWriter(await open(path, 'wx+', 0o600), 0);
  }

  /**
   * Goes on at the end of the committed bytes; what lies behind it was never committed and is cut off.
   * @throws SpoolDamagedError where the spool is shorter than what the ledger has committed
   */
  static async reopen(path: string, end: number): Promise<SpoolWriter> {
    const file = await open(path, 'r+');
    try {
      const { size } = await file.stat();
      if (size < end) throw new SpoolDamagedError(`the spool has ${size} bytes, ${end} are committed`);
      await file.truncate(end);
      await file.datasync();
      return new SpoolWriter(file, end);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * Writes the pieces one behind the other and makes them durable. All or nothing: after a failure the end is where
   * it was, and the same call may be repeated. It then writes everything anew: what a failed sync left in the page
   * cache can't be trusted, so a bare second sync would prove nothing.
   */
  async write(pieces: readonly SpoolPiece[]): Promise<SpoolExtent[]> {
    const extents: SpoolExtent[] = [];
    let gathered: Uint8Array[] = [];
    let gatheredAt = this.end;
    let position = this.end;
    for (const piece of pieces) {
      const offset = position;
      let check = 0;
      for (const one of 'pieces' in piece ? piece.pieces : [piece]) {
        if ('bytes' in one) {
          check = crc32(one.bytes, check);
          if (one.bytes.length > 0) gathered.push(one.bytes);
          position += one.bytes.length;
          continue;
        }
        await writeGathered(this.file, gathered, gatheredAt);
        gathered = [];
        check = await this.copyPart(one.part, one.length, position, check);
        position += one.length;
        gatheredAt = position;
      }
      extents.push({ offset, bytes: position - offset, rows: piece.rows, crc32: check });
    }
    await writeGathered(this.file, gathered, gatheredAt);
    await this.file.datasync();
    this.end = position;
    return extents;
  }

  /** @returns the checksum with what was copied; fails where the part isn't as long as its worker said */
  private async copyPart(part: string, length: number, position: number, check: number): Promise<number> {
    const source = await open(part, 'r');
    let crc = check;
    try {
      const buffer = Buffer.allocUnsafe(COPY_BYTES);
      let copied = 0;
      while (copied < length) {
        const { bytesRead } = await source.read(buffer, 0, Math.min(COPY_BYTES, length - copied), copied);
        if (bytesRead === 0) throw new Error(`part file ${part} ends after ${copied} of ${length} bytes`);
        const chunk = buffer.subarray(0, bytesRead);
        crc = crc32(chunk, crc);
        await writeAll(this.file, chunk, position + copied);
        copied += bytesRead;
      }
      return crc;
    } finally {
      await source.close();
    }
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

/** A part file whose rows are committed is of no more use; that it is gone already is no error. */
export async function releasePart(part: string): Promise<void> {
  await unlink(part).catch(() => undefined);
}

/** Gathered by the kernel, not copied together here; what a short write left is written piece by piece. */
async function writeGathered(file: FileHandle, all: readonly Uint8Array[], start: number): Promise<void> {
  let position = start;
  for (let from = 0; from < all.length; from += PIECES_PER_WRITE) {
    const pieces = all.slice(from, from + PIECES_PER_WRITE);
    let { bytesWritten } = await file.writev(pieces, position);
    for (const piece of pieces) {
      if (bytesWritten < piece.length) await writeAll(file, piece.subarray(bytesWritten), position + bytesWritten);
      bytesWritten = Math.max(0, bytesWritten - piece.length);
      position += piece.length;
    }
  }
}
