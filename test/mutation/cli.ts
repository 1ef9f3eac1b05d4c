/** The command behind `npm run mutation`. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { simulate } from '../simulator/cli.ts';
import { refusedByCompiler } from './compiler.ts';
import { allMutants } from './files.ts';
import { withSeeds, withTests } from './hunt.ts';
import type { Place } from './hunt.ts';
import { judge } from './report.ts';
import type { Survivor } from './report.ts';

/** Tests that take no longer go first: they catch most. */
const QUICK_MS = 150;
const LIST = 'test/mutation/survivors.json';
const CORE_SCORE_MIN = 90;

/** @param folder for what is made on the way @returns the exit code */
export async function mutate(root: string, folder: string, args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: 'string', default: '1000' },
      jobs: { type: 'string', default: String(availableParallelism()) },
      file: { type: 'string' },
      'only-tool': { type: 'boolean', default: false },
    },
  });
  mkdirSync(folder, { recursive: true });
  const jobs = Math.max(1, Number(values.jobs));
  const byHand = values['only-tool'] || values.file !== undefined ? 0 : await simulateByHand(root, folder, jobs);
  const tool = await hunt({ root, folder, jobs }, Number(values.seeds), values.file);
  return byHand === 0 && tool ? 0 : 1;
}

function simulateByHand(root: string, folder: string, jobs: number): Promise<number> {
  console.log('Defects made by hand (test/simulator/mutants.ts)\n');
  return simulate(root, folder, ['--mutants', '--jobs', String(jobs)]);
}

async function hunt(place: Place, seeds: number, only: string | undefined): Promise<boolean> {
  const mutants = allMutants(place.root).filter(({ file }) => only === undefined || file.includes(only));
  const started = performance.now();
  const say = (what: string): void => {
    console.error(`    ${Math.round((performance.now() - started) / 1000)} s: ${what}`);
  };
  say(`${mutants.length} changes`);
  const refused = refusedByCompiler(place.root, mutants);
  const living = new Set(mutants.filter(({ id }) => !refused.has(id)).map(({ id }) => id));
  say(`${living.size} that compile`);
  const caughtBy = new Map<number, string>();
  await withTests(place, QUICK_MS)(living, caughtBy);
  say(`${living.size} left by the quick tests`);
  await withSeeds(place, seeds)(living, caughtBy);
  say(`${living.size} left by ${seeds} seeds of the simulator`);
  await withTests(place)(living, caughtBy);
  say(`${living.size} left by the other tests`);
  const list = JSON.parse(readFileSync(join(place.root, LIST), 'utf8')) as Survivor[];
  const { lines, unlisted, coreScore } = judge({ mutants, refused, caughtBy }, list);
  console.log('\nDefects made by the tool (test/mutation)\n');
  for (const line of lines) console.log(line);
  writeFileSync(join(place.folder, 'result.json'), JSON.stringify({ unlisted, caughtBy: [...caughtBy] }, undefined, 1));
  const enough = coreScore >= CORE_SCORE_MIN;
  if (unlisted.length > 0)
    console.log(`${unlisted.length} not caught and not listed: write a test, or list them with a reason (${LIST})`);
  if (!enough) console.log(`score of the core ${coreScore.toFixed(1)} %, below ${CORE_SCORE_MIN} %`);
  return unlisted.length === 0 && enough;
}
