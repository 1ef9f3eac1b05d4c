/**
 * What may happen to a mini-batch that is narrowed down, in the plainest words and with nothing shared with the core:
 * not which part comes next, but which ends are allowed, and when there must be one.
 */
import type { ItemRange } from '../../src/domain/minibatch.ts';
import type { Settles } from '../../src/core/types.ts';
import { holds } from './violation.ts';

export interface PartRun {
  readonly part: ItemRange;
  readonly dispatch: number;
  /** Of a good part. */
  readonly returned?: number;
  /** Of a failed one. */
  readonly signature?: string;
  /** Its worker was killed: a single item has a second run then. */
  readonly killed?: boolean;
}

export class Narrowing {
  readonly good = new Set<number>();
  readonly culprits = new Set<number>();
  returned = 0;
  runs = 0;
  /** What all failures have in common; undefined once two differ. */
  signature: string | undefined;
  private readonly name: string;
  private readonly items: number;
  private readonly runsMax: number;
  private readonly killedOnce = new Set<number>();
  private readonly failures = new Map<number, ItemRange>();

  constructor(index: number, items: number, tries: number, whole: { dispatch: number; signature: string }) {
    this.name = `mini-batch ${index}`;
    this.items = items;
    this.runsMax = 8 * (2 * Math.ceil(Math.log2(items)) + tries);
    this.signature = whole.signature;
    this.failures.set(whole.dispatch, { from: 0, to: items });
  }

  /** A part has ended; `settles` is what the core made of it. @param lossLeft items that may be lost before the run ends */
  ended(run: PartRun, settles: Settles, lossLeft: number): void {
    const { from, to } = run.part;
    this.runs += 1;
    this.must(this.runs <= this.runsMax, `takes ${this.runs} runs`);
    this.must(from >= 0 && from < to && to <= this.items && to - from < this.items, `has no part ${from} to ${to}`);
    const again = to - from === 1 && this.hasAnother(from, run);
    for (let item = from; item < to; item++) {
      this.must(!this.good.has(item) && !this.culprits.has(item), `runs item ${item} after its end`);
      if (run.returned !== undefined) this.good.add(item);
      else if (to - from === 1 && !again) this.culprits.add(item);
    }
    if (run.returned === undefined) {
      this.failures.set(run.dispatch, run.part);
      if (!again && run.signature !== this.signature) this.signature = undefined;
    } else this.returned += run.returned;
    const over = this.good.size + this.culprits.size === this.items;
    const mayStop = over || this.runs === this.runsMax || this.culprits.size > lossLeft;
    this.allowed(settles, run.returned !== undefined, mayStop);
  }

  private hasAnother(item: number, { killed }: PartRun): boolean {
    if (!killed || this.killedOnce.has(item) || this.runs === this.runsMax) return false;
    this.killedOnce.add(item);
    return true;
  }

  private allowed(settles: Settles, good: boolean, mayStop: boolean): void {
    switch (settles.as) {
      case 'part':
      case 'narrow':
        this.must(good === (settles.as === 'part'), `takes a part for what it isn't`);
        return this.must(!mayStop, 'goes on although it is over');
      case 'done':
        this.must(this.good.size === this.items, `is done with ${this.good.size} of ${this.items}`);
        return this.must(settles.succeeded === this.items && settles.failed === 0, 'has wrong sums');
      case 'partial':
        this.must(mayStop && this.good.size > 0, 'ends before its time');
        this.must(settles.succeeded === this.good.size, `says ${settles.succeeded} are good`);
        this.must(settles.failed === this.items - this.good.size, `says ${settles.failed} are dead`);
        return this.deadAre(settles.dead);
      case 'failed': {
        this.must(this.good.size === 0, 'fails whole although items are good');
        if (settles.dead) {
          this.must(mayStop, 'ends before its time');
          return this.deadAre(settles.dead);
        }
        const everywhere = this.signature !== undefined && this.culprits.size >= 3 && this.items > 8;
        return this.must(everywhere, 'is given up without need');
      }
      case 'retry':
      case 'requeue':
        return this.must(false, `comes to ${settles.as}`);
    }
  }

  /** Exactly the items that aren't good, each with a failure of a range that holds it. */
  private deadAre(dead: readonly (ItemRange & { readonly dispatch: number })[]): void {
    let last = 0;
    let count = 0;
    for (const { from, to, dispatch } of dead) {
      this.must(from >= last && to > from, 'lists dead items twice or in disorder');
      for (let item = from; item < to; item++) this.must(!this.good.has(item), `calls good item ${item} dead`);
      const cause = this.failures.get(dispatch);
      this.must(cause !== undefined && cause.from <= from && to <= cause.to, `names dispatch ${dispatch} as the cause`);
      if (to - from === 1 && this.culprits.has(from))
        this.must(cause?.to === to && cause.from === from, `names another's failure for ${from}`);
      last = to;
      count += to - from;
    }
    this.must(count === this.items - this.good.size, `has ${count} dead items`);
  }

  private must(condition: boolean, text: string): void {
    holds(condition, 'narrowing down', () => `${this.name} ${text}`);
  }
}
