/** Reading files of a table front to back. */
import { open, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { LineCounter } from '../domain/linecounter.ts';
import { bytesOf, forFs } from './bytepath.ts';
import { DatasetError, datasetProblem, unreadable } from './error.ts';
import { packingOf, transcoded, unpacked } from './packed.ts';

const CHUNK_BYTES = 1024 * 1024;
const SMALL_CHUNK_BYTES = 16 * 1024;

/** @param path absolute, as text. @throws DatasetError PR3003 */
export async function withFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(forFs(bytesOf(path))).catch((error: unknown) => {
    throw unreadable(path, 'file', error);
  });
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** Text is rarely packed tighter: better too much is looked at than too little. */
const PACKED_TO = 5;

/** Bytes; of a compressed file about as many as it holds. @param path absolute, as text. @throws DatasetError PR3003 */
export async function sizeOf(path: string): Promise<number> {
  const { size } = await stat(forFs(bytesOf(path))).catch((error: unknown) => {
    throw unreadable(path, 'file', error);
  });
  return packingOf(path) === undefined ? size : PACKED_TO * size;
}

export interface ReadOptions {
  readonly start?: number;
  readonly end?: number;
  readonly chunkBytes?: number;
  readonly signal?: AbortSignal | undefined;
  /** Of text; absent: it is read as it is. */
  readonly encoding?: string | undefined;
}

/**
 * The bytes of a file from `start` on, in chunks, reading one ahead; of a compressed file, of what it holds; of another
 * encoding, in UTF-8. A chunk is valid until the next is asked for.
 * @param path absolute, as text. @throws DatasetError PR3003, PR3013
 */
export function readChunks(path: string, options: ReadOptions = {}): AsyncGenerator<Buffer, void, undefined> {
  return isDerived(path, options.encoding) ? readDerived(path, options) : readPlain(path, options);
}

/** Whether the bytes that count are others than those of the file. */
export function isDerived(path: string, encoding: string | undefined): boolean {
  return encoding !== undefined || packingOf(path) !== undefined;
}

/** There is no beginning in the middle: what lies in front of `start` is read and dropped. */
async function* readDerived(
  path: string,
  { start = 0, end = Infinity, signal, encoding }: ReadOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const packing = packingOf(path);
  const plain = readPlain(path, { signal });
  const bytes = packing === undefined ? plain : unpacked(path, packing, plain);
  let at = 0;
  for await (const chunk of encoding === undefined ? bytes : transcoded(path, encoding, bytes)) {
    const wanted = chunk.subarray(Math.max(0, start - at), Math.max(0, end - at));
    at += chunk.length;
    if (wanted.length > 0) yield wanted;
    if (at >= end) return;
  }
}

async function* readPlain(path: string, options: ReadOptions): AsyncGenerator<Buffer, void, undefined> {
  const { start = 0, end = Infinity, chunkBytes = CHUNK_BYTES, signal } = options;
  const file = await open(forFs(bytesOf(path))).catch((error: unknown) => {
    throw unreadable(path, 'file', error);
  });
  let next: Promise<Buffer> | undefined;
  try {
    // a table of many small files should not take megabytes for each
    const wanted = Math.max(SMALL_CHUNK_BYTES, (await file.stat()).size - start);
    const buffers = [0, 1].map(() => Buffer.allocUnsafe(Math.min(chunkBytes, wanted))) as [Buffer, Buffer];
    let position = start;
    next = readAt(file, buffers[0], position, end);
    for (let turn = 1; ; turn++) {
      const chunk = await next;
      next = undefined;
      if (chunk.length === 0) return;
      signal?.throwIfAborted();
      position += chunk.length;
      next = readAt(file, turn % 2 === 0 ? buffers[0] : buffers[1], position, end);
      yield chunk;
    }
  } catch (error) {
    throw isOfSystem(error) ? unreadable(path, 'file', error) : error;
  } finally {
    // closing under a read in flight would give its descriptor number to somebody else
    await next?.catch(() => undefined);
    await file.close();
  }
}

async function readAt(file: FileHandle, buffer: Buffer, position: number, end: number): Promise<Buffer> {
  const wanted = Math.min(buffer.length, end - position);
  if (wanted <= 0) return buffer.subarray(0, 0);
  const { bytesRead } = await file.read(buffer, 0, wanted, position);
  return buffer.subarray(0, bytesRead);
}

/** @throws where the file ends before `to` */
export async function readExactly(file: FileHandle, from: number, to: number): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(Math.max(0, to - from));
  let filled = 0;
  while (filled < bytes.length) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, from + filled);
    if (bytesRead === 0) throw new Error(`it ends at byte ${from + filled}`);
    filled += bytesRead;
  }
  return bytes.buffer;
}

export function isOfSystem(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

/**
 * Bytes of the byte order mark at the front of a file: 3 or 0.
 * @throws DatasetError PR3006 where the mark says UTF-16
 */
export function markLength(front: Uint8Array, path: string): number {
  const [a, b, c] = front;
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff))
    throw notUtf8(path, 'it starts with the byte order mark of UTF-16');
  return a === 0xef && b === 0xbb && c === 0xbf ? 3 : 0;
}

export function notUtf8(path: string, why: string): DatasetError {
  return new DatasetError(
    datasetProblem({
      code: 'PR3006',
      what: 'a table is not in UTF-8',
      file: path,
      line: 1,
      why,
      next: 'name its encoding with --table-encoding, such as utf-16le or windows-1252',
    }),
  );
}

/** Line, from 1, in which the byte at `offset` lies; read again from the start, since nobody counts lines otherwise. */
export async function lineAt(path: string, offset: number, encoding?: string): Promise<number> {
  const lines = new LineCounter();
  for await (const chunk of readChunks(path, { end: offset, encoding })) lines.take(chunk);
  return lines.line;
}
