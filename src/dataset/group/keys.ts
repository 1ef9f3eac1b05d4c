/** Where the values of partition keys come from: from columns, or from the paths of files. */
import { invariant } from '../../domain/assert.ts';
import type { KeyValues } from '../../domain/minibatch.ts';
import { nearest } from '../../domain/nearest.ts';
import { hiveValue, parsePathFormat } from '../../domain/pathformat.ts';
import type { PathFormat } from '../../domain/pathformat.ts';
import type { Column, Cutting, InputSpec } from '../../domain/plan.ts';
import { joinText } from '../bytepath.ts';
import { DatasetError, datasetProblem } from '../error.ts';
import { isQuery } from '../query/copy.ts';
import { stepsOf } from '../../domain/transform.ts';
import { matchPath } from '../transform/paths.ts';

export type KeyCutting = Extract<Cutting, { by: 'keys' }>;

/** Absent `column`: the path names it. */
interface KeyPlace {
  readonly name: string;
  readonly column?: Column;
  /** Of the column, among those of the files. */
  readonly position: number;
}

export class Keys {
  readonly places: readonly KeyPlace[];
  readonly #format: PathFormat | undefined;
  readonly #formatText: string;
  /** For a message: what could have been meant. Undefined: files, which have no columns. */
  readonly #columns: readonly string[] | undefined;

  /**
   * @param columns of tables, path columns not among them; undefined for files
   * @throws DatasetError PR3302 where a key is both in the format and a column
   */
  constructor({ keys, format = '' }: KeyCutting, columns: readonly Column[] | undefined) {
    const parsed = format === '' ? undefined : parsePathFormat(format);
    invariant(typeof parsed !== 'string', 'a plan has no wrong format');
    this.#format = parsed;
    this.#formatText = format;
    this.#columns = columns?.map(({ name }) => name);
    this.places = keys.map((name) => {
      const position = columns?.findIndex((each) => each.name === name) ?? -1;
      const column = columns?.[position];
      if (column && parsed?.names.includes(name) === true) throw twice(name, format);
      return { name, position, ...(column && { column }) };
    });
  }

  /** Names of the columns of the tables. */
  get tableColumns(): readonly string[] {
    return this.#columns ?? [];
  }

  /** Some values are in the paths. */
  get needPaths(): boolean {
    return this.places.some(({ column }) => column === undefined);
  }

  /** The keys that the tables hold themselves; `key`: their positions among the keys. */
  get columns(): readonly { readonly column: Column; readonly position: number; readonly key: number }[] {
    return this.places.flatMap(({ column, position }, key) => (column ? [{ column, position, key }] : []));
  }

  /** Of the keys that paths name: columns that each mini-batch gets, behind those of the files. */
  get pathColumns(): readonly Column[] {
    return this.places.flatMap(({ name, column }) => (column ? [] : [{ name, type: 'string', path: true } as const]));
  }

  /**
   * What the path of a file says; null for a missing value, and for keys that are columns.
   * @throws DatasetError PR3301, PR3303 where it says nothing about a key
   */
  ofPath(input: InputSpec, file: string): (string | null)[] {
    if (!this.needPaths) return this.places.map(() => null);
    if (isQuery(input)) throw this.#noColumn(input.query.database);
    const { root } = input;
    const format = this.#format;
    const matched = format && (stepsOf([input]).length > 0 ? matchPath(format, root, file) : format.match(file));
    const path = joinText(root, file);
    if (this.#format && !matched) throw noMatch(path, file, this.#formatText);
    return this.places.map(({ name, column }) => {
      if (column) return null;
      const value = matched?.get(name) ?? hiveValue(path, name);
      if (value === undefined) throw this.#unknown(name, path);
      return value;
    });
  }

  /** The values of a key that `keyOf` made, with their names. */
  named(key: string): KeyValues {
    const values = JSON.parse(key) as (string | null)[];
    return this.places.map(({ name }, i) => [name, values[i] ?? null] as const);
  }

  #noColumn(database: string): DatasetError {
    const { name = '' } = this.places.find(({ column }) => column === undefined) ?? {};
    const columns = this.#columns ?? [];
    return new DatasetError(
      datasetProblem({
        code: 'PR3301',
        what: `there is no partition key ${JSON.stringify(name)}`,
        file: database,
        why: `the columns of the query are ${listed(columns)}`,
        next: meantBy(name, columns) ?? 'name one of these, or select one more',
      }),
    );
  }

  #unknown(name: string, path: string): DatasetError {
    const columns = this.#columns;
    const known = [...(columns ?? []), ...(this.#format?.names ?? []), ...foldersOf(path)];
    return new DatasetError(
      datasetProblem({
        code: 'PR3301',
        what: `there is no partition key ${JSON.stringify(name)}`,
        file: path,
        why: [
          columns
            ? `the columns of the table are ${listed(columns)}`
            : 'the items are whole files, which have no columns',
          this.#format ? `partition_format names ${listed(this.#format.names)}` : 'partition_format is not given',
          `no folder of the path is called ${name}=`,
        ].join('; '),
        next: nextStep(name, known, columns === undefined),
      }),
    );
  }
}

/** Well-formed: a lone surrogate stands as an escape. */
export function keyOf(values: readonly (string | null)[]): string {
  return JSON.stringify(values);
}

function meantBy(name: string, known: readonly string[]): string | undefined {
  const meant = nearest(name, known);
  return meant === undefined ? undefined : `did you mean ${JSON.stringify(meant)}?`;
}

function nextStep(name: string, known: readonly string[], isFiles: boolean): string {
  const meant = meantBy(name, known);
  if (meant !== undefined) return meant;
  return isFiles
    ? 'name it with --partition-format, such as {Store}/{date}.csv; for columns of a table give --input-format'
    : 'name one of these, or give --partition-format, such as {Store}/{date}.csv';
}

const foldersOf = (path: string): string[] =>
  path.split('/').flatMap((folder) => (folder.indexOf('=') > 0 ? [folder.slice(0, folder.indexOf('='))] : []));

const SHOWN = 20;
export function listed(names: readonly string[]): string {
  const more = names.length - SHOWN;
  return (
    names
      .slice(0, SHOWN)
      .map((name) => JSON.stringify(name))
      .join(', ') + (more > 0 ? ` and ${more} more` : '')
  );
}

function noMatch(path: string, file: string, format: string): DatasetError {
  return new DatasetError(
    datasetProblem({
      code: 'PR3303',
      what: 'the path of a file does not match partition_format',
      file: path,
      why: `${file} is not of the form ${format}`,
      next: 'leave the file out with a pattern such as data/*/*.csv, or write the format so that it takes all files',
    }),
  );
}

function twice(name: string, format: string): DatasetError {
  return new DatasetError(
    datasetProblem({
      code: 'PR3302',
      what: `the partition key ${JSON.stringify(name)} is both a column and a part of the path`,
      file: format,
      why: 'which of the two values counts is not decided',
      next: `write {*} for {${name}} in partition_format to take the column, or call the part of the path otherwise`,
    }),
  );
}
