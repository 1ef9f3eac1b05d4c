/** The bytes of a slice of a table, and what is wrong with them. */
import { closeSync, openSync, readSync } from 'node:fs';
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

export function changedCount(rows: number, source: RowsSource): SliceError {
  return new SliceError(`${rows} rows where ${source.rows} were counted when the file was listed: it has changed`);
}
