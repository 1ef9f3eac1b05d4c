/** From the events of a ledger back to the state of the core: what is settled stays settled, the rest is open again. */
import { unreachable } from '../domain/assert.ts';
import { dispatchNumber, miniBatchIndex } from '../domain/ids.ts';
import type { RebuiltMiniBatch, RunEnded, RunEvent, SpoolExtent, TryFinished } from '../domain/event.ts';
import type { MiniBatchIndex } from '../domain/ids.ts';
import { IndexSet } from './indexset.ts';
import { isOutOfMemory, newTrouble } from './outcomes.ts';
import { initialState } from './state.ts';
import { OUT_OF_MEMORY_MAX } from './types.ts';
import type { CoreConfig, CoreState, Trouble } from './types.ts';

/** A mini-batch that failed, wholly or in part. */
interface Given {
  readonly dispatch: number;
  readonly items: number;
  readonly failedItems: number;
  readonly returned: number;
}

export interface RecoveredRun {
  /** Mini-batches in the manifest. */
  readonly created: number;
  readonly items: number;
  /** All of the input has been listed. */
  readonly creationFinished: boolean;
  /** Failed mini-batches get all their tries again. */
  readonly retryFailed: boolean;
}

/** Fold of a ledger, in the order of its events. One bit a mini-batch, and what is known of those in trouble. */
export class Recovery {
  readonly settled = new IndexSet();
  /** Mini-batches below this may have been handed out. */
  reservedBelow = 0;
  /** End of the committed bytes of the spool. */
  spoolEnd = 0;
  /** The extent that ends there. */
  lastExtent: SpoolExtent | undefined;
  /** How the run ended; undefined while it has not, or has been resumed since. */
  ended: RunEnded | undefined;
  created = 0;
  items = 0;
  creationFinished = false;
  /** Mini-batches there were when the input had been listed to its end; it may have been listed again since. */
  listed = 0;
  /** How often the run has been resumed. */
  resumed = 0;
  /** Fingerprint of the code in force. */
  fingerprint: string | undefined;
  private done = 0;
  private failedItems = 0;
  private returned = 0;
  private readonly trouble = new Map<MiniBatchIndex, Trouble>();
  private readonly failed = new Map<MiniBatchIndex, Given>();

  get settledCount(): number {
    return this.done + this.failed.size;
  }

  apply(event: RunEvent): void {
    switch (event.type) {
      case 'try-finished':
        this.finished(event);
        return;
      case 'redispatched':
        this.handedOut(event.index, event.dispatch);
        return;
      case 'dispatch-reserved':
        this.reservedBelow = Math.max(this.reservedBelow, event.below);
        return;
      case 'creation-progress':
      case 'creation-finished':
        this.created = event.miniBatches;
        this.items = event.items;
        this.creationFinished ||= event.type === 'creation-finished';
        if (event.type === 'creation-finished') this.listed = event.miniBatches;
        return;
      case 'code-snapshotted':
        this.fingerprint = event.fingerprint;
        return;
      case 'run-resumed':
        this.resumed += 1;
        this.ended = undefined;
        for (const { index } of event.retried) this.reopen(index);
        this.reopenDone(event.rebuilt ?? []);
        return;
      case 'run-ended':
        this.ended = event;
        return;
      default:
        return;
    }
  }

  /** The state to go on from, at monotonic time `now`. */
  toState(config: CoreConfig, run: RecoveredRun, now: number): CoreState {
    if (run.retryFailed) for (const index of [...this.failed.keys()]) this.reopen(index);
    const state = initialState(config, now);
    state.created = run.created;
    state.items = run.items;
    state.creationFinished = run.creationFinished;
    state.reservedBelow = Math.min(this.reservedBelow, run.created);
    state.reserveAsked = state.reservedBelow;
    state.done = this.done;
    state.failed = this.failed.size;
    state.failedItems = this.failedItems;
    state.returned = this.returned;
    this.reopenInDoubt(state, config, now);
    for (const range of this.settled.gaps(state.reservedBelow, run.created)) state.fresh.push({ ...range });
    return state;
  }

  /** Failed and partial mini-batches, ascending. */
  failures(): readonly { readonly index: MiniBatchIndex; readonly items: number }[] {
    return [...this.failed].map(([index, { items }]) => ({ index, items })).sort((a, b) => a.index - b.index);
  }

  /** Whether it has come to its end and rows of it, or what counts as one, are committed. */
  hasResults(index: number): boolean {
    return this.settled.has(index) && (this.failed.get(miniBatchIndex(index))?.returned ?? 1) > 0;
  }

  /** The rows of these were lost with the end of the spool: they are open again, with all their tries. */
  reopenDone(lost: readonly RebuiltMiniBatch[]): void {
    for (const { index, dispatch = dispatchNumber(1), failedItems = 0, returned = 0 } of lost) {
      if (!this.settled.has(index)) continue;
      if (this.failed.has(index)) this.reopen(index);
      else {
        this.settled.remove(index);
        this.done -= 1;
        this.failedItems -= failedItems;
        this.returned -= returned;
        this.trouble.set(index, newTrouble(dispatch));
      }
    }
    // It may be one of them; what the others committed before it was looked at when they were found.
    if (lost.length > 0) this.lastExtent = undefined;
  }

  /** What may have been handed out and has no end: waits, and its next hand-out has a number of its own. */
  private reopenInDoubt(state: CoreState, config: CoreConfig, now: number): void {
    for (const range of this.settled.gaps(0, state.reservedBelow)) {
      for (let i = range.from; i < range.to; i++) {
        const index = miniBatchIndex(i);
        const trouble = this.trouble.get(index) ?? newTrouble(dispatchNumber(1));
        // With fewer tries than before, one is left; also to one that was being narrowed down, which begins anew.
        trouble.fails = Math.min(trouble.fails, config.maxTries - 1);
        trouble.outOfMemory = Math.min(trouble.outOfMemory, OUT_OF_MEMORY_MAX - 1);
        state.trouble.set(index, trouble);
        state.waiting.push({ index, readyAt: now });
      }
    }
  }

  private finished(event: TryFinished): void {
    const { index, dispatch } = event;
    switch (event.settles) {
      case 'done':
        this.settle(index);
        this.done += 1;
        this.failedItems += event.failed;
        this.returned += returnedBy(event);
        this.place(event.rows);
        return;
      case 'partial':
      case 'failed': {
        const { items, failed: failedItems } = event;
        const returned = returnedBy(event);
        this.settle(index);
        this.failed.set(index, { dispatch, items, failedItems, returned });
        this.failedItems += failedItems;
        this.returned += returned;
        this.place(event.rows);
        return;
      }
      case 'part':
        this.handedOut(index, dispatch);
        return;
      case 'retry':
      case 'narrow':
      case 'requeue':
        this.unsettled(event);
        return;
      default:
        unreachable(event.settles);
    }
  }

  private unsettled(event: TryFinished): void {
    const trouble = this.handedOut(event.index, event.dispatch);
    trouble.lastWorker = event.worker;
    const { failure, part, settles } = event;
    if (part || !failure) return;
    if (settles === 'requeue') {
      if (failure.kind === 'node-lost') trouble.infraLosses += 1;
      if (failure.kind === 'worker-lost') trouble.alone = true;
      return;
    }
    if (isOutOfMemory(failure)) trouble.outOfMemory += 1;
    else trouble.fails += 1;
    trouble.lostEachTime &&= failure.kind === 'worker-lost';
  }

  private settle(index: MiniBatchIndex): void {
    this.trouble.delete(index);
    this.settled.add(index);
  }

  private place(rows: SpoolExtent | undefined): void {
    if (!rows || rows.offset + rows.bytes < this.spoolEnd) return;
    this.spoolEnd = rows.offset + rows.bytes;
    this.lastExtent = rows;
  }

  private handedOut(index: MiniBatchIndex, dispatch: number): Trouble {
    const trouble = this.trouble.get(index) ?? newTrouble(dispatchNumber(dispatch));
    if (dispatch > trouble.lastDispatch) trouble.lastDispatch = dispatchNumber(dispatch);
    this.trouble.set(index, trouble);
    return trouble;
  }

  /** A failed mini-batch is open again, with all its tries. */
  private reopen(index: MiniBatchIndex): void {
    const given = this.failed.get(index);
    if (!given) return;
    this.failed.delete(index);
    this.settled.remove(index);
    this.failedItems -= given.failedItems;
    this.returned -= given.returned;
    this.trouble.set(index, newTrouble(dispatchNumber(given.dispatch)));
  }
}

/** Rows, or what counts as one where none are written. */
function returnedBy(event: TryFinished): number {
  return event.rows?.rows ?? event.succeeded;
}
