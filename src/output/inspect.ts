/** Compares a result on the disk with the extents it must be made of, window by window: memory stays flat. */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { crc32 } from './checksum.ts';

const WINDOW_BYTES = 256 * 1024;

export interface Wanted {
  /** In the result. */
  readonly at: number;
  readonly bytes: number;
  readonly crc32: number;
}

export interface Inspection<T extends Wanted> {
  /** Size of the file; undefined where it isn't there. */
  readonly bytes: number | undefined;
  readonly headerOk: boolean;
  /** The first of the extents that aren't what was committed. */
  readonly bad: readonly T[];
  readonly badCount: number;
  /** Where bytes are missing or too many: the first extent that lies elsewhere because of it, undefined behind all. */
  readonly movedFrom?: T;
}

/** Bad extents that are named. */
const BAD_MAX = 100;

/**
 * Looks at each extent at its place. Where bytes are missing or doubled, what follows lies elsewhere: those extents
 * are recognised at their shifted place and not reported, so that what is named is where it happened.
 * @param total size that the file must have
 */
export async function inspectResult<T extends Wanted>(
  path: string,
  header: Uint8Array,
  extents: Iterable<T>,
  total: number,
): Promise<Inspection<T>> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return { bytes: undefined, headerOk: false, bad: [], badCount: 0 };
  }
  try {
    const { size } = await file.stat();
    const window = new Window(file, size);
    const shifts = size === total ? [0] : [0, size - total];
    const headerOk = header.length === 0 || (await window.crc(0, header.length)) === crc32(header);
    const bad: T[] = [];
    let badCount = 0;
    let movedFrom: T | undefined;
    for (const extent of extents) {
      if (await found(window, extent, shifts)) {
        if (shifts[0] !== 0) movedFrom ??= extent;
        continue;
      }
      badCount += 1;
      if (bad.length < BAD_MAX) bad.push(extent);
    }
    return { bytes: size, headerOk, bad, badCount, ...(movedFrom && { movedFrom }) };
  } finally {
    await file.close();
  }
}

/** Tries the shift that fitted last first. */
async function found(window: Window, extent: Wanted, shifts: number[]): Promise<boolean> {
  for (const shift of shifts) {
    if ((await window.crc(extent.at + shift, extent.bytes)) !== extent.crc32) continue;
    if (shift !== shifts[0]) shifts.reverse();
    return true;
  }
  return false;
}

/** A window of a file that is read mostly forwards. */
class Window {
  private readonly file: FileHandle;
  private readonly size: number;
  private readonly buffer = Buffer.allocUnsafe(WINDOW_BYTES);
  private from = 0;
  private filled = 0;

  constructor(file: FileHandle, size: number) {
    this.file = file;
    this.size = size;
  }

  /** Checksum of `bytes` bytes from `at` on; undefined where the file doesn't have them. */
  async crc(at: number, bytes: number): Promise<number | undefined> {
    if (at < 0 || at + bytes > this.size) return undefined;
    let crc = 0;
    for (let done = 0; done < bytes;) {
      const piece = await this.piece(at + done, bytes - done);
      if (piece.length === 0) return undefined;
      crc = crc32(piece, crc);
      done += piece.length;
    }
    return crc;
  }

  private async piece(at: number, bytes: number): Promise<Buffer> {
    if (at < this.from || at >= this.from + this.filled) {
      this.from = at;
      this.filled = (await this.file.read(this.buffer, 0, WINDOW_BYTES, at)).bytesRead;
    }
    const start = at - this.from;
    return this.buffer.subarray(start, Math.min(this.filled, start + bytes));
  }
}

/** The first byte of `bytes` in which two files differ, counted from 0; undefined where they don't. */
export async function firstDifference(
  one: { readonly path: string; readonly at: number },
  other: { readonly path: string; readonly at: number },
  bytes: number,
): Promise<number | undefined> {
  const a = await open(one.path, 'r');
  try {
    const b = await open(other.path, 'r');
    try {
      for (let done = 0; done < bytes; done += WINDOW_BYTES) {
        const wanted = Math.min(WINDOW_BYTES, bytes - done);
        const [left, right] = await Promise.all([read(a, one.at + done, wanted), read(b, other.at + done, wanted)]);
        for (let i = 0; i < wanted; i++) if (left[i] !== right[i]) return done + i;
      }
      return undefined;
    } finally {
      await b.close();
    }
  } finally {
    await a.close();
  }
}

async function read(file: FileHandle, at: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  const { bytesRead } = await file.read(buffer, 0, bytes, at);
  return buffer.subarray(0, bytesRead);
}
