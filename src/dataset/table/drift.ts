/** Files of one table that don't have the same columns: told with both names, before anything starts. */
import { DatasetError, datasetProblem } from '../error.ts';

const NAMES_SHOWN = 5;

/** A file with its column names. */
export interface NamedColumns {
  readonly file: string;
  readonly names: readonly string[];
}

/** @returns what is wrong with `b`, which must have the columns of `a` in their order */
export function compareNames(a: NamedColumns, b: NamedColumns): DatasetError | undefined {
  if (a.names.length === b.names.length && a.names.every((name, i) => name === b.names[i])) return undefined;
  const [inA, inB] = [new Set(a.names), new Set(b.names)];
  const missing = a.names.filter((name) => !inB.has(name));
  const added = b.names.filter((name) => !inA.has(name));
  const differences = [
    ...(missing.length > 0 ? [`it lacks ${listed(missing)}`] : []),
    ...(added.length > 0 ? [`it has ${listed(added)} besides`] : []),
  ];
  return new DatasetError(
    datasetProblem({
      code: 'PR3007',
      what: 'the files of the table do not have the same columns',
      file: b.file,
      line: 1,
      why: `compared with ${a.file}, ${differences.length > 0 ? differences.join(' and ') : orderDifference(a.names, b.names)}`,
      next: 'give files with other columns to a run of their own, or narrow the input with a glob; if they are no tables, give a number of files as mini-batch size',
    }),
  );
}

/** @returns what is wrong with a column of `b` whose type isn't that of `a` */
export function typeDrift(a: string, b: string, column: string, types: readonly [string, string]): DatasetError {
  return new DatasetError(
    datasetProblem({
      code: 'PR3012',
      what: 'the files of the table do not have the same types',
      file: b,
      why: `column ${quoted(column)} is ${types[1]} here and ${types[0]} in ${a}`,
      next: 'write the files with one schema, or give files with other types to a run of their own',
    }),
  );
}

function orderDifference(a: readonly string[], b: readonly string[]): string {
  const at = a.findIndex((name, i) => name !== b[i]);
  return `its columns come in another order: column ${at + 1} is ${quoted(b[at])}, there ${quoted(a[at])}`;
}

function listed(names: readonly string[]): string {
  const more = names.length - NAMES_SHOWN;
  return names.slice(0, NAMES_SHOWN).map(quoted).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

function quoted(name: string | undefined): string {
  return JSON.stringify(name);
}
