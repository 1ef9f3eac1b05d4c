import type { MiniBatchSource } from '../domain/minibatch.ts';
import type { FileStamp } from './stamp.ts';

/** A mini-batch that has no index yet: it gets the next one when it is stored. */
export interface MiniBatchDraft {
  readonly source: MiniBatchSource;
  /** Files, rows, or 0 for a rank mini-batch. */
  readonly items: number;
  /** Of its files, in their order; of the first mini-batch of a table file, of that file. Absent: not to be kept. */
  readonly stamps?: readonly FileStamp[];
}
