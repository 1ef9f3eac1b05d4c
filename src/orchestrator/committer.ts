import type { RunEvent, SpoolExtent, TryBegun, TryFinished } from '../domain/event.ts';
import type { MiniBatchIndex, WorkerId } from '../domain/ids.ts';
import type { Clock } from '../domain/ports.ts';
import type { FailpointPort } from './failpoint.ts';
import { Patience } from './patience.ts';
import type { LedgerPort, RowsPiece, SpoolPort } from './ports.ts';

/** How long the first of a group waits for others, where many come. */
const GROUP_MS = 5;
/** A group smaller than this shows that few come: the next one waits for nobody. */
const FEW = 8;
/** A try that runs for so long is noted in the ledger, so that others can see it under way. */
const NOTE_BEGUN_AFTER_MS = 1_000;
/** More uncommitted bytes hold back new work; half of it lets it go on. */
export const UNCOMMITTED_BYTES_MAX = 64 * 1024 * 1024;

interface Entry {
  readonly event: RunEvent;
  /** Of a done try. */
  readonly rows?: RowsPiece;
}

interface CommitterParts {
  readonly ledger: LedgerPort;
  readonly spool: SpoolPort;
  readonly clock: Clock;
  readonly failpoint?: FailpointPort | undefined;
}

/**
 * Group commit: events queue up, rows go to the spool and are synced, then one frame of the ledger is written and
 * synced; only then are the events shown. One group at a time; the next gathers meanwhile.
 */
export class Committer {
  private queue: Entry[] = [];
  /** Begin marks of what has not ended. */
  private begun = new Map<MiniBatchIndex, TryBegun>();
  private waiters: (() => void)[] = [];
  private running = false;
  private hurry: (() => void) | undefined;
  private failed: unknown;
  private closing = false;
  private pendingBytes = 0;
  /** Part files of outcomes that are accepted and not yet committed. */
  private readonly needed = new Set<string>();
  private pressed = false;
  private waiting = false;
  private readonly patience: Patience;
  private readonly parts: CommitterParts;
  private readonly publish: (events: readonly RunEvent[]) => void;
  private readonly onFailure: (error: unknown) => void;
  private readonly onPressure: (on: boolean) => void;
  private readonly onCommitted: (workers: readonly WorkerId[]) => void;
  /** Events of the last group. */
  private lastGroup = 0;

  constructor(
    parts: CommitterParts,
    hooks: {
      publish: (events: readonly RunEvent[]) => void;
      onFailure: (error: unknown) => void;
      onPressure: (on: boolean) => void;
      /** Outcomes of these workers are durable and shown. */
      onCommitted: (workers: readonly WorkerId[]) => void;
      /** The disk is full and space is waited for; or it has come back. */
      onWaiting: (waiting: boolean) => void;
    },
  ) {
    this.patience = new Patience((waiting) => {
      this.waiting = waiting;
      hooks.onWaiting(waiting);
      this.checkPressure();
    });
    this.parts = parts;
    this.publish = hooks.publish;
    this.onFailure = hooks.onFailure;
    this.onPressure = hooks.onPressure;
    this.onCommitted = hooks.onCommitted;
  }

  add(event: RunEvent): void {
    this.enqueue({ event });
  }

  /** A done try: its rows are in the spool before the event is in the ledger. */
  addDone(event: TryFinished, rows: RowsPiece): void {
    this.pendingBytes += sizeOf(rows);
    for (const file of filesOf(rows)) this.needed.add(file);
    this.checkPressure();
    this.enqueue({ event, rows });
  }

  /** Whether a part file is still to be copied. */
  needs(part: string): boolean {
    return this.needed.has(part);
  }

  /** Other work of the run for which a full disk is waited. @param work must be repeatable as a whole after any failure */
  patiently<T>(work: () => Promise<T>): Promise<T> {
    return this.patience.run(work);
  }

  /** A full disk is not waited for any longer. */
  giveUp(): void {
    this.patience.giveUp();
  }

  /** Resolves when all that was added before is durable and shown; after a failure never mind what is lost. */
  barrier(): Promise<void> {
    if (this.failed !== undefined || (!this.running && this.queue.length === 0)) return Promise.resolve();
    return new Promise((resolve) => {
      this.waiters.push(resolve);
      this.hurry?.();
    });
  }

  /** Commits are impossible from now on; what comes is only shown. */
  get broken(): boolean {
    return this.failed !== undefined;
  }

  private enqueue(entry: Entry): void {
    if (this.closing) return;
    this.queue.push(entry);
    if (!this.running) {
      this.running = true;
      void this.loop();
    }
  }

  private async loop(): Promise<void> {
    while (this.queue.length > 0) {
      if (this.waiters.length === 0 && this.failed === undefined && this.lastGroup >= FEW) await this.gather();
      const entries = this.queue;
      const waiters = this.waiters;
      this.queue = [];
      this.waiters = [];
      this.lastGroup = entries.length;
      const events = await this.commit(entries);
      this.publish(events);
      const workers: WorkerId[] = [];
      for (const event of events) if (event.type === 'try-finished') workers.push(event.worker);
      if (workers.length > 0 && this.failed === undefined) this.onCommitted(workers);
      for (const wake of waiters) wake();
    }
    this.running = false;
    for (const wake of this.waiters.splice(0)) wake();
  }

  private gather(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, GROUP_MS);
      this.hurry = () => {
        clearTimeout(timer);
        this.hurry = undefined;
        resolve();
      };
    });
  }

  /** @returns the events to show; those that could not be made durable are shown too, after `onFailure`. */
  private async commit(entries: readonly Entry[]): Promise<RunEvent[]> {
    if (this.failed !== undefined) return entries.filter((e) => e.rows === undefined).map((e) => e.event);
    const { ledger, spool, failpoint } = this.parts;
    try {
      const pieces: RowsPiece[] = [];
      for (const { rows } of entries) if (rows) pieces.push(rows);
      if (failpoint && pieces.length > 0) await failpoint('result-taken');
      const extents = pieces.length > 0 ? await this.patience.run(() => spool.write(pieces)) : [];
      if (failpoint && pieces.length > 0) await failpoint('rows-durable');
      const events = withExtents(entries, extents);
      const durable = this.durable(events);
      await this.patience.run(() => ledger.commit(durable));
      if (failpoint && pieces.length > 0) await failpoint('committed');
      for (const piece of pieces) {
        for (const file of filesOf(piece)) await this.release(file);
        this.pendingBytes -= sizeOf(piece);
      }
      this.checkPressure();
      return events;
    } catch (error) {
      this.failed = error;
      this.onFailure(error);
      return entries.filter((e) => e.rows === undefined).map((e) => e.event);
    }
  }

  private async release(part: string): Promise<void> {
    await this.parts.spool.releasePart(part);
    this.needed.delete(part);
  }

  /** What of the events goes to the ledger: all but the begin marks of short tries. */
  private durable(events: readonly RunEvent[]): RunEvent[] {
    const durable: RunEvent[] = [];
    for (const event of events) {
      if (event.type === 'try-begun') {
        // in the order of their begin, also where one begins anew
        this.begun.delete(event.index);
        this.begun.set(event.index, event);
      } else {
        if (event.type === 'try-finished' && this.begun.get(event.index)?.dispatch === event.dispatch)
          this.begun.delete(event.index);
        durable.push(event);
      }
    }
    const old = this.parts.clock.now() - NOTE_BEGUN_AFTER_MS;
    for (const [key, event] of this.begun) {
      if (event.at > old) break;
      this.begun.delete(key);
      durable.push(event);
    }
    return durable;
  }

  /** To be called now and then, so that long tries are noted although nothing else happens. */
  tick(): void {
    if (this.running || this.failed !== undefined || this.begun.size === 0) return;
    const first = this.begun.values().next().value;
    if (!first || first.at > this.parts.clock.now() - NOTE_BEGUN_AFTER_MS) return;
    this.running = true;
    void this.commitBegun();
  }

  private async commitBegun(): Promise<void> {
    await this.commit([]);
    await this.loop();
  }

  private checkPressure(): void {
    const limit = this.pressed ? UNCOMMITTED_BYTES_MAX / 2 : UNCOMMITTED_BYTES_MAX;
    const on = this.waiting || this.pendingBytes > limit;
    if (on === this.pressed) return;
    this.pressed = on;
    this.onPressure(on);
  }

  async close(): Promise<void> {
    await this.barrier();
    this.closing = true;
  }
}

/** Done tries with the place of their rows. */
function withExtents(entries: readonly Entry[], extents: readonly SpoolExtent[]): RunEvent[] {
  let next = 0;
  return entries.map(({ event, rows }) => {
    if (!rows || event.type !== 'try-finished') return event;
    const extent = extents[next++];
    // The event is ours alone until it is published.
    return extent ? Object.assign(event, { rows: extent }) : event;
  });
}

function sizeOf(piece: RowsPiece): number {
  if ('pieces' in piece) return piece.pieces.reduce((sum, one) => sum + sizeOf(one), 0);
  return 'bytes' in piece ? piece.bytes.length : piece.length;
}

function filesOf(piece: RowsPiece): string[] {
  if ('pieces' in piece) return piece.pieces.flatMap(filesOf);
  return 'part' in piece ? [piece.part] : [];
}
