/** The first mini-batches with dead letters: what the last lines of a run name. */
import type { TryFinished } from '../domain/event.ts';
import type { MiniBatchIndex } from '../domain/ids.ts';
import type { DeadCause } from './failedparts.ts';
import type { DeadLetterExample } from './status-types.ts';
import { failureTitle } from './text/failure.ts';

const EXAMPLES_MAX = 5;

export class DeadLetterExamples {
  private examples: readonly DeadLetterExample[] = [];

  settled(event: TryFinished, causes: readonly DeadCause[]): void {
    const [first] = causes;
    if (first === undefined || this.examples.length >= EXAMPLES_MAX) return;
    const by = first.by ?? event;
    const example: DeadLetterExample = {
      index: event.index,
      items: event.items,
      succeeded: event.succeeded,
      deadLetters: causes.reduce((sum, { from, to }) => sum + (to - from), 0),
      item: first.from,
      cause: by.failure === undefined ? by.status : failureTitle(by.failure),
      try: by.try,
      worker: by.worker,
    };
    this.examples = [...this.examples, example];
  }

  /** The mini-batch is open again. */
  reopened(index: MiniBatchIndex): void {
    this.examples = this.examples.filter((example) => example.index !== index);
  }

  list(): readonly DeadLetterExample[] {
    return this.examples;
  }
}
