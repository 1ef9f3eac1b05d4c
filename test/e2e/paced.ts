/** Runs whose pace a test sets: file number n waits until more than n files may run. Watched from outside. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { readLedger } from '../../src/ledger/index.ts';
import { CLI, Workspace, processesOf } from './rig.ts';

export const COUNT = 40;
export const fileName = (i: number): string => `f${String(i).padStart(3, '0')}`;
export const rowsOf = (bytes: number): string[] =>
  Array.from({ length: COUNT }, (_, i) => fileName(i) + 'x'.repeat(bytes));

/** Notes who runs which file. @param body what it does with it besides, after it may run; `names` holds one name */
export const pythonScript = (body: string, bytes: number): string => `
import os, select, time
SPACE = os.environ["SPACE"]
def may_run():
    with open(SPACE + "/limit") as f:
        return int(f.read() or "0")
def run(mini_batch):
    names = [os.path.basename(p) for p in mini_batch]
    with open(SPACE + "/pid-" + names[0], "w") as f:
        f.write(str(os.getpid()))
    with open(SPACE + "/executions", "a") as f:
        f.write(names[0] + "\\n")
    while int(names[0][1:]) >= may_run():
        select.select([], [], [], 0.01)  # time.sleep does not work under a faked clock
    ${body}
    return [name + "x" * ${bytes} for name in names]
`;

/** The same in TypeScript. */
export const nodeScript = (body: string, bytes: number): string => `
import { appendFileSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
const SPACE = process.env['SPACE'];
export async function run(miniBatch: readonly string[]): Promise<string[]> {
  const names = miniBatch.map((path) => basename(path));
  appendFileSync(SPACE + '/executions', names[0] + '\\n');
  while (Number(names[0].slice(1)) >= Number(readFileSync(SPACE + '/limit', 'utf8')))
    await new Promise((resolve) => setTimeout(resolve, 10));
  ${body}
  return names.map((name) => name + 'x'.repeat(${bytes}));
}
`;

export interface Watched {
  readonly pid: number;
  readonly output: () => string;
  /** Exit code; null after a signal. */
  readonly ended: () => Promise<number | null>;
  readonly signal: (name: NodeJS.Signals) => void;
}

export class PacedRun {
  readonly space = new Workspace();
  readonly #watched: Watched[] = [];

  /** @param script of the run; TypeScript where it imports */
  constructor(script: string) {
    this.space.files('in', Object.fromEntries(Array.from({ length: COUNT }, (_, i) => [fileName(i), ''])));
    this.space.write(`code/${this.#entry(script)}`, script);
    this.#script = this.#entry(script);
    process.env['SPACE'] = this.space.folder;
  }
  readonly #script: string;

  #entry(script: string): string {
    return script.includes('export ') ? 'score.ts' : 'score.py';
  }

  /** Kills what a failed test left running. */
  async dispose(): Promise<void> {
    for (const one of this.#watched) one.signal('SIGKILL');
    await this.gone();
    this.space.dispose();
  }

  path(file: string): string {
    return join(this.space.root, 'd', file);
  }

  /** So many files may run from now on, those of before included. */
  allow(count: number): void {
    this.space.write('limit.new', String(count));
    renameSync(join(this.space.folder, 'limit.new'), join(this.space.folder, 'limit'));
  }

  /** For the commands that are started from now on. */
  readonly environment: Record<string, string> = {};

  start(...more: readonly string[]): Watched {
    return this.#watch(
      ...['run', '--entry-script', `code/${this.#script}`, '--input', 'in', '--mini-batch-size', '1'],
      ...['--processes', '2', '--name', 'd', ...more],
    );
  }

  resume(): Watched {
    return this.#watch('resume', 'd');
  }

  #watch(...args: readonly string[]): Watched {
    const child = spawn(process.execPath, [CLI, ...args], {
      cwd: this.space.folder,
      env: { ...process.env, PARALLELRUN_ROOT: this.space.root, NO_COLOR: '1', ...this.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    const closed = once(child, 'close') as Promise<[number | null]>;
    const watched: Watched = {
      pid: child.pid ?? 0,
      output: () => output,
      ended: async () => (await closed)[0],
      signal: (name) => child.kill(name),
    };
    this.#watched.push(watched);
    return watched;
  }

  /** A run that has done some mini-batches and was killed: the next orchestrator opens every file anew. */
  async begun(done = 10): Promise<void> {
    this.allow(done);
    const first = this.start();
    await this.untilSettled(done);
    // logs come a moment later
    await expect
      .poll(() => existsSync(this.path('logs/job_report/processed_mini-batches.csv')), { timeout: 10_000 })
      .toBe(true);
    first.signal('SIGKILL');
    await first.ended();
    await this.gone();
  }

  async gone(): Promise<void> {
    await expect.poll(() => processesOf(this.space.root), { timeout: 15_000 }).toEqual([]);
  }

  /** Mini-batches that are committed, as the ledger says. */
  async settled(): Promise<number> {
    let count = 0;
    if (!existsSync(this.path('state/ledger.journal'))) return 0;
    for await (const events of readLedger(this.path('state/ledger.journal')))
      count += events.filter((event) => event.type === 'try-finished' && event.settles === 'done').length;
    return count;
  }

  async untilSettled(count: number): Promise<void> {
    await expect.poll(() => this.settled(), { timeout: 20_000, interval: 50 }).toBeGreaterThanOrEqual(count);
  }

  async untilSaid(run: Watched, text: RegExp): Promise<void> {
    await expect.poll(run.output, { timeout: 20_000, interval: 50 }).toMatch(text);
  }

  /** The rows are those of an undisturbed run, nothing failed. @param rows or the length of each behind its name */
  async endsExactly(run: Watched, rows: number | readonly string[], retries = 0): Promise<void> {
    expect(await run.ended(), run.output()).toBe(0);
    expect(this.space.rows('d')).toEqual(typeof rows === 'number' ? rowsOf(rows) : rows);
    const { miniBatches, items, retries: seen } = await this.space.status('d');
    expect([miniBatches.succeeded, items.failed, seen]).toEqual([COUNT, 0, retries]);
    const verified = await this.space.cli('verify', 'd');
    expect(verified.stdout + verified.stderr).toMatch(/every byte/);
  }
}
