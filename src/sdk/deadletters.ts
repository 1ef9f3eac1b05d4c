/** `outputs/dead_letters.jsonl`: made whole of the ledger, whatever a crash left of the one that was written live. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { RunEvent, TryFinished } from '../domain/event.ts';
import type { DispatchNumber, MiniBatchIndex } from '../domain/ids.ts';
import type { RunLayout } from '../domain/layout.ts';
import { readLedger } from '../ledger/index.ts';
import { replaceFile } from '../output/index.ts';
import { DeadLettersFold, deadLetterLine } from '../views/deadletters.ts';
import { openedAgain } from '../views/settledcounts.ts';
import type { RunContext } from '../views/text/cause.ts';
import { ItemNames } from './itemnames.ts';

/**
 * Writes the dead letters of a run anew, into a temporary file that is synced and renamed. Where it has none, there is
 * no file: one of before a `--retry-failed` is removed. Can be repeated after a crash at any point of it.
 *
 * @param count dead letters as far as known; where there are none and no file, the ledger is not read
 * @param newer events that are not in the ledger yet
 */
export async function writeDeadLetters(
  layout: RunLayout,
  context: RunContext,
  count: number,
  newer: readonly RunEvent[] = [],
): Promise<void> {
  if (count === 0 && !existsSync(layout.deadLetters)) return;
  const ends = await endsWithDeadLetters(layout, newer);
  if (ends.size === 0) {
    await rm(layout.deadLetters, { force: true });
    return;
  }
  const names = new ItemNames(layout);
  try {
    await replaceFile(layout.deadLetters, lines(layout, { ...context, itemName: names.of }, ends));
  } finally {
    names.close();
  }
}

/** Mini-batches whose dead letters count: a settled one may have been opened again. */
async function endsWithDeadLetters(
  layout: RunLayout,
  newer: readonly RunEvent[],
): Promise<Map<MiniBatchIndex, DispatchNumber>> {
  const ends = new Map<MiniBatchIndex, DispatchNumber>();
  const apply = (event: RunEvent): void => {
    if (event.type === 'try-finished' && event.dead !== undefined) ends.set(event.index, event.dispatch);
    else if (event.type === 'run-resumed') for (const { index } of openedAgain(event)) ends.delete(index);
  };
  for await (const events of readLedger(layout.ledger)) events.forEach(apply);
  newer.forEach(apply);
  return ends;
}

async function* lines(
  layout: RunLayout,
  context: RunContext,
  ends: ReadonlyMap<MiniBatchIndex, DispatchNumber>,
): AsyncGenerator<string> {
  const fold = new DeadLettersFold(context);
  const counts = (event: TryFinished): boolean => ends.get(event.index) === event.dispatch;
  for await (const events of readLedger(layout.ledger)) {
    for (const event of events) {
      const letters = fold.apply(event);
      if (event.type !== 'try-finished' || event.dead === undefined || !counts(event)) continue;
      for (const letter of letters) yield deadLetterLine(letter);
    }
  }
}
