/** `outputs/dead_letters.jsonl`: made whole of the ledger, whatever a crash left of the one that was written live. */
import { rm } from 'node:fs/promises';
import type { RunEvent } from '../domain/event.ts';
import type { DispatchNumber, MiniBatchIndex } from '../domain/ids.ts';
import type { RunLayout } from '../domain/layout.ts';
import { readLedger } from '../ledger/index.ts';
import { replaceFile } from '../output/index.ts';
import { DeadLettersFold, deadLetterLine } from '../views/deadletters.ts';
import { openedAgain } from '../views/settledcounts.ts';
import type { RunContext } from '../views/text/cause.ts';
import { ItemNames } from './itemnames.ts';

/** Mini-batches whose dead letters count, with the hand-out that ended them: a settled one may be opened again. */
type Ends = ReadonlyMap<MiniBatchIndex, DispatchNumber>;

/**
 * The file of a run. Live lines are the log's; here it is made anew as a whole: where a run is taken up again, because a
 * crash may have torn it, and where the run ends.
 */
export class DeadLetterFile {
  private readonly layout: RunLayout;
  private readonly context: RunContext;
  private readonly ends = new Map<MiniBatchIndex, DispatchNumber>();
  private writing: Promise<void> = Promise.resolve();

  constructor(layout: RunLayout, context: RunContext) {
    this.layout = layout;
    this.context = context;
  }

  /** Events that are in the ledger, or about to be. */
  apply(events: readonly RunEvent[]): void {
    for (const event of events) {
      if (event.type === 'try-finished') {
        if (event.dead !== undefined) this.ends.set(event.index, event.dispatch);
      } else if (event.type === 'run-resumed') {
        for (const { index } of openedAgain(event)) this.ends.delete(index);
      }
    }
  }

  /**
   * Makes it of the ledger, as far as events were applied: into a temporary file that is synced and renamed. Where there
   * are no dead letters, there is no file: one of before a `--retry-failed` is removed. Can be repeated after a crash at
   * any point of it; one writing follows the other.
   */
  write(): Promise<void> {
    const ends = new Map(this.ends);
    const before = this.writing.catch(() => undefined);
    this.writing = before.then(() => writeLetters(this.layout, this.context, ends));
    return this.writing;
  }

  /** Nothing is being written any more. Never rejects. */
  idle(): Promise<void> {
    return this.writing.catch(() => undefined);
  }
}

async function writeLetters(layout: RunLayout, context: RunContext, ends: Ends): Promise<void> {
  if (ends.size === 0) return rm(layout.deadLetters, { force: true });
  const names = new ItemNames(layout);
  try {
    await replaceFile(layout.deadLetters, lines(layout, { ...context, itemName: names.of }, ends));
  } finally {
    names.close();
  }
}

async function* lines(layout: RunLayout, context: RunContext, ends: Ends): AsyncGenerator<string> {
  const fold = new DeadLettersFold(context);
  let left = ends.size;
  for await (const events of readLedger(layout.ledger)) {
    for (const event of events) {
      const letters = fold.apply(event);
      if (event.type !== 'try-finished' || event.dead === undefined) continue;
      if (ends.get(event.index) !== event.dispatch) continue;
      for (const letter of letters) yield deadLetterLine(letter);
      // What comes behind the last of them is written by the log, or not there yet.
      if (--left === 0) return;
    }
  }
}
