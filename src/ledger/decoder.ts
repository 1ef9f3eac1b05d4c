import type { RunEvent, TryBegun, TryFinished, TryTiming } from '../domain/event.ts';
import { dispatchNumber, epochMs, miniBatchIndex, tryNumber } from '../domain/ids.ts';
import type { WorkerId } from '../domain/ids.ts';
import { CODE } from './codec.ts';
import type { LedgerRecord } from './codec.ts';
import { NumberScanner } from './numbers.ts';

const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [91, 93, 123, 125] as const;
const [COMMA, QUOTE, BACKSLASH] = [44, 34, 92] as const;
const [BEGUN_VALUES, DONE_VALUES, PRINTED_VALUES] = [8, 20, 24] as const;

/** More done tries than this between two calls of `takeBack` get objects of their own. */
const LENT_MAX = 1024;

type BlankDone = Omit<{ -readonly [K in keyof TryFinished]: TryFinished[K] }, 'timing' | 'printed'> & {
  readonly timing: { -readonly [K in keyof TryTiming]: TryTiming[K] };
  readonly printed?: { readonly stdout: [number, number]; readonly stderr: [number, number] };
};

interface Store {
  readonly events: BlankDone[];
  lent: number;
}

const NO_LIST = 'a frame that is no list of records';

/** The file is no ledger of ours, or not one this version can read. */
export class LedgerFormatError extends Error {
  override readonly name = 'LedgerFormatError';
}

/** Reads records back; of one ledger, from its start and in order, since worker ids are introduced on the way. */
export class Decoder {
  private readonly workers: WorkerId[] = [];
  private readonly numbers = new NumberScanner();
  private readonly reuse: boolean;
  /** By what the events of one have besides: nothing, rows, printed, both. Objects of one form are quick to fill. */
  private readonly stores: readonly Store[] = Array.from({ length: 4 }, () => ({ events: [], lent: 0 }));

  /** @param reuse events of done tries are filled anew after `takeBack`; what they name as `rows` is theirs for good. */
  constructor(reuse: boolean) {
    this.reuse = reuse;
  }

  /** Nobody looks any more at what has been decoded so far. */
  takeBack(): void {
    for (const store of this.stores) store.lent = 0;
  }

  /**
   * Adds the events of a frame to `events`.
   * @param bytes the payload is those from `from` up to, not including, `to`; their checksum is right
   * @throws LedgerFormatError where they are not what a writer of this version makes
   */
  decode(bytes: Buffer, from: number, to: number, events: RunEvent[]): void {
    if (bytes[from] !== OPEN_ARRAY || bytes[to - 1] !== CLOSE_ARRAY) throw unreadable(NO_LIST);
    let at = from + 1;
    if (at === to - 1) return;
    for (; at < to; at++) {
      // Most are arrays of numbers; one that holds a name or `null` takes the long way.
      const end = this.numbers.scan(bytes, at);
      if (end >= 0) this.frequent(events);
      at = end >= 0 ? end : this.rare(bytes, at, to, events);
      if (at === to - 1) return;
      if (bytes[at] !== COMMA) break;
    }
    throw unreadable(NO_LIST);
  }

  private frequent(events: RunEvent[]): void {
    const { values, count } = this.numbers;
    const code = values[0];
    if (code === CODE.done && count >= DONE_VALUES) events.push(this.done(values, count >= PRINTED_VALUES));
    else if (code === CODE.begun && count >= BEGUN_VALUES) events.push(this.begun(values));
    else throw unreadable(`a record of kind ${code ?? 'none'} with ${count} numbers`);
  }

  private rare(bytes: Buffer, at: number, to: number, events: RunEvent[]): number {
    const end = endOfElement(bytes, at, to);
    const record = parsed(bytes.toString('utf8', at, end));
    if (!isTuple(record)) events.push(record);
    else if (record[0] === CODE.worker) this.workers[record[1] as number] = record[2] as WorkerId;
    else {
      this.numbers.take(record);
      this.frequent(events);
    }
    return end;
  }

  private begun(v: Float64Array): TryBegun {
    return {
      type: 'try-begun',
      at: epochMs(v[1] as number),
      index: miniBatchIndex(v[2] as number),
      dispatch: dispatchNumber(v[3] as number),
      try: tryNumber(v[4] as number),
      worker: this.worker(v[5] as number),
      pid: v[6] as number,
      items: v[7] as number,
    };
  }

  private done(v: Float64Array, printed: boolean): TryFinished {
    const extent = (v[16] as number) >= 0;
    const event = this.reuse ? this.lend(extent, printed) : blank(extent, printed);
    const { timing } = event;
    event.at = epochMs(v[1] as number);
    event.index = miniBatchIndex(v[2] as number);
    event.dispatch = dispatchNumber(v[3] as number);
    event.try = tryNumber(v[4] as number);
    event.worker = this.worker(v[5] as number);
    event.pid = v[6] as number;
    event.items = v[7] as number;
    event.succeeded = v[8] as number;
    event.failed = v[9] as number;
    timing.start1 = epochMs(v[10] as number);
    timing.end1 = epochMs(v[11] as number);
    timing.start2 = v[12] as number;
    timing.end2 = v[13] as number;
    timing.runSeconds = v[14] as number;
    timing.elapsedSeconds = v[15] as number;
    if (extent) {
      event.rows = {
        offset: v[16] as number,
        bytes: v[17] as number,
        rows: v[18] as number,
        crc32: v[19] as number,
      };
    }
    if (event.printed) {
      event.printed.stdout[0] = v[20] as number;
      event.printed.stdout[1] = v[21] as number;
      event.printed.stderr[0] = v[22] as number;
      event.printed.stderr[1] = v[23] as number;
    }
    return event;
  }

  private lend(extent: boolean, printed: boolean): BlankDone {
    const store = this.stores[(extent ? 1 : 0) + (printed ? 2 : 0)] as Store;
    if (store.lent === LENT_MAX) return blank(extent, printed);
    const event = (store.events[store.lent] ??= blank(extent, printed));
    store.lent += 1;
    return event;
  }

  private worker(number: number): WorkerId {
    return this.workers[number] ?? ('?/Process-0' as WorkerId);
  }
}

/** To be filled. */
function blank(extent: boolean, printed: boolean): BlankDone {
  const ms = epochMs(0);
  return {
    type: 'try-finished',
    at: ms,
    index: miniBatchIndex(0),
    dispatch: dispatchNumber(0),
    try: tryNumber(0),
    worker: '' as WorkerId,
    pid: 0,
    status: 'RUN_DONE',
    items: 0,
    succeeded: 0,
    failed: 0,
    settles: 'done',
    timing: { start1: ms, end1: ms, start2: 0, end2: 0, runSeconds: 0, elapsedSeconds: 0 },
    ...(extent && { rows: { offset: 0, bytes: 0, rows: 0, crc32: 0 } }),
    ...(printed && { printed: { stdout: [0, 0], stderr: [0, 0] } }),
  };
}

/** Where the JSON value that starts at `at` ends. */
function endOfElement(bytes: Buffer, at: number, to: number): number {
  let depth = 0;
  let quoted = false;
  for (let i = at; i < to; i++) {
    const byte = bytes[i];
    if (quoted) {
      if (byte === BACKSLASH) i += 1;
      else if (byte === QUOTE) quoted = false;
    } else if (byte === QUOTE) quoted = true;
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) depth += 1;
    else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) {
      depth -= 1;
      if (depth === 0) return i + 1;
      if (depth < 0) return i;
    } else if (byte === COMMA && depth === 0) return i;
  }
  throw unreadable('a record without end');
}

function parsed(json: string): LedgerRecord {
  try {
    const record: unknown = JSON.parse(json);
    if (typeof record === 'object' && record !== null) return record as LedgerRecord;
  } catch {
    // As any other that is no record.
  }
  throw unreadable('a record that is neither a list nor an event');
}

function unreadable(what: string): LedgerFormatError {
  return new LedgerFormatError(`it holds ${what}; perhaps a newer version wrote it`);
}

function isTuple(record: LedgerRecord): record is readonly unknown[] {
  return Array.isArray(record);
}
