/**
 * The group commit of src/orchestrator/committer.ts without promises: the same states and the same order of effects,
 * each wait a planned moment of virtual time, so that a crash can fall between any two of them. What differs: the
 * begin marks of tries, which recovery does not read, are not kept.
 */
import type { RunEvent, SpoolExtent, TryFinished } from '../../src/domain/event.ts';
import type { WorkerId } from '../../src/domain/ids.ts';
import type { RowsPiece } from '../../src/orchestrator/ports.ts';
import { crc32 } from '../../src/domain/crc32.ts';
import type { LedgerModel } from './ledgerfile.ts';
import type { SimFile } from './disk.ts';

const GROUP_MICROS = 5_000;
const FEW = 8;

interface Entry {
  readonly event: RunEvent;
  readonly rows?: RowsPiece;
}

export interface CommitterWorld {
  /** After a drawn delay, if this orchestrator still lives. */
  later(micros: number, run: () => void): void;
  /** Microseconds that a write or a sync takes. */
  writeTime(): number;
  syncTime(): number;
  /** The part that is written before the disk is full; 1 = all. */
  room(): number;
  /** False where a sync fails. */
  synced(file: SimFile): boolean;
  /** Bytes of a part file, undefined where it is gone. */
  part(name: string): Uint8Array | undefined;
  releasePart(name: string): void;
  frameBegun(events: readonly RunEvent[], end: number): void;
  durable(events: readonly RunEvent[]): void;
  publish(events: readonly RunEvent[]): void;
  onFailure(): void;
  onPressure(on: boolean): void;
  onCommitted(workers: readonly WorkerId[]): void;
}

export class CommitterModel {
  spoolEnd: number;
  private queue: Entry[] = [];
  private waiters: (() => void)[] = [];
  private running = false;
  private hurry: (() => void) | undefined;
  private failed = false;
  private closing = false;
  private pendingBytes = 0;
  private pressed = false;
  private lastGroup = 0;
  /** Part files of what is accepted and not yet committed. */
  private readonly needed = new Set<string>();
  private readonly world: CommitterWorld;
  private readonly ledger: LedgerModel;
  private readonly spool: SimFile;
  private readonly pressureBytes: number;

  constructor(world: CommitterWorld, ledger: LedgerModel, spool: SimFile, spoolEnd: number, pressureBytes: number) {
    this.world = world;
    this.ledger = ledger;
    this.spool = spool;
    this.spoolEnd = spoolEnd;
    this.pressureBytes = pressureBytes;
  }

  add(event: RunEvent): void {
    this.enqueue({ event });
  }

  addDone(event: TryFinished, rows: RowsPiece): void {
    this.pendingBytes += lengthOf(rows);
    for (const part of partsOf(rows)) this.needed.add(part);
    this.checkPressure();
    this.enqueue({ event, rows });
  }

  needs(part: string): boolean {
    return this.needed.has(part);
  }

  barrier(then: () => void): void {
    if (this.failed || (!this.running && this.queue.length === 0)) {
      this.world.later(0, then);
      return;
    }
    this.waiters.push(then);
    this.hurry?.();
  }

  get broken(): boolean {
    return this.failed;
  }

  close(then: () => void): void {
    this.barrier(() => {
      this.closing = true;
      then();
    });
  }

  private enqueue(entry: Entry): void {
    if (this.closing) return;
    this.queue.push(entry);
    if (this.running) return;
    this.running = true;
    this.loop();
  }

  private loop(): void {
    if (this.queue.length === 0) {
      this.running = false;
      for (const wake of this.waiters.splice(0)) this.world.later(0, wake);
      return;
    }
    if (this.waiters.length > 0 || this.failed || this.lastGroup < FEW) return this.group();
    let gathering = true;
    const go = (): void => {
      if (!gathering) return;
      gathering = false;
      this.hurry = undefined;
      this.group();
    };
    this.hurry = () => this.world.later(0, go);
    this.world.later(GROUP_MICROS, go);
  }

  private group(): void {
    const entries = this.queue;
    const waiters = this.waiters;
    this.queue = [];
    this.waiters = [];
    this.lastGroup = entries.length;
    const show = (events: readonly RunEvent[]): void => {
      this.world.publish(events);
      const workers = events.flatMap((event) => (event.type === 'try-finished' ? [event.worker] : []));
      if (workers.length > 0 && !this.failed) this.world.onCommitted(workers);
      for (const wake of waiters) this.world.later(0, wake);
      if (waiters.length === 0) this.loop();
      else this.world.later(0, () => this.loop());
    };
    if (this.failed) return show(withoutRows(entries));
    const fail = (): void => {
      this.failed = true;
      this.world.onFailure();
      show(withoutRows(entries));
    };
    this.store(entries, fail, (events, released) => {
      this.commit(events, fail, () => {
        for (const part of released) {
          this.world.releasePart(part);
          this.needed.delete(part);
        }
        show(events);
      });
    });
  }

  /** Rows behind the end of the spool, then one sync for all of them. */
  private store(
    entries: readonly Entry[],
    fail: () => void,
    then: (events: RunEvent[], released: string[]) => void,
  ): void {
    const events: RunEvent[] = [];
    const released: string[] = [];
    const writes: Uint8Array[] = [];
    let offset = this.spoolEnd;
    let dirty = false;
    for (const { event, rows } of entries) {
      if (!rows || event.type !== 'try-finished') {
        events.push(event);
        continue;
      }
      dirty = true;
      const bytes = this.bytesOf(rows);
      if (bytes.length !== lengthOf(rows)) return this.world.later(0, fail);
      this.pendingBytes -= bytes.length;
      released.push(...partsOf(rows));
      const extent: SpoolExtent = { offset, bytes: bytes.length, rows: rows.rows, crc32: crc32(bytes) };
      events.push({ ...event, rows: extent });
      offset += bytes.length;
      if (bytes.length > 0) writes.push(bytes);
    }
    const stored = (): void => {
      this.spoolEnd = offset;
      this.checkPressure();
      then(events, released);
    };
    if (!dirty) return stored();
    this.write(this.spool, this.spoolEnd, Buffer.concat(writes), fail, () => this.sync(this.spool, fail, stored));
  }

  private bytesOf(rows: RowsPiece): Uint8Array {
    if ('pieces' in rows) return Buffer.concat(rows.pieces.map((piece) => this.bytesOf(piece)));
    return 'bytes' in rows ? rows.bytes : (this.world.part(rows.part) ?? new Uint8Array());
  }

  /** One frame of the ledger, whole or not there. */
  private commit(events: readonly RunEvent[], fail: () => void, then: () => void): void {
    if (events.length === 0) return then();
    const frame = this.ledger.frame(events);
    const end = this.ledger.end + frame.length;
    this.world.frameBegun(events, end);
    this.write(this.ledger.file, this.ledger.end, frame, fail, () => {
      this.sync(this.ledger.file, fail, () => {
        this.ledger.end = end;
        this.world.durable(events);
        then();
      });
    });
  }

  private write(file: SimFile, at: number, bytes: Uint8Array, fail: () => void, then: () => void): void {
    if (bytes.length === 0) return then();
    file.beginWrite(at, bytes);
    this.world.later(this.world.writeTime(), () => {
      const part = this.world.room();
      file.written(part);
      if (part === 1) then();
      else fail();
    });
  }

  private sync(file: SimFile, fail: () => void, then: () => void): void {
    this.world.later(this.world.syncTime(), () => {
      if (this.world.synced(file)) then();
      else fail();
    });
  }

  private checkPressure(): void {
    const on = this.pressed ? this.pendingBytes > this.pressureBytes / 2 : this.pendingBytes > this.pressureBytes;
    if (on === this.pressed) return;
    this.pressed = on;
    this.world.onPressure(on);
  }
}

function partsOf(rows: RowsPiece): string[] {
  if ('pieces' in rows) return rows.pieces.flatMap(partsOf);
  return 'part' in rows ? [rows.part] : [];
}

function lengthOf(rows: RowsPiece): number {
  if ('pieces' in rows) return rows.pieces.reduce((sum, piece) => sum + lengthOf(piece), 0);
  return 'bytes' in rows ? rows.bytes.length : rows.length;
}

function withoutRows(entries: readonly Entry[]): RunEvent[] {
  return entries.filter((entry) => entry.rows === undefined).map((entry) => entry.event);
}
