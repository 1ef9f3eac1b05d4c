/** A query of SQLite, written as JSON Lines: an object a row, each with all columns. Blocks its thread. */
import { closeSync, openSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type Database from 'libsql';
import { columnNames } from '../table/names.ts';
import { writeAllSync } from '../write.ts';
import { QueryError } from './protocol.ts';
import { bareStatement } from './statement.ts';
import type { QueryTask, Tell } from './protocol.ts';

const BUFFER_CHARACTERS = 256 * 1024;
const ROWS_PER_LOOK = 4096;
const PROGRESS_MS = 1000;
/** So long is waited for somebody who is writing. */
const LOCK_WAIT_MS = 5000;

export async function querySqlite({ database, text, target }: QueryTask, tell: Tell): Promise<void> {
  const { default: Sqlite } = await import('libsql').catch((error: unknown) => {
    throw new QueryError('driver', error);
  });
  const opened = open(Sqlite, database);
  try {
    const statement = prepare(opened, text);
    if (target !== undefined) writeRows(statement, target, tell);
  } catch (error) {
    throw error instanceof QueryError ? error : new QueryError('query', error);
  } finally {
    opened.close();
  }
}

function open(Sqlite: typeof Database, path: string): Database.Database {
  try {
    // A plain name would be opened for writing, and made where there is none.
    const database = new Sqlite(`${pathToFileURL(path).href}?mode=ro`, { timeout: LOCK_WAIT_MS });
    // Reads the file for the first time.
    database.prepare('SELECT count(*) FROM sqlite_master').get();
    return database;
  } catch (error) {
    throw new QueryError('open', error);
  }
}

function prepare(database: Database.Database, text: string): Database.Statement {
  const statement = database.prepare(text);
  if (!statement.reader) throw new Error('it gives no rows: a SELECT is wanted');
  try {
    // What stands behind a first statement would be left out without a word.
    database.prepare(`SELECT * FROM (${bareStatement(text)})`);
  } catch (error) {
    throw new Error('it is more than one statement, or no SELECT', { cause: error });
  }
  return statement.safeIntegers(true).raw(true);
}

function writeRows(statement: Database.Statement, target: string, tell: Tell): void {
  const names = columnNames(statement.columns().map(({ name }) => name));
  const keys = names.map((name, i) => `${i === 0 ? '{' : ','}${JSON.stringify(name)}:`);
  const file = openSync(target, 'wx', 0o600);
  try {
    let lines = '';
    let rows = 0;
    let told = performance.now();
    for (const row of statement.iterate() as IterableIterator<readonly unknown[]>) {
      for (let i = 0; i < keys.length; i++) lines += (keys[i] as string) + jsonOf(row[i]);
      lines += '}\n';
      rows += 1;
      if (lines.length >= BUFFER_CHARACTERS) {
        writeAllSync(file, Buffer.from(lines));
        lines = '';
      }
      if (rows % ROWS_PER_LOOK === 0 && performance.now() - told > PROGRESS_MS) {
        told = performance.now();
        tell({ type: 'progress', rows });
      }
    }
    writeAllSync(file, Buffer.from(lines));
  } finally {
    closeSync(file);
  }
}

/** Whole numbers keep their digits, others a point or an exponent, so that both can be told apart; bytes are Base64. */
export function jsonOf(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return numberText(value);
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString('base64')}"`;
  return JSON.stringify(value);
}

function numberText(value: number): string {
  // JSON has no infinity, and readers make one of a number that is too large.
  if (!Number.isFinite(value)) return value > 0 ? '1e999' : '-1e999';
  if (Object.is(value, -0)) return '-0.0';
  const text = String(value);
  return /^-?[0-9]+$/.test(text) ? `${text}.0` : text;
}
