/** Drives the built command line as a user does: real processes, real files. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
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
    return spawn(process.execPath, [CLI, ...args], {
      cwd: this.folder,
      env: { ...process.env, PARALLELRUN_ROOT: this.root, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
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
    const { stdout } = await this.cli('status', run, '--json');
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
