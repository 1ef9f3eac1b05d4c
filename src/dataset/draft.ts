import type { MiniBatchSource } from '../domain/minibatch.ts';

/** A mini-batch that has no index yet: it gets the next one when it is stored. */
export interface MiniBatchDraft {
  readonly source: MiniBatchSource;
  /** Files, rows, or 0 for a rank mini-batch. */
  readonly items: number;
}
