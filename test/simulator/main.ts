/** The bundle: seeds in, what came of them out. Run by itself it takes `FROM COUNT` and prints one line of JSON. */
import { pathToFileURL } from 'node:url';
import { runSeed } from './run.ts';
import type { SeedResult } from './run.ts';

export { runSeed };

export interface Failure {
  readonly seed: number;
  readonly hash: string;
  readonly rule: string;
  readonly message: string;
}

export interface Batch {
  readonly seeds: number;
  readonly events: number;
  /** In how many seeds each rare state was seen. */
  readonly seen: Record<string, number>;
  readonly failures: Failure[];
  readonly hash: string;
}

const FAILURES_MAX = 20;

/** Seeds [from, from + count). @param untilFailure ends at the first violation */
export function runSeeds(from: number, count: number, untilFailure = false): Batch {
  const seen: Record<string, number> = {};
  const failures: Failure[] = [];
  let events = 0;
  let seeds = 0;
  let hash = '';
  for (let seed = from; seed < from + count; seed++) {
    const result: SeedResult = runSeed(seed);
    seeds += 1;
    events += result.events;
    hash = result.hash;
    for (const name of result.seen) seen[name] = (seen[name] ?? 0) + 1;
    if (result.rule === undefined) continue;
    if (failures.length < FAILURES_MAX) failures.push({ seed, hash, rule: result.rule, message: result.message ?? '' });
    if (untilFailure) break;
  }
  return { seeds, events, seen, failures, hash };
}

const [, script = '', from, count, mode] = process.argv;
if (from !== undefined && import.meta.url === pathToFileURL(script).href) {
  process.stdout.write(`${JSON.stringify(runSeeds(Number(from), Number(count), mode === 'until-failure'))}\n`);
}
