/** The command behind `npm run sim`. */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { bundleSimulator } from './bundle.ts';
import { SHARE_MIN, SOMETIMES } from './counters.ts';
import type { Batch, Failure, runSeed } from './main.ts';
import { MUTANTS } from './mutants.ts';
import type { Mutant } from './mutants.ts';

const CHUNK_SEEDS = 2_500;
export const MUTANT_SEEDS = 2_000;
/** Fewer seeds say nothing about how rare a state is. */
const SEEDS_FOR_SHARES = 10_000;

/** Seeds that once broke a rule; the test command runs them first of all. */
export const KEPT = 'test/simulator/seeds.json';
export interface KeptSeed {
  readonly seed: number;
  readonly rule: string;
  /** The defect made by hand that shows what was found: with it the seed breaks the rule again. */
  readonly mutant?: string;
}

const exec = promisify(execFile);

/** @returns the exit code */
export async function simulate(root: string, folder: string, args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: 'string', default: '10000' },
      from: { type: 'string', default: '1' },
      jobs: { type: 'string', default: String(availableParallelism()) },
      trace: { type: 'string' },
      mutants: { type: 'boolean', default: false },
    },
  });
  const jobs = Math.max(1, Number(values.jobs));
  if (values.mutants) return showMutants(root, folder, jobs);
  const bundle = join(folder, 'plain.mjs');
  await bundleSimulator(root, bundle);
  if (values.trace !== undefined) return showTrace(bundle, Number(values.trace));
  return showRange(root, bundle, Number(values.from), Number(values.seeds), jobs);
}

async function runBundle(bundle: string, from: number, count: number, mode = 'all'): Promise<Batch> {
  const { stdout } = await exec(process.execPath, [bundle, String(from), String(count), mode], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return JSON.parse(stdout) as Batch;
}

/** So many at once, in order of the list. */
async function inParallel<T>(list: readonly T[], jobs: number, work: (each: T) => Promise<void>): Promise<void> {
  const left = [...list];
  const worker = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) await work(next);
  };
  await Promise.all(Array.from({ length: jobs }, worker));
}

async function showRange(root: string, bundle: string, from: number, seeds: number, jobs: number): Promise<number> {
  const started = performance.now();
  const seen = new Map<string, number>();
  const failures: Failure[] = [];
  let done = 0;
  let events = 0;
  let shownAt = started;
  const chunks = Array.from({ length: Math.ceil(seeds / CHUNK_SEEDS) }, (_, i) => i * CHUNK_SEEDS);
  await inParallel(chunks, jobs, async (at) => {
    const batch = await runBundle(bundle, from + at, Math.min(CHUNK_SEEDS, seeds - at));
    done += batch.seeds;
    events += batch.events;
    for (const [name, count] of Object.entries(batch.seen)) seen.set(name, (seen.get(name) ?? 0) + count);
    failures.push(...batch.failures);
    if (performance.now() - shownAt > 20_000) {
      shownAt = performance.now();
      console.error(`    ${done} of ${seeds} seeds, ${failures.length} violations`);
    }
  });
  const seconds = (performance.now() - started) / 1000;
  const tame = showCounters(seen, done);
  for (const { seed, hash, rule, message } of failures.sort((a, b) => a.seed - b.seed).slice(0, 20)) {
    console.log(
      `VIOLATION  seed ${seed}  trace ${hash}  ${message.startsWith(rule) ? message : `${rule}: ${message}`}`,
    );
  }
  keep(join(root, KEPT), failures);
  const rate = `${Math.round(done / seconds)} runs/s, ${Math.round(events / seconds)} events/s`;
  console.log(`seeds ${from} to ${from + seeds - 1}: ${failures.length} violations, ${seconds.toFixed(1)} s, ${rate}`);
  if (tame.length > 0) console.log(`too tame, seen in less than 0.1 % of the seeds: ${tame.join('; ')}`);
  return failures.length > 0 || tame.length > 0 ? 1 : 0;
}

/** A seed that broke a rule is tried by every test from then on. */
function keep(file: string, failures: readonly Failure[]): void {
  if (failures.length === 0) return;
  const kept = JSON.parse(readFileSync(file, 'utf8')) as KeptSeed[];
  const more = failures.filter(({ seed }) => !kept.some((each) => each.seed === seed)).slice(0, 20);
  kept.push(...more.map(({ seed, rule }) => ({ seed, rule })));
  writeFileSync(file, `${JSON.stringify(kept, undefined, 2)}\n`);
  console.log(`${more.length} seeds added to ${KEPT}`);
}

/** @returns the states that are too rare */
function showCounters(seen: ReadonlyMap<string, number>, seeds: number): string[] {
  console.log('state seen'.padEnd(48), 'seeds'.padStart(9), 'share'.padStart(9));
  for (const name of SOMETIMES) {
    const count = seen.get(name) ?? 0;
    console.log(name.padEnd(48), String(count).padStart(9), `${((100 * count) / seeds).toFixed(2)} %`.padStart(9));
  }
  if (seeds < SEEDS_FOR_SHARES) return [];
  return SOMETIMES.filter((name) => (seen.get(name) ?? 0) < SHARE_MIN * seeds);
}

async function showTrace(bundle: string, seed: number): Promise<number> {
  const module = (await import(pathToFileURL(bundle).href)) as { runSeed: typeof runSeed };
  const result = module.runSeed(seed, { traced: true });
  for (const line of result.lines ?? []) console.log(line);
  console.log(`seed ${seed}  trace ${result.hash}  ${result.message ?? 'no violation'}`);
  return result.rule === undefined ? 0 : 1;
}

async function showMutants(root: string, folder: string, jobs: number): Promise<number> {
  const lines = new Map<Mutant, string>();
  let survivors = 0;
  await inParallel(MUTANTS, jobs, async (mutant) => {
    const bundle = join(folder, `mutant-${MUTANTS.indexOf(mutant)}.mjs`);
    await bundleSimulator(root, bundle, mutant);
    const { failures } = await runBundle(bundle, 1, MUTANT_SEEDS, 'until-failure');
    const [first] = failures;
    if (!first) survivors += 1;
    lines.set(mutant, first ? `${String(first.seed).padStart(5)}  ${first.rule}` : '    -  NOT CAUGHT');
  });
  console.log(`${'mutant'.padEnd(54)} seed  broken rule that showed it`);
  for (const mutant of MUTANTS) console.log(mutant.name.padEnd(53), lines.get(mutant));
  console.log(`${MUTANTS.length - survivors} of ${MUTANTS.length} caught within ${MUTANT_SEEDS} seeds`);
  return survivors === 0 ? 0 : 1;
}
