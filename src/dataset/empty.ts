import { joinText } from './bytepath.ts';
import type { InputSpec } from '../domain/plan.ts';
import { hasRows } from './table/cut.ts';
import { walk } from './walk.ts';
import type { WalkOptions } from './walk.ts';

/** Whether there is no item in any input. Of tables no more is read than up to the first row. @throws DatasetError */
export async function isEmpty(inputs: readonly InputSpec[], options: WalkOptions): Promise<boolean> {
  for (const input of inputs)
    for await (const names of walk(input, options))
      for (const name of names) if (await hasItems(input, joinText(input.root, name), options)) return false;
  return true;
}

/** False for a table without rows: it makes no mini-batch. @param path absolute, as text */
export async function hasItems(
  input: InputSpec,
  path: string,
  options: Pick<WalkOptions, 'onSkip' | 'signal'> = {},
): Promise<boolean> {
  return input.kind === 'table' ? hasRows(path, input.table, options) : true;
}
