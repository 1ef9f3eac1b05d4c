/** The files of a run as a tree, each with its size and what it is. */
import { bytes, count, safeText } from '../../views/text/words.ts';
import { lineOf, type Screen } from './screen.ts';
import { displayWidth } from './width.ts';

/** A file or folder; `path` is relative to the run folder, POSIX. */
export interface LogEntry {
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'other';
  readonly size: number;
  readonly depth: number;
  /** Folders: entries that are not shown any more, because there are too many. */
  readonly hidden?: number;
}

const MEANINGS: readonly (readonly [pattern: RegExp, meaning: string])[] = [
  [/^azureml-logs\/70_driver_log\.txt$/, 'everything the scripts printed, and every traceback'],
  [/^logs\/overview\.txt$/, 'start here: progress, result, and the cause of a failure'],
  [/^logs\/master\.txt$/, 'what the orchestrator did and why'],
  [/^logs\/job_result\.txt$/, 'the verdict'],
  [/^logs\/job_error\.txt$/, 'all errors, grouped'],
  [/^logs\/readme\.txt$/, 'what each file is'],
  [/^logs\/worker$/, 'per worker: each mini-batch it picked up and finished'],
  [/^logs\/performance$/, 'samples of CPU, memory, disk and network'],
  [/^logs\/user$/, 'from the scripts themselves'],
  [/^logs\/user\/stdout$/, 'what each worker printed, with time stamps'],
  [/^logs\/user\/stderr$/, 'the same for standard error'],
  [/^logs\/user\/error$/, 'tracebacks of each worker'],
  [/^logs\/job_report$/, 'tables of mini-batches, processes and nodes'],
  [/^logs\/job_report\/processed_mini-batches\.csv$/, 'one row per try'],
  [/^logs\/job_report\/process_summary\.csv$/, 'one row per worker process'],
  [/^logs\/job_report\/node_summary\.csv$/, 'one row per node'],
  [/\/process_resource_monitor_[^/]*\.csv$/, 'samples of one worker with its children'],
  [/\/sys_resource_monitor_[^/]*\.csv$/, 'samples of the node'],
  [/^steps$/, 'a run for each step of the pipeline'],
  [/^outputs$/, 'the result'],
  [/^outputs\/dead_letters\.jsonl$/, 'items that were given up, each with its cause'],
];

/** What a file of contract 3 is, in a few words; undefined for what scripts wrote themselves. */
export const meaningOf = (path: string): string | undefined => MEANINGS.find(([pattern]) => pattern.test(path))?.[1];

const NAME_COLUMNS_MAX = 64;
const SIZE_COLUMNS = 10;

export function logTreeLines(entries: readonly LogEntry[], screen: Screen): readonly string[] {
  if (entries.length === 0) return ['No log files yet'];
  const names = entries.map(
    (entry) => `${'  '.repeat(entry.depth)}${safeText(baseName(entry.path))}${entry.kind === 'folder' ? '/' : ''}`,
  );
  const columns = Math.min(NAME_COLUMNS_MAX, Math.max(...names.map(displayWidth)));
  return entries.flatMap((entry, place) => {
    const name = names[place] ?? '';
    const size = entry.kind === 'file' ? bytes(entry.size) : entry.kind === 'other' ? 'special' : '';
    const gap = ' '.repeat(Math.max(1, columns - displayWidth(name) + 1));
    const meaning = meaningOf(entry.path) ?? '';
    const line = lineOf([name, gap, size.padStart(SIZE_COLUMNS), '  ', [meaning, 'faint']], screen);
    const hidden = entry.hidden ?? 0;
    return [line.trimEnd(), ...(hidden > 0 ? [`${'  '.repeat(entry.depth + 1)}and ${count(hidden)} more`] : [])];
  });
}

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
