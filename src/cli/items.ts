/** Names of the items that the last lines of a run name, looked up before these are written. */
import type { MiniBatchIndex } from '../domain/ids.ts';
import { describeItem, type MiniBatchSource } from '../domain/minibatch.ts';
import type { RunStatus } from '../views/status.ts';
import type { RunContext } from '../views/text/cause.ts';
import type { StoredRun } from './deps.ts';

const MINI_BATCHES_MAX = 500;

/** @param open gives the run; not called where there is nothing to look up */
export async function withItemNames(
  context: RunContext,
  status: RunStatus,
  open: () => Promise<StoredRun>,
): Promise<RunContext> {
  const indexes = [...new Set(mentioned(status))].slice(0, MINI_BATCHES_MAX);
  if (indexes.length === 0) return context;
  const sources = new Map<MiniBatchIndex, MiniBatchSource>();
  try {
    const run = await open();
    for (const index of indexes) sources.set(index, (await run.manifestEntry(index)).source);
  } catch {
    // Only names are missing: positions stand in for them.
  }
  return {
    ...context,
    itemName: (index, position) => {
      const source = sources.get(index);
      return source && describeItem(source, position);
    },
  };
}

function* mentioned({ deadLetterExamples, errorGroups }: RunStatus): Generator<MiniBatchIndex> {
  for (const { index } of deadLetterExamples) yield index;
  for (const { example, deadItems } of errorGroups) {
    if (example.item !== undefined && example.index !== undefined) yield example.index;
    for (const { index } of deadItems) yield index;
  }
}
