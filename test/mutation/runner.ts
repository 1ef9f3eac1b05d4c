/**
 * Runs each test once as it is, to see which changes it comes by, and once more for each of those that nobody has
 * noticed yet. What is noticed is written at once: this process may be ended where a change makes it hang.
 */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import type { RunnerTestCase } from 'vitest';
import { TestRunner } from 'vitest';
import { limitFor, switchTo, watch, watched } from './switch.ts';

/** A test that waits for what never comes ends after this, above five times its own time. */
const STALLED_MS = 5_000;

/** What this process is to do, and what it has found; files, since it may end at any moment. */
export interface Job {
  readonly mutants: readonly number[];
  /** Of one change by one line `id test`. */
  readonly caught: string;
  /** The change and test under way. */
  readonly current: string;
  /** Names of tests that have been through, by line; they are passed over. */
  readonly tests: string;
  /** Tests that take longer are left for later; undefined: none. */
  readonly quickMs?: number;
}

const job = JSON.parse(readFileSync(process.env.PARALLELRUN_MUTATION_JOB ?? '', 'utf8')) as Job;
const living = new Set(job.mutants);
const through = new Set(readFileSync(job.tests, 'utf8').split('\n'));
// Before any test takes the clock into its own hands.
const { setTimeout: later, clearTimeout: never, setImmediate: soon } = globalThis;

// The same histories for each change, and no search for the shortest one that shows it.
fc.configureGlobal({ seed: 1, endOnFailure: true });

export default class MutationRunner extends TestRunner {
  async runTask(test: RunnerTestCase): Promise<void> {
    const work = TestRunner.getTestFn(test);
    const name = `${test.file.name} > ${test.name}`;
    if (through.has(name)) return;
    const run = async (): Promise<void> => {
      await work();
    };
    const started = performance.now();
    watch();
    await run();
    const { seen, times } = watched();
    const took = performance.now() - started;
    if (job.quickMs !== undefined && took > job.quickMs) return;
    for (const id of living) {
      if (!seen.has(id)) continue;
      writeFileSync(job.current, `${id} ${name}`);
      switchTo(id, limitFor(times));
      const end = await endOf(run, STALLED_MS + 5 * took);
      if (end === 'passed') continue;
      living.delete(id);
      appendFileSync(job.caught, `${id} ${name}${end === 'stalled' ? ' (never ended)' : ''}\n`);
    }
    switchTo(0, limitFor(times));
    // Otherwise it is not the changes that it has noticed.
    const end = await endOf(run, Infinity);
    switchTo(0, Infinity);
    if (end !== 'passed') throw new Error(`${name} can't be run again: what it noticed is worth nothing`);
    appendFileSync(job.tests, `${name}\n`);
  }
}

async function endOf(run: () => Promise<void>, limitMs: number): Promise<'passed' | 'failed' | 'stalled'> {
  let timer: NodeJS.Timeout | undefined;
  const stalled = new Promise<'stalled'>((resolve) => {
    if (limitMs < Infinity) timer = later(() => resolve('stalled'), limitMs);
  });
  const ended = run().then(
    () => 'passed' as const,
    () => 'failed' as const,
  );
  const end = await Promise.race([ended, stalled]);
  never(timer);
  // What the run has left behind has its turn before the next one begins.
  await new Promise<void>((resolve) => {
    soon(resolve);
  });
  return end;
}
