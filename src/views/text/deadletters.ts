/** Dead letters in words: which mini-batch lost which item for what, and where all of them stand. */
import { splitWorkerId, type MiniBatchIndex } from '../../domain/ids.ts';
import { runLayout } from '../../domain/layout.ts';
import type { DeadLetterExample, RunStatus } from '../status-types.ts';
import type { RunContext } from './cause.ts';
import { count, counted, cut, safeText } from './words.ts';

const EXAMPLES_SHOWN = 3;
const NAME_CHARS_MAX = 120;

/**
 * `mini-batch 3: 9 of 10 items done, 1 dead letter: img_037.png: ValueError: bad (Process-2, try 3)` for the first
 * ones, and in the last line the file that holds all. Empty where there are none.
 */
export function deadLetterLines(status: RunStatus, context: RunContext): readonly string[] {
  const { deadLetters } = status.items;
  if (deadLetters === 0) return [];
  const shown = status.deadLetterExamples.slice(0, EXAMPLES_SHOWN);
  const more = deadLetters - shown.reduce((sum, example) => sum + example.deadLetters, 0);
  const rest = more > 0 ? `and ${counted(more, 'more dead letter')}; ` : '';
  return [
    ...shown.map((example) => exampleText(example, context)),
    `${rest}all in ${safeText(runLayout(context.folder).deadLetters)}`,
  ];
}

function exampleText(example: DeadLetterExample, context: RunContext): string {
  const { index, items, succeeded, deadLetters, item } = example;
  const { process } = splitWorkerId(example.worker);
  const name = cut(safeText(shortName(context.itemName?.(index, item)) ?? `item ${item}`), NAME_CHARS_MAX);
  const more = deadLetters > 1 ? ` and ${count(deadLetters - 1)} more` : '';
  const done = items > 1 ? `${count(succeeded)} of ${count(items)} items done, ` : '';
  return `mini-batch ${index}: ${done}${counted(deadLetters, 'dead letter')}: ${name}: ${example.cause} (${safeText(process)}, try ${example.try})${more}`;
}

/** `item 7 (/data/img_037.png)`. */
export function itemText(context: RunContext, index: MiniBatchIndex, item: number): string {
  const name = context.itemName?.(index, item);
  return `item ${item}${name === undefined ? '' : ` (${safeText(name)})`}`;
}

/** Without the folder. */
function shortName(name: string | undefined): string | undefined {
  return name?.slice(name.lastIndexOf('/') + 1);
}
