import { bytes, counted, safeText } from '../../views/text/words.ts';
import { isOn, numberOf, textOf, type CommandInput } from '../command.ts';
import type { PrunedRun, PruneOptions } from '../../sdk/index.ts';
import { rootOf } from '../find-run.ts';
import { parseAge } from '../render/format.ts';
import { tableLines } from '../render/table.ts';
import { usageError } from '../usage.ts';

const DEFAULT_AGE = '30d';

/** Removes folders of runs that have ended; never one that a process works on, never a folder that is no run. */
export async function execute(input: CommandInput): Promise<number> {
  const { deps, console, parsed } = input;
  const root = rootOf(deps, parsed);
  const options = pruneOptions(input);
  const pruned = await (await deps.sdk()).pruneRuns(root, options);
  if (!console.json) console.say(prunedLines(pruned, root, options.dryRun));
  for (const run of pruned) await console.emit({ type: 'pruned', dryRun: options.dryRun, ...run });
  return 0;
}

function pruneOptions({ parsed }: CommandInput): PruneOptions {
  const dryRun = isOn(parsed, 'dryRun');
  const keep = numberOf(parsed, 'keep', '--keep');
  if (keep !== undefined) return { keep, dryRun };
  const age = textOf(parsed, 'olderThan') ?? DEFAULT_AGE;
  const olderThanMs = parseAge(age);
  if (olderThanMs !== undefined) return { olderThanMs, dryRun };
  throw usageError(`"${age}" is no age for --older-than`, {
    why: 'it needs a number and a unit: s, m, h, d or w',
    next: 'parallelrun prune --older-than 30d --dry-run',
  });
}

function prunedLines(pruned: readonly PrunedRun[], root: string, dryRun: boolean): readonly string[] {
  if (pruned.length === 0) return [`Nothing to remove in ${safeText(root)}`];
  const total = pruned.reduce((sum, run) => sum + run.bytes, 0);
  const rows = pruned.map((run) => [safeText(run.runId), bytes(run.bytes), safeText(run.why)]);
  const sum = `${counted(pruned.length, 'run')}, ${bytes(total)}`;
  return [
    ...tableLines([{ title: 'RUN' }, { title: 'SIZE', align: 'right' }, { title: 'WHY' }], rows),
    dryRun ? `${sum} would be removed; without --dry-run they are` : `${sum} removed`,
  ];
}
