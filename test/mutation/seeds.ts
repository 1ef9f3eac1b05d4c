/** The simulator over code that can be changed while it runs: `node seeds.mjs JOB`. Found seeds are written at once. */
import { limitFor, switchTo, watch, watched } from './switch.ts';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { runSeed } from '../simulator/run.ts';

export interface SeedsJob {
  readonly mutants: readonly number[];
  /** Seeds 1 to this. */
  readonly seeds: number;
  /** Of one change by one line `id seed N: rule`. */
  readonly caught: string;
  /** The change and seed under way. */
  readonly current: string;
}

interface Plain {
  readonly seed: number;
  readonly seen: ReadonlySet<number>;
  readonly times: number;
}

function plainRun(seed: number): Plain {
  watch();
  const { message } = runSeed(seed);
  if (message !== undefined) throw new Error(`seed ${seed} breaks a rule without any change: ${message}`);
  return { seed, ...watched() };
}

/** @returns the rule that shows it */
function broken(id: number, { seed, times }: Plain): string | undefined {
  switchTo(id, limitFor(times));
  try {
    return runSeed(seed).rule;
  } catch (error) {
    return String(error);
  }
}

const job = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as SeedsJob;
const plain = Array.from({ length: job.seeds }, (_, i) => plainRun(i + 1));
for (const id of job.mutants) {
  for (const run of plain) {
    if (!run.seen.has(id)) continue;
    writeFileSync(job.current, `${id} seed ${run.seed}`);
    const rule = broken(id, run);
    if (rule === undefined) continue;
    appendFileSync(job.caught, `${id} seed ${run.seed}: ${rule.split('\n')[0]}\n`);
    break;
  }
}
writeFileSync(job.current, 'end');
