/**
 * `npm run pack-check`: packs the package, installs it into an empty folder far from the repository, and runs a Python
 * and a TypeScript script there on Node 20, 22 and 24. Node itself comes from its npm packages.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cache, capture, main, root, run, say, StepFailed } from './lib.mjs';
import { prepareCommand } from './setup.mjs';

const VERSIONS = ['20', '22', '24'];
const SCRIPTS = ['lengths.py', 'lengths.ts'];
const FILES = 7;
const MINI_BATCH_SIZE = 2;

/** @returns the program of that major version, installed once. */
function nodeOf(major) {
  const name = `node-${process.platform}-${process.arch}`;
  const folder = join(cache, 'nodes', major);
  const program = join(folder, 'node_modules', name, 'bin', 'node');
  if (existsSync(program)) return program;
  say(`Getting Node ${major} (npm package ${name})`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  run('npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', `${name}@${major}`], {
    cwd: folder,
  });
  return program;
}

/** Packs the built repository. @returns the path of the package file. */
function pack(folder) {
  say('npm pack');
  run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder]);
  const name = readdirSync(folder).find((file) => file.endsWith('.tgz'));
  if (!name) throw new StepFailed('npm pack made no package');
  return join(folder, name);
}

function install(tarball, prefix) {
  say('Installing it into an empty folder');
  mkdirSync(prefix, { recursive: true });
  // The installed package must find everything by itself: nothing of the repository is in reach.
  run('npm', ['install', '--global', '--prefix', prefix, '--ignore-scripts', '--no-audit', '--no-fund', tarball], {
    cwd: prefix,
  });
  return join(prefix, 'bin', 'parallelrun');
}

/** Scripts and input, as a person would have them. */
function writeJob(folder) {
  mkdirSync(join(folder, 'input'), { recursive: true });
  for (const script of SCRIPTS) cpSync(join(root, 'examples', script), join(folder, script));
  for (let i = 0; i < FILES; i++) writeFileSync(join(folder, 'input', `file ${i}.txt`), 'x'.repeat(i));
  return Array.from({ length: FILES }, (_, i) => `file ${i}.txt ${i}\n`).join('');
}

async function tryScript(node, program, folder, script, expected) {
  const output = join(folder, `out-${script}-${Math.random().toString(36).slice(2)}`);
  const started = performance.now();
  const args = [
    'run',
    '--entry-script',
    script,
    '--input',
    'input',
    '--mini-batch-size',
    String(MINI_BATCH_SIZE),
    '--output',
    output,
  ];
  const { code, output: said } = await capture(program, args, {
    cwd: folder,
    env: { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` },
  });
  const seconds = (performance.now() - started) / 1000;
  const file = join(output, 'parallel_run_step.txt');
  const right = code === 0 && existsSync(file) && readFileSync(file, 'utf8') === expected;
  if (!right) console.log(`exit code ${code}\n${said}`);
  return { right, seconds };
}

await main(async () => {
  await prepareCommand();
  const nodes = VERSIONS.map((major) => ({ major, program: nodeOf(major) }));
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'parallelrun-pack-')));
  try {
    const program = install(pack(folder), join(folder, 'prefix'));
    const job = join(folder, 'job');
    const expected = writeJob(job);
    const rows = [];
    for (const node of nodes) {
      const { output: version } = await capture(node.program, ['--version']);
      for (const script of SCRIPTS) {
        const { right, seconds } = await tryScript(node.program, program, job, script, expected);
        rows.push({
          node: version.trim(),
          script,
          result: right ? 'ok' : 'FAILED',
          seconds: Number(seconds.toFixed(2)),
        });
      }
    }
    console.table(rows);
    const bad = rows.filter(({ result }) => result !== 'ok').length;
    if (bad > 0) throw new StepFailed(`${bad} of ${rows.length} failed`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
