import type { FileHandle } from 'node:fs/promises';
import { SpoolDamagedError } from './damaged.ts';

/** Read at once; a larger extent is read in such pieces. */
export const WINDOW_BYTES = 64 * 1024;
/** So many places of the spool are kept: neighbours in the result lie near each other in it, not behind each other. */
const WINDOWS_MAX = 4;

/** Reads a spool here and there, most of it from memory: mini-batches that end together are committed together. */
export class SpoolReader {
  readonly #file: FileHandle;
  /** By their number from the start of the file, the one used longest ago first. */
  readonly #windows = new Map<number, Buffer>();

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Bytes that are in memory already, not to be written to; undefined where they aren't, or not in one piece. */
  held(offset: number, bytes: number): Buffer | undefined {
    const number = Math.floor(offset / WINDOW_BYTES);
    const window = this.#windows.get(number);
    const at = offset - number * WINDOW_BYTES;
    if (window === undefined || at + bytes > window.length) return undefined;
    return window.subarray(at, at + bytes);
  }

  /** @throws SpoolDamagedError where the spool ends before */
  async read(offset: number, bytes: number): Promise<Buffer> {
    const first = Math.floor(offset / WINDOW_BYTES);
    if (bytes > WINDOW_BYTES || first !== Math.floor((offset + bytes - 1) / WINDOW_BYTES)) {
      const buffer = Buffer.allocUnsafe(bytes);
      await readFully(this.#file, buffer, offset);
      return buffer;
    }
    const held = this.held(offset, bytes);
    if (held !== undefined) return held;
    const window = Buffer.allocUnsafe(WINDOW_BYTES);
    const length = await fill(this.#file, window, first * WINDOW_BYTES);
    this.#windows.delete(first);
    this.#windows.set(first, window.subarray(0, length));
    const [oldest] = this.#windows.keys();
    if (this.#windows.size > WINDOWS_MAX && oldest !== undefined) this.#windows.delete(oldest);
    return this.held(offset, bytes) ?? endsAt(first * WINDOW_BYTES + length, offset + bytes);
  }
}

async function readFully(file: FileHandle, buffer: Buffer, position: number): Promise<void> {
  const length = await fill(file, buffer, position);
  if (length < buffer.length) endsAt(position + length, position + buffer.length);
}

/** @returns how many bytes there were */
async function fill(file: FileHandle, buffer: Buffer, position: number): Promise<number> {
  let at = 0;
  while (at < buffer.length) {
    const { bytesRead } = await file.read(buffer, at, buffer.length - at, position + at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return at;
}

function endsAt(end: number, needed: number): never {
  throw new SpoolDamagedError(`the spool ends at ${end}, ${needed - end} bytes too early`);
}
