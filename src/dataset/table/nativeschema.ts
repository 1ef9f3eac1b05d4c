import type { Column, TableSchema } from '../../domain/plan.ts';
import { compareNames, typeDrift } from './drift.ts';
import { filesOf } from './files.ts';
import type { SchemaOptions, TableInput } from './files.ts';
import { readFacts } from './numbered.ts';
import type { NumberedFormat } from './numbered.ts';

const AT_ONCE = 8;

/** Of formats whose files have a schema of their own. Columns as the files say: the same in all of them. A value that is missing in one file counts for all. @throws DatasetError */
export async function nativeSchema(
  inputs: readonly TableInput<NumberedFormat>[],
  options: SchemaOptions,
): Promise<TableSchema> {
  let first: { file: string; columns: readonly Column[] } | undefined;
  const missing = new Set<string>();
  for (const input of inputs) {
    for await (const files of filesOf(input, options)) {
      for (let from = 0; from < files.length; from += AT_ONCE) {
        const some = files.slice(from, from + AT_ONCE);
        const facts = await Promise.all(some.map((file) => readFacts(file, input.table)));
        for (const [i, { columns }] of facts.entries()) {
          const next = { file: some[i] ?? '', columns };
          first ??= next;
          compare(first, next);
          for (const column of columns) if (column.missing === true) missing.add(column.name);
        }
      }
    }
  }
  if (!first) return { columns: [] };
  return { columns: first.columns.map((column) => (missing.has(column.name) ? { ...column, missing: true } : column)) };
}

interface Named {
  readonly file: string;
  readonly columns: readonly Column[];
}

function compare(a: Named, b: Named): void {
  const names = ({ file, columns }: Named) => ({ file, names: columns.map(({ name }) => name) });
  const difference = compareNames(names(a), names(b));
  if (difference) throw difference;
  for (const [i, { name, native = '' }] of a.columns.entries()) {
    const other = b.columns[i]?.native ?? '';
    if (other !== native) throw typeDrift(a.file, b.file, name, [native, other]);
  }
}
