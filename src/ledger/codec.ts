/**
 * How events stand in the ledger. The frequent ones are arrays of numbers (a quarter of the bytes, several times
 * faster to read); all others are the event's own JSON. Worker ids are written once and numbered after that.
 */
import type { RunEvent, TryBegun, TryFinished } from '../domain/event.ts';
import type { WorkerId } from '../domain/ids.ts';

/** First element of a record that is an array. */
export const CODE = { worker: 0, begun: 1, done: 2 } as const;

export type LedgerRecord = readonly unknown[] | RunEvent;

const NO_ROWS = { offset: -1, bytes: 0, rows: 0, crc32: 0 };

/** A field that stands in the array, or that follows from its code. */
type DoneField =
  | ('type' | 'at' | 'index' | 'dispatch' | 'try' | 'worker' | 'pid' | 'status' | 'items' | 'succeeded' | 'failed')
  | ('settles' | 'timing' | 'rows' | 'printed');
type BegunField = 'type' | 'at' | 'index' | 'dispatch' | 'try' | 'worker' | 'pid' | 'items';

/** Where one of these is there, the event is stored as its own JSON. A field that is new must be listed, or be coded. */
type DoneExtra =
  ('part' | 'dead' | 'columns' | 'failure' | 'detail') | ('retryAfterMs' | 'item' | 'peakMemoryBytes' | 'lastLines');
/** No event at all where a field is neither. */
type Done = Exclude<keyof TryFinished, DoneField | DoneExtra> extends never ? TryFinished : never;
type Begun = Exclude<keyof TryBegun, BegunField | 'part'> extends never ? TryBegun : never;

// each by its name: to look for a list of names costs more than all else that is done with an event
function isPlainDone(e: Done): boolean {
  const isDone = e.status === 'RUN_DONE' && e.settles === 'done';
  const hasNone = e.part === undefined && e.dead === undefined && e.columns === undefined && e.failure === undefined;
  return isDone && hasNone && e.detail === undefined && e.retryAfterMs === undefined && knowsNothing(e);
}

const knowsNothing = (e: Done): boolean =>
  e.item === undefined && e.peakMemoryBytes === undefined && e.lastLines === undefined;

const isPlainBegun = (e: Begun): boolean => e.part === undefined;

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
    const rows = e.rows ?? NO_ROWS;
    // prettier-ignore
    const record: unknown[] = [
      CODE.done, e.at, e.index, e.dispatch, e.try, worker, e.pid, e.items, e.succeeded, e.failed,
      start1, end1, start2, end2, runSeconds, elapsedSeconds,
      rows.offset, rows.bytes, rows.rows, rows.crc32,
    ];
    if (e.printed) {
      const { stdout, stderr } = e.printed;
      record.push(stdout[0], stdout[1], stderr[0], stderr[1]);
    }
    return record;
  }
}
