import { count, duration, safeText } from '../../views/text/words.ts';
import type { RunListEntry } from '../../sdk/index.ts';
import { dayTime } from './format.ts';
import { ellipsisOf, type Screen } from './screen.ts';
import { tableLines } from './table.ts';
import { cutEnd } from './width.ts';

/** Runs as a table; the entries come newest first. `root` is said where there is none. */
export function listLines(entries: readonly RunListEntry[], root: string, screen: Screen): readonly string[] {
  if (entries.length === 0) return [`No runs in ${safeText(root)}`];
  const rows = entries.map((entry) => [
    safeText(entry.runId),
    stateText(entry),
    entry.startedAt === undefined ? '' : dayTime(entry.startedAt),
    entry.problem === undefined ? duration(entry.elapsedSeconds * 1000) : '',
    progressOf(entry),
    entry.problem === undefined ? count(entry.steps?.failed ?? entry.miniBatches.failed) : '',
    safeText(entry.problem ?? (entry.displayName === entry.runId ? '' : entry.displayName)),
  ]);
  const columns = [
    { title: 'RUN' },
    { title: 'STATE' },
    { title: 'STARTED' },
    { title: 'TOOK', align: 'right' },
    { title: 'MINI-BATCHES', align: 'right' },
    { title: 'FAILED', align: 'right' },
    { title: 'NAME' },
  ] as const;
  const [head, ...lines] = tableLines(columns, rows).map((line) => cutEnd(line, screen.columns, ellipsisOf(screen)));
  return [screen.paint('faint', head ?? ''), ...lines];
}

function progressOf({ problem, steps, miniBatches }: RunListEntry): string {
  if (problem !== undefined) return '';
  if (steps !== undefined) return `${steps.done}/${steps.total} steps`;
  return `${count(miniBatches.processed)}/${count(miniBatches.created)}`;
}

/** A run that says it goes on although nobody works on it was killed. */
export function stateText(entry: Pick<RunListEntry, 'state' | 'live' | 'problem'>): string {
  if (entry.problem !== undefined) return 'unreadable';
  const over = entry.state === 'Completed' || entry.state === 'Failed' || entry.state === 'Canceled';
  return over || entry.live ? entry.state : 'Interrupted';
}
