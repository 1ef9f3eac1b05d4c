/**
 * What became of every mini-batch, recomputed from the events of a ledger alone: rows of the result, failed, or not
 * processed. Numbers in typed arrays, so that a million mini-batches take some forty megabytes.
 */
import type { RunEnded, RunEvent, SpoolExtent, TryFinished } from '../domain/event.ts';
import { failureTitle } from './text/failure.ts';

const STATE = { pending: 0, done: 1, failed: 2 } as const;
/** Different reasons that are kept; further ones are counted together. */
const REASONS_MAX = 1_000;
const OTHER = 'other reasons';
/** Contradictions that are kept; all are counted. */
const CONTRADICTIONS_MAX = 100;

/** A mini-batch in the result's order. */
export interface AccountedMiniBatch {
  readonly index: number;
  /** Items that the mini-batch was handed out with; undefined while it is pending. */
  readonly items: number | undefined;
  readonly state: 'rows' | 'failed' | 'pending';
  /** Its rows in the result, from 1; `to` below `from` where it has none. */
  readonly rows?: { readonly from: number; readonly to: number };
  /** Items of a short return that have no row. */
  readonly failedItems: number;
  readonly reason?: string;
}

/** Rows of a mini-batch as bytes of the result. */
export interface ExpectedExtent {
  readonly index: number;
  /** In the result, behind its header. */
  readonly at: number;
  readonly bytes: number;
  readonly crc32: number;
  /** From 1. */
  readonly firstRow: number;
  readonly rows: number;
  /** In the spool. */
  readonly spoolOffset: number;
}

/** The ledger says two things that can't both be true. */
export interface Contradiction {
  readonly index?: number;
  readonly text: string;
}

export class CompletenessFold {
  ended: RunEnded | undefined;
  /** What the ledger says of the list of mini-batches; undefined before it was complete. */
  created: { readonly miniBatches: number; readonly items: number } | undefined;
  /** The last assembled result. */
  assembled: { readonly path: string; readonly rows: number; readonly bytes: number } | undefined;
  columns: readonly string[] | undefined;
  readonly contradictions: Contradiction[] = [];
  contradictionCount = 0;
  done = 0;
  failed = 0;
  rows = 0;
  bytes = 0;
  /** Items of done mini-batches, of their shortfall, of failed mini-batches. */
  private settledItems = { done: 0, short: 0, failed: 0 };
  private spoolEnd = 0;
  private size = 0;
  private state = new Uint8Array(1024);
  private items = new Uint32Array(1024);
  /** Of a done one its shortfall, of a failed one the number of its reason. */
  private detail = new Uint32Array(1024);
  private offset = new Float64Array(1024);
  private length = new Float64Array(1024);
  private rowCount = new Float64Array(1024);
  private check = new Uint32Array(1024);
  private readonly reasons: string[] = [];
  private readonly reasonNumbers = new Map<string, number>();

  apply(event: RunEvent): void {
    switch (event.type) {
      case 'try-finished':
        if (event.settles === 'done' || event.settles === 'failed') this.settle(event);
        return;
      case 'run-resumed':
        this.ended = undefined;
        this.assembled = undefined;
        for (const { index } of event.retried) this.reopen(index);
        return;
      case 'creation-finished':
        this.created = { miniBatches: event.miniBatches, items: event.items };
        return;
      case 'output-assembled':
        this.assembled = { path: event.path, rows: event.rows, bytes: event.bytes };
        return;
      case 'run-ended':
        this.ended = event;
        return;
      default:
        return;
    }
  }

  /** Items that have a row, or count as succeeded where the run writes none. */
  get succeededItems(): number {
    return this.settledItems.done - this.settledItems.short;
  }

  get failedItems(): number {
    return this.settledItems.failed + this.settledItems.short;
  }

  /** Items of done mini-batches that returned fewer rows. */
  get shortItems(): number {
    return this.settledItems.short;
  }

  /** Mini-batches that the ledger has an end of reach below this. */
  get settledBelow(): number {
    return this.size;
  }

  /** Items that a settled mini-batch was handed out with. */
  itemsOf(index: number): number | undefined {
    return index < this.size && this.state[index] !== STATE.pending ? this.items[index] : undefined;
  }

  /** Non-empty rows in the order of the result. */
  *extents(headerBytes: number): Generator<ExpectedExtent> {
    let at = headerBytes;
    let firstRow = 1;
    for (let index = 0; index < this.size; index++) {
      if (this.state[index] !== STATE.done) continue;
      const bytes = this.length[index] ?? 0;
      const rows = this.rowCount[index] ?? 0;
      const extent = { index, at, bytes, firstRow, rows, crc32: this.check[index] ?? 0 };
      if (bytes > 0) yield { ...extent, spoolOffset: this.offset[index] ?? 0 };
      at += bytes;
      firstRow += rows;
    }
  }

  /** Every mini-batch below `count` in order. */
  *miniBatches(count: number): Generator<AccountedMiniBatch> {
    let firstRow = 1;
    for (let index = 0; index < Math.max(count, this.size); index++) {
      const state = index < this.size ? this.state[index] : STATE.pending;
      const items = this.itemsOf(index);
      if (state === STATE.done) {
        const rows = this.rowCount[index] ?? 0;
        const short = this.detail[index] ?? 0;
        yield { index, items, state: 'rows', rows: { from: firstRow, to: firstRow + rows - 1 }, failedItems: short };
        firstRow += rows;
      } else if (state === STATE.failed) {
        const reason = this.reasons[this.detail[index] ?? 0] ?? OTHER;
        yield { index, items, state: 'failed', failedItems: items ?? 0, reason };
      } else yield { index, items, state: 'pending', failedItems: 0 };
    }
  }

  private settle(event: TryFinished): void {
    const { index } = event;
    if (index >= this.state.length) this.grow(index + 1);
    if (this.state[index] !== STATE.pending) {
      const before = this.state[index] === STATE.done ? 'done' : 'failed';
      this.contradict(`it is ${before} already when dispatch ${event.dispatch} is recorded as ${event.settles}`, index);
      return;
    }
    this.size = Math.max(this.size, index + 1);
    this.items[index] = event.items;
    if (event.settles === 'failed') this.fail(event);
    else this.finish(event);
  }

  private fail(event: TryFinished): void {
    this.state[event.index] = STATE.failed;
    this.detail[event.index] = this.reasonNumber(event.failure ? failureTitle(event.failure) : event.status);
    this.failed += 1;
    this.settledItems.failed += event.items;
  }

  private finish(event: TryFinished): void {
    this.state[event.index] = STATE.done;
    this.detail[event.index] = event.failed;
    this.done += 1;
    this.settledItems.done += event.items;
    this.settledItems.short += event.failed;
    if (event.succeeded + event.failed !== event.items)
      this.contradict(
        `${event.succeeded} items succeeded and ${event.failed} failed, it has ${event.items}`,
        event.index,
      );
    this.columns ??= event.columns;
    if (event.rows) this.place(event.index, event.rows);
  }

  private place(index: number, extent: SpoolExtent): void {
    if (extent.offset < this.spoolEnd)
      this.contradict(`its rows lie at ${extent.offset} of the spool, over others that end at ${this.spoolEnd}`, index);
    this.spoolEnd = Math.max(this.spoolEnd, extent.offset + extent.bytes);
    this.offset[index] = extent.offset;
    this.length[index] = extent.bytes;
    this.rowCount[index] = extent.rows;
    this.check[index] = extent.crc32;
    this.rows += extent.rows;
    this.bytes += extent.bytes;
  }

  /** A failed mini-batch gets all its tries again. */
  private reopen(index: number): void {
    if (index >= this.size || this.state[index] !== STATE.failed) {
      this.contradict('it is tried again although it had not failed', index);
      return;
    }
    this.state[index] = STATE.pending;
    this.failed -= 1;
    this.settledItems.failed -= this.items[index] ?? 0;
  }

  private contradict(text: string, index?: number): void {
    this.contradictionCount += 1;
    if (this.contradictions.length >= CONTRADICTIONS_MAX) return;
    this.contradictions.push({ text, ...(index !== undefined && { index }) });
  }

  private reasonNumber(title: string): number {
    const known = this.reasonNumbers.get(title);
    if (known !== undefined) return known;
    if (this.reasons.length === REASONS_MAX) return this.reasonNumber(OTHER);
    const text = this.reasons.length === REASONS_MAX - 1 ? OTHER : title;
    const number = this.reasons.push(text) - 1;
    this.reasonNumbers.set(text, number);
    return number;
  }

  private grow(atLeast: number): void {
    const length = Math.max(atLeast, this.state.length * 2);
    this.state = enlarge(this.state, new Uint8Array(length));
    this.items = enlarge(this.items, new Uint32Array(length));
    this.detail = enlarge(this.detail, new Uint32Array(length));
    this.offset = enlarge(this.offset, new Float64Array(length));
    this.length = enlarge(this.length, new Float64Array(length));
    this.rowCount = enlarge(this.rowCount, new Float64Array(length));
    this.check = enlarge(this.check, new Uint32Array(length));
  }
}

function enlarge<T extends Uint8Array | Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
