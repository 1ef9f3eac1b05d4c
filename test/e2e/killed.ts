/** A run that was killed in the middle, to be gone on with: eight files, a mini-batch each, the first four done. */
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { openRun } from '../../src/sdk/stored.ts';
import { Workspace, processesOf } from './rig.ts';
import type { Ended } from './rig.ts';

export const COUNT = 8;
export const DONE = 4;
const name = (i: number): string => `f${i}`;

/** Scores a file by what it says and by the script's argument; from the fifth file on it waits until it may go on. */
export const SCRIPT = `
import os, sys, time
HERE = os.environ["SPACE"]
WORD = (["scored"] + sys.argv[1:])[-1] + os.environ.get("MARK", "")
def run(mini_batch):
    rows = []
    for p in mini_batch:
        b = os.path.basename(p)
        with open(HERE + "/executions", "a") as f:
            f.write(b + "\\n")
        with open(p) as f:
            text = f.read()
        while b >= "f4" and not os.path.exists(HERE + "/go"):
            time.sleep(0.02)
        if text == "raise":
            raise ValueError("bad " + b)
        rows.append(b + " " + text + WORD)
    return rows
`;

export class KilledRun {
  readonly space = new Workspace();

  constructor() {
    this.space.files('in', Object.fromEntries(Array.from({ length: COUNT }, (_, i) => [name(i), ''])));
    this.space.write('code/score.py', SCRIPT);
    process.env['SPACE'] = this.space.folder;
  }

  dispose(): void {
    this.space.dispose();
  }

  /** Starts the run, kills it when the first four are committed, waits until its workers are gone, lets the others go on. */
  async start(...flags: string[]): Promise<void> {
    const input = ['--entry-script', 'code/score.py', '--input', 'in', '--mini-batch-size', '1'];
    await this.startAs('run', ...input, ...flags);
  }

  /** The same by a job file; its text stands in `job.yml`. */
  async startJob(text: string, ...flags: string[]): Promise<void> {
    this.space.write('job.yml', text);
    await this.startAs('run', 'job.yml', ...flags);
  }

  private async startAs(...command: string[]): Promise<void> {
    const child = this.space.spawnCli(...command, '--processes', '2', '--name', 'r');
    let output = '';
    child.stdout.on('data', (text: Buffer) => (output += text.toString()));
    child.stderr.on('data', (text: Buffer) => (output += text.toString()));
    await expect
      .poll(() => (child.exitCode === null ? this.processed() : `ended: ${output}`), { timeout: 30_000, interval: 50 })
      .toBe(DONE);
    child.kill('SIGKILL');
    await once(child, 'close');
    await expect.poll(() => processesOf(this.space.root), { timeout: 15_000 }).toEqual([]);
    this.space.write('go', '');
  }

  /** Mini-batches that have ended; 0 before all are listed. */
  private async processed(): Promise<number> {
    if (!existsSync(this.state('ledger.journal'))) return 0;
    const { miniBatches } = await (await openRun(this.space.root, 'r')).status();
    return miniBatches.creationFinished ? miniBatches.processed : 0;
  }

  resume(...flags: string[]): Promise<Ended> {
    return this.space.cli('resume', 'r', ...flags);
  }

  /** Resumes; the run is refused with exit code 4, nothing of it runs, and what it has stays as it is. @returns what was said */
  async refused(...flags: string[]): Promise<string> {
    const before = this.fingerprint();
    const { code, stdout, stderr } = await this.resume(...flags);
    expect([code, stdout + stderr]).toEqual([4, expect.stringContaining('error PR')]);
    expect(this.fingerprint()).toEqual(before);
    return stdout + stderr;
  }

  /** Resumes; the run completes. @returns what was said */
  async completes(...flags: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.resume(...flags);
    expect([code, stdout + stderr]).toEqual([0, expect.stringContaining('Run r completed')]);
    return stdout + stderr;
  }

  /** Resumes, waits until something is under way that waits, and lets it end orderly: the run is canceled. */
  async endedAgain(...flags: string[]): Promise<void> {
    const waiting = (): number => this.executions.filter((file) => file >= name(DONE)).length;
    const before = waiting();
    const child = this.space.spawnCli('resume', 'r', ...flags);
    const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
    await expect.poll(waiting, { timeout: 20_000 }).toBeGreaterThan(before);
    child.kill('SIGINT');
    await expect.poll(() => this.log('master'), { timeout: 20_000 }).toMatch(/cancel/i);
    this.space.write('go', '');
    expect(await closed).toBe(130);
  }

  get rows(): string[] {
    return this.space.rows('r');
  }

  /** Rows of some files as the script makes them. */
  static rows(from: number, to: number, end = ' scored'): string[] {
    return Array.from({ length: to - from }, (_, i) => `${name(from + i)}${end}`);
  }

  get executions(): string[] {
    const path = join(this.space.folder, 'executions');
    return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
  }

  log(file: 'master' | 'overview'): string {
    return this.space.read('r', `logs/${file}.txt`);
  }

  /** Path of an input file. */
  input(i: number): string {
    return join(this.space.folder, 'in', name(i));
  }

  /** Path below the run's own state. */
  state(file: string): string {
    return join(this.space.root, 'r/state', file);
  }

  /** Writes an input file anew; its time of change is another one in any case. */
  change(i: number, text: string): void {
    const later = statSync(this.input(i)).mtimeMs / 1000 + 10;
    writeFileSync(this.input(i), text);
    utimesSync(this.input(i), later, later);
  }

  remove(i: number): void {
    rmSync(this.input(i));
  }

  private fingerprint(): readonly unknown[] {
    const files = [
      'ledger.journal',
      'rows.spool',
      'manifest.jsonl',
      'manifest.index',
      'manifest.stamps',
      'plan.json',
      'code/score.py',
    ];
    return [
      this.executions.length,
      ...files.map((file) => {
        const path = this.state(file);
        return existsSync(path) ? readFileSync(path).toString('latin1') : 'gone';
      }),
    ];
  }
}
