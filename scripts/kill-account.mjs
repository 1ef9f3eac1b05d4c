/** Which runs of an item were for nothing, and whose doing that was: worked out from what the script itself wrote down. */

/** @typedef {{ item: string, by: string }} Execution `by`: the worker process, `<pid>.<something of its own>` */
/**
 * The time from one crash of the orchestrator to the next (or to the end of the run).
 * @typedef {{ until: number, committed: Set<string>, killed: string[], crash: boolean }} Stretch
 *   until: executions begun by its end; committed: items that the ledger held then; killed: pids of workers we killed
 */

/**
 * @param {readonly Execution[]} executions in the order they began
 * @param {readonly Stretch[]} stretches
 * @returns per stretch `byCrash` and `byWorker`: items whose run was lost with the orchestrator, or with a worker that was
 *   killed alone; and of all: `again`, committed ones that ran again, and `unexplained`, runs nobody's death explains
 */
export function accountOf(executions, stretches) {
  const perStretch = [];
  const again = [];
  const unexplained = [];
  const committed = new Set();
  let from = 0;
  for (const stretch of stretches) {
    const part = executions.slice(from, stretch.until);
    from = stretch.until;
    const lastOfItem = new Map(part.map((one, place) => [one.item, place]));
    const lastOfWorker = new Map(part.map((one, place) => [one.by, place]));
    const found = { byCrash: [], byWorker: [], crash: stretch.crash };
    for (const [place, { item, by }] of part.entries()) {
      const last = lastOfItem.get(item) === place;
      if (committed.has(item)) again.push(item);
      else if (last && stretch.committed.has(item)) continue;
      else if (lastOfWorker.get(by) === place && stretch.killed.includes(by.split('.')[0])) found.byWorker.push(item);
      else if (last && stretch.crash) found.byCrash.push(item);
      else unexplained.push(item);
    }
    for (const item of stretch.committed) committed.add(item);
    perStretch.push(found);
  }
  return { perStretch, again, unexplained };
}

/** How often each number occurs: `{"0":3,"2":1}`. */
export function histogram(numbers) {
  const counts = {};
  for (const number of [...numbers].sort((a, b) => a - b)) counts[number] = (counts[number] ?? 0) + 1;
  return counts;
}
