import type { InputSpec, Plan, TableFormat } from './plan.ts';

/** Encoding of the files of a table; undefined: UTF-8, or none at all. */
export function encodingOf(table: TableFormat): string | undefined {
  return 'encoding' in table ? table.encoding : undefined;
}

/** What a person gave as input: a database, a list, or the folder that is looked through. */
export function pathOfInput(input: InputSpec): string {
  if (input.origin !== undefined)
    return input.select.by === 'one' ? `${input.origin}/${input.select.file}` : input.origin;
  if (input.kind === 'table' && input.query) return input.query.database;
  return input.select.by === 'list' ? input.select.file : input.root;
}

/** A path of an output, for a person: of one that goes elsewhere the URL it goes to. */
export function shownOutput({ remote }: Pick<Plan, 'remote'>, path: string): string {
  const output = remote?.outputs.find(({ local }) => path === local || path.startsWith(`${local}/`));
  return output === undefined ? path : `${output.url}${path.slice(output.local.length)}`;
}
