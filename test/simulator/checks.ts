/** What must hold at the end: rows, extents and counts against the ledger. */
import { ExtentTable } from '../../src/output/extents.ts';
import type { RunEvent, TryFinished } from '../../src/domain/event.ts';
import { crc32 } from '../../src/domain/crc32.ts';
import { readRows } from './rows.ts';
import { holds } from './violation.ts';
import type { World } from './world.ts';

const FAULTS_OF_OTHERS: readonly string[] = ['node-lost', 'canceled'];

interface Fold {
  readonly done: Map<number, TryFinished>;
  readonly failed: Map<number, TryFinished>;
  readonly failedItems: number;
}

/** Ends of mini-batches by the ledger; each has one, and used up its tries itself. */
function fold(world: World, events: readonly RunEvent[]): Fold {
  const done = new Map<number, TryFinished>();
  const failed = new Map<number, TryFinished>();
  const fails = new Map<number, number>();
  let spoolEnd = 0;
  let failedItems = 0;
  for (const event of events) {
    if (event.type === 'run-resumed') {
      for (const { index, items } of event.retried) {
        if (failed.delete(index)) failedItems -= items;
        fails.delete(index);
      }
    }
    if (event.type !== 'try-finished') continue;
    const { index, settles, failure, items } = event;
    holds(!done.has(index) && !failed.has(index), 'final', () => `${index} has an end already`);
    holds(items === world.config.items[index], 'items', () => `${index} has ${items}`);
    if (settles === 'requeue') continue;
    const tries = (fails.get(index) ?? 0) + 1;
    holds(event.try === tries, 'tries', () => `try ${event.try} of ${index} is its ${tries}th`);
    holds(tries <= world.config.core.maxTries, 'tries', () => `${index} has had ${tries}`);
    if (settles === 'done') {
      done.set(index, event);
      failedItems += event.failed;
      if (event.rows) {
        holds(
          event.rows.offset === spoolEnd,
          'extents',
          () => `${index} lies at ${event.rows?.offset}, not ${spoolEnd}`,
        );
        spoolEnd = event.rows.offset + event.rows.bytes;
      }
      continue;
    }
    holds(failure !== undefined && !FAULTS_OF_OTHERS.includes(failure.kind), 'tries', () => `${index} lost a try`);
    fails.set(index, tries);
    if (settles === 'failed') {
      holds(tries === world.config.core.maxTries, 'tries', () => `${index} failed at try ${tries}`);
      failed.set(index, event);
      failedItems += items;
    }
  }
  return { done, failed, failedItems };
}

/** The result: rows of exactly the done ones, in order, each once, each mini-batch's from one dispatch. */
export function checkAssembled(world: World, events: readonly RunEvent[], whole: boolean): void {
  const { done, failed, failedItems } = fold(world, events);
  const { items, core, short } = world.config;
  if (whole) {
    holds(done.size + failed.size === items.length, 'all have an end', () => `${done.size} + ${failed.size}`);
    const { errorThreshold } = core.thresholds;
    holds(errorThreshold < 0 || failedItems <= errorThreshold, 'threshold', () => `${failedItems} items failed`);
    for (const [index, event] of done)
      holds(event.failed >= (short[index] ?? 0), 'shortfall', () => `${index} lacks ${event.failed} rows`);
  }
  if (!core.needsRows) return;
  const table = new ExtentTable();
  for (const { index, rows } of done.values()) if (rows) table.set(index, rows);
  const pieces: Buffer[] = [];
  for (const { index, offset, bytes, crc32: sum } of table.inOrder()) {
    const piece = world.spool.cache.bytes.subarray(offset, Math.min(offset + bytes, world.spool.cache.size));
    holds(crc32(piece) === sum, 'rows', () => `those of ${index} are not what was committed`);
    pieces.push(piece);
  }
  checkRows(Buffer.concat(pieces), done);
}

function checkRows(bytes: Buffer, done: ReadonlyMap<number, TryFinished>): void {
  const left = new Map(done);
  let last = { index: -1, dispatch: 0, row: 0 };
  for (const row of readRows(bytes)) {
    const end = done.get(row.index);
    if (row.index !== last.index) {
      holds(row.index > last.index && row.row === 1, 'rows', () => `${row.index} begins at row ${row.row}`);
      left.delete(row.index);
    } else holds(row.row === last.row + 1, 'rows', () => `${row.index} goes from row ${last.row} to ${row.row}`);
    holds(end?.dispatch === row.dispatch, 'rows', () => `${row.index} has a row of dispatch ${row.dispatch}`);
    holds(row.row <= (end?.rows?.rows ?? 0), 'rows', () => `${row.index} has row ${row.row}`);
    last = row;
  }
  const expected = [...done.values()].reduce((sum, event) => sum + (event.rows?.rows ?? 0), 0);
  holds(bytes.length === expected * 8, 'rows', () => `${bytes.length / 8} of ${expected}`);
  for (const [index, { rows }] of left) holds(rows?.rows === 0, 'rows', () => `those of ${index} are missing`);
}

/** When the last verdict stands. */
export function checkEnd(world: World, events: readonly RunEvent[]): void {
  const { verdict } = world;
  checkAssembled(world, events, verdict?.state === 'Completed');
  if (verdict?.state !== 'Completed') return;
  for (const index of world.stored.done) holds(world.stored.sent.has(index), 'rows', () => `${index} was never sent`);
  holds(world.parts.size <= 0, 'part files', () => `${world.parts.size} are left`);
}
