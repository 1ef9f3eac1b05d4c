/** `verify`: recomputes from result, ledger and list of mini-batches what became of every input item. */
import { DatasetError, openManifest } from '../dataset/index.ts';
import { miniBatchIndex } from '../domain/ids.ts';
import type { Plan } from '../domain/plan.ts';
import { ParallelRunError } from '../domain/problem.ts';
import type { Problem } from '../domain/problem.ts';
import { lockHolder } from '../environment/lock.ts';
import { LedgerFormatError, LedgerReader } from '../ledger/index.ts';
import { csvHeader, firstDifference, inspectResult } from '../output/index.ts';
import { CompletenessFold } from '../views/completeness.ts';
import type { AccountedMiniBatch, DeadAccount, ExpectedExtent } from '../views/completeness.ts';
import { damaged, notBegun } from './damage.ts';
import { ItemNames } from './itemnames.ts';
import { openRun } from './stored.ts';
import type { StoredRun } from './stored.ts';
import { checkDeadLetters } from './verify-deadletters.ts';
import { checkParquet } from './verify-parquet.ts';
import * as differ from './verify-problems.ts';

export interface Verification {
  readonly runId: string;
  /** `Interrupted`: it has not ended, and no process works on it. */
  readonly state: 'Completed' | 'Failed' | 'Canceled' | 'Interrupted';
  /** True where everything fits together; `differences` is empty then. */
  readonly ok: boolean;
  /** `total` is a lower bound while `complete` is false: the input was not listed to its end. */
  readonly items: {
    readonly total: number;
    readonly complete: boolean;
    readonly succeeded: number;
    readonly failed: number;
    /** Of the failed ones: each stands in `dead_letters.jsonl` with its cause. */
    readonly deadLetters: number;
    readonly pending: number;
  };
  /** Rows of tables that a setting leaves out: they are no items. */
  readonly leftOut: {
    readonly rows: number;
    readonly files: number;
    /** The first ten of the files. */
    readonly first: readonly { readonly path: string; readonly rows: number; readonly reason: string }[];
  };
  /** Items of a short return have no row; their mini-batch is done. */
  readonly shortItems: number;
  readonly miniBatches: {
    readonly total: number;
    readonly done: number;
    /** Some items have their rows, the others are dead letters. */
    readonly partial: number;
    readonly failed: number;
    /** Of the failed ones: every item is a dead letter. */
    readonly allDead: number;
    readonly pending: number;
  };
  readonly rows: number;
  /** What the rows were read from; absent where the run writes none or has none yet. */
  readonly checked?: {
    readonly what: 'result' | 'partial result' | 'spool';
    readonly path: string;
    readonly bytes: number;
    /** Of the CSV header, in front of row 1. */
    readonly headerBytes: number;
  };
  readonly differences: readonly Problem[];
  /** Every mini-batch in order, with its rows or its reason. */
  readonly accounts: () => Iterable<MiniBatchAccount>;
}

/** Dead items of a mini-batch, with the name of the first of them. */
export interface NamedDeadAccount extends DeadAccount {
  readonly item?: string;
}
export interface MiniBatchAccount extends AccountedMiniBatch {
  readonly dead?: readonly NamedDeadAccount[];
}

/**
 * @throws ParallelRunError: exit code 2 where there is no such run, 4 where its ledger is damaged or a process works
 *   on it
 */
export async function verify(root: string, runId: string): Promise<Verification> {
  const run = await openRun(root, runId);
  await refuseLive(run);
  const fold = await foldLedger(run);
  const differences: Problem[] = fold.contradictions.map((one) => differ.contradiction(run.layout.ledger, one));
  const manifest = checkManifest(run, fold, differences);
  const checked = await checkRows(run, fold, differences);
  await checkDeadLetters(run, fold, differences);
  const total = fold.created ?? manifest;
  const { succeededItems, failedItems } = fold;
  return {
    runId,
    state: fold.ended?.state ?? 'Interrupted',
    ok: differences.length === 0,
    items: {
      total: total.items,
      complete: fold.created !== undefined,
      succeeded: succeededItems,
      failed: failedItems,
      deadLetters: fold.dead.total,
      pending: total.items - succeededItems - failedItems,
    },
    leftOut: leftOutOf(fold),
    shortItems: fold.shortItems,
    miniBatches: {
      total: total.miniBatches,
      done: fold.done,
      partial: fold.partial,
      failed: fold.failed,
      allDead: fold.allDead,
      pending: total.miniBatches - fold.done - fold.partial - fold.failed,
    },
    rows: fold.rows,
    ...(checked && { checked }),
    differences,
    accounts: () => named(fold.miniBatches(total.miniBatches), run),
  };
}

const LEFT_OUT_SHOWN = 10;

function leftOutOf({ leftOut }: CompletenessFold): Verification['leftOut'] {
  const first = [...leftOut].slice(0, LEFT_OUT_SHOWN).map(([path, facts]) => ({ path, ...facts }));
  return { rows: [...leftOut.values()].reduce((sum, { rows }) => sum + rows, 0), files: leftOut.size, first };
}

/** Dead items with their names. */
function* named(accounts: Iterable<AccountedMiniBatch>, { layout }: StoredRun): Generator<MiniBatchAccount> {
  const names = new ItemNames(layout);
  try {
    for (const account of accounts) {
      const { dead, ...rest } = account;
      if (dead === undefined) yield rest;
      else
        yield {
          ...rest,
          dead: dead.map((range) => withName(range, names.of(miniBatchIndex(account.index), range.from))),
        };
    }
  } finally {
    names.close();
  }
}

const withName = (range: DeadAccount, item: string | undefined): NamedDeadAccount => ({
  ...range,
  ...(item !== undefined && { item }),
});

async function refuseLive({ plan, layout }: StoredRun): Promise<void> {
  const holder = await lockHolder(layout.state, 'run');
  if (holder) throw new ParallelRunError([differ.live(plan, holder.pid)], 4);
}

async function foldLedger({ plan, layout }: StoredRun): Promise<CompletenessFold> {
  const fold = new CompletenessFold();
  let begun = false;
  const reader = await LedgerReader.open(layout.ledger).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw notBegun(plan);
    throw error instanceof LedgerFormatError ? damaged(layout.ledger, error.message) : error;
  });
  try {
    for (let events = await reader.read(); events.length > 0; events = await reader.read()) {
      begun = true;
      for (const event of events) fold.apply(event);
    }
    const tail = await reader.tail();
    // A run that has ended wrote its last frame whole; behind it there is nothing.
    if (tail === 'damaged' || (tail === 'torn' && fold.ended))
      throw damaged(layout.ledger, `what follows byte ${reader.wholeBytes} is not what was written`);
  } catch (error) {
    throw error instanceof LedgerFormatError ? damaged(layout.ledger, error.message) : error;
  } finally {
    await reader.close();
  }
  if (!begun) throw notBegun(plan);
  return fold;
}

/** The list of mini-batches is whole, and says of each what the ledger says. */
function checkManifest(
  { layout }: StoredRun,
  fold: CompletenessFold,
  differences: Problem[],
): { miniBatches: number; items: number } {
  try {
    const manifest = openManifest({ manifest: layout.manifest, index: layout.manifestIndex });
    try {
      let items = 0;
      let bytes = 0;
      for (let index = 0; index < manifest.count; index++) {
        const entry = manifest.read(index);
        items += entry.items;
        bytes += entry.source.length + 1;
        const handedOut = fold.itemsOf(index);
        if (handedOut !== undefined && handedOut !== entry.items)
          differences.push(differ.itemsDiffer(layout.manifest, index, entry.items, handedOut));
        if (!isJson(entry.source)) differences.push(differ.lineDamaged(layout.manifest, index));
      }
      const here = { miniBatches: manifest.count, items };
      if (manifest.bytesBefore(manifest.count) !== bytes)
        differences.push(differ.manifestOverlaps(layout.manifest, bytes, manifest.bytesBefore(manifest.count)));
      const wanted = fold.created ?? { miniBatches: fold.settledBelow, items: 0 };
      if (
        fold.created
          ? here.miniBatches !== wanted.miniBatches || items !== wanted.items
          : here.miniBatches < wanted.miniBatches
      )
        differences.push(differ.manifestCounts(layout.manifest, here, wanted, fold.created !== undefined));
      return here;
    } finally {
      manifest.close();
    }
  } catch (error) {
    if (!(error instanceof DatasetError)) throw error;
    differences.push(differ.manifestUnreadable(error.problem));
    return { miniBatches: fold.settledBelow, items: fold.succeededItems + fold.failedItems };
  }
}

function isJson(line: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(line));
    return true;
  } catch {
    return false;
  }
}

async function checkRows(
  { plan, layout }: StoredRun,
  fold: CompletenessFold,
  differences: Problem[],
): Promise<Verification['checked']> {
  if (plan.output.action !== 'append_row') return undefined;
  if (fold.ended && (fold.ended.state === 'Completed' || fold.assembled))
    return checkResult(plan, plan.output, layout.spool, fold, differences);
  if (fold.bytes === 0) return undefined;
  // No result yet: the rows lie in the spool, and a resumed run makes its result of them.
  const inSpool = [...fold.extents(0)].sort((a, b) => a.spoolOffset - b.spoolOffset);
  const extents = inSpool.map((extent) => ({ ...extent, at: extent.spoolOffset }));
  const end = extents.reduce((max, extent) => Math.max(max, extent.at + extent.bytes), 0);
  const found = await inspectResult(layout.spool, new Uint8Array(), extents, end);
  if (found.bytes === undefined) differences.push(differ.spoolGone(layout.spool, plan));
  // Bytes behind the committed ones are those of a commit that a kill prevented.
  else if (found.bytes < end) differences.push(differ.spoolShort(layout.spool, found.bytes, end));
  else for (const bad of found.bad) differences.push(differ.spoolBad(layout.spool, bad));
  return { what: 'spool', path: layout.spool, bytes: fold.bytes, headerBytes: 0 };
}

async function checkResult(
  plan: Plan,
  output: { readonly file: string; readonly format: string },
  spool: string,
  fold: CompletenessFold,
  differences: Problem[],
): Promise<Verification['checked']> {
  const whole = fold.ended?.state === 'Completed';
  const path = whole ? output.file : `${output.file}.partial`;
  const what = whole ? 'result' : 'partial result';
  if (output.format === 'parquet')
    return { what, path, bytes: await checkParquet(plan, path, fold, differences), headerBytes: 0 };
  const header = output.format === 'csv' && fold.columns ? csvHeader(fold.columns) : new Uint8Array();
  const total = header.length + fold.bytes;
  const { assembled } = fold;
  if (assembled && (assembled.rows !== fold.rows || assembled.bytes !== total))
    differences.push(differ.sums(assembled, { rows: fold.rows, bytes: total }));
  const found = await inspectResult(path, header, fold.extents(header.length), total);
  if (found.bytes === undefined) differences.push(differ.resultGone(plan, path));
  else {
    if (found.bytes !== total) differences.push(differ.resultSize(path, found.bytes, total, found.movedFrom));
    if (!found.headerOk) differences.push(differ.headerBad(path, header.length));
    for (const bad of found.bad) {
      const exact = await exactPlace(path, spool, bad, found.bytes);
      differences.push(differ.rowsBad(path, bad, exact));
    }
    if (found.badCount > found.bad.length) differences.push(differ.more(path, found.badCount - found.bad.length));
  }
  return { what, path, bytes: total, headerBytes: header.length };
}

/** Where the spool is still there and holds what was committed, the byte at which the result departs from it. */
async function exactPlace(path: string, spool: string, bad: ExpectedExtent, size: number): Promise<number | undefined> {
  try {
    const inSpool = { ...bad, at: bad.spoolOffset };
    const kept = await inspectResult(spool, new Uint8Array(), [inSpool], bad.spoolOffset + bad.bytes);
    if (kept.badCount > 0 || kept.bytes === undefined) return undefined;
    const there = Math.max(0, Math.min(bad.bytes, size - bad.at));
    const at = await firstDifference({ path, at: bad.at }, { path: spool, at: bad.spoolOffset }, there);
    return at === undefined ? undefined : bad.at + at;
  } catch {
    return undefined;
  }
}
