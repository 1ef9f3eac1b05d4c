/** What the parts of a mini-batch took together, for its one row in `processed_mini-batches.csv`. */
import type { TryFinished } from '../domain/event.ts';
import type { StatusWord, TryFailure } from '../domain/failure.ts';
import type { MiniBatchIndex } from '../domain/ids.ts';
import { FailedParts, endsMiniBatch } from '../views/failedparts.ts';
import { failureMessage } from '../views/text/failure.ts';

export interface Narrowed {
  readonly parts: number;
  /** Of the first part. */
  readonly start1: number;
  readonly elapsedSeconds: number;
  readonly processSeconds: number;
  readonly runSeconds: number;
  /** RUN_DONE where all items got through, else that of the first dead item or of the whole. */
  readonly status: StatusWord;
  readonly category: TryFailure['kind'] | '';
  readonly message: string;
  readonly detail: string;
}

interface Sum {
  parts: number;
  start1: number;
  elapsedSeconds: number;
  processSeconds: number;
  runSeconds: number;
}

export class NarrowingSums {
  private readonly sums = new Map<MiniBatchIndex, Sum>();
  private readonly failed = new FailedParts();

  /** The last try of a mini-batch failed; parts follow. */
  begin(event: TryFinished): void {
    this.failed.keep(event);
  }

  /** A part has ended. @returns all of them together where it ends its mini-batch too */
  add(event: TryFinished): Narrowed | undefined {
    const sum = this.sumOf(event);
    const { timing } = event;
    sum.parts += 1;
    sum.elapsedSeconds += timing.elapsedSeconds;
    sum.processSeconds += timing.end2 - timing.start2;
    sum.runSeconds += timing.runSeconds;
    if (event.settles === 'narrow') this.failed.keep(event);
    if (!endsMiniBatch(event)) return undefined;
    this.sums.delete(event.index);
    return { ...sum, ...this.verdict(event) };
  }

  private sumOf({ index, timing }: TryFinished): Sum {
    let sum = this.sums.get(index);
    if (sum === undefined) {
      sum = { parts: 0, start1: timing.start1, elapsedSeconds: 0, processSeconds: 0, runSeconds: 0 };
      this.sums.set(index, sum);
    }
    return sum;
  }

  private verdict(event: TryFinished): Pick<Narrowed, 'status' | 'category' | 'message' | 'detail'> {
    const whole = this.failed.whole(event.index);
    const [first] = this.failed.take(event);
    const detail = whole?.detail ?? event.detail ?? '';
    if (event.settles === 'done') return { status: 'RUN_DONE', category: '', message: '', detail: '' };
    const by = first?.by ?? (event.failure === undefined ? whole : event) ?? event;
    const { failure, status } = by;
    const why = failure === undefined ? status : failureMessage(failure);
    const message =
      first === undefined ? why : `${event.failed} of ${event.items} items given up; item ${first.from}: ${why}`;
    return { status, category: failure?.kind ?? '', message, detail };
  }
}
