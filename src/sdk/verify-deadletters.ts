import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { ItemRange } from '../domain/minibatch.ts';
import type { Problem } from '../domain/problem.ts';
import type { CompletenessFold } from '../views/completeness.ts';
import { counted } from '../views/text/words.ts';
import type { StoredRun } from './stored.ts';
import { deadLetters } from './verify-problems.ts';

/**
 * The file of dead letters has one line for each dead item of the ledger, and no other. Of a run that has not ended it is
 * not looked at: it is made whole when the run ends.
 */
export async function checkDeadLetters(run: StoredRun, fold: CompletenessFold, differences: Problem[]): Promise<void> {
  if (fold.ended === undefined) return;
  const expected = new ExpectedLetters(fold);
  try {
    const file = createReadStream(run.layout.deadLetters, 'utf8');
    for await (const line of createInterface({ input: file, crlfDelay: Infinity })) expected.take(line);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    if (fold.dead.total === 0) return;
    const why = `the ledger has ${counted(fold.dead.total, 'item')} that were given up`;
    differences.push(deadLetters(run, 'the file of the dead letters is not there', why));
    return;
  }
  const missing = expected.missing();
  if (missing) {
    const why = `the first of them: item ${missing.position} of mini-batch ${missing.index}`;
    differences.push(
      deadLetters(run, `${counted(missing.count, 'dead letter')} of the ledger missing in the file`, why),
    );
  }
  const { wrong } = expected;
  if (wrong.count > 0) {
    const what = `${counted(wrong.count, 'line')} of the file of dead letters ${wrong.count === 1 ? 'is' : 'are'} not of the ledger`;
    differences.push(deadLetters(run, what, `the first: line ${wrong.line}, ${wrong.why}`));
  }
}

interface Expected {
  readonly index: number;
  readonly ranges: readonly ItemRange[];
  /** Number of its first dead item among all. */
  readonly first: number;
}

/** The dead items of the ledger, numbered; which of them a line was seen of. */
class ExpectedLetters {
  readonly wrong = { count: 0, line: 0, why: '' };
  private readonly expected: Expected[] = [];
  private readonly byIndex = new Map<number, Expected>();
  private readonly seen: Uint8Array;
  private lines = 0;

  constructor({ dead }: CompletenessFold) {
    let first = 0;
    for (const index of dead.indexes()) {
      const entry = { index, ranges: dead.of(index) ?? [], first };
      this.expected.push(entry);
      this.byIndex.set(index, entry);
      first += dead.count(index);
    }
    this.seen = new Uint8Array(first);
  }

  take(line: string): void {
    this.lines += 1;
    const letter = parsed(line);
    if (letter === undefined) return this.refuse('it is no JSON with "mini_batch" and "position"');
    const { index, position } = letter;
    const number = this.numberOf(index, position);
    if (number === undefined) return this.refuse(`item ${position} of mini-batch ${index} is no dead letter`);
    if (this.seen[number] === 1) return this.refuse(`item ${position} of mini-batch ${index} is there twice`);
    this.seen[number] = 1;
  }

  missing(): { readonly count: number; readonly index: number; readonly position: number } | undefined {
    const first = this.seen.indexOf(0);
    if (first < 0) return undefined;
    const count = this.seen.reduce((sum, seen) => sum + (1 - seen), 0);
    const entry = this.expected.findLast((one) => one.first <= first);
    let left = first - (entry?.first ?? 0);
    for (const { from, to } of entry?.ranges ?? []) {
      if (left < to - from) return { count, index: entry?.index ?? 0, position: from + left };
      left -= to - from;
    }
    return undefined;
  }

  private numberOf(index: number, position: number): number | undefined {
    const entry = this.byIndex.get(index);
    let before = entry?.first ?? 0;
    for (const { from, to } of entry?.ranges ?? []) {
      if (position >= from && position < to) return before + position - from;
      before += to - from;
    }
    return undefined;
  }

  private refuse(why: string): void {
    this.wrong.count += 1;
    if (this.wrong.count > 1) return;
    this.wrong.line = this.lines;
    this.wrong.why = why;
  }
}

function parsed(line: string): { readonly index: number; readonly position: number } | undefined {
  try {
    const letter = JSON.parse(line) as { readonly mini_batch?: unknown; readonly position?: unknown } | null;
    const { mini_batch: index, position } = letter ?? {};
    return Number.isInteger(index) && Number.isInteger(position)
      ? { index: index as number, position: position as number }
      : undefined;
  } catch {
    return undefined;
  }
}
