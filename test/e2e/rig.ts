/** Drives the built command line as a user does: real processes, real files. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunStatus } from '../../src/views/status.ts';

const REPO = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
export const CLI = `${REPO}/dist/cli/main.js`;
export const FIXTURES = `${REPO}/test/e2e/fixtures`;
export const SEED = `${REPO}/test/fixtures/seed`;
/** Interpreter with pandas and debugpy, made by the test command; else the one on the PATH. */
export const TEST_PYTHON = process.env.PARALLELRUN_TEST_PYTHON;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A run of `fixtures/faulty.py`: what each of its files says, and the settings that matter for what becomes of them. */
export interface Faulty {
  readonly name: string;
  /** What each file says; the files are named f000, f001, .... */
  readonly orders: readonly string[];
  /** Files a mini-batch; default 1. */
  readonly size?: number;
  /** Default 2. */
  readonly processes?: number;
  /** Default 1. */
  readonly tries?: number;
  /** Seconds; default 60. */
  readonly timeout?: number;
  readonly flags?: readonly string[];
  /** Default `faulty.py`; others from the folder of fixtures, or absolute. */
  readonly script?: string;
}

export interface FaultyEnd {
  readonly code: number | null;
  /** What people read. */
  readonly text: string;
  readonly status: RunStatus;
}

/** Name of the file of an item; its row, where it has one. */
export const itemName = (i: number): string => `f${String(i).padStart(3, '0')}`;

/** A call of run() as the script noted it. */
export interface Call {
  readonly index: number;
  readonly try: number;
  readonly pid: number;
  readonly names: readonly string[];
}

export class Workspace {
  readonly folder: string;
  readonly root: string;

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'e2e-'));
    this.root = join(this.folder, 'runs');
  }

  /** Removes the folder. Fails where a process of a run is left behind. */
  dispose(): void {
    const left = processesOf(this.root);
    rmSync(this.folder, { recursive: true, force: true });
    if (left.length > 0) throw new Error(`processes left behind: ${left.join('; ')}`);
  }

  write(name: string, text: string): string {
    const path = join(this.folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  /** @returns a folder with a file per entry. */
  files(name: string, contents: Readonly<Record<string, string>>): string {
    mkdirSync(join(this.folder, name), { recursive: true });
    for (const [file, text] of Object.entries(contents)) this.write(join(name, file), text);
    return join(this.folder, name);
  }

  async cli(...args: readonly string[]): Promise<Ended> {
    return runCommand(process.execPath, [CLI, ...args], this.folder, { PARALLELRUN_ROOT: this.root, NO_COLOR: '1' });
  }

  spawnCli(...args: readonly string[]) {
    return spawnIn(this, [process.execPath, CLI, ...args]);
  }

  /** Command line of a faulty run; makes its input. */
  faulty(run: Faulty): string[] {
    const { name, orders, size = 1, processes = 2, tries = 1, timeout = 60, flags = [], script = 'faulty.py' } = run;
    this.files(`in-${name}`, Object.fromEntries(orders.map((order, i) => [itemName(i), order])));
    const numbers = { 'mini-batch-size': size, processes, 'max-retries': tries - 1, timeout };
    return [
      ...['run', '--entry-script', resolve(FIXTURES, script), '--input', `in-${name}`, '--name', name],
      ...Object.entries(numbers).flatMap(([flag, value]) => [`--${flag}`, String(value)]),
      ...['--env', `FAULTY_NOTES=${join(this.folder, `notes-${name}`)}`, '--env', `FAULTY_HERE=${this.folder}`],
      ...flags,
    ];
  }

  /** Runs it to its end, whatever that is. */
  async runFaulty(run: Faulty): Promise<FaultyEnd> {
    const { code, stdout, stderr } = await this.cli(...this.faulty(run), '--json');
    const last = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as { type: string; status: RunStatus };
    if (last.type !== 'result') throw new Error(`run ${run.name} has no result:\n${stderr}`);
    return { code, text: stderr, status: last.status };
  }

  /** Every call of run() in a faulty run, in the order in which they began. */
  calls(name: string): Call[] {
    const path = join(this.folder, `notes-${name}`);
    if (!existsSync(path)) return [];
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => {
      const [index = '', tryNumber = '', pid = '', ...names] = line.split(' ');
      return { index: Number(index), try: Number(tryNumber), pid: Number(pid), names };
    });
  }

  read(run: string, path: string): string {
    return readFileSync(join(this.root, run, path), 'utf8');
  }

  list(run: string, path: string): string[] {
    return readdirSync(join(this.root, run, path)).sort();
  }

  rows(run: string, name = 'parallel_run_step.txt'): string[] {
    return this.read(run, `outputs/${name}`).split('\n').slice(0, -1);
  }

  async status(run: string): Promise<RunStatus> {
    const { code, stdout, stderr } = await this.cli('status', run, '--json');
    if (code !== 0) throw new Error(`status of ${run}: ${stderr}`);
    return JSON.parse(stdout) as RunStatus;
  }
}

export function runCommand(
  command: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('close', (code) => {
      resolve({ code, stdout, stderr });
    });
  });
}

/** Starts any command as `spawnCli` starts ours: in the folder of a workspace, with its root. */
export function spawnIn(space: Workspace, [command = '', ...args]: readonly string[]) {
  const env = { ...process.env, PARALLELRUN_ROOT: space.root, NO_COLOR: '1' };
  return spawn(command, args, { cwd: space.folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Command lines of processes that belong to runs below a root. */
export function processesOf(root: string): string[] {
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
      if (environment.includes(`AZ_BATCHAI_INPUT_AZUREML=${root}`))
        found.push(`${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`);
    } catch {
      // Gone meanwhile.
    }
  }
  return found;
}

export function hasModule(module: string): boolean {
  try {
    execFileSync(TEST_PYTHON ?? 'python3', ['-c', `import ${module}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
