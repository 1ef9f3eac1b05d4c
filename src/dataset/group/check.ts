/** What is looked at before anything is grouped. */
import type { Column, Cutting, InputSpec } from '../../domain/plan.ts';
import { joinText } from '../bytepath.ts';
import { sizeOf } from '../read.ts';
import { walk } from '../walk.ts';
import { checkOneDialect } from './feed.ts';
import { keysOf } from './groups.ts';
import type { GroupOptions } from './groups.ts';
import type { Keys } from './keys.ts';

/** How an input is cut to see whether there is anything in it. */
export function peekCutting(cutting: Cutting, isTable: boolean): Cutting {
  if (cutting.by !== 'keys') return cutting;
  return isTable ? { by: 'rows', rows: 1 } : { by: 'files', files: 1 };
}

/**
 * The columns that mini-batches get of the paths. Only names are read.
 * @throws DatasetError PR3301 to PR3305 where the keys and the input don't fit together
 */
export async function pathColumns(
  inputs: readonly InputSpec[],
  cutting: Cutting,
  { columns, exclude, signal }: GroupOptions,
): Promise<readonly Column[]> {
  if (cutting.by !== 'keys') return [];
  const keys = keysOf(inputs, cutting, columns);
  const isTable = inputs.some((input) => input.kind === 'table');
  if (isTable) checkOneDialect(inputs);
  let first = true;
  for (const input of inputs) {
    for await (const names of walk(input, { exclude, ...(signal && { signal }) })) {
      // All files have the same columns.
      if (first) await checkColumns(input, names[0] ?? '', keys);
      first = false;
      if (!keys.needPaths) break;
      for (const name of names) keys.ofPath(input, name);
    }
  }
  return isTable ? keys.pathColumns : [];
}

async function checkColumns(input: InputSpec, name: string, keys: Keys): Promise<void> {
  if (input.kind !== 'table' || input.table.format !== 'parquet' || keys.columns.length === 0) return;
  const { checkParquetKeys } = await import('./parquetkeys.ts');
  const columns = keys.columns.map(({ column }) => column.name);
  await checkParquetKeys(joinText(input.root, name), columns);
}

/** Grouping up to so much is a matter of seconds. */
const SMALL_BYTES = 256 * 1024 * 1024;

/** Whether grouping only to have a look takes long. Of files only names are read: that is no matter. */
export async function isLongToGroup(
  inputs: readonly InputSpec[],
  cutting: Cutting,
  exclude: readonly string[],
): Promise<boolean> {
  let bytes = 0;
  for (const input of cutting.by === 'keys' ? inputs : []) {
    if (input.kind === 'files') continue;
    for await (const names of walk(input, { exclude }))
      for (const name of names) {
        bytes += await sizeOf(joinText(input.root, name));
        if (bytes > SMALL_BYTES) return true;
      }
  }
  return false;
}
