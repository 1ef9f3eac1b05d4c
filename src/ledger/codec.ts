/**
 * How events stand in the ledger. The frequent ones are arrays of numbers (a quarter of the bytes, several times
 * faster to read); all others are the event's own JSON. Worker ids are written once and numbered after that.
 */
import type { RunEvent, TryBegun, TryFinished } from '../domain/event.ts';
import { dispatchNumber, epochMs, miniBatchIndex, tryNumber } from '../domain/ids.ts';
import type { WorkerId } from '../domain/ids.ts';

const CODE = { worker: 0, begun: 1, done: 2 } as const;

export type LedgerRecord = readonly unknown[] | RunEvent;

export class Encoder {
  private workers = new Map<WorkerId, number>();

  /** What has been introduced so far; `reset` goes back to it when what was encoded since could not be written. */
  mark(): ReadonlyMap<WorkerId, number> {
    return new Map(this.workers);
  }

  reset(mark: ReadonlyMap<WorkerId, number>): void {
    this.workers = new Map(mark);
  }

  /** @returns the records of an event, in the order to be written. */
  encode(event: RunEvent): LedgerRecord[] {
    if (event.type === 'try-begun') return [...this.introduce(event.worker), this.begun(event)];
    if (event.type === 'try-finished' && isPlainDone(event)) return [...this.introduce(event.worker), this.done(event)];
    return [event];
  }

  private introduce(worker: WorkerId): LedgerRecord[] {
    if (this.workers.has(worker)) return [];
    const number = this.workers.size;
    this.workers.set(worker, number);
    return [[CODE.worker, number, worker]];
  }

  private begun(e: TryBegun): LedgerRecord {
    return [CODE.begun, e.at, e.index, e.dispatch, e.try, this.workers.get(e.worker), e.pid, e.items];
  }

  private done(e: TryFinished): LedgerRecord {
    const { start1, end1, start2, end2, runSeconds, elapsedSeconds } = e.timing;
    const record: unknown[] = [
      CODE.done,
      e.at,
      e.index,
      e.dispatch,
      e.try,
      this.workers.get(e.worker),
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

function isPlainDone(event: TryFinished): boolean {
  return (
    event.status === 'RUN_DONE' &&
    event.settles === 'done' &&
    !event.failure &&
    !event.columns &&
    event.detail === undefined
  );
}

export class Decoder {
  private readonly workers: WorkerId[] = [];

  /** @returns the event of a record, or undefined for one that only introduces a worker. */
  decode(record: LedgerRecord): RunEvent | undefined {
    if (!isTuple(record)) return record;
    switch (record[0]) {
      case CODE.worker:
        this.workers[record[1] as number] = record[2] as WorkerId;
        return undefined;
      case CODE.begun:
        return this.begun(record as number[]);
      case CODE.done:
        return this.done(record as number[]);
      default:
        throw new Error(`unknown ledger record ${String(record[0])}`);
    }
  }

  private worker(number: number | undefined): WorkerId {
    return this.workers[number ?? -1] ?? ('?/Process-0' as WorkerId);
  }

  private begun(r: readonly number[]): TryBegun {
    const [, at = 0, index = 0, dispatch = 0, attempt = 0, worker, pid = 0, items = 0] = r;
    return {
      type: 'try-begun',
      at: epochMs(at),
      index: miniBatchIndex(index),
      dispatch: dispatchNumber(dispatch),
      try: tryNumber(attempt),
      worker: this.worker(worker),
      pid,
      items,
    };
  }

  private done(r: readonly number[]): TryFinished {
    const [, at = 0, index = 0, dispatch = 0, attempt = 0, worker, pid = 0, items = 0, succeeded = 0, failed = 0] = r;
    const [
      start1 = 0,
      end1 = 0,
      start2 = 0,
      end2 = 0,
      runSeconds = 0,
      elapsedSeconds = 0,
      offset = -1,
      bytes = 0,
      rows = 0,
      crc = 0,
    ] = r.slice(10, 20);
    const [out0, out1, err0, err1] = r.slice(20);
    return {
      type: 'try-finished',
      at: epochMs(at),
      index: miniBatchIndex(index),
      dispatch: dispatchNumber(dispatch),
      try: tryNumber(attempt),
      worker: this.worker(worker),
      pid,
      status: 'RUN_DONE',
      items,
      succeeded,
      failed,
      settles: 'done',
      timing: { start1: epochMs(start1), end1: epochMs(end1), start2, end2, runSeconds, elapsedSeconds },
      ...(offset >= 0 && { rows: { offset, bytes, rows, crc32: crc } }),
      ...(out0 !== undefined && {
        printed: { stdout: [out0, out1 ?? out0] as const, stderr: [err0 ?? 0, err1 ?? 0] as const },
      }),
    };
  }
}

function isTuple(record: LedgerRecord): record is readonly unknown[] {
  return Array.isArray(record);
}
