/** Times of a run from its own logs (docs/logs.md). Pure: texts in, numbers out. */

const MASTER = {
  creationStarted: /^(\S+ \S+?)\|.*\|task creation started/m,
  creationFinished: /^(\S+ \S+?)\|.*\|task creation finished/m,
};

/** `2026-01-02 03:04:05,678`, UTC, as ms since the epoch. */
export function logTime(text) {
  return Date.parse(`${text.replace(' ', 'T').replace(',', '.')}Z`);
}

/** @returns ms since the epoch; fields of what `master.txt` does not tell are missing */
export function timeline(master) {
  return Object.fromEntries(
    Object.entries(MASTER).flatMap(([name, pattern]) => {
      const found = pattern.exec(master)?.[1];
      return found === undefined ? [] : [[name, logTime(found)]];
    }),
  );
}

/**
 * From the text of a worker's log, of which the middle may be missing.
 * @returns when its first `run()` began, when the orchestrator had its first and its last outcome; undefined where it
 *   ran nothing
 */
export function outcomesOf(workerLog) {
  const start = /\bstart1=(\S+)/.exec(workerLog)?.[1];
  const lines = workerLog.split('\n').filter((line) => /^\S+ \S+ INFO event=finished .*\bstatus=/.test(line));
  if (start === undefined || lines.length === 0) return undefined;
  const [first, last] = [lines[0], lines.at(-1)].map((line) => logTime(line.split(' INFO ')[0]));
  return { begun: Date.parse(start), first, last };
}

/** Tries of each worker process from `process_summary.csv`. @returns {Map<string, number>} by the name of the process */
export function triesOf(summary) {
  const [head, ...rows] = summary.trim().split('\n');
  const [name, tries] = ['Process', 'Tries'].map((column) => head.split(',').indexOf(column));
  return new Map(rows.map((row) => [row.split(',')[name], Number(row.split(',')[tries])]));
}

/** Mini-batches a second of all workers together, each from its first outcome to its last. */
export function rateOf(workers) {
  return workers
    .filter(({ tries, first, last }) => tries > 1 && last > first)
    .reduce((sum, { tries, first, last }) => sum + ((tries - 1) * 1000) / (last - first), 0);
}
