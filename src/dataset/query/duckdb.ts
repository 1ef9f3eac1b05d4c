/** A query of DuckDB, written as Parquet by DuckDB itself: its types stay what they are. */
import { availableParallelism, totalmem } from 'node:os';
import { stat } from 'node:fs/promises';
import type { DuckDBConnection, StatementType } from '@duckdb/node-api';
import { QueryError } from './protocol.ts';
import { bareStatement } from './statement.ts';
import type { QueryTask, Tell } from './protocol.ts';

const MIB = 1024 * 1024;
/** What doesn't fit goes to the folder for it. */
const MEMORY_BYTES_MAX = 1024 * MIB;
const PROGRESS_MS = 1000;

export async function queryDuckdb({ database, text, target, temp }: QueryTask, tell: Tell): Promise<void> {
  const { DuckDBInstance, StatementType } = await import('@duckdb/node-api').catch((error: unknown) => {
    throw new QueryError('driver', error);
  });
  const file = !(await stat(database)).isDirectory();
  // A folder is where relative names in the query count from.
  if (!file) process.chdir(database);
  const instance = await DuckDBInstance.create(file ? database : ':memory:', {
    ...(file && { access_mode: 'READ_ONLY' }),
    memory_limit: `${Math.floor(Math.min(MEMORY_BYTES_MAX, totalmem() / 4) / MIB)}MiB`,
    threads: String(availableParallelism()),
    temp_directory: temp,
    // Nothing is fetched from the network unasked.
    autoinstall_known_extensions: 'false',
  }).catch((error: unknown) => {
    throw new QueryError('open', error);
  });
  const connection = await instance.connect();
  try {
    const type = await typeOf(connection, text);
    if (type !== StatementType.SELECT) throw new Error('it gives no rows: a SELECT is wanted');
    await connection.prepare(`SELECT * FROM (${bareStatement(text)})`);
    if (target !== undefined) await copy(connection, text, target, tell);
  } catch (error) {
    throw error instanceof QueryError ? error : new QueryError('query', error);
  }
}

/** Parses and binds it, without running it. */
async function typeOf(connection: DuckDBConnection, text: string): Promise<StatementType> {
  const statements = await connection.extractStatements(text).catch((error: unknown) => {
    const words = (error as Error).message.replace(/^Failed to extract statements: /, '');
    // It has no words for a text without a statement.
    throw new Error(words.includes('native callback') ? 'it holds no statement' : words, { cause: error });
  });
  if (statements.count !== 1) throw new Error(`it holds ${statements.count} statements, and one is wanted`);
  return (await statements.prepare(0)).statementType;
}

async function copy(connection: DuckDBConnection, text: string, target: string, tell: Tell): Promise<void> {
  await connection.run('SET enable_progress_bar = true');
  await connection.run('SET enable_progress_bar_print = false');
  const timer = setInterval(() => {
    const { percentage, rows_processed: rows } = connection.progress;
    if (percentage >= 0) tell({ type: 'progress', percent: percentage, rows: Number(rows) });
  }, PROGRESS_MS);
  try {
    await connection.run(`COPY (${bareStatement(text)}) TO '${target.replaceAll("'", "''")}' (FORMAT PARQUET)`);
  } finally {
    clearInterval(timer);
  }
}
