/** The tries of mini-batches: of one, whole; of all that failed a try, bounded. */
import { unreachable } from '../domain/assert.ts';
import type { DeadItems, RunEvent, TryFinished } from '../domain/event.ts';
import type { TryFailure } from '../domain/failure.ts';
import type { DispatchNumber, EpochMs, MiniBatchIndex, TryNumber, WorkerId } from '../domain/ids.ts';
import type { ItemRange } from '../domain/minibatch.ts';

export interface TrySummary {
  readonly try: TryNumber;
  readonly dispatch: DispatchNumber;
  /** Not a try of the mini-batch but a part of it, run to find its culprits. */
  readonly part?: ItemRange;
  readonly worker: WorkerId;
  readonly pid: number;
  readonly status: TryFinished['status'];
  readonly settles: TryFinished['settles'];
  readonly startedAt: EpochMs;
  readonly endedAt: EpochMs;
  readonly elapsedSeconds: number;
  readonly runSeconds: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly failure?: TryFailure;
  readonly printed?: TryFinished['printed'];
}

export interface MiniBatchTries {
  readonly index: MiniBatchIndex;
  readonly items: number;
  /** `describeSource`; known once a try failed. */
  readonly detail?: string;
  readonly state: 'done' | 'partial' | 'failed' | 'to be tried again' | 'being narrowed down';
  /** In the order in which they ended, parts among them. */
  readonly tries: readonly TrySummary[];
  /** Items that are dead letters, with the dispatch of the try or part that is the cause. */
  readonly dead?: readonly DeadItems[];
}

const TRIES_PER_MINI_BATCH_MAX = 100;
const FAILING_MINI_BATCHES_MAX = 10_000;

interface State {
  index: MiniBatchIndex;
  items: number;
  detail: string | undefined;
  state: MiniBatchTries['state'];
  tries: TrySummary[];
  dead: readonly DeadItems[] | undefined;
}

function summary(event: TryFinished): TrySummary {
  return {
    try: event.try,
    dispatch: event.dispatch,
    ...(event.part === undefined ? {} : { part: event.part }),
    worker: event.worker,
    pid: event.pid,
    status: event.status,
    settles: event.settles,
    startedAt: event.timing.start1,
    endedAt: event.timing.end1,
    elapsedSeconds: event.timing.elapsedSeconds,
    runSeconds: event.timing.runSeconds,
    succeeded: event.succeeded,
    failed: event.failed,
    ...(event.failure === undefined ? {} : { failure: event.failure }),
    ...(event.printed === undefined ? {} : { printed: event.printed }),
  };
}

function add(state: State, event: TryFinished): void {
  state.items = event.items;
  state.detail = event.detail ?? state.detail;
  state.state = stateAfter(event.settles, state.state);
  state.dead = event.dead;
  if (state.tries.length >= TRIES_PER_MINI_BATCH_MAX) state.tries.splice(TRIES_PER_MINI_BATCH_MAX / 2, 1);
  state.tries.push(summary(event));
}

function stateAfter(settles: TryFinished['settles'], before: MiniBatchTries['state']): MiniBatchTries['state'] {
  switch (settles) {
    case 'done':
    case 'partial':
    case 'failed':
      return settles;
    case 'narrow':
    case 'part':
      return 'being narrowed down';
    case 'retry':
      return 'to be tried again';
    case 'requeue':
      // A part that was lost is handed out again.
      return before === 'being narrowed down' ? before : 'to be tried again';
    default:
      return unreachable(settles);
  }
}

const opened = (event: TryFinished): State => ({
  index: event.index,
  items: event.items,
  detail: undefined,
  state: 'to be tried again',
  tries: [],
  dead: undefined,
});

const shown = (state: State): MiniBatchTries => ({
  index: state.index,
  items: state.items,
  ...(state.detail === undefined ? {} : { detail: state.detail }),
  state: state.state,
  tries: [...state.tries],
  ...(state.dead === undefined ? {} : { dead: state.dead }),
});

/** Everything about one mini-batch. */
export class MiniBatchFold {
  private state: State | undefined;
  private readonly index: MiniBatchIndex;
  constructor(index: MiniBatchIndex) {
    this.index = index;
  }

  apply(event: RunEvent): void {
    if (event.type !== 'try-finished' || event.index !== this.index) return;
    this.state ??= opened(event);
    add(this.state, event);
  }

  /** @returns undefined where no try has ended yet. */
  tries(): MiniBatchTries | undefined {
    return this.state === undefined ? undefined : shown(this.state);
  }
}

/**
 * All mini-batches with a failed try, at most 10,000; those that failed for good drive out those that a retry made
 * good, and what found no room is counted.
 */
export class FailingMiniBatchesFold {
  private readonly states = new Map<MiniBatchIndex, State>();
  private readonly madeGood = new Set<MiniBatchIndex>();
  /** Mini-batches left out of the list. */
  omitted = 0;

  apply(event: RunEvent): void {
    if (event.type !== 'try-finished') return;
    let state = this.states.get(event.index);
    if (state === undefined) {
      if (event.settles === 'done' || event.failure === undefined) return;
      if (!this.makeRoom()) {
        // Later tries of one that found no room are not counted again.
        if (event.dispatch === 1) this.omitted += 1;
        return;
      }
      state = opened(event);
      this.states.set(event.index, state);
    }
    add(state, event);
    if (event.settles === 'done') this.madeGood.add(event.index);
  }

  private makeRoom(): boolean {
    if (this.states.size < FAILING_MINI_BATCHES_MAX) return true;
    for (const index of this.madeGood) {
      this.madeGood.delete(index);
      this.states.delete(index);
      this.omitted += 1;
      return true;
    }
    return false;
  }

  /** Failed for good first, then partial ones, those still to be tried, those made good; each by index. */
  list(): readonly MiniBatchTries[] {
    const rank = { failed: 0, partial: 1, 'being narrowed down': 2, 'to be tried again': 2, done: 3 } as const;
    return [...this.states.values()].map(shown).sort((a, b) => rank[a.state] - rank[b.state] || a.index - b.index);
  }
}
