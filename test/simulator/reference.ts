/** The rules of thresholds, tries and narrowing down once more, in the plainest words, with nothing shared with the core. */
import type { CoreConfig, Settles } from '../../src/core/types.ts';
import type { RunEvent, TryFinished } from '../../src/domain/event.ts';
import type { TryFailure } from '../../src/domain/failure.ts';
import type { ItemRange } from '../../src/domain/minibatch.ts';
import { signatureOf } from '../../src/domain/signature.ts';
import { Narrowing } from './narrowing.ts';
import { holds } from './violation.ts';

const OUT_OF_MEMORY_TRIES = 3;
const GONE_TRIES = 2;
const SAME_ERROR = 2;

export interface Answer {
  readonly index: number;
  readonly dispatch: number;
  readonly items: number;
  readonly part: ItemRange | undefined;
  readonly result:
    { readonly ok: true; readonly returned: number } | { readonly ok: false; readonly failure: TryFailure };
}

/** Tries used up so far. */
export class Tries {
  fails = 0;
  outOfMemory = 0;

  /** @returns whether that was the last one. */
  use(failure: TryFailure, most: number): boolean {
    if (isOutOfMemory(failure)) this.outOfMemory += 1;
    else this.fails += 1;
    if (failure.kind === 'input-error' && failure.errno === 'ENOENT' && this.fails >= GONE_TRIES) return true;
    return this.fails >= most || this.outOfMemory >= OUT_OF_MEMORY_TRIES;
  }

  /** A new orchestrator grants one more, whatever was used. */
  clamp(most: number): void {
    this.fails = Math.min(this.fails, most - 1);
    this.outOfMemory = Math.min(this.outOfMemory, OUT_OF_MEMORY_TRIES - 1);
  }
}

export class Reference {
  done = 0;
  failed = 0;
  failedItems = 0;
  returned = 0;
  readonly losses = new Map<number, number>();
  readonly narrowed = new Map<number, Narrowing>();
  /** A part has shown that rows don't belong to items. */
  mixed = false;
  private readonly tries = new Map<number, Tries>();
  private readonly sameError = new Map<string, number>();
  private readonly config: CoreConfig;
  /** What failed mini-batches count for, until they are tried again. */
  private readonly lost = new Map<number, { items: number; returned: number }>();

  constructor(config: CoreConfig) {
    this.config = config;
  }

  /** Judges what the core made of an answer. */
  settled(answer: Answer, settles: Settles): void {
    const { index, result } = answer;
    const narrowing = this.narrowed.get(index);
    holds(
      (narrowing === undefined) === (answer.part === undefined),
      'narrowing down',
      () => `${index} is run ${answer.part ? 'in parts' : 'whole'}`,
    );
    const expected = this.expected(answer, narrowing);
    if (expected !== undefined)
      holds(settles.as === expected, 'tries', () => `${index} came to ${settles.as}, must be ${expected}`);
    else if (narrowing && answer.part) {
      const { errorThreshold } = this.config.thresholds;
      const lossLeft = errorThreshold < 0 ? Infinity : errorThreshold - this.failedItems;
      const run = { part: answer.part, dispatch: answer.dispatch };
      if (result.ok) {
        if (narrowing.signature !== undefined) this.sameError.delete(narrowing.signature);
        narrowing.ended({ ...run, returned: result.returned }, settles, lossLeft);
      } else {
        const killed = result.failure.kind === 'worker-lost' && result.failure.exit.by === 'signal';
        narrowing.ended({ ...run, signature: signatureOf(result.failure), killed }, settles, lossLeft);
      }
      if (settles.as === 'failed' && narrowing.signature !== undefined) this.note(narrowing.signature);
      if (settles.as === 'done' || settles.as === 'partial') this.returned += narrowing.returned;
    }
    if (settles.as === 'narrow' && !narrowing && !result.ok) {
      const whole = { dispatch: answer.dispatch, signature: signatureOf(result.failure) };
      this.narrowed.set(index, new Narrowing(index, answer.items, this.config.maxTries, whole));
    }
    this.book(answer, settles, narrowing !== undefined);
  }

  /** What it must come to; undefined where several ends are allowed. */
  private expected(
    { index, items, part, result }: Answer,
    narrowing: Narrowing | undefined,
  ): Settles['as'] | undefined {
    if (!result.ok && (result.failure.kind === 'node-lost' || result.failure.kind === 'canceled')) return 'requeue';
    if (narrowing && part) {
      if (this.mixed) return 'failed';
      if (!result.ok || this.config.isolate !== 'auto' || result.returned === part.to - part.from) return undefined;
      this.mixed = true;
      return 'failed';
    }
    if (result.ok) return 'done';
    const tries = this.tries.get(index) ?? new Tries();
    this.tries.set(index, tries);
    if (!tries.use(result.failure, this.config.maxTries)) return 'retry';
    const same = this.sameError.get(signatureOf(result.failure)) ?? 0;
    const narrows = this.config.isolate !== 'off' && !this.mixed && items > 1 && same < SAME_ERROR;
    return narrows ? 'narrow' : 'failed';
  }

  private book({ index, items, result }: Answer, settles: Settles, wasNarrowed: boolean): void {
    switch (settles.as) {
      case 'done':
        this.done += 1;
        if (!wasNarrowed && result.ok) {
          this.returned += result.returned;
          const missing = Math.max(0, items - result.returned);
          holds(
            settles.failed === missing,
            'short return',
            () => `${index} lacks ${settles.failed}, must be ${missing}`,
          );
          this.failedItems += missing;
        }
        break;
      case 'partial':
        this.lose(index, settles.failed, this.narrowed.get(index)?.returned ?? 0);
        break;
      case 'failed':
        this.lose(index, items, 0);
        holds(
          wasNarrowed || (settles.dead?.length ?? 0) === (items === 1 ? 1 : 0),
          'dead items',
          () => `${index} of ${items}`,
        );
        break;
      default:
        return;
    }
    this.narrowed.delete(index);
  }

  private lose(index: number, items: number, returned: number): void {
    this.failed += 1;
    this.failedItems += items;
    this.lost.set(index, { items, returned });
  }

  private note(signature: string): void {
    this.sameError.set(signature, (this.sameError.get(signature) ?? 0) + 1);
  }

  /** Greater than, each on its own, -1 never; the percentage only when all are known. */
  crossed(created: number | undefined): string | undefined {
    const { errorThreshold: items, miniBatchErrorThreshold: batches, failedPercent: percent } = this.config.thresholds;
    if (items !== -1 && this.failedItems > items) return 'error-threshold';
    if (batches !== -1 && this.failed > batches) return 'mini-batch-error-threshold';
    if (created !== undefined && created > 0 && 100 * this.failed > percent * created) return 'failed-percent';
    return undefined;
  }

  /** Goes through what is stored, for the next orchestrator: it only counts. */
  replay(event: RunEvent): void {
    if (event.type === 'run-resumed') {
      for (const { index } of event.retried) {
        const lost = this.lost.get(index);
        this.failed -= 1;
        this.failedItems -= lost?.items ?? NaN;
        this.returned -= lost?.returned ?? NaN;
        this.lost.delete(index);
        this.tries.delete(index);
      }
      for (const tries of this.tries.values()) tries.clamp(this.config.maxTries);
    }
    if (event.type === 'try-finished') this.replayTry(event);
  }

  private replayTry(event: TryFinished): void {
    const { index, items, failure, part } = event;
    const returned = event.rows?.rows ?? event.succeeded;
    switch (event.settles) {
      case 'done':
        this.done += 1;
        this.returned += returned;
        this.failedItems += event.failed;
        return;
      case 'partial':
        this.returned += returned;
        return this.lose(index, event.failed, returned);
      case 'failed':
        return this.lose(index, items, 0);
      case 'requeue':
        if (failure?.kind === 'node-lost') this.losses.set(index, (this.losses.get(index) ?? 0) + 1);
        return;
      case 'retry':
      case 'narrow': {
        const tries = this.tries.get(index) ?? new Tries();
        this.tries.set(index, tries);
        if (!part && failure) tries.use(failure, this.config.maxTries);
        return;
      }
      case 'part':
        return;
    }
  }
}

export function isOutOfMemory(failure: TryFailure): boolean {
  return failure.kind === 'worker-lost' && failure.exit.by === 'signal' && failure.exit.outOfMemory;
}
