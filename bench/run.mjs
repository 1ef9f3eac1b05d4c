/**
 * Ours and its peers on the same work in the same run (docs/benchmarks.md).
 *
 *   npm run bench [-- NAME...] [--quick] [--full] [--repeat N] [--against ID,ID...] [--dist DIR] [--page]
 *
 * Without a name all of them, one after the other. `--quick`: sizes at which everything only shows that it runs.
 * `--full`: also what takes hours. `--against`: only these peers (and ours). `--dist`: another build of ours. `--page`:
 * runs nothing, puts the last figures into docs/benchmarks.md. What was found is in .cache/bench/results.json and
 * results.md (with `--quick` in quick.json and quick.md): a benchmark that is run again takes the place of its last figures.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bin, cache, main, root, run, say, StepFailed } from '../scripts/lib.mjs';
import { prepareCommand } from '../scripts/setup.mjs';
import { machineText, versions } from './lib/machine.mjs';
import { measure } from './lib/measure.mjs';
import { installPeers, python } from './lib/peers.mjs';
import { resultsText, sectionText } from './lib/report.mjs';

const NAMES = ['noop', 'work', 'hash', 'table', 'first', 'durability', 'scale', 'many'];
const PAGE = join(root, 'docs', 'benchmarks.md');
const MARKS = ['<!-- figures: npm run bench -- --page -->', '<!-- end of figures -->'];
const LIMIT_SECONDS = { quick: 180, normal: 3600, full: 6 * 3600 };

function parsed(options) {
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    throw new StepFailed(error.message);
  }
}

function settings() {
  const flag = { type: 'boolean', default: false };
  const text = { type: 'string' };
  const options = { quick: flag, full: flag, page: flag, repeat: { ...text, default: '3' }, against: text, dist: text };
  const { values, positionals } = parsed(options);
  const unknown = positionals.find((name) => !NAMES.includes(name));
  if (unknown !== undefined) throw new StepFailed(`no benchmark is named ${unknown}; there are: ${NAMES.join(', ')}`);
  const repeat = Number(values.repeat);
  if (!Number.isInteger(repeat) || repeat < 1) throw new StepFailed(`--repeat ${values.repeat}: a number from 1 on`);
  return {
    ...values,
    repeat,
    against: values.against?.split(','),
    names: positionals.length > 0 ? positionals : NAMES,
  };
}

const file = ({ quick }, ending) => join(cache, 'bench', `${quick ? 'quick' : 'results'}.${ending}`);
const stored = (options) =>
  existsSync(file(options, 'json')) ? JSON.parse(readFileSync(file(options, 'json'), 'utf8')) : {};

function store(options, name, result) {
  mkdirSync(join(cache, 'bench'), { recursive: true });
  const results = { ...stored(options), [name]: result };
  writeFileSync(file(options, 'json'), `${JSON.stringify(results, undefined, 1)}\n`);
  writeFileSync(file(options, 'md'), `${resultsText(results, NAMES)}\n`);
}

/** Puts the last figures between the marks of the page. */
function writePage(options) {
  const text = resultsText(stored(options), NAMES);
  if (text === '')
    throw new StepFailed(`there are no figures yet in ${file(options, 'json')}: run the benchmarks first`);
  const page = readFileSync(PAGE, 'utf8');
  const [from, to] = [page.indexOf(MARKS[0]) + MARKS[0].length, page.indexOf(MARKS[1])];
  writeFileSync(PAGE, `${page.slice(0, from)}\n\n${text}\n\n${page.slice(to)}`);
  run(bin('prettier'), ['--log-level', 'warn', '--write', PAGE]);
  say('docs/benchmarks.md has the last figures');
}

async function benchmark(name, options) {
  const { sections } = await import(`./${name}.mjs`);
  const measured = [];
  for (const section of await sections(options)) {
    say(`${name}: ${section.title}`);
    const wanted = ({ id }) => options.against === undefined || id.startsWith('ours') || options.against.includes(id);
    measured.push(await measure({ ...section, cases: section.cases.filter(wanted) }, options));
    console.log(`\n${sectionText(measured.at(-1))}\n`);
    const date = new Date().toISOString().slice(0, 16).replace('T', ' ');
    const about = { date: `${date} UTC`, machine: machineText(), versions: versions(python), quick: options.quick };
    store(options, name, { ...about, sections: measured });
  }
}

await main(async () => {
  const options = settings();
  if (options.page) return writePage(options);
  if (options.dist === undefined) await prepareCommand();
  await installPeers();
  const limitSeconds = LIMIT_SECONDS[options.quick ? 'quick' : options.full ? 'full' : 'normal'];
  for (const name of options.names) await benchmark(name, { ...options, limitSeconds });
  say(`Figures of all benchmarks: ${file(options, 'md')}`);
});
