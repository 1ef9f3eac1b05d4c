/** What is looked at before anything is grouped. */
import type { Column, Cutting, InputSpec } from '../../domain/plan.ts';
import { joinText } from '../bytepath.ts';
import { sizeOf } from '../read.ts';
import { walk } from '../walk.ts';
import { readHead } from '../table/head.ts';
import { checkColumns, checkOneDialect } from './feed.ts';
import { gathering, keysOf } from './groups.ts';
import type { GroupOptions } from './groups.ts';
import type { Keys } from './keys.ts';

/**
 * The columns that mini-batches get of the paths. Only names are read, of paths and of columns, and types of keys.
 * @throws DatasetError PR3301 to PR3306, PR3309 where the keys and the input don't fit together
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
  let isFirst = true;
  for (const input of inputs) {
    const byName =
      input.kind === 'table' && input.table.format === 'csv' && input.table.drift ? input.table : undefined;
    for await (const names of walk(input, { exclude, ...(signal && { signal }) })) {
      for (const name of names) {
        const path = joinText(input.root, name);
        if (isFirst) await checkTypes(input, path, keys);
        isFirst = false;
        keys.ofPath(input, name);
        const head = byName && (await readHead(path, byName));
        if (head) checkColumns(path, head, keys);
      }
      if (!keys.needPaths && !byName) break;
    }
  }
  return isTable ? keys.pathColumns : [];
}

/**
 * A column has the same type in all files; with other columns in each, `like` is one that has it, and a type that no file
 * has is one of numbers.
 * @param path of any file
 */
async function checkTypes(input: InputSpec, path: string, { columns }: Keys): Promise<void> {
  if (input.kind !== 'table' || columns.length === 0) return;
  const { format } = input.table;
  if (format !== 'parquet' && format !== 'arrow') return;
  const check =
    format === 'parquet'
      ? (await import('./parquetkeys.ts')).checkParquetKey
      : (await import('./arrowkeys.ts')).checkArrowKey;
  for (const { column } of columns) await check(column.like ?? path, column);
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
  for (const input of gathering(inputs, cutting) ? inputs : []) {
    if (input.kind === 'files') continue;
    for await (const names of walk(input, { exclude }))
      for (const name of names) {
        bytes += await sizeOf(joinText(input.root, name));
        if (bytes > SMALL_BYTES) return true;
      }
  }
  return false;
}
