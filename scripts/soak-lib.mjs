/** What the soak does with its samples: lines through them, and the verdict. Nothing here looks at the world. */

/** Least squares. @returns slope and where the line starts and ends over the range of `x`; of fewer than 2 points zeros */
export function lineThrough(points) {
  const n = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / Math.max(1, n);
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / Math.max(1, n);
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const slope = spread === 0 ? 0 : points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread;
  const xs = points.map(([x]) => x);
  const at = (x) => meanY + slope * (x - meanX);
  return n === 0 ? { slope: 0, first: 0, last: 0 } : { slope, first: at(Math.min(...xs)), last: at(Math.max(...xs)) };
}

export const LIMITS = {
  /** MiB of the orchestrator per 10,000 mini-batches of a long run. */
  rssSlope: 1,
  /** MiB over a shorter run: less than this goes up and down with what the last faults were. */
  rssGrowth: 10,
  /** Descriptors of the orchestrator, end of the line through them against its start, either way. */
  descriptors: 5,
  /** Processes of the run, the same. */
  processes: 1,
  zombies: 0,
};

/** Counted mini-batches from which on the slope of memory is more than chance. */
const LONG_RUN = 80_000;

/**
 * @param {readonly { settled: number, rssMiB: number, descriptors: number, processes: number, zombies: number }[]} counted
 * @returns rows of the table, each with `ok`
 */
export function judge(counted) {
  const line = (key) => lineThrough(counted.map((sample) => [sample.settled, sample[key]]));
  const range = (key) => counted.map((sample) => sample[key]);
  const rss = line('rssMiB');
  const drift = (key) => line(key).last - line(key).first;
  const row = (quantity, key, measure, value, limit, digits) => ({
    quantity,
    least: Math.min(...range(key)).toFixed(digits),
    most: Math.max(...range(key)).toFixed(digits),
    measure,
    value: value.toFixed(2),
    limit: String(limit),
    ok: counted.length >= 5 && Math.abs(value) <= limit,
  });
  const settled = range('settled');
  const memory =
    Math.max(...settled) - Math.min(...settled) >= LONG_RUN
      ? row('memory, MiB', 'rssMiB', 'MiB per 10,000 mini-batches', rss.slope * 1e4, LIMITS.rssSlope, 1)
      : row('memory, MiB', 'rssMiB', 'change (too short a run for a slope)', drift('rssMiB'), LIMITS.rssGrowth, 1);
  return [
    // Less is no leak.
    { ...memory, ok: memory.ok || (counted.length >= 5 && rss.slope < 0) },
    row('descriptors', 'descriptors', 'change over the run', drift('descriptors'), LIMITS.descriptors, 0),
    row('processes', 'processes', 'change over the run', drift('processes'), LIMITS.processes, 0),
    row('zombies', 'zombies', 'most at once', Math.max(0, ...range('zombies')), LIMITS.zombies, 0),
  ];
}

/** Cells as a table, numbers or not, first row the heads. */
export function tableText(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/**
 * Seconds that a mini-batch should take, so that what is left fills the time that is left.
 * @param now what it takes at present with the pace `pace`: `seconds` for `settled` mini-batches by `workers`
 */
export function paceFor({ left, secondsLeft, workers, pace, settled, seconds }) {
  if (left <= 0 || secondsLeft <= 0) return 0;
  const overhead = settled > 0 ? Math.max(0, (seconds * workers) / settled - pace) : 0;
  return Math.min(1, Math.max(0, (secondsLeft * workers) / left - overhead));
}
