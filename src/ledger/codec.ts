/**
 * How events stand in the ledger. The frequent ones are arrays of numbers (a quarter of the bytes, several times
 * faster to read); all others are the event's own JSON. Worker ids are written once and numbered after that.
 */
import type { RunEvent, TryBegun, TryFinished } from '../domain/event.ts';
import type { WorkerId } from '../domain/ids.ts';

/** First element of a record that is an array. */
export const CODE = { worker: 0, begun: 1, done: 2 } as const;

export type LedgerRecord = readonly unknown[] | RunEvent;

/** A field that stands in the array, or that follows from its code. */
type DoneField =
  | ('type' | 'at' | 'index' | 'dispatch' | 'try' | 'worker' | 'pid' | 'status' | 'items' | 'succeeded' | 'failed')
  | ('settles' | 'timing' | 'rows' | 'printed');
type BegunField = 'type' | 'at' | 'index' | 'dispatch' | 'try' | 'worker' | 'pid' | 'items';

/** Where one of these is there, the event is stored as its own JSON. A field that is new must be listed, or be coded. */
const NOT_IN_DONE: Readonly<Record<Exclude<keyof TryFinished, DoneField>, true>> = {
  part: true,
  dead: true,
  columns: true,
  failure: true,
  detail: true,
  retryAfterMs: true,
  item: true,
  peakMemoryBytes: true,
  lastLines: true,
};
const NOT_IN_BEGUN: Readonly<Record<Exclude<keyof TryBegun, BegunField>, true>> = { part: true };
const NOT_IN_DONE_KEYS = Object.keys(NOT_IN_DONE) as (keyof typeof NOT_IN_DONE)[];
const NOT_IN_BEGUN_KEYS = Object.keys(NOT_IN_BEGUN) as (keyof typeof NOT_IN_BEGUN)[];

function isPlainDone(event: TryFinished): boolean {
  if (event.status !== 'RUN_DONE' || event.settles !== 'done') return false;
  return NOT_IN_DONE_KEYS.every((key) => event[key] === undefined);
}

function isPlainBegun(event: TryBegun): boolean {
  return NOT_IN_BEGUN_KEYS.every((key) => event[key] === undefined);
}

export class Encoder {
  /** Numbers of the workers that have been introduced and have not ended. */
  private readonly workers = new Map<WorkerId, number>();
  /** Numbers of workers that have ended: given to others, so that a reader never holds more than run at a time. */
  private readonly free: number[] = [];

  /** What was encoded last could not be written: every worker is introduced anew. */
  reset(): void {
    this.workers.clear();
    this.free.length = 0;
  }

  /** Adds the records of an event, in the order to be written. */
  encode(event: RunEvent, records: LedgerRecord[]): void {
    if (event.type === 'try-begun' && isPlainBegun(event)) {
      records.push(this.begun(event, this.numberOf(event.worker, records)));
    } else if (event.type === 'try-finished' && isPlainDone(event)) {
      records.push(this.done(event, this.numberOf(event.worker, records)));
    } else {
      records.push(event);
      if (event.type === 'worker-ended') this.release(event.worker);
    }
  }

  private numberOf(worker: WorkerId, records: LedgerRecord[]): number {
    const known = this.workers.get(worker);
    if (known !== undefined) return known;
    const number = this.free.pop() ?? this.workers.size;
    this.workers.set(worker, number);
    records.push([CODE.worker, number, worker]);
    return number;
  }

  private release(worker: WorkerId): void {
    const number = this.workers.get(worker);
    if (number === undefined) return;
    this.workers.delete(worker);
    this.free.push(number);
  }

  private begun(e: TryBegun, worker: number): LedgerRecord {
    return [CODE.begun, e.at, e.index, e.dispatch, e.try, worker, e.pid, e.items];
  }

  private done(e: TryFinished, worker: number): LedgerRecord {
    const { start1, end1, start2, end2, runSeconds, elapsedSeconds } = e.timing;
    const record: unknown[] = [
      CODE.done,
      e.at,
      e.index,
      e.dispatch,
      e.try,
      worker,
      e.pid,
      e.items,
      e.succeeded,
      e.failed,
    ];
    record.push(start1, end1, start2, end2, runSeconds, elapsedSeconds);
    if (e.rows) record.push(e.rows.offset, e.rows.bytes, e.rows.rows, e.rows.crc32);
    else record.push(-1, 0, 0, 0);
    if (e.printed) record.push(...e.printed.stdout, ...e.printed.stderr);
    return record;
  }
}
