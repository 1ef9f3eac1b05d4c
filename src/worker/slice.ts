/** The bytes of a slice of a table, and what is wrong with them. */
import { closeSync, openSync, readSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { LineCounter } from '../domain/linecounter.ts';
import type { MiniBatchSource } from '../domain/minibatch.ts';

export type RowsSource = Extract<MiniBatchSource, { kind: 'rows' }>;

/** The slice does not hold what was listed. `row`: the one that is to blame, among the rows of the slice. */
export class SliceError extends Error {
  override readonly name = 'SliceError';
  readonly row: number | undefined;
  constructor(message: string, row?: number) {
    super(message);
    this.row = row;
  }
}

/** @throws SliceError where the file is shorter than it was; an error of the system */
export function readRange(source: RowsSource): Buffer {
  const bytes = Buffer.allocUnsafe(source.end - source.start);
  const file = openSync(source.data ?? source.file, 'r');
  try {
    let filled = 0;
    while (filled < bytes.length) {
      const read = readSync(file, bytes, filled, bytes.length - filled, source.start + filled);
      if (read === 0) {
        const end = source.start + filled;
        throw new SliceError(`the file ends at byte ${end}, it had at least ${source.end} when it was listed`);
      }
      filled += read;
    }
  } finally {
    closeSync(file);
  }
  return bytes;
}

/** Value of a column that the path names; null where it is missing. */
export function pathValue({ keys = [], paths = [] }: RowsSource, wanted: string): string | null {
  return [...paths, ...keys].find(([name]) => name === wanted)?.[1] ?? null;
}

const LINES_CHUNK_BYTES = 1024 * 1024;

/** Line, from 1, of a byte of the file: read from its start, since nobody counts lines otherwise. */
export function lineAt(source: RowsSource, offset: number): number {
  const lines = new LineCounter();
  const chunk = Buffer.allocUnsafe(LINES_CHUNK_BYTES);
  const file = openSync(source.data ?? source.file, 'r');
  try {
    for (let at = 0; at < offset;) {
      const read = readSync(file, chunk, 0, Math.min(chunk.length, offset - at), at);
      if (read === 0) break;
      lines.take(chunk.subarray(0, read));
      at += read;
    }
  } finally {
    closeSync(file);
  }
  return lines.line;
}

export function changedCount(rows: number, source: RowsSource): SliceError {
  return new SliceError(`${rows} rows where ${source.rows} were counted when the file was listed: it has changed`);
}

/** @throws where the file ends earlier */
export async function readAt(file: FileHandle, start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(end - start);
  for (let filled = 0; filled < bytes.length;) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, start + filled);
    if (bytesRead === 0) throw new Error(`the file ends at byte ${start + filled}`);
    filled += bytesRead;
  }
  return bytes;
}
