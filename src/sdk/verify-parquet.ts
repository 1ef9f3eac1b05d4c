import type { Plan } from '../domain/plan.ts';
import type { Problem } from '../domain/problem.ts';
import type { CompletenessFold } from '../views/completeness.ts';
import * as differ from './verify-problems.ts';

/**
 * A result in Parquet is made of the committed rows and isn't their bytes: it is held against what was noted when it was
 * assembled, and its rows against those of the ledger.
 * @returns bytes it should have
 */
export async function checkParquet(
  plan: Plan,
  path: string,
  fold: CompletenessFold,
  differences: Problem[],
): Promise<number> {
  const { assembled } = fold;
  if (assembled && assembled.rows !== fold.rows)
    differences.push(differ.sums(assembled, { rows: fold.rows, bytes: assembled.bytes }));
  const { inspectParquet } = await import('../output/parquet/inspect.ts');
  const found = await inspectParquet(path);
  if (found === undefined) {
    differences.push(differ.resultGone(plan, path));
    return assembled?.bytes ?? 0;
  }
  if (found.rows !== fold.rows) differences.push(differ.parquetRows(path, found.rows, fold.rows));
  if (assembled && found.bytes !== assembled.bytes)
    differences.push(differ.resultSize(path, found.bytes, assembled.bytes, 'unknown'));
  else if (assembled?.crc32 !== undefined && found.crc32 !== assembled.crc32)
    differences.push(differ.parquetBytes(path));
  return assembled?.bytes ?? found.bytes;
}
