/**
 * What became of every mini-batch, recomputed from the events of a ledger alone: rows of the result, dead letters,
 * failed, or not processed. Numbers in typed arrays, so that a million mini-batches take some forty megabytes.
 */
import type {
  OutputAssembled,
  RunEnded,
  RunEvent,
  RunResumed,
  RunWarning,
  SpoolExtent,
  TryFinished,
} from '../domain/event.ts';
import type { TryFailure } from '../domain/failure.ts';
import type { ItemRange } from '../domain/minibatch.ts';
import { DeadItemsTable, areAscending } from './deaditems.ts';
import { FailedParts } from './failedparts.ts';
import { Reasons } from './reasons.ts';
import { deadItemsOf } from './settledcounts.ts';
import { failureTitle } from './text/failure.ts';

const STATE = { pending: 0, done: 1, failed: 2, partial: 3 } as const;
const STATE_NAME = ['pending', 'done', 'failed', 'partial'] as const;
/** Contradictions that are kept; all are counted. */
const CONTRADICTIONS_MAX = 100;

/** A mini-batch in the result's order. */
export interface AccountedMiniBatch {
  readonly index: number;
  /** Items that the mini-batch was handed out with; undefined while it is pending. */
  readonly items: number | undefined;
  readonly state: 'rows' | 'partial' | 'failed' | 'pending';
  /** Its rows in the result, from 1; `to` below `from` where it has none. */
  readonly rows?: { readonly from: number; readonly to: number };
  /** All items without a row: of a short return, dead ones, or of a mini-batch that failed whole. */
  readonly failedItems: number;
  /** Items that are dead letters, ascending. */
  readonly dead?: readonly DeadAccount[];
  /** Why it failed: with its last failure. */
  readonly reason?: string;
}

/** Items `[from, to)` of a mini-batch that are dead letters for one reason. */
export interface DeadAccount extends ItemRange {
  readonly reason: string;
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
  assembled: Pick<OutputAssembled, 'path' | 'rows' | 'bytes' | 'crc32'> | undefined;
  columns: readonly string[] | undefined;
  /** Rows that were left out by a rule, by file: told anew where a file was listed again. */
  readonly leftOut = new Map<string, { readonly rows: number; readonly reason: string }>();
  readonly contradictions: Contradiction[] = [];
  contradictionCount = 0;
  done = 0;
  partial = 0;
  failed = 0;
  /** Of the failed ones: every item is a dead letter. */
  allDead = 0;
  rows = 0;
  bytes = 0;
  /** Items that are dead letters. */
  readonly dead = new DeadItemsTable();
  /** Items of done and partial mini-batches, of their shortfall, of mini-batches that failed whole. */
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
  private readonly reasons = new Reasons();
  private readonly parts = new FailedParts();

  apply(event: RunEvent): void {
    switch (event.type) {
      case 'try-finished':
        if (event.settles === 'done' || event.settles === 'partial' || event.settles === 'failed') this.settle(event);
        else if (event.settles === 'narrow') this.parts.keep(event);
        return;
      case 'run-resumed':
        this.ended = undefined;
        this.assembled = undefined;
        this.parts.clear();
        this.resumed(event);
        return;
      case 'creation-finished':
        this.created = { miniBatches: event.miniBatches, items: event.items };
        return;
      case 'output-assembled':
        this.assembled = event;
        return;
      case 'warning':
        this.warned(event.warning);
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

  /** Items without a row, dead letters included. */
  get failedItems(): number {
    return this.settledItems.failed + this.settledItems.short + this.dead.total;
  }

  /** Items of done and partial mini-batches that have no row, because too few were returned. */
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
      if (!this.hasRows(index)) continue;
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
      if (state === STATE.pending) {
        yield { index, items, state: 'pending', failedItems: 0 };
        continue;
      }
      const dead = this.deadAccounts(index);
      if (state === STATE.failed) {
        const reason = this.reasons.text(this.detail[index] ?? 0);
        yield { index, items, state: 'failed', failedItems: items ?? 0, reason, ...(dead && { dead }) };
        continue;
      }
      const rows = this.rowCount[index] ?? 0;
      const failedItems = (this.detail[index] ?? 0) + this.dead.count(index);
      const common = { index, items, rows: { from: firstRow, to: firstRow + rows - 1 }, failedItems };
      yield { ...common, state: state === STATE.done ? 'rows' : 'partial', ...(dead && { dead }) };
      firstRow += rows;
    }
  }

  private deadAccounts(index: number): readonly DeadAccount[] | undefined {
    return this.dead.of(index)?.map(({ from, to, reason }) => ({ from, to, reason: this.reasons.text(reason) }));
  }

  private hasRows(index: number): boolean {
    return this.state[index] === STATE.done || this.state[index] === STATE.partial;
  }

  private warned(warning: RunWarning['warning']): void {
    if (warning.kind !== 'skipped-input' || warning.rows === undefined) return;
    const { path, rows, reason } = warning;
    this.leftOut.set(path, { rows, reason });
  }

  private settle(event: TryFinished): void {
    const { index } = event;
    if (index >= this.state.length) this.grow(index + 1);
    if (this.state[index] !== STATE.pending) {
      const before = STATE_NAME[this.state[index] ?? 0] ?? '';
      this.contradict(`it is ${before} already when dispatch ${event.dispatch} is recorded as ${event.settles}`, index);
      return;
    }
    this.size = Math.max(this.size, index + 1);
    this.items[index] = event.items;
    const dead = deadItemsOf(event);
    const whole = this.parts.whole(index)?.failure;
    const causes = this.parts.take(event);
    if (causes.length > 0) {
      const ranges = causes.map(({ from, to, by }) => ({ from, to, reason: this.reasonOf(by ?? event) }));
      this.dead.set(index, ranges);
      if (!areAscending(ranges, event.items))
        this.contradict(`its dead items are not ascending items of its ${event.items}`, index);
    }
    if (event.settles === 'failed') this.fail(event, dead, whole);
    else this.finish(event, dead);
  }

  /** @param whole why it was narrowed down, where it was and is failed whole all the same */
  private fail(event: TryFinished, dead: number, whole: TryFailure | undefined): void {
    this.state[event.index] = STATE.failed;
    this.detail[event.index] = this.reasonOf(event, whole);
    this.failed += 1;
    if (dead > 0) this.allDead += 1;
    if (dead > 0 && dead !== event.items)
      this.contradict(`${dead} of its ${event.items} items are dead letters, it failed`, event.index);
    this.settledItems.failed += event.items - dead;
  }

  private finish(event: TryFinished, dead: number): void {
    const short = event.failed - dead;
    this.state[event.index] = event.settles === 'done' ? STATE.done : STATE.partial;
    this.detail[event.index] = Math.max(0, short);
    if (event.settles === 'done') this.done += 1;
    else this.partial += 1;
    this.settledItems.done += event.items - dead;
    this.settledItems.short += Math.max(0, short);
    if (short < 0) this.contradict(`${event.failed} items failed and ${dead} are dead letters`, event.index);
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

  private resumed({ retried, rebuilt = [] }: RunResumed): void {
    for (const { index } of rebuilt) this.rebuild(index);
    const open = new Set(rebuilt.map(({ index }) => index));
    for (const { index } of retried) if (!open.has(index)) this.retry(index);
    // The end of the spool is gone, new rows take its place.
    if (rebuilt.length > 0) this.spoolEnd = this.endOfRows();
  }

  /** A failed or partial mini-batch gets all its tries again. */
  private retry(index: number): void {
    const state = index < this.size ? this.state[index] : STATE.pending;
    if (state === STATE.failed || state === STATE.partial) this.reopen(index);
    else this.contradict('it is tried again although it had not failed', index);
  }

  /** The rows of a mini-batch were lost with the end of the spool. */
  private rebuild(index: number): void {
    if (index < this.size && this.hasRows(index)) this.reopen(index);
    else this.contradict('its rows are made again although it had none', index);
  }

  private reopen(index: number): void {
    const items = this.items[index] ?? 0;
    const dead = this.dead.count(index);
    this.dead.remove(index);
    if (this.state[index] === STATE.failed) {
      this.failed -= 1;
      if (dead > 0) this.allDead -= 1;
      this.settledItems.failed -= items - dead;
    } else {
      if (this.state[index] === STATE.done) this.done -= 1;
      else this.partial -= 1;
      this.settledItems.done -= items - dead;
      this.settledItems.short -= this.detail[index] ?? 0;
      this.rows -= this.rowCount[index] ?? 0;
      this.bytes -= this.length[index] ?? 0;
      this.rowCount[index] = 0;
      this.length[index] = 0;
    }
    this.state[index] = STATE.pending;
  }

  /** Where the rows that count end in the spool. */
  private endOfRows(): number {
    let end = 0;
    for (let index = 0; index < this.size; index++) {
      if (this.hasRows(index)) end = Math.max(end, (this.offset[index] ?? 0) + (this.length[index] ?? 0));
    }
    return end;
  }

  private reasonOf({ failure, status }: TryFinished, instead?: TryFailure): number {
    const why = failure ?? instead;
    return this.reasons.number(why === undefined ? status : failureTitle(why));
  }

  private contradict(text: string, index?: number): void {
    this.contradictionCount += 1;
    if (this.contradictions.length >= CONTRADICTIONS_MAX) return;
    this.contradictions.push({ text, ...(index !== undefined && { index }) });
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
