/** Queries as inputs: which database, and what is asked of it. I/O: reads the query's file and the first bytes of the database. */
import { open, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { QuerySpec } from '../domain/plan.ts';
import type { JobContext } from './context.ts';
import { toLocalPath } from './paths.ts';
import type { Problems } from './problems.ts';
import { reasonOf } from './problems.ts';
import type { SelectedPath } from './selection.ts';

type Engine = QuerySpec['engine'];

const NAMES: readonly (readonly [RegExp, Engine])[] = [
  [/\.(?:db|sqlite3?)$/i, 'sqlite'],
  [/\.duckdb$/i, 'duckdb'],
];
/** Both kinds of files say what they are, DuckDB behind a checksum. */
const FRONTS: readonly (readonly [string, number, Engine])[] = [
  ['SQLite format 3\0', 0, 'sqlite'],
  ['DUCK', 8, 'duckdb'],
];
const FRONT_BYTES = 16;

/** What is asked for: text, and where `input_format` says so, of which kind of database. Undefined: no query. */
export interface WantedQuery {
  readonly text: string;
  readonly engine: Engine | undefined;
}

export async function wantedQuery({ settings, problems, cwd, base }: JobContext): Promise<WantedQuery | undefined> {
  const { query, inputFormat: format } = settings;
  const engine = format.value === 'sqlite' || format.value === 'duckdb' ? format.value : undefined;
  if (query.value === undefined) {
    if (engine === undefined) return undefined;
    problems.error('PR3206', `input_format is ${engine}, and there is no query`, {
      ...(format.at && { where: format.at }),
      next: `add --query 'SELECT ...', or --query @FILE`,
    });
    return { text: '', engine };
  }
  const where = query.at ? { where: query.at } : {};
  if (format.value !== undefined && engine === undefined)
    problems.error('PR1012', `a query is put to a database, and input_format is ${format.value}`, {
      ...where,
      next: 'leave input_format out, or say sqlite or duckdb',
    });
  const text = query.value.startsWith('@')
    ? await textOf(query.value.slice(1), query.origin === 'job file' ? base : cwd, problems, where)
    : query.value;
  if (text?.trim() === '') problems.error('PR3206', 'the query is empty', where);
  return { text: text ?? '', engine };
}

async function textOf(
  name: string,
  base: string,
  problems: Problems,
  where: Parameters<Problems['error']>[2],
): Promise<string | undefined> {
  const local = toLocalPath(name, base);
  const file = local.ok ? local.value : name;
  try {
    return (await readFile(file, 'utf8')).replace(/^\uFEFF/, '');
  } catch (error) {
    problems.error('PR3206', `the file of the query, ${name}, cannot be read`, {
      ...where,
      why: `${file}: ${reasonOf(error)}`,
    });
    return undefined;
  }
}

/** @returns undefined where the path is no database; reported */
export async function queryOn(
  input: SelectedPath,
  { text, engine: wanted }: WantedQuery,
  problems: Problems,
): Promise<QuerySpec | undefined> {
  const { root, select } = input;
  // Of a folder relative names in the query count.
  if (select.by === 'all' && wanted !== 'sqlite') return { engine: 'duckdb', database: root, text };
  const database = select.by === 'one' ? path.join(root, select.file) : undefined;
  const engine = wanted ?? (database === undefined ? undefined : await engineOf(database));
  if (database !== undefined && engine !== undefined) return { engine, database, text };
  problems.error('PR3207', `the input ${input.text} is no database that a query can be put to`, {
    where: input.at,
    why:
      database === undefined
        ? 'found a folder or a pattern; a query is put to one file, or by DuckDB to the files of a folder'
        : 'neither its name nor its first bytes say what it is; known are SQLite and DuckDB',
    next: 'name a database, and say with --input-format what it is: sqlite or duckdb',
  });
  return undefined;
}

async function engineOf(database: string): Promise<Engine | undefined> {
  const front = await frontOf(database).catch(() => '');
  const found = FRONTS.find(([mark, at]) => front.startsWith(mark, at));
  return found?.[2] ?? NAMES.find(([name]) => name.test(database))?.[1];
}

async function frontOf(file: string): Promise<string> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(FRONT_BYTES), 0, FRONT_BYTES, 0);
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await handle.close();
  }
}
