/** The dead items of mini-batches that have some. */
import type { ItemRange } from '../domain/minibatch.ts';

/** Items `[from, to)` of a mini-batch that are dead for one reason, by its number. */
export interface DeadRange extends ItemRange {
  readonly reason: number;
}

export class DeadItemsTable {
  /** Dead items of all mini-batches. */
  total = 0;
  private readonly ranges = new Map<number, readonly DeadRange[]>();

  set(index: number, ranges: readonly DeadRange[]): void {
    this.remove(index);
    this.ranges.set(index, ranges);
    this.total += this.count(index);
  }

  remove(index: number): void {
    this.total -= this.count(index);
    this.ranges.delete(index);
  }

  count(index: number): number {
    let items = 0;
    for (const { from, to } of this.ranges.get(index) ?? []) items += to - from;
    return items;
  }

  /** Ascending. */
  of(index: number): readonly DeadRange[] | undefined {
    return this.ranges.get(index);
  }

  /** Mini-batches with dead items, ascending. */
  indexes(): readonly number[] {
    return [...this.ranges.keys()].sort((a, b) => a - b);
  }
}

/** Each is an item of the mini-batch, and none is there twice. */
export function areAscending(ranges: readonly ItemRange[], items: number): boolean {
  let end = 0;
  for (const { from, to } of ranges) {
    if (from < end || to <= from || to > items) return false;
    end = to;
  }
  return true;
}
