/**
 * Clocks of the worker host. Own references, taken before user code is loaded: a script that replaces `Date.now` or
 * `performance.now` changes its own times, not ours.
 */
const now = Date.now;
const monotonic = performance.now.bind(performance);
const cpuUsage = process.cpuUsage.bind(process);

/** The wall clock was set when it differs by more than this from what the monotonic clock says. */
const CLOCK_STEP_MS = 2;

let anchorMs = now() - monotonic();

/** Epoch seconds with microseconds; follows the wall clock when somebody sets it. */
export function wallSeconds(): number {
  const elapsed = monotonic();
  const coarse = now();
  const precise = anchorMs + elapsed;
  if (precise >= coarse && precise < coarse + CLOCK_STEP_MS) return Math.round(precise * 1000) / 1e6;
  anchorMs = coarse - elapsed;
  return coarse / 1000;
}

/** CPU seconds of the process, user and system, with microseconds. */
export function cpuSeconds(): number {
  const usage = cpuUsage();
  return (usage.user + usage.system) / 1e6;
}

/** Seconds since some start; never goes back. */
export function monotonicSeconds(): number {
  return monotonic() / 1000;
}
