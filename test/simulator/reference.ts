/** The rules of thresholds and tries once more, in the plainest words, with nothing shared with the core. */
import type { CoreConfig } from '../../src/core/types.ts';
import type { RunEvent } from '../../src/domain/event.ts';

export type Answer = 'ok' | 'fault' | 'lost';

export class Reference {
  done = 0;
  failed = 0;
  failedItems = 0;
  returned = 0;
  readonly fails = new Map<number, number>();
  readonly losses = new Map<number, number>();
  private readonly config: CoreConfig;

  constructor(config: CoreConfig) {
    this.config = config;
  }

  /** @returns what the core must make of it. */
  answer(index: number, answer: Answer, items: number, returned: number): 'done' | 'failed' | 'retry' | 'requeue' {
    if (answer === 'lost') return 'requeue';
    if (answer === 'ok') {
      this.done += 1;
      this.returned += returned;
      this.failedItems += items > returned ? items - returned : 0;
      return 'done';
    }
    const fails = (this.fails.get(index) ?? 0) + 1;
    this.fails.set(index, fails);
    if (fails < this.config.maxTries) return 'retry';
    this.failed += 1;
    this.failedItems += items;
    return 'failed';
  }

  /** Greater than, each on its own, -1 never; the percentage only when all are known. */
  crossed(created: number | undefined): string | undefined {
    const { errorThreshold: items, miniBatchErrorThreshold: batches, failedPercent: percent } = this.config.thresholds;
    if (items !== -1 && this.failedItems > items) return 'error-threshold';
    if (batches !== -1 && this.failed > batches) return 'mini-batch-error-threshold';
    if (created !== undefined && created > 0 && 100 * this.failed > percent * created) return 'failed-percent';
    return undefined;
  }

  /** Goes through what is stored, for the next orchestrator. */
  replay(event: RunEvent): void {
    if (event.type === 'run-resumed') {
      for (const { index, items } of event.retried) {
        this.failed -= 1;
        this.failedItems -= items;
        this.fails.delete(index);
      }
    }
    if (event.type !== 'try-finished') return;
    const answer = event.settles === 'done' ? 'ok' : event.settles === 'requeue' ? 'lost' : 'fault';
    this.answer(event.index, answer, event.items, event.rows?.rows ?? event.items - event.failed);
  }
}
