import type { Column, TableSchema } from '../../domain/plan.ts';
import { ColumnUnion, compareNames, typeDrift } from './drift.ts';
import { filesOf } from './files.ts';
import type { SchemaOptions, TableInput } from './files.ts';
import { NativeUnion } from './nativeunion.ts';
import { readFacts } from './numbered.ts';
import type { NumberedFormat } from './numbered.ts';

const AT_ONCE = 8;

type NativeInput = TableInput<NumberedFormat>;

/** Of formats whose files have a schema of their own: columns as the files say. A value that is missing in one file counts for all. @throws DatasetError */
export async function nativeSchema(inputs: readonly NativeInput[], options: SchemaOptions): Promise<TableSchema> {
  return {
    columns: await (inputs.some(({ table }) => 'drift' in table) ? byName(inputs, options) : alike(inputs, options)),
  };
}

interface Named {
  readonly file: string;
  readonly columns: readonly Column[];
  readonly rows: number;
}

async function* eachFile(inputs: readonly NativeInput[], options: SchemaOptions): AsyncGenerator<Named> {
  for (const input of inputs) {
    for await (const files of filesOf(input, options)) {
      for (let from = 0; from < files.length; from += AT_ONCE) {
        const some = files.slice(from, from + AT_ONCE);
        const facts = await Promise.all(some.map((file) => readFacts(file, input.table)));
        for (const [i, { columns, groups }] of facts.entries())
          yield { file: some[i] ?? '', columns, rows: groups.reduce((sum, group) => sum + group.rows, 0) };
      }
    }
  }
}

/** The same in all of them. */
async function alike(inputs: readonly NativeInput[], options: SchemaOptions): Promise<Column[]> {
  let first: Named | undefined;
  const missing = new Set<string>();
  for await (const next of eachFile(inputs, options)) {
    first ??= next;
    compare(first, next);
    for (const column of next.columns) if (column.missing === true) missing.add(column.name);
  }
  return (first?.columns ?? []).map((column) => (missing.has(column.name) ? { ...column, missing: true } : column));
}

/** All there are in any of them, in the type that holds the values of all. */
async function byName(inputs: readonly NativeInput[], options: SchemaOptions): Promise<Column[]> {
  const union = new ColumnUnion();
  const types = new Map<string, NativeUnion>();
  const missing = new Set<string>();
  for await (const { file, columns, rows } of eachFile(inputs, options)) {
    union.add({ file, names: columns.map(({ name }) => name) }, rows > 0);
    for (const column of columns) {
      const known = types.get(column.name);
      if (known) known.add(file, column);
      else types.set(column.name, new NativeUnion(file, column));
      if (column.missing === true) missing.add(column.name);
    }
  }
  return [...types].map(([name, type]) => {
    const lacking = union.lacking(name);
    const hasGaps = missing.has(name) || lacking !== undefined;
    return { ...type.column(), ...(hasGaps && { missing: true }), ...(lacking && { lacking }) };
  });
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
