/** Lists of files as inputs. Pure. */
import type { InputSpec } from '../domain/plan.ts';
import type { Problems } from './problems.ts';
import type { Settings } from './settings.ts';
import type { SelectedPath } from './selection.ts';
import type { WrittenDialect } from './table-format.ts';

const CSV_NAME = /\.(csv|tsv)(?:\.gz|\.zst)?$/i;
const PATH_COLUMN = 'path';

export function listInput(
  { name, root, select, text, at }: SelectedPath,
  { listColumn }: Settings,
  dialect: WrittenDialect,
  problems: Problems,
): InputSpec {
  if (select.by !== 'one') {
    problems.error('PR3403', `the input ${text} is no list of files`, {
      where: at,
      why: 'found a folder or a pattern; a list is one file, with a path a line',
      next: 'name the file, or leave --input-format list out',
    });
    return { kind: 'files', name, root, select };
  }
  const extension = CSV_NAME.exec(select.file)?.[1]?.toLowerCase();
  const column = listColumn.value ?? (extension === undefined ? undefined : PATH_COLUMN);
  const delimiter = extension === 'tsv' ? '\t' : ',';
  // both are said of tables
  const { drift: _, ragged: __, ...written } = dialect;
  return {
    kind: 'files',
    name,
    // Its paths may lead anywhere.
    root: '/',
    select: {
      by: 'list',
      file: `${root === '/' ? '' : root}/${select.file}`,
      ...(column !== undefined && { column, csv: { delimiter, ...written, header: true } }),
    },
  };
}
