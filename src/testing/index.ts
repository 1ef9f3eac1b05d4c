/**
 * Unit tests for TypeScript and JavaScript entry scripts: the three functions called as a worker calls them, on items
 * of the test, in this process. What `run` returns is checked and written as in a run.
 *
 * ```ts
 * import { entryUnderTest } from 'parallelrun/testing';
 * import * as score from './score.ts';
 *
 * const entry = await entryUnderTest(score);
 * await entry.init();
 * const result = await entry.run(['fixtures/a.txt']);
 * assert.equal(result.text, 'a 3\n');
 * await entry.shutdown();
 * ```
 */
import path from 'node:path';
import type { EntryFunctions, MiniBatchContext, TableMiniBatch, TableRow } from '../domain/entry.ts';
import { resolveEntry } from '../worker/entry.ts';
import { collect } from './collect.ts';
import type { EntryResult, TextFormat } from './collect.ts';
import { EntryTestError } from './error.ts';
import { importScript } from './load.ts';

export { EntryTestError };
export type { EntryResult };
export type {
  EntryFunctions,
  MiniBatchContext,
  MiniBatchItems,
  TableCell,
  TableMiniBatch,
  TableRow,
} from '../domain/entry.ts';

export interface EntryTestOptions {
  /** What the script finds in `process.argv.slice(2)` while its functions run and, where a path is given, at import. */
  readonly argv?: readonly string[];
  /** Format of `EntryResult.text`; default `txt`. */
  readonly format?: TextFormat;
}

export interface EntryUnderTest {
  /** Calls `init()` where there is one. Rejects with what it throws. */
  init(): Promise<void>;
  /**
   * Calls `run` once.
   * @param items paths (made absolute from the working folder), or rows of a table.
   * @throws what `run` throws; EntryTestError where a run would refuse what it returns.
   */
  run(items: readonly string[] | readonly TableRow[], context?: Partial<MiniBatchContext>): Promise<EntryResult>;
  /** Calls `shutdown()` where there is one. Rejects with what it throws. */
  shutdown(): Promise<void>;
}

/**
 * @param entry the imported module (`import * as score from './score.ts'`), or the path of the script.
 * @throws EntryTestError where it has no `run`; what its module-level code throws.
 */
export async function entryUnderTest(entry: object | string, options: EntryTestOptions = {}): Promise<EntryUnderTest> {
  const script = typeof entry === 'string' ? path.resolve(entry) : (process.argv[1] ?? '');
  const within = <T>(call: () => Promise<T>): Promise<T> => withArguments(script, options.argv ?? [], call);
  const module = typeof entry === 'string' ? await within(() => importScript(script)) : entry;
  const loaded = resolveEntry(module);
  if (!loaded.ok) {
    const names = loaded.defined.length === 0 ? 'nothing' : loaded.defined.join(', ');
    throw new EntryTestError(`the entry script exports no function run; it exports ${names}`);
  }
  return {
    init: () => within(() => callStage(loaded.entry.init)),
    run: (items, context) => within(() => runOnce(loaded.entry, items, context, options.format ?? 'txt')),
    shutdown: () => within(() => callStage(loaded.entry.shutdown)),
  };
}

async function callStage(stage: (() => unknown) | undefined): Promise<void> {
  await stage?.();
}

async function runOnce(
  entry: EntryFunctions,
  items: readonly string[] | readonly TableRow[],
  context: Partial<MiniBatchContext> | undefined,
  format: TextFormat,
): Promise<EntryResult> {
  const full = { minibatchIndex: 0, partitionKeyValue: {}, dataset: null, tryNumber: 1, ...context };
  const batch = arePaths(items) ? items.map((item) => path.resolve(item)) : await tableOf(items);
  const returned = await entry.run(batch, full);
  return collect(returned, items.length, format);
}

/** Loaded for tables only: scripts on files need no Arrow. */
async function tableOf(rows: readonly TableRow[]): Promise<TableMiniBatch> {
  const { tableOfRows } = await import('./rows.ts');
  return tableOfRows(rows);
}

function arePaths(items: readonly string[] | readonly TableRow[]): items is readonly string[] {
  return items.every((item) => typeof item === 'string');
}

async function withArguments<T>(script: string, given: readonly string[], call: () => Promise<T>): Promise<T> {
  const before = process.argv;
  process.argv = [process.execPath, script, ...given];
  try {
    return await call();
  } finally {
    process.argv = before;
  }
}
