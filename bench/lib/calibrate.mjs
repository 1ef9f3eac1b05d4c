/** How much computing is a millisecond on this machine, now. */
import { python, runPeer } from './peers.mjs';

let found;

/** @returns loops of `tasks.compute` a millisecond: the best of many, measured once a run of the benchmarks */
export async function loopsPerMs(context) {
  found ??= (await runPeer(python, 'calibrate.py', {}, context)).loopsPerMs;
  return found;
}
