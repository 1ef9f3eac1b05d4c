/** Installs what the benchmarks compare with, below .cache, and runs it. Nothing of it becomes part of the product. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cache, capture, root, say } from '../../scripts/lib.mjs';
import { Unavailable } from './measure.mjs';
import { runMeasured } from './processes.mjs';

const VENV = join(cache, 'bench-venv');
export const python = join(VENV, 'bin', 'python');
export const nodePeers = join(cache, 'bench-node');
export const against = join(root, 'bench', 'against');
export const scripts = join(root, 'bench', 'scripts');
const PISCINA = 'piscina@5.3.2';

/** Lines of peers.txt; a line is one step, so that one that fails costs only its own peer. */
async function steps() {
  const lines = readFileSync(join(root, 'bench', 'peers.txt'), 'utf8').split('\n');
  const java = (await capture('java', ['-version'])).code === 0;
  return lines.flatMap((line) => {
    if (line.trim() === '' || line.startsWith('#')) return [];
    const [packages, needs] = line.split(';').map((part) => part.trim());
    return needs === 'java' && !java ? [] : [packages];
  });
}

/** @returns the lines that are installed by now, from a file beside the environment */
function installedLines(stamp) {
  return existsSync(stamp) && existsSync(python) ? JSON.parse(readFileSync(stamp, 'utf8')) : [];
}

async function installPython() {
  const stamp = join(VENV, 'installed.json');
  const there = installedLines(stamp);
  const missing = (await steps()).filter((line) => !there.includes(line));
  if (missing.length === 0) return;
  const made = existsSync(python) ? { code: 0 } : await capture('python3', ['-m', 'venv', VENV]);
  for (const line of made.code === 0 ? missing : []) {
    say(`Installing ${line} into .cache/bench-venv`);
    const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--quiet', '--retries', '1'];
    const { code, output } = await capture(python, [...pip, ...line.split(' ')]);
    if (code === 0) {
      there.push(line);
      writeFileSync(stamp, JSON.stringify(there));
    } else say(`${line} could not be installed, its peers will be missing: ${output.trim().split('\n').at(-1)}`);
  }
}

async function installNode() {
  if (existsSync(join(nodePeers, 'node_modules/piscina'))) return;
  say(`Installing ${PISCINA} into .cache/bench-node`);
  mkdirSync(nodePeers, { recursive: true });
  writeFileSync(join(nodePeers, 'package.json'), '{ "private": true }\n');
  const { code, output } = await capture('npm', ['install', '--no-audit', '--no-fund', PISCINA], { cwd: nodePeers });
  if (code !== 0) say(`piscina could not be installed and will be missing: ${output.trim().split('\n').at(-1)}`);
}

export async function installPeers() {
  await installPython();
  await installNode();
}

const SETTINGS = {
  PYTHONPATH: scripts,
  // One thread a worker process for all; nothing is told to anyone outside.
  OMP_NUM_THREADS: '1',
  OPENBLAS_NUM_THREADS: '1',
  RAY_USAGE_STATS_ENABLED: '0',
  RAY_DEDUP_LOGS: '0',
  RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO: '0',
  SPARK_LOCAL_IP: '127.0.0.1',
  PYTHONWARNINGS: 'ignore',
};

/**
 * Runs a script of `against/` with its settings as JSON. Its last line of output is what it found, as JSON.
 * @returns that, with `seconds` and `startedAt` of the command
 */
export async function runPeer(program, script, settings, { limitSeconds, env }) {
  const args = [join(against, script), JSON.stringify(settings)];
  const ran = await runMeasured(program, args, { limitSeconds, cwd: cache, env: { ...SETTINGS, ...env } });
  if (ran.failed !== undefined) throw new Unavailable(ran.failed);
  const line = ran.stdout.trim().split('\n').at(-1) ?? '';
  if (!line.startsWith('{')) throw new Unavailable(`it said nothing of what it did: ${line.slice(0, 100)}`);
  return { ...ran, ...JSON.parse(line) };
}

/** Environment of ours that the peers have too. */
export const threadSettings = { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' };
