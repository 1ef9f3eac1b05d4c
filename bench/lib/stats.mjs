/** Arithmetic of the benchmarks. Pure: no clock, no files. */

/** @param {readonly number[]} values at least one */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** @returns undefined where there is nothing to look at */
export function spread(values) {
  if (values.length === 0) return undefined;
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/**
 * How many times as fast the base was, repetition by repetition: the two of a pair ran next to each other, so that what
 * else the machine did hits both.
 * @param {'less' | 'more'} better whether few (seconds) or many (files a second) are good
 */
export function ratios(values, base, better) {
  return values.slice(0, base.length).map((value, i) => (better === 'less' ? value / base[i] : base[i] / value));
}

/** Cost of one more: what a fixed start and end cost cancels out. */
export function perUnit(small, large) {
  if (large.count <= small.count) throw new Error(`${large.count} is not more than ${small.count}`);
  return (large.value - small.value) / (large.count - small.count);
}
