/** Hunts changes with the tests and with the simulator, in processes that may be ended by what they try. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { build } from 'esbuild';
import { SMALL } from '../simulator/mutants.ts';
import { firstIds } from './files.ts';
import { instrument } from './instrument.ts';
import type { Job } from './runner.ts';
import type { SeedsJob } from './seeds.ts';

export interface Place {
  /** Of the repository. */
  readonly root: string;
  /** For what is made on the way. */
  readonly folder: string;
  /** Processes at once. */
  readonly jobs: number;
}

/** A process that stays with one change for so long has not come to an end with it. */
const STUCK_MS = 300_000;
const LOOK_MS = 500;

/** Removes from `living` what is noticed, and says by whom. */
export type Hunt = (living: Set<number>, caughtBy: Map<number, string>) => Promise<void>;

/** Each process has some of the changes; all of them run at once. Tests wait much: there are more lanes for them. */
async function share(
  place: Place,
  name: string,
  lanesWanted: number,
  living: Set<number>,
  caughtBy: Map<number, string>,
  work: (ids: readonly number[], files: Files) => Promise<void>,
): Promise<void> {
  const ids = [...living];
  const lanes = Array.from({ length: lanesWanted }, (_, lane) => ids.filter((_, i) => i % lanesWanted === lane));
  await Promise.all(
    lanes.map(async (lane, i) => {
      const files = new Files(join(place.folder, `${name}-${i}`));
      await work(lane, files);
      for (const [id, by] of files.caught()) {
        living.delete(id);
        caughtBy.set(id, by);
      }
    }),
  );
}

/** What a process reads and writes. */
class Files {
  readonly job: string;
  readonly caughtFile: string;
  readonly current: string;
  readonly tests: string;
  readonly report: string;

  constructor(prefix: string) {
    this.job = `${prefix}.job.json`;
    this.caughtFile = `${prefix}.caught`;
    this.current = `${prefix}.current`;
    this.tests = `${prefix}.tests`;
    this.report = `${prefix}.report.json`;
    for (const file of [this.caughtFile, this.current, this.tests]) writeFileSync(file, '');
  }

  caught(): Map<number, string> {
    const lines = readFileSync(this.caughtFile, 'utf8').split('\n').filter(Boolean);
    return new Map(lines.map((line) => [Number.parseInt(line, 10), line.slice(line.indexOf(' ') + 1)]));
  }

  left(ids: readonly number[]): number[] {
    const caught = this.caught();
    return ids.filter((id) => !caught.has(id));
  }

  /** The change under way has ended its process, or would never have come to an end. */
  endedIt(): void {
    const [id, ...by] = readFileSync(this.current, 'utf8').split(' ');
    if (!Number(id)) throw new Error(`a process ended before it tried anything; see ${this.job}`);
    writeFileSync(this.caughtFile, `${id} ${by.join(' ')} (ended its process)\n`, { flag: 'a' });
    writeFileSync(this.current, '');
  }
}

/** Of processes that must not outlive this one. */
const running = new Set<number>();
process.on('exit', () => {
  for (const pid of running) process.kill(-pid, 'SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

/** @returns what it printed, and whether it ended by itself */
function runOnce(command: string, args: readonly string[], env: object, current: string): Promise<[string, boolean]> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      // With what it starts, so that all of it can be ended.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    const { pid = 0 } = child;
    if (pid !== 0) running.add(pid);
    const said: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => said.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
    let seen = '';
    let since = performance.now();
    const look = setInterval(() => {
      const now = readFileSync(current, 'utf8');
      if (now !== seen || now === '') [seen, since] = [now, performance.now()];
      if (performance.now() - since > STUCK_MS && running.has(pid)) process.kill(-pid, 'SIGKILL');
    }, LOOK_MS);
    child.on('close', (code) => {
      clearInterval(look);
      running.delete(pid);
      resolve([Buffer.concat(said).toString(), code !== null]);
    });
  });
}

/**
 * The tests of core, orchestrator and committer.
 * @param quickMs only tests that take no longer; undefined: those that are left
 */
export function withTests(place: Place, quickMs?: number): Hunt {
  return (living, caughtBy) =>
    share(place, quickMs === undefined ? 'slow' : 'quick', 2 * place.jobs, living, caughtBy, async (ids, files) => {
      const config = join(place.root, 'test/mutation/vitest.config.ts');
      const vitest = join(place.root, 'node_modules/vitest/vitest.mjs');
      const done = join(place.folder, files.job.replace(/^.*slow-/, 'quick-').replace('.job.json', '.tests'));
      if (quickMs === undefined && existsSync(done)) writeFileSync(files.tests, readFileSync(done));
      for (;;) {
        const { caughtFile: caught, current, tests, report } = files;
        const job: Job = {
          mutants: files.left(ids),
          caught,
          current,
          tests,
          ...(quickMs !== undefined && { quickMs }),
        };
        writeFileSync(files.job, JSON.stringify(job));
        rmSync(report, { force: true });
        const args = [vitest, 'run', '--config', config, '--reporter=json', `--outputFile=${report}`];
        const env = { PARALLELRUN_MUTATION_JOB: files.job, NO_COLOR: '1' };
        const [said] = await runOnce(process.execPath, args, env, current);
        if (existsSync(report) && allThrough(report, files, said)) return;
        files.endedIt();
      }
    });
}

interface Report {
  readonly testResults: readonly { readonly assertionResults: readonly { readonly status: string }[] }[];
}

/** @throws where a test fails although nothing is changed */
function allThrough(report: string, files: Files, said: string): boolean {
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report;
  const results = testResults.flatMap((file) => file.assertionResults);
  const failed = results.filter(({ status }) => status === 'failed');
  if (failed.length > 0 && readFileSync(files.current, 'utf8') === '')
    throw new Error(`tests fail without any change: ${JSON.stringify(failed, undefined, 1)}\n${said}`);
  return results.length > 0 && results.every(({ status }) => status !== 'pending');
}

/** Seeds 1 to `seeds` of the simulator. */
export function withSeeds(place: Place, seeds: number): Hunt {
  return async (living, caughtBy) => {
    const bundle = join(place.folder, 'seeds.mjs');
    await bundleSeeds(place.root, bundle);
    await share(place, 'seeds', place.jobs, living, caughtBy, async (ids, files) => {
      for (;;) {
        const { caughtFile: caught, current } = files;
        const job: SeedsJob = { mutants: files.left(ids), seeds, caught, current };
        writeFileSync(files.job, JSON.stringify(job));
        const [said] = await runOnce(process.execPath, [bundle, files.job], {}, current);
        if (readFileSync(current, 'utf8') === 'end') return;
        if (readFileSync(current, 'utf8') === '') throw new Error(said);
        files.endedIt();
      }
    });
  };
}

async function bundleSeeds(root: string, outfile: string): Promise<void> {
  const ids = firstIds(root);
  await build({
    absWorkingDir: root,
    entryPoints: ['test/mutation/seeds.ts'],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
    plugins: [
      {
        name: 'mutants',
        setup(builder) {
          builder.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
            const file = relative(root, path);
            const text = await readFile(path, 'utf8');
            // As the simulator has it; a change stays the one with its number.
            const small = SMALL.reduce(
              (all, { file: of, from, to }) => (of === file ? all.replace(from, to) : all),
              text,
            );
            const first = ids.get(file);
            return { contents: first === undefined ? small : instrument(file, small, first), loader: 'ts' };
          });
        },
      },
    ],
  });
}
