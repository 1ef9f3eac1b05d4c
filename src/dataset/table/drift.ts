/** Files of one table that don't have the same columns: told with both names, before anything starts. */
import type { Column } from '../../domain/plan.ts';
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
      next: 'schema_drift: by_name matches columns by their names; or give files with other columns to a run of their own, or narrow the input with a glob; if they are no tables, give a number of files as mini-batch size',
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

/** Columns of files that differ, by their names: all there are, in the order in which they first come. */
export class ColumnUnion {
  readonly names: string[] = [];
  readonly #index = new Map<string, number>();
  readonly #found: number[] = [];
  readonly #files: { readonly file: string; readonly names: ReadonlySet<string> }[] = [];
  #count = 0;

  /** @param hasRows a file without rows has columns, and lacks none */
  add({ file, names }: NamedColumns, hasRows: boolean): void {
    const isNew = names.some((name) => !this.#index.has(name));
    for (const name of names) {
      const known = this.#index.get(name);
      const at = known ?? this.names.push(name) - 1;
      if (known === undefined) this.#index.set(name, at);
      if (hasRows) this.#found[at] = (this.#found[at] ?? 0) + 1;
    }
    if (!hasRows) return;
    this.#count += 1;
    // of files that have the same columns as one before, that one is the first that lacks what it lacks
    if (isNew || this.#files.length === 0 || !this.#files.some((before) => isSame(before.names, names)))
      this.#files.push({ file, names: new Set(names) });
  }

  /** Files without the column; undefined: there are none. */
  lacking(name: string): Column['lacking'] {
    const files = this.#count - (this.#found[this.#index.get(name) ?? -1] ?? 0);
    const example = this.#files.find(({ names }) => !names.has(name))?.file;
    return files > 0 && example !== undefined ? { files, example } : undefined;
  }
}

/** @returns where the columns of all files lie among those of one, -1 where it lacks them; undefined: all in their order */
export function placesOf(all: readonly string[], own: readonly string[]): readonly number[] | undefined {
  if (own.length === all.length && own.every((name, i) => name === all[i])) return undefined;
  const at = new Map(own.map((name, i) => [name, i]));
  return all.map((name) => at.get(name) ?? -1);
}

const isSame = (one: ReadonlySet<string>, other: readonly string[]): boolean =>
  one.size === other.length && other.every((name) => one.has(name));
