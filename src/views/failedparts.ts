/**
 * The failing hand-outs of mini-batches that are being narrowed down, kept until these have come to their end: only
 * then it is known which of them are the cause of dead items, and which just held a culprit among others.
 */
import type { TryFinished } from '../domain/event.ts';
import type { TryFailure } from '../domain/failure.ts';
import type { DispatchNumber, MiniBatchIndex } from '../domain/ids.ts';
import type { ItemRange } from '../domain/minibatch.ts';

/** So many are kept as they came; what comes above that is cut, so that none of them fills the memory. */
const WHOLE_MAX = 200;
const CUT_CHARS = 2000;
const CUT_FRAMES = 5;
const CUT_LINES = 5;
const CUT_LINE_CHARS = 200;

/** Items of a mini-batch that are given up, with the hand-out whose failure is the cause. */
export interface DeadCause extends ItemRange {
  readonly dispatch: DispatchNumber;
  /** Undefined where the ledger holds no such hand-out. */
  readonly by: TryFinished | undefined;
  /** It is known to be this item: it failed alone, or the worker named it. False: it was given up among others. */
  readonly narrowed: boolean;
}

/** Ends its mini-batch. */
export function endsMiniBatch({ settles }: TryFinished): boolean {
  return settles === 'done' || settles === 'partial' || settles === 'failed';
}

/**
 * The part ended its mini-batch although its own outcome says nothing: the script's rows don't belong to items one by
 * one, now or as another mini-batch has shown. The failure of the event is that of the whole.
 */
export function dropsParts({ part, settles, dead }: TryFinished): boolean {
  return part !== undefined && part.to - part.from > 1 && settles === 'failed' && dead === undefined;
}

export class FailedParts {
  private readonly open = new Map<MiniBatchIndex, Map<DispatchNumber, TryFinished>>();
  private kept = 0;

  /** Mini-batches that are being narrowed down. */
  get miniBatches(): number {
    return this.open.size;
  }

  has(index: MiniBatchIndex): boolean {
    return this.open.has(index);
  }

  /** A hand-out that ended with `settles: 'narrow'`. */
  keep(event: TryFinished): void {
    const parts = this.open.get(event.index) ?? new Map<DispatchNumber, TryFinished>();
    this.open.set(event.index, parts);
    parts.set(event.dispatch, this.kept < WHOLE_MAX ? event : slim(event));
    this.kept += 1;
  }

  /** The failed try of the whole mini-batch because of which it is narrowed down. */
  whole(index: MiniBatchIndex): TryFinished | undefined {
    for (const event of this.open.get(index)?.values() ?? []) if (event.part === undefined) return event;
    return undefined;
  }

  /** The event ends its mini-batch. @returns the causes of its dead items, ascending; the mini-batch is forgotten */
  take(event: TryFinished): readonly DeadCause[] {
    const parts = this.open.get(event.index);
    if (parts !== undefined) {
      this.open.delete(event.index);
      this.kept -= parts.size;
    }
    return (event.dead ?? []).map(({ from, to, dispatch }) => {
      const by = dispatch === event.dispatch ? event : parts?.get(dispatch);
      return { from, to, dispatch, by, narrowed: isNarrowed({ from, to }, by) };
    });
  }

  /** Another orchestrator goes on: what was being narrowed down begins anew. */
  clear(): void {
    this.open.clear();
    this.kept = 0;
  }
}

function isNarrowed({ from, to }: ItemRange, by: TryFinished | undefined): boolean {
  if (to - from !== 1) return false;
  if (by === undefined) return true;
  const handedOut = by.part ? by.part.to - by.part.from : by.items;
  return handedOut === 1 || by.item === from;
}

function slim(event: TryFinished): TryFinished {
  const { failure, lastLines } = event;
  return {
    ...event,
    ...(failure && { failure: slimFailure(failure) }),
    ...(lastLines && { lastLines: lastLines.slice(-CUT_LINES).map((line) => line.slice(0, CUT_LINE_CHARS)) }),
  };
}

function slimFailure(failure: TryFailure): TryFailure {
  switch (failure.kind) {
    case 'exception':
    case 'unencodable-row':
      return {
        ...failure,
        message: failure.message.slice(0, CUT_CHARS),
        traceback: `... ${failure.traceback.slice(-CUT_CHARS)}`,
        frames: failure.frames.slice(-CUT_FRAMES),
      };
    case 'timeout':
    case 'overhead-timeout':
      return { ...failure, ...(failure.stacks !== undefined && { stacks: failure.stacks.slice(-CUT_CHARS) }) };
    case 'worker-lost':
      return { ...failure, ...(failure.trace !== undefined && { trace: failure.trace.slice(-CUT_CHARS) }) };
    default:
      return failure;
  }
}
