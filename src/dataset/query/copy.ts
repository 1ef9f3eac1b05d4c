/**
 * Queries as inputs. Their rows are written to a file below the run folder before anything is cut from them, and from
 * then on that file is the input: a query may give other rows the next time, or the same in another order.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { InputSpec } from '../../domain/plan.ts';
import { DatasetError, datasetProblem } from '../error.ts';
import { isWhole, markKept } from '../unpack.ts';
import { syncPath } from '../write.ts';
import type { QueryFailure } from './protocol.ts';
import { runQuery } from './run.ts';
import type { QueryOptions } from './run.ts';

type TableInput = Extract<InputSpec, { kind: 'table' }>;
type QueryInput = TableInput & { readonly query: NonNullable<TableInput['query']> };

export const isQuery = (input: InputSpec): input is QueryInput => input.kind === 'table' && input.query !== undefined;

export interface CopyOptions {
  readonly signal?: AbortSignal;
  /** A line for a person. */
  readonly onProgress?: (line: string) => void;
}

/** Rows of the query at this place among the inputs. @param folder of the copies */
function copyOf(folder: string, place: number, { query }: QueryInput): string {
  return `${folder}/${place}${query.engine === 'duckdb' ? '.parquet' : '.jsonl'}`;
}

/** Inputs with the files that hold the rows of queries in place of the databases. */
export function withCopies(inputs: readonly InputSpec[], folder: string): readonly InputSpec[] {
  return inputs.map((input, place) =>
    isQuery(input)
      ? { ...input, root: folder, select: { by: 'one', file: basename(copyOf(folder, place, input)) } }
      : input,
  );
}

/** @returns the first query whose rows aren't all there */
export async function missingCopy(inputs: readonly InputSpec[], folder: string): Promise<InputSpec | undefined> {
  for (const [place, input] of inputs.entries())
    if (isQuery(input) && !(await isWhole(copyOf(folder, place, input)))) return input;
  return undefined;
}

/** Opens each database and looks at its query without running it. @throws DatasetError PR3201 to PR3203 */
export async function checkQueries(
  inputs: readonly InputSpec[],
  temp: string,
  { signal }: CopyOptions = {},
): Promise<void> {
  for (const { query } of inputs.filter(isQuery)) {
    const failure = await runQuery({ ...query, temp }, { ...(signal && { signal }) });
    if (failure) throw queryFailed(query, failure);
  }
}

/**
 * Carries out each query whose rows aren't there as a whole.
 * @throws DatasetError PR3201 to PR3203; an error of the system with its code, ENOSPC where the disk is full
 */
export async function copyQueries(
  inputs: readonly InputSpec[],
  folder: string,
  options: CopyOptions = {},
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // What a process left behind that was killed.
  for (const name of await readdir(folder))
    if (name.startsWith('part-')) await rm(`${folder}/${name}`, { recursive: true, force: true });
  for (const [place, input] of inputs.entries()) {
    if (!isQuery(input)) continue;
    const copy = copyOf(folder, place, input);
    if (!(await isWhole(copy))) await copyQuery(input, copy, options);
  }
}

async function copyQuery({ query }: QueryInput, copy: string, options: CopyOptions): Promise<void> {
  const folder = dirname(copy);
  const part = `${folder}/part-${basename(copy)}`;
  const temp = `${folder}/part-temp`;
  const say = options.onProgress ?? (() => undefined);
  say(`running the query on ${query.database}`);
  const failure = await runQuery({ ...query, target: part, temp }, {
    onProgress: telling(query.database, say),
    ...(options.signal && { signal: options.signal }),
  } satisfies QueryOptions);
  if (failure) {
    const full = await isFull(folder, failure);
    await rm(part, { force: true });
    await rm(temp, { recursive: true, force: true });
    throw full
      ? Object.assign(new Error(`ENOSPC: ${failure.message}`), { code: 'ENOSPC', path: copy })
      : queryFailed(query, failure);
  }
  await rm(temp, { recursive: true, force: true });
  await keep(part, copy);
  say(`the query is done: its rows take ${Math.ceil((await stat(copy)).size / 1024)} KB`);
}

/** From here on it is the input. */
async function keep(part: string, copy: string): Promise<void> {
  await syncPath(part);
  await rename(part, copy);
  await markKept(copy);
}

const TELL_MS = 5000;

/** @returns what tells of the progress, a line now and then */
function telling(database: string, say: (line: string) => void): NonNullable<QueryOptions['onProgress']> {
  let last = performance.now();
  return ({ rows, percent }) => {
    if (performance.now() - last < TELL_MS) return;
    last = performance.now();
    const far =
      percent === undefined ? `${(rows ?? 0).toLocaleString('en-US')} rows so far` : `${Math.floor(percent)} % done`;
    say(`the query on ${database}: ${far}`);
  };
}

/** Drivers say it in their own words, and some of them only in passing. */
async function isFull(folder: string, { message }: QueryFailure): Promise<boolean> {
  if (/no space left|disk (?:is )?full|ENOSPC|EDQUOT|quota exceeded/i.test(message)) return true;
  const space = await statfs(folder).catch(() => undefined);
  return space?.bavail === 0;
}

const PACKAGES = { sqlite: 'libsql', duckdb: '@duckdb/node-api' } as const;
const NAMES = { sqlite: 'SQLite', duckdb: 'DuckDB' } as const;

function queryFailed({ engine, database }: QueryInput['query'], { kind, message }: QueryFailure): DatasetError {
  const common = { file: database, why: message };
  switch (kind) {
    case 'driver':
      return new DatasetError(
        datasetProblem({
          ...common,
          code: 'PR3203',
          what: `the driver of ${NAMES[engine]} is not installed`,
          next: `install it where parallelrun is installed: npm install ${PACKAGES[engine]}`,
        }),
      );
    case 'open':
      return new DatasetError(
        datasetProblem({
          ...common,
          code: 'PR3202',
          what: `the database cannot be opened by ${NAMES[engine]}`,
          next: existsSync(database)
            ? 'close the program that holds it, or say with --input-format what kind of database it is: sqlite or duckdb'
            : 'check the path',
        }),
      );
    case 'query':
      return new DatasetError(
        datasetProblem({
          ...common,
          code: 'PR3201',
          what: `the query cannot be carried out by ${NAMES[engine]}`,
          next: 'try it in a shell of that database; it is one SELECT',
        }),
      );
  }
}
