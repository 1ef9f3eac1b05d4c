/** What the crash sweep and the kill test share: a run in a folder of its own, looked at from outside. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './lib.mjs';

const CHECKER = join(root, 'test/e2e/checker.py');
/** Longest time that workers may outlive their orchestrator, ms. */
const GONE_MS = 15_000;

export const itemName = (i) => `f${String(i).padStart(4, '0')}`;

/**
 * A folder with input, script and runs. The script appends the name of each item it runs to `executions`.
 * Options: `cli`, `count` of items, `workers`, `script` (text of `score.py`) or `entry` and `code` (texts by file name),
 * `more` arguments.
 */
export class Space {
  constructor(folder, options) {
    this.folder = folder;
    this.options = options;
    this.root = join(folder, 'runs');
    this.env = { ...process.env, PARALLELRUN_ROOT: this.root, SPACE: folder, NO_COLOR: '1', UV_THREADPOOL_SIZE: '1' };
  }

  /** Empty but for input and script. */
  fresh() {
    const { count, script, code = { 'score.py': script } } = this.options;
    rmSync(this.folder, { recursive: true, force: true });
    mkdirSync(join(this.folder, 'in'), { recursive: true });
    mkdirSync(join(this.folder, 'code'));
    for (let i = 0; i < count; i++) writeFileSync(join(this.folder, 'in', itemName(i)), '');
    for (const [name, text] of Object.entries(code)) writeFileSync(join(this.folder, 'code', name), text);
  }

  runArguments(name) {
    const script = `code/${this.options.entry ?? 'score.py'}`;
    const base = ['run', '--entry-script', script, '--input', 'in', '--mini-batch-size', '1'];
    return [...base, '--processes', String(this.options.workers), '--name', name, ...(this.options.more ?? [])];
  }

  /** Started, not waited for. `before`: a command that the command line is given to. */
  start(args, before = []) {
    const [command, ...rest] = [...before, process.execPath, this.options.cli, ...args];
    return spawn(command, rest, { cwd: this.folder, env: this.env, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  run(args, before = []) {
    return new Promise((resolve, reject) => {
      const child = this.start(args, before);
      let text = '';
      child.stdout.on('data', (chunk) => (text += chunk));
      child.stderr.on('data', (chunk) => (text += chunk));
      child.on('error', reject);
      child.on('close', (code, signal) => resolve({ code, signal, text }));
    });
  }

  path(run, file) {
    return join(this.root, run, file);
  }

  executions() {
    const file = join(this.folder, 'executions');
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
  }

  /** Mini-batches that the ledger holds as settled, as the independent checker reads it. */
  settled(run) {
    const ledger = this.path(run, 'state/ledger.journal');
    if (!existsSync(ledger)) return { ok: true, done: [], failed: [] };
    return check(['ledger', ledger]);
  }

  /** Resolves with the milliseconds it took until no process of a run is left; with undefined where that never was. */
  async gone() {
    const from = performance.now();
    while (performance.now() - from < GONE_MS) {
      if (processesBelow(this.root).length === 0) return performance.now() - from;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return undefined;
  }
}

/**
 * Ids of the processes of runs below a folder: orchestrators, workers, and what they start.
 * @param variable that carries the folder in their environment; `AZ_BATCHAI_INPUT_AZUREML`: workers only
 */
export function processesBelow(folder, variable = 'PARALLELRUN_ROOT') {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/environ`, 'utf8').includes(`${variable}=${folder}`);
    } catch {
      return false;
    }
  });
}

/** Runs the independent checker. */
export function check(args) {
  const { stdout, stderr } = spawnSync('python3', [CHECKER, ...args], { encoding: 'utf8' });
  try {
    return JSON.parse(stdout);
  } catch {
    return { ok: false, why: `checker: ${stderr.trim().split('\n').at(-1)}` };
  }
}

/** `--name value` of the command line. */
export function option(name, otherwise) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
}

/** mulberry32: numbers from 0 up to, not including, 1; the same ones for the same seed. */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const seconds = (from) => `${((performance.now() - from) / 1000).toFixed(1)} s`;
