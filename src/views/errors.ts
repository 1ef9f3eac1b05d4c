/** Failures grouped by signature: two thousand failures are three errors. */
import type { TryFinished, WorkerStartFailed } from '../domain/event.ts';
import type { StackFrame, StatusWord } from '../domain/failure.ts';
import { splitWorkerId, type EpochMs, type MiniBatchIndex, type TryNumber, type WorkerId } from '../domain/ids.ts';
import { signatureOf } from '../domain/signature.ts';
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
  /** Failed tries, or failed starts of workers. */
  readonly tries: number;
  /** Distinct mini-batches that had this error in at least one try. */
  readonly miniBatches: number;
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
  /** The first try that ended a mini-batch for good with this error, else the first try of all. */
  readonly example: ErrorExample;
}

type Group = { -readonly [K in keyof ErrorGroup]: ErrorGroup[K] };
interface GroupState {
  readonly group: Group;
  readonly nodes: Set<string>;
  readonly indexes: MiniBatchIndex[];
  exampleIsFinal: boolean;
  snapshot: ErrorGroup | undefined;
}

export class ErrorGroupsFold {
  private readonly bySignature = new Map<string, GroupState>();
  /** Mini-batches that failed a try and are not settled, with the errors they had. */
  private readonly open = new Map<MiniBatchIndex, readonly GroupState[]>();
  private sorted: readonly ErrorGroup[] | undefined = [];

  /** A try that was not done. Cancelled ones are nobody's error. */
  tryFailed(event: TryFinished): void {
    const { failure, index } = event;
    if (failure === undefined || failure.kind === 'canceled') return;
    const final = event.settles === 'failed';
    const state = this.count(failure, event.status, event, final, () => ({
      index,
      try: event.try,
      items: event.items,
      at: event.at,
      worker: event.worker,
      pid: event.pid,
      ...(event.detail === undefined ? {} : { detail: event.detail }),
      failure,
    }));
    const had = this.open.get(index) ?? [];
    if (had.includes(state)) return;
    state.group.miniBatches += 1;
    if (state.indexes.length < INDEXES_MAX) state.indexes.push(index);
    if (had.length > 0 || this.open.size < OPEN_MINI_BATCHES_MAX) this.open.set(index, [...had, state]);
    else if (final) state.group.failedForGood += 1;
  }

  /** A mini-batch is done or failed for good. */
  settled(event: TryFinished): void {
    const had = this.open.get(event.index);
    if (had === undefined) return;
    this.open.delete(event.index);
    for (const state of had) {
      if (event.settles === 'done') state.group.madeGood += 1;
      else state.group.failedForGood += 1;
      this.changed(state);
    }
  }

  /** A worker that didn't become ready. */
  startFailed(event: WorkerStartFailed): void {
    const { failure, at, worker, pid } = event;
    this.count(failure, startStatusWord(failure), event, false, () => ({ at, worker, pid, failure }));
  }

  private count(
    failure: Failure,
    status: StatusWord,
    event: TryFinished | WorkerStartFailed,
    final: boolean,
    example: () => ErrorExample,
  ): GroupState {
    let state = this.find(signatureOf(failure));
    if (state === undefined) state = this.create(failure, status, final, example());
    else if (final && !state.exampleIsFinal && state.group.kind !== 'other') {
      state.exampleIsFinal = true;
      state.group.status = status;
      state.group.title = failureTitle(failure);
      const where = frameOf(failure);
      if (where === undefined) delete state.group.where;
      else state.group.where = where;
      state.group.example = this.bounded(example());
    }
    state.group.tries += 1;
    state.group.lastAt = event.at;
    const { node } = splitWorkerId(event.worker);
    if (state.nodes.size < NODES_MAX) state.nodes.add(node);
    this.changed(state);
    return state;
  }

  private find(signature: string): GroupState | undefined {
    const known = this.bySignature.get(signature);
    if (known !== undefined || this.bySignature.size < GROUPS_MAX) return known;
    return this.bySignature.get(OTHER_SIGNATURE);
  }

  private create(failure: Failure, status: StatusWord, final: boolean, example: ErrorExample): GroupState {
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
      madeGood: 0,
      failedForGood: 0,
      firstAt: example.at,
      lastAt: example.at,
      nodes: [],
      indexes,
      example: this.bounded(example),
    };
    const state: GroupState = { group, nodes, indexes, exampleIsFinal: final, snapshot: undefined };
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
        state.snapshot ??= { ...state.group, nodes: [...state.nodes], indexes: [...state.indexes] };
        return state.snapshot;
      })
      .sort((a, b) => b.miniBatches - a.miniBatches || b.tries - a.tries || a.firstAt - b.firstAt);
    return this.sorted;
  }
}
