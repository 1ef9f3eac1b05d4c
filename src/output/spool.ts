import { open, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { crc32 } from '../domain/crc32.ts';
import type { SpoolExtent } from '../domain/event.ts';
import { SpoolDamagedError } from './damaged.ts';

const COPY_BYTES = 256 * 1024;
/** Below the limit of every kernel for one gathered write. */
const PIECES_PER_WRITE = 512;

/**
 * Rows of mini-batches in the order of their commitment. Bytes become durable with `sync`; what lies behind the last
 * extent in the ledger is nothing and is overwritten or cut off. One writer, positioned writes, never O_APPEND.
 */
export class SpoolWriter {
  private readonly file: FileHandle;
  private end: number;
  private buffered: Uint8Array[] = [];
  private bufferedBytes = 0;

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

  /** Takes rows into the buffer; they are written by `sync`. */
  append(bytes: Uint8Array, rows: number): SpoolExtent {
    const offset = this.end + this.bufferedBytes;
    if (bytes.length > 0) this.buffered.push(bytes);
    this.bufferedBytes += bytes.length;
    return { offset, bytes: bytes.length, rows, crc32: crc32(bytes) };
  }

  /**
   * Copies a worker's part file behind what is there, then removes it at `release`.
   * Fails where the part isn't as long as its worker said.
   */
  async appendPart(part: string, bytes: number, rows: number): Promise<SpoolExtent> {
    await this.write();
    const source = await open(part, 'r');
    const offset = this.end;
    let crc = 0;
    try {
      const buffer = Buffer.allocUnsafe(COPY_BYTES);
      let copied = 0;
      while (copied < bytes) {
        const { bytesRead } = await source.read(buffer, 0, Math.min(COPY_BYTES, bytes - copied), copied);
        if (bytesRead === 0) throw new Error(`part file ${part} ends after ${copied} of ${bytes} bytes`);
        const chunk = buffer.subarray(0, bytesRead);
        crc = crc32(chunk, crc);
        await writeAll(this.file, chunk, offset + copied);
        copied += bytesRead;
      }
    } finally {
      await source.close();
    }
    this.end += bytes;
    return { offset, bytes, rows, crc32: crc };
  }

  /** Writes and makes durable all that was appended. */
  async sync(): Promise<void> {
    await this.write();
    await this.file.datasync();
  }

  private async write(): Promise<void> {
    if (this.bufferedBytes === 0) return;
    await this.writeBuffered();
    this.end += this.bufferedBytes;
    this.buffered = [];
    this.bufferedBytes = 0;
  }

  /** Gathered by the kernel, not copied together here; what a short write left is written piece by piece. */
  private async writeBuffered(): Promise<void> {
    let position = this.end;
    for (let from = 0; from < this.buffered.length; from += PIECES_PER_WRITE) {
      const pieces = this.buffered.slice(from, from + PIECES_PER_WRITE);
      let { bytesWritten } = await this.file.writev(pieces, position);
      for (const piece of pieces) {
        if (bytesWritten < piece.length)
          await writeAll(this.file, piece.subarray(bytesWritten), position + bytesWritten);
        bytesWritten = Math.max(0, bytesWritten - piece.length);
        position += piece.length;
      }
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

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let at = 0;
  while (at < bytes.length) at += (await file.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
}
