/** Small things the scripts of this folder share. Plain Node, no packages: they run before anything is installed. */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Absolute folder of the repository. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Everything that can be made again. */
export const cache = join(root, '.cache');

const NODE_MAJOR_MIN = 20;
if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
  console.error(`Node ${NODE_MAJOR_MIN} or newer is needed; this is ${process.version}`);
  process.exit(2);
}

export function say(line) {
  console.log(`==> ${line}`);
}

export class StepFailed extends Error {}

/** Runs a command with its output on this terminal. Throws StepFailed where it doesn't end with 0. */
export function run(command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (error) throw new StepFailed(`${command} could not be started: ${error.message}`);
  if (status !== 0)
    throw new StepFailed(`${[command, ...args].join(' ')} ended with ${signal ?? `exit code ${status}`}`);
}

/** Runs a command and keeps what it says. Never throws. */
export function capture(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options });
    const chunks = [];
    // With other `stdio` than the default, what is not a pipe goes where that says.
    child.stdout?.on('data', (chunk) => chunks.push(chunk));
    child.stderr?.on('data', (chunk) => chunks.push(chunk));
    child.on('error', (error) => resolve({ code: 127, output: error.message }));
    child.on('close', (code) => resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString() }));
  });
}

/** Runs a command, shows its output, and keeps it too. */
export function tee(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options });
    const chunks = [];
    for (const [from, to] of [
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ]) {
      from.on('data', (chunk) => {
        chunks.push(chunk);
        to.write(chunk);
      });
    }
    child.on('error', (error) => resolve({ code: 127, output: error.message }));
    child.on('close', (code) => resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString() }));
  });
}

/** Program of a package in node_modules. */
export function bin(name) {
  return join(root, 'node_modules', '.bin', name);
}

/** Hash of files and of all files below folders: names and contents. */
export function hashOf(paths) {
  const hash = createHash('sha256');
  const add = (path) => {
    if (!existsSync(path)) return;
    if (statSync(path).isDirectory()) {
      for (const name of readdirSync(path).sort()) if (name !== '__pycache__') add(join(path, name));
    } else {
      hash.update(`${path}\0`).update(readFileSync(path));
    }
  };
  paths.forEach(add);
  return hash.digest('hex');
}

/** Whether the stamp file holds this text. */
export function isStamped(file, text) {
  return existsSync(file) && readFileSync(file, 'utf8') === text;
}

export function stamp(file, text) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** Whether Node was started with this module: `import.meta.url` is free of links, the path it was started with may not be. */
export function isMain(url) {
  const started = process.argv[1];
  return started !== undefined && existsSync(started) && realpathSync(started) === fileURLToPath(url);
}

/** Runs the main function of a script and gives its end a plain word. */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
    console.error(`\n${error.message}`);
    process.exitCode = 1;
  }
}
