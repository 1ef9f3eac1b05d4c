/**
 * Narrowing a failed mini-batch down to its culprits: which of its items are handed out next, one part at a time, and
 * when that has come to its end. Pure; knows nothing of workers and tries.
 *
 * A range that failed is split in halves, which are then run one after the other, larger ranges before smaller ones.
 * Where all parts of a failed range but the last are good, the last one must hold the culprit: it is split without being
 * run. A single item is always run, and once more where its worker was killed by who knows whom. One culprit among n
 * costs at most 2 log2(n) runs that way. An item that the worker named as under way is run alone first.
 */
import { invariant } from '../domain/assert.ts';
import type { DeadItems } from '../domain/event.ts';
import type { DispatchNumber } from '../domain/ids.ts';
import type { ItemRange } from '../domain/minibatch.ts';

/** The budget of runs is that of so many culprits. */
export const CULPRITS_BUDGET = 8;
/** Fewer items than this are looked at one by one rather than given up after some of them. */
const PROBE_ABOVE_ITEMS = 8;

/** What one failed range was split into: at least one of them holds a culprit. */
interface Siblings {
  /** Not run yet. */
  open: number;
  failed: boolean;
  /** The hand-out whose failure shows it. */
  readonly cause: DispatchNumber;
}

interface Part extends ItemRange {
  readonly siblings: Siblings;
  /** A single item that was run, with a failure that may not be its own. */
  readonly again?: true;
}

export interface Isolation {
  readonly items: number;
  readonly runsMax: number;
  /** Parts that were run. */
  runs: number;
  /** The first one is handed out, or to be handed out next. */
  queue: Part[];
  /** Items of good parts. */
  succeeded: number;
  /** Rows that good parts returned. */
  returned: number;
  /** Culprits, and what was given up without being run alone. */
  readonly dead: DeadItems[];
  /** What every failure so far has in common; undefined once two differ. */
  signature: string | undefined;
  /** After so many runs all parts of the first split have had theirs: when all failed, single items are probed. */
  firstRuns: number;
  /** Single items that are probed and have no end yet. */
  probes: number;
  /** Items that workers named were the culprits so far. */
  namedRight: boolean;
}

/** A run that failed: its dispatch, what makes it the same error as another, the item that was under way. */
export interface FailedRun {
  readonly dispatch: DispatchNumber;
  readonly signature: string;
  readonly item: number | undefined;
  /** The worker was killed, and that may have had nothing to do with what it ran. */
  readonly doubtful: boolean;
}

/**
 * - `run`: `partToRun` says which part is next.
 * - `everywhere`: all parts and probes failed with the same error; the rest would too.
 * - `over`: every item has its end, the ones in `dead` and the good ones.
 */
export type Progress = 'run' | 'everywhere' | 'over';

/** @param items of the mini-batch, at least 2 @param tries each culprit may cost, above its 2 log2(n) runs */
export function beginIsolation(items: number, whole: FailedRun, tries: number): Isolation {
  invariant(items > 1, 'one item needs no narrowing down');
  const isolation: Isolation = {
    items,
    runsMax: CULPRITS_BUDGET * (2 * Math.ceil(Math.log2(items)) + tries),
    runs: 0,
    queue: [],
    succeeded: 0,
    returned: 0,
    dead: [],
    signature: whole.signature,
    firstRuns: cut({ from: 0, to: items }, whole.item).length,
    probes: 0,
    namedRight: true,
  };
  split(isolation, { from: 0, to: items }, whole.dispatch, whole.item);
  return isolation;
}

/** The part that is handed out, or the next to be. */
export function partToRun(isolation: Isolation): ItemRange {
  const [part] = isolation.queue;
  invariant(part, 'nothing is left to run');
  return { from: part.from, to: part.to };
}

/** The part was good. */
export function partSucceeded(isolation: Isolation, returned: number): Progress {
  const part = take(isolation);
  isolation.succeeded += part.to - part.from;
  isolation.returned += returned;
  isolation.probes = 0;
  // A named item comes first of its siblings; one by chance alone in its part costs no more than a name.
  if (sizeOf(part) === 1 && part.siblings.open > 0) isolation.namedRight = false;
  return progress(isolation);
}

/** The part failed. */
export function partFailed(isolation: Isolation, run: FailedRun): Progress {
  const part = take(isolation);
  const again = run.doubtful && sizeOf(part) === 1 && !part.again && isolation.runs < isolation.runsMax;
  if (again) {
    isolation.firstRuns += 1;
    part.siblings.open += 1;
    isolation.queue.unshift({ ...part, again });
    return progress(isolation);
  }
  part.siblings.failed = true;
  if (isolation.signature !== run.signature) isolation.signature = undefined;
  if (sizeOf(part) === 1) {
    isolation.dead.push({ from: part.from, to: part.to, dispatch: run.dispatch });
    if (isolation.probes > 0 && --isolation.probes === 0 && isolation.signature !== undefined) return 'everywhere';
  } else {
    const named = isolation.namedRight && run.item !== undefined && within(part, run.item) ? run.item : undefined;
    split(isolation, part, run.dispatch, named);
  }
  if (isolation.runs === isolation.firstRuns) probe(isolation);
  return progress(isolation);
}

/** What has no end yet is given up, with the failure of the range it is part of as its cause. */
export function giveUp(isolation: Isolation): void {
  for (const { from, to, siblings } of isolation.queue) isolation.dead.push({ from, to, dispatch: siblings.cause });
  isolation.queue = [];
}

/** Items in `dead`. */
export function deadItems(isolation: Isolation): number {
  return isolation.dead.reduce((sum, range) => sum + sizeOf(range), 0);
}

function progress(isolation: Isolation): Progress {
  deduce(isolation);
  if (isolation.runs >= isolation.runsMax) giveUp(isolation);
  if (isolation.queue.length > 0) return 'run';
  isolation.dead.sort((a, b) => a.from - b.from);
  return 'over';
}

/** Where only one of several can be the culprit's, it is split without being run. */
function deduce(isolation: Isolation): void {
  for (;;) {
    const [part] = isolation.queue;
    if (!part || sizeOf(part) === 1 || part.siblings.open > 1 || part.siblings.failed) return;
    isolation.queue.shift();
    split(isolation, part, part.siblings.cause, undefined);
  }
}

function take(isolation: Isolation): Part {
  const part = isolation.queue.shift();
  invariant(part, 'a part ended that was not handed out');
  part.siblings.open -= 1;
  isolation.runs += 1;
  return part;
}

function split(isolation: Isolation, range: ItemRange, cause: DispatchNumber, named: number | undefined): void {
  const parts = cut(range, named);
  const siblings: Siblings = { open: parts.length, failed: false, cause };
  isolation.queue.push(...parts.map((part) => ({ ...part, siblings })));
}

function cut({ from, to }: ItemRange, named: number | undefined): ItemRange[] {
  const middle = from + Math.floor((to - from) / 2);
  const parts =
    named === undefined || !within({ from, to }, named)
      ? [
          { from, to: middle },
          { from: middle, to },
        ]
      : [
          { from: named, to: named + 1 },
          { from, to: named },
          { from: named + 1, to },
        ];
  return parts.filter((part) => sizeOf(part) > 0);
}

/**
 * Nothing has been good so far: three single items show whether anything ever is, at the cost of three runs that are
 * needed anyway where something is.
 */
function probe(isolation: Isolation): void {
  const left = isolation.queue.reduce((sum, part) => sum + sizeOf(part), 0);
  if (isolation.succeeded > 0 || isolation.signature === undefined || left <= PROBE_ABOVE_ITEMS) return;
  const ranges = [...isolation.queue].sort((a, b) => a.from - b.from);
  const first = ranges[0]?.from ?? 0;
  const last = (ranges.at(-1)?.to ?? 1) - 1;
  const middle = ranges[Math.floor(ranges.length / 2)]?.from ?? first;
  const wanted = [...new Set([first, middle, last])];
  const singles: Part[] = [];
  const rest: Part[] = [];
  for (const part of isolation.queue) {
    const pieces = wanted.reduce<ItemRange[]>(
      (ranges, item) => ranges.flatMap((range) => (within(range, item) ? cut(range, item) : [range])),
      [part],
    );
    part.siblings.open += pieces.length - 1;
    for (const { from, to } of pieces) {
      (to - from === 1 && wanted.includes(from) ? singles : rest).push({ from, to, siblings: part.siblings });
    }
  }
  isolation.queue = [...singles, ...rest];
  isolation.probes = singles.length;
}

const sizeOf = ({ from, to }: ItemRange): number => to - from;
const within = ({ from, to }: ItemRange, item: number): boolean => item >= from && item < to;
