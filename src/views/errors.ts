/** Failures grouped by signature: two thousand failures are three errors. */
import type { TryFinished, WorkerStartFailed } from '../domain/event.ts';
import type { StackFrame, StatusWord } from '../domain/failure.ts';
import { splitWorkerId, type EpochMs, type MiniBatchIndex, type TryNumber, type WorkerId } from '../domain/ids.ts';
import { signatureOf } from '../domain/signature.ts';
import type { DeadCause } from './failedparts.ts';
import { frameOf, type Failure } from './frame.ts';
import { failureTitle } from './text/failure.ts';
import { startStatusWord } from './text/words.ts';

/** Kinds of error told apart; what comes after them is counted in one group. */
export const GROUPS_MAX = 1000;
export const OTHER_SIGNATURE = 'other';
const NODES_MAX = 100;
const INDEXES_MAX = 20;
/** Examples of the first groups keep their traceback whole (the host cuts at 64 KiB), later ones this much. */
const WHOLE_EXAMPLES_MAX = 50;
const LATER_TRACEBACK_CHARS = 4096;
/** Failing mini-batches of which is known which errors they had; beyond it `miniBatches` may count one twice. */
const OPEN_MINI_BATCHES_MAX = 200_000;
/** Failed mini-batches of which is known which errors they had, so that these are taken back when it is opened again. */
const FAILED_MINI_BATCHES_MAX = 50_000;
const DEAD_ITEMS_MAX = 20;

export interface ErrorExample {
  /** Absent where the worker failed before its first mini-batch. */
  readonly index?: MiniBatchIndex;
  readonly try?: TryNumber;
  readonly items?: number;
  readonly at: EpochMs;
  readonly worker: WorkerId;
  readonly pid: number;
  /** First item and how many more. */
  readonly detail?: string;
  /** Position in the mini-batch of the item whose failure this is: it is a dead letter. */
  readonly item?: number;
  readonly peakMemoryBytes?: number;
  readonly lastLines?: readonly string[];
  readonly failure: Failure;
}

export interface ErrorGroup {
  readonly signature: string;
  /** One line, safe to print. */
  readonly title: string;
  readonly status: StatusWord;
  readonly kind: Failure['kind'] | 'other';
  /** The script's own innermost frame, or where there is none the innermost of all. */
  readonly where?: StackFrame;
  /** Failed tries, or failed starts of workers. Parts of a mini-batch that was narrowed down are no tries. */
  readonly tries: number;
  /** Distinct mini-batches that had this error in at least one try, or that have an item that is dead for it. */
  readonly miniBatches: number;
  /** Items that were given up with this error as their cause. */
  readonly deadLetters: number;
  /** The first 20 of them: mini-batch and position in it. */
  readonly deadItems: readonly { readonly index: MiniBatchIndex; readonly item: number }[];
  /** Of these: done by a later try. */
  readonly madeGood: number;
  /** Of these: failed for good, whatever the error of their last try. */
  readonly failedForGood: number;
  readonly firstAt: EpochMs;
  readonly lastAt: EpochMs;
  /** Addresses, the first 100. */
  readonly nodes: readonly string[];
  /** The first 20 mini-batches. */
  readonly indexes: readonly MiniBatchIndex[];
  /** The first dead letter, else the first try that ended a mini-batch for good with this error, else the first try. */
  readonly example: ErrorExample;
}

type Group = { -readonly [K in keyof ErrorGroup]: ErrorGroup[K] };
/** What an example shows: just a try, the end of a mini-batch, or the item itself. */
const RANK = { try: 0, final: 1, item: 2 } as const;

interface GroupState {
  readonly group: Group;
  readonly nodes: Set<string>;
  readonly indexes: MiniBatchIndex[];
  readonly deadItems: { readonly index: MiniBatchIndex; readonly item: number }[];
  exampleRank: number;
  snapshot: ErrorGroup | undefined;
}

/** The errors of a mini-batch that failed. */
interface Had {
  readonly states: readonly GroupState[];
  readonly dead: readonly { readonly state: GroupState; readonly items: number }[];
}

export class ErrorGroupsFold {
  private readonly bySignature = new Map<string, GroupState>();
  /** Mini-batches that failed a try and are not settled, with the errors they had. */
  private readonly open = new Map<MiniBatchIndex, readonly GroupState[]>();
  private readonly failed = new Map<MiniBatchIndex, Had>();
  private sorted: readonly ErrorGroup[] | undefined = [];

  /** A try that was not done. Cancelled ones are nobody's error. */
  tryFailed(event: TryFinished): void {
    const { failure, index } = event;
    if (failure === undefined || failure.kind === 'canceled') return;
    const final = event.settles === 'failed';
    const state = this.find(failure, event.status, event, final ? RANK.final : RANK.try, () => exampleOf(event));
    state.group.tries += 1;
    const had = this.open.get(index) ?? [];
    if (had.includes(state)) return;
    this.hit(state, index);
    if (had.length > 0 || this.open.size < OPEN_MINI_BATCHES_MAX) this.open.set(index, [...had, state]);
    else if (final) state.group.failedForGood += 1;
  }

  /** A mini-batch is done, partial or failed for good. @param causes of its dead items */
  settled(event: TryFinished, causes: readonly DeadCause[]): void {
    const { index } = event;
    if (causes.length === 0 && !this.open.has(index)) return;
    const states = [...(this.open.get(index) ?? [])];
    const dead = causes.flatMap((cause) => {
      const state = this.dead(event, cause);
      if (state === undefined) return [];
      if (!states.includes(state)) {
        states.push(state);
        this.hit(state, index);
      }
      return [{ state, items: cause.to - cause.from }];
    });
    this.open.delete(index);
    for (const state of states) {
      if (event.settles === 'done') state.group.madeGood += 1;
      else state.group.failedForGood += 1;
      this.changed(state);
    }
    if (event.settles !== 'done' && this.failed.size < FAILED_MINI_BATCHES_MAX)
      this.failed.set(index, { states, dead });
  }

  /** A settled mini-batch is open again: what it was failed for is open too. */
  reopened(index: MiniBatchIndex): void {
    const had = this.failed.get(index);
    if (had === undefined) return;
    this.failed.delete(index);
    this.open.set(index, had.states);
    for (const state of had.states) {
      state.group.failedForGood -= 1;
      this.changed(state);
    }
    for (const { state, items } of had.dead) {
      state.group.deadLetters -= items;
      const others = state.deadItems.filter((item) => item.index !== index);
      state.deadItems.splice(0, state.deadItems.length, ...others);
    }
  }

  /** A worker that didn't become ready. */
  startFailed(event: WorkerStartFailed): void {
    const { failure, at, worker, pid } = event;
    const example = (): ErrorExample => ({ at, worker, pid, failure });
    this.find(failure, startStatusWord(failure), event, RANK.try, example).group.tries += 1;
  }

  /** Items are dead: they belong to the error that is the cause. */
  private dead({ index, items }: TryFinished, { from, to, by, narrowed }: DeadCause): GroupState | undefined {
    if (by?.failure === undefined) return undefined;
    const example = (): ErrorExample => ({
      ...exampleOf(by),
      // In a mini-batch of one item there is nothing to tell apart.
      ...(narrowed && items > 1 ? { item: from } : {}),
    });
    const state = this.find(by.failure, by.status, by, narrowed ? RANK.item : RANK.final, example);
    state.group.deadLetters += to - from;
    for (let item = from; item < to && state.deadItems.length < DEAD_ITEMS_MAX; item++) {
      state.deadItems.push({ index, item });
    }
    return state;
  }

  private hit(state: GroupState, index: MiniBatchIndex): void {
    state.group.miniBatches += 1;
    if (state.indexes.length < INDEXES_MAX) state.indexes.push(index);
  }

  /** The group of a failure, made where there is none; its example is replaced by one that shows more. */
  private find(
    failure: Failure,
    status: StatusWord,
    event: TryFinished | WorkerStartFailed,
    rank: number,
    example: () => ErrorExample,
  ): GroupState {
    let state = this.known(signatureOf(failure));
    if (state === undefined) state = this.create(failure, status, rank, example());
    else if (rank > state.exampleRank && state.group.kind !== 'other') {
      state.exampleRank = rank;
      state.group.status = status;
      state.group.title = failureTitle(failure);
      const where = frameOf(failure);
      if (where === undefined) delete state.group.where;
      else state.group.where = where;
      state.group.example = this.bounded(example());
    }
    if (event.at > state.group.lastAt) state.group.lastAt = event.at;
    const { node } = splitWorkerId(event.worker);
    if (state.nodes.size < NODES_MAX) state.nodes.add(node);
    this.changed(state);
    return state;
  }

  private known(signature: string): GroupState | undefined {
    const known = this.bySignature.get(signature);
    if (known !== undefined || this.bySignature.size < GROUPS_MAX) return known;
    return this.bySignature.get(OTHER_SIGNATURE);
  }

  private create(failure: Failure, status: StatusWord, rank: number, example: ErrorExample): GroupState {
    const other = this.bySignature.size >= GROUPS_MAX;
    const signature = other ? OTHER_SIGNATURE : signatureOf(failure);
    const where = frameOf(failure);
    const [nodes, indexes] = [new Set<string>(), [] as MiniBatchIndex[]];
    const group: Group = {
      signature,
      title: other ? `other errors, beyond ${GROUPS_MAX} different ones` : failureTitle(failure),
      status,
      kind: other ? 'other' : failure.kind,
      ...(where === undefined || other ? {} : { where }),
      tries: 0,
      miniBatches: 0,
      deadLetters: 0,
      deadItems: [],
      madeGood: 0,
      failedForGood: 0,
      firstAt: example.at,
      lastAt: example.at,
      nodes: [],
      indexes,
      example: this.bounded(example),
    };
    const state: GroupState = { group, nodes, indexes, deadItems: [], exampleRank: rank, snapshot: undefined };
    this.bySignature.set(signature, state);
    return state;
  }

  private bounded(example: ErrorExample): ErrorExample {
    const { failure } = example;
    if (this.bySignature.size < WHOLE_EXAMPLES_MAX) return example;
    if ('traceback' in failure && failure.traceback.length > LATER_TRACEBACK_CHARS) {
      const traceback = `... ${failure.traceback.slice(-LATER_TRACEBACK_CHARS)}`;
      return { ...example, failure: { ...failure, traceback, frames: failure.frames.slice(-20) } };
    }
    return example;
  }

  private changed(state: GroupState): void {
    state.snapshot = undefined;
    this.sorted = undefined;
  }

  /** Most mini-batches first, then most tries, then the earliest. Unchanged groups are the same objects as before. */
  groups(): readonly ErrorGroup[] {
    this.sorted ??= [...this.bySignature.values()]
      .map((state) => {
        state.snapshot ??= {
          ...state.group,
          nodes: [...state.nodes],
          indexes: [...state.indexes],
          deadItems: [...state.deadItems],
        };
        return state.snapshot;
      })
      .sort((a, b) => b.miniBatches - a.miniBatches || b.tries - a.tries || a.firstAt - b.firstAt);
    return this.sorted;
  }
}

function exampleOf(event: TryFinished): ErrorExample {
  const { index, items, at, worker, pid, detail, peakMemoryBytes, lastLines, failure } = event;
  return {
    index,
    try: event.try,
    items,
    at,
    worker,
    pid,
    ...(detail === undefined ? {} : { detail }),
    ...(peakMemoryBytes === undefined ? {} : { peakMemoryBytes }),
    ...(lastLines === undefined ? {} : { lastLines }),
    failure: failure ?? { kind: 'canceled' },
  };
}
