import type { OutputAssembled } from '../domain/event.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { Plan } from '../domain/plan.ts';
import { readLedger } from '../ledger/index.ts';
import { ExtentTable, assemble, csvHeader } from '../output/index.ts';

/**
 * Builds the result of a run from its ledger and spool. Repeatable.
 * @param kind partial: `<name>.partial` of what succeeded in a run that didn't complete; the result's own name stays
 *   free, so that nobody takes half a result for a whole one
 */
export async function assembleResult(
  plan: Plan,
  layout: RunLayout,
  kind: 'whole' | 'partial',
): Promise<Omit<OutputAssembled, 'type' | 'at'> | undefined> {
  if (plan.output.action !== 'append_row') return undefined;
  const extents = new ExtentTable();
  let columns: readonly string[] | undefined;
  for await (const events of readLedger(layout.ledger)) {
    for (const event of events) {
      if (event.type === 'run-resumed') {
        for (const { index } of [...event.retried, ...(event.rebuilt ?? [])]) extents.clear(index);
        continue;
      }
      if (event.type !== 'try-finished' || !event.rows) continue;
      extents.set(event.index, event.rows);
      columns ??= event.columns;
    }
  }
  if (kind === 'partial' && extents.rows === 0) return undefined;
  const path = kind === 'whole' ? plan.output.file : `${plan.output.file}.partial`;
  if (plan.output.format === 'parquet') {
    // takes a while to load, and most runs don't need it
    const { assembleParquet } = await import('../output/parquet/assemble.ts');
    return { path, ...(await assembleParquet(layout.spool, path, extents)) };
  }
  const header = plan.output.format === 'csv' && columns ? csvHeader(columns) : new Uint8Array();
  return { path, ...(await assemble(layout.spool, path, extents, header)) };
}
