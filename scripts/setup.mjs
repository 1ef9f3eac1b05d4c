/** Makes a bare clone ready: packages of Node, the built command, a Python for tests. Does nothing that is done already. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.mjs';
import { cache, capture, hashOf, isStamped, root, run, say, stamp, StepFailed } from './lib.mjs';
import { installNodePackages } from './packages.mjs';

/** What tests import in Python. Built once per machine, keyed by this list. */
const TEST_REQUIREMENTS = join(root, 'scripts', 'test-requirements.txt');

/** `python3` of the PATH; its absence ends the script with a word what to do. */
async function python() {
  const { code, output } = await capture('python3', ['-c', 'import sys; print(sys.executable, *sys.version_info[:3])']);
  if (code !== 0)
    throw new StepFailed(
      'python3 is needed (3.8 or newer) and is not on the PATH; Debian: apt-get install python3 python3-venv',
    );
  return output.trim();
}

/** Debian packs the module venv apart; with root it is installed, else the person is told. */
async function ensureVenvModule() {
  const { code } = await capture('python3', ['-c', 'import venv, ensurepip']);
  if (code === 0) return;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new StepFailed('python3 comes without its module venv; Debian: apt-get install python3-venv');
  }
  say('Installing python3-venv (apt-get)');
  run('apt-get', ['update', '-q']);
  run('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'python3-venv']);
}

/** @returns the interpreter of a virtual environment with the packages that tests need. */
export async function prepareTestPython() {
  const folder = join(cache, 'test-venv');
  const interpreter = join(folder, 'bin', 'python');
  const key = `${await python()}\n${hashOf([TEST_REQUIREMENTS])}`;
  if (isStamped(join(folder, 'stamp'), key) && existsSync(interpreter)) return interpreter;
  await ensureVenvModule();
  say('Building the Python environment of the tests');
  rmSync(folder, { recursive: true, force: true });
  run('python3', ['-m', 'venv', folder]);
  run(interpreter, ['-m', 'pip', 'install', '--disable-pip-version-check', '--quiet', '-r', TEST_REQUIREMENTS]);
  stamp(join(folder, 'stamp'), key);
  return interpreter;
}

/** What the demo needs before it runs anything. */
export async function prepareCommand() {
  installNodePackages();
  await python();
  await ensureVenvModule();
  await build();
}
