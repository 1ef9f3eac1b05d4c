/**
 * What each settled mini-batch added to the counts, so that it can be taken back when the mini-batch is opened again.
 * Four bytes a mini-batch, and none at all as long as every item succeeds.
 */
import type { RunResumed, TryFinished } from '../domain/event.ts';
import type { MiniBatchIndex } from '../domain/ids.ts';

const FIRST_LENGTH = 1024;

export interface Counted {
  readonly succeeded: number;
  readonly failed: number;
  /** It counted as a failed mini-batch; partial ones do. */
  readonly asFailed: boolean;
  readonly partial: boolean;
  /** Of the failed items: dead letters. */
  readonly dead: number;
}

export class SettledCounts {
  /** Failed items times two, and one more where the mini-batch failed. 0: it was done, and all its items with it. */
  private numbers = new Uint32Array(0);
  /** Dead letters of mini-batches that have some. */
  private readonly dead = new Map<MiniBatchIndex, number>();

  note(event: TryFinished): void {
    const { index, settles, failed } = event;
    const number = failed * 2 + (settles === 'done' ? 0 : 1);
    if (number !== 0 && index >= this.numbers.length) this.grow(index + 1);
    if (index < this.numbers.length) this.numbers[index] = number;
    const dead = deadItemsOf(event);
    if (dead > 0) this.dead.set(index, dead);
  }

  /** @param items of the mini-batch, which is open again */
  takeBack(index: MiniBatchIndex, items: number): Counted {
    const number = this.numbers[index] ?? 0;
    const dead = this.dead.get(index) ?? 0;
    this.dead.delete(index);
    if (index < this.numbers.length) this.numbers[index] = 0;
    const failed = Math.floor(number / 2);
    const asFailed = number % 2 === 1;
    return { succeeded: items - failed, failed, asFailed, partial: asFailed && failed < items, dead };
  }

  private grow(atLeast: number): void {
    const numbers = new Uint32Array(Math.max(FIRST_LENGTH, atLeast, this.numbers.length * 2));
    numbers.set(this.numbers);
    this.numbers = numbers;
  }
}

/** Items that this event makes dead letters. */
export function deadItemsOf({ dead }: TryFinished): number {
  return dead === undefined ? 0 : dead.reduce((sum, { from, to }) => sum + (to - from), 0);
}

/** Settled mini-batches that a resumed run opens again, each once. */
export function openedAgain({ retried, rebuilt = [] }: RunResumed): RunResumed['retried'] {
  const known = new Set(retried.map(({ index }) => index));
  return [...retried, ...rebuilt.filter(({ index }) => !known.has(index))];
}
