/** What must hold at the end: rows, extents and counts against the ledger. */
import { ExtentTable } from '../../src/output/extents.ts';
import type { RunEvent, TryFinished } from '../../src/domain/event.ts';
import { crc32 } from '../../src/domain/crc32.ts';
import { Tries } from './reference.ts';
import { readRows } from './rows.ts';
import type { Row } from './rows.ts';
import { holds } from './violation.ts';
import type { World } from './world.ts';

const FAULTS_OF_OTHERS: readonly string[] = ['node-lost', 'canceled'];

/** A mini-batch with rows, and the hand-outs that they may come from. */
interface Source {
  readonly event: TryFinished;
  readonly dispatches: ReadonlySet<number>;
}

/** Ends of mini-batches by the ledger; each has one, and used up its tries itself. */
class Fold {
  readonly sources = new Map<number, Source>();
  readonly ended = new Set<number>();
  failedItems = 0;
  private readonly failed = new Map<number, TryFinished>();
  private readonly tries = new Map<number, Tries>();
  /** Hand-outs of good parts, in the present life. */
  private readonly parts = new Map<number, Set<number>>();
  private spoolEnd = 0;
  private readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  apply(event: RunEvent): void {
    if (event.type === 'run-resumed') this.resumed(event.retried);
    if (event.type === 'try-finished') this.finished(event);
  }

  private resumed(retried: readonly { readonly index: number }[]): void {
    for (const { index } of retried) {
      const event = this.failed.get(index);
      holds(event !== undefined, 'tried again', () => `${index} had not failed`);
      this.failedItems -= event?.failed ?? 0;
      this.failed.delete(index);
      this.sources.delete(index);
      this.ended.delete(index);
      this.tries.delete(index);
    }
    this.parts.clear();
    for (const tries of this.tries.values()) tries.clamp(this.world.config.core.maxTries);
  }

  private finished(event: TryFinished): void {
    const { index, settles, failure, items, part } = event;
    const { core, items: all } = this.world.config;
    holds(!this.ended.has(index), 'final', () => `${index} has an end already`);
    holds(items === all[index], 'items', () => `${index} has ${items}`);
    if (settles === 'requeue') return;
    const tries = this.tries.get(index) ?? new Tries();
    this.tries.set(index, tries);
    const number = part ? Math.max(1, tries.fails) : tries.fails + 1;
    holds(event.try === number, 'tries', () => `try ${event.try} of ${index} is its ${number}th`);
    holds(event.try <= core.maxTries, 'tries', () => `${index} has had ${event.try}`);
    const good = failure === undefined;
    if (part && good) this.partsOf(index).add(event.dispatch);
    if (!part && failure) {
      holds(!FAULTS_OF_OTHERS.includes(failure.kind), 'tries', () => `${index} lost a try`);
      const last = tries.use(failure, core.maxTries);
      const goesOn = settles === 'retry';
      holds(last !== goesOn, 'tries', () => `${index} came to ${settles} at try ${event.try}`);
    }
    if (settles === 'done' || settles === 'partial' || settles === 'failed') this.end(event);
  }

  private end(event: TryFinished): void {
    const { index, settles, rows, succeeded, failed, items } = event;
    holds(succeeded + failed === items, 'sums', () => `${index}: ${succeeded} and ${failed} of ${items}`);
    this.ended.add(index);
    this.failedItems += failed;
    if (settles !== 'done') this.failed.set(index, event);
    if (settles === 'failed') return;
    const dispatches = event.part ? this.partsOf(index) : new Set([event.dispatch]);
    this.sources.set(index, { event, dispatches });
    if (!rows) return;
    holds(rows.offset === this.spoolEnd, 'extents', () => `${index} lies at ${rows.offset}, not ${this.spoolEnd}`);
    this.spoolEnd = rows.offset + rows.bytes;
  }

  private partsOf(index: number): Set<number> {
    let parts = this.parts.get(index);
    if (!parts) this.parts.set(index, (parts = new Set()));
    return parts;
  }
}

/** The result: rows of exactly the good items, in order, each once, each hand-out's whole. */
export function checkAssembled(world: World, events: readonly RunEvent[], whole: boolean): void {
  const fold = new Fold(world);
  for (const event of events) fold.apply(event);
  const { items, core, short, mixes } = world.config;
  if (whole) {
    holds(fold.ended.size === items.length, 'all have an end', () => `${fold.ended.size} of ${items.length}`);
    const { errorThreshold } = core.thresholds;
    holds(
      errorThreshold < 0 || fold.failedItems <= errorThreshold,
      'threshold',
      () => `${fold.failedItems} items failed`,
    );
    for (const [index, { event }] of fold.sources)
      if (!event.part && !mixes)
        holds(event.failed >= (short[index] ?? 0), 'shortfall', () => `${index} lacks ${event.failed} rows`);
  }
  if (!core.needsRows) return;
  const table = new ExtentTable();
  for (const { event } of fold.sources.values()) if (event.rows) table.set(event.index, event.rows);
  const pieces: Buffer[] = [];
  for (const { index, offset, bytes, crc32: sum } of table.inOrder()) {
    const piece = world.spool.cache.bytes.subarray(offset, Math.min(offset + bytes, world.spool.cache.size));
    holds(crc32(piece) === sum, 'rows', () => `those of ${index} are not what was committed`);
    pieces.push(piece);
  }
  checkRows(readRows(Buffer.concat(pieces)), fold.sources);
}

function checkRows(rows: readonly Row[], sources: ReadonlyMap<number, Source>): void {
  const counts = new Map<number, number>();
  let last: Row = { index: -1, dispatch: 0, row: 0 };
  for (const row of rows) {
    const source = sources.get(row.index);
    holds(row.index >= last.index, 'rows', () => `${row.index} stands behind ${last.index}`);
    if (row.index === last.index)
      holds(row.row > last.row, 'rows', () => `${row.index} goes from row ${last.row} to ${row.row}`);
    holds(
      source?.dispatches.has(row.dispatch) ?? false,
      'rows',
      () => `${row.index} has a row of dispatch ${row.dispatch}`,
    );
    const dead = source?.event.dead?.some(({ from, to }) => row.row - 1 >= from && row.row - 1 < to) ?? false;
    holds(!dead, 'rows', () => `${row.index} has a row of dead item ${row.row - 1}`);
    counts.set(row.index, (counts.get(row.index) ?? 0) + 1);
    last = row;
  }
  for (const [index, { event }] of sources) {
    const count = counts.get(index) ?? 0;
    holds(count === (event.rows?.rows ?? 0), 'rows', () => `${index} has ${count} of ${event.rows?.rows}`);
  }
}

/** When the last verdict stands. */
export function checkEnd(world: World, events: readonly RunEvent[]): void {
  const { verdict } = world;
  checkAssembled(world, events, verdict?.state === 'Completed');
  if (verdict?.state !== 'Completed') return;
  for (const index of world.stored.done) holds(world.stored.sent.has(index), 'rows', () => `${index} was never sent`);
  holds(world.parts.size <= 0, 'part files', () => `${world.parts.size} are left`);
}
