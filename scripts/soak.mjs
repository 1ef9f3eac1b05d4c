/**
 * `npm run soak -- --minutes 30`: one long run with a fault every 2 to 5 s, watched from outside: does it leak?
 *
 *   --minutes N   about so long (default 30)         --seed N      of moments, faults and victims (default 1)
 *   --count N     mini-batches (default 4,000 a minute)             --workers N   (default 2)
 *   --faults LIST only these, divided by commas; none: nothing at all (default: all)
 *   --folder DIR  where to work; --cli FILE command line to test; --samples FILE to keep every sample as CSV
 *
 * Faults: a worker is killed, stopped for a while and let go on, raises, hangs past its limit, leaves, or prints
 * megabytes; a few items raise each time, so that their mini-batches are narrowed down. The orchestrator lives through
 * all of it. Each 5 s its memory and descriptors, its zombies and the number of processes are taken down.
 *
 * Checked: lines through the samples (limits in `soak-lib.mjs`); every item has its row, in order, or is a dead letter
 * for a reason that is known; no process left. Exit code 0 where all of it holds.
 */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clearInterval, setInterval } from 'node:timers';
import { check, option, processesBelow, random, seconds, Space } from './crash-lib.mjs';
import { isMain, root } from './lib.mjs';
import { judge, paceFor, tableText } from './soak-lib.mjs';
import { importTypeScript } from './typescript.mjs';

const ITEMS = 2;
/** One item in so many raises each time. */
const CULPRIT_EVERY = 997;
const LIMIT_SECONDS = 2;
const SAMPLE_MS = 5000;
const SHOW_EVERY = 6;
const FAULT_MS = [2000, 5000];
/** The engine's own tables, compiled code and first buffers grow in this share of the run, at least in its first minute. */
const WARM_UP = { share: 0.15, seconds: 60 };
const FAULTS = option('faults', 'kill,stop,raise,hang,exit,flood')
  .split(',')
  .filter((name) => name !== 'none');
const FLOOD_MIB = [1, 30];
const STOP_MS = [200, 3000];
const itemName = (i) => `f${String(i).padStart(7, '0')}`;
const isCulprit = (i) => i % CULPRIT_EVERY === CULPRIT_EVERY - 1;

/** Who begins a mini-batch while an order lies there takes it. */
const SCRIPT = `
import os, time
SPACE = os.environ["SPACE"]

def order():
    mine = "%s/order.%d" % (SPACE, os.getpid())
    try:
        os.rename(SPACE + "/order", mine)
    except FileNotFoundError:
        return ""
    with open(mine) as file:
        text = file.read()
    os.unlink(mine)
    return text

def obey(what, amount="0"):
    if what == "raise":
        raise ValueError("asked to")
    if what == "exit":
        os._exit(7)
    if what == "hang":
        time.sleep(3600)
    if what == "flood":
        line = "x" * 99 + "\\n"
        for _ in range(int(amount) * 10):
            print(line * 1000, end="")

def run(mini_batch):
    names = [os.path.basename(path) for path in mini_batch]
    print("scoring", *names)
    text = order()
    if text:
        obey(*text.split())
    for name in names:
        if int(name[1:]) % ${CULPRIT_EVERY} == ${CULPRIT_EVERY - 1}:
            raise ValueError("bad item " + name)
    with open(SPACE + "/pace") as file:
        time.sleep(float(file.read()))
    return [name + " scored" for name in names]
`;

class Soak {
  constructor(space, { draw, minutes, count, workers, samplesFile, reader }) {
    Object.assign(this, { space, draw, minutes, count, workers, samplesFile, reader });
    this.faults = Object.fromEntries(FAULTS.map((name) => [name, 0]));
    this.settled = 0;
    this.samples = [];
    this.problems = [];
    this.pace = 0.01;
    this.from = performance.now();
  }

  put(name, text) {
    writeFileSync(join(this.space.folder, `${name}.new`), text);
    renameSync(join(this.space.folder, `${name}.new`), join(this.space.folder, name));
  }

  elapsed() {
    return (performance.now() - this.from) / 1000;
  }

  /** One fault, if there is somebody to have it. */
  fault() {
    const kind = FAULTS[Math.floor(this.draw() * FAULTS.length)];
    const [place, size] = [this.draw(), this.draw()];
    const between = ([least, most]) => least + size * (most - least);
    if (kind === 'kill' || kind === 'stop') {
      const workers = processesBelow(this.space.root, 'AZ_BATCHAI_INPUT_AZUREML');
      const worker = workers[Math.floor(place * workers.length)];
      if (worker === undefined) return;
      if (!signal(worker, kind === 'kill' ? 'SIGKILL' : 'SIGSTOP')) return;
      if (kind === 'stop') setTimeout(() => signal(worker, 'SIGCONT'), between(STOP_MS));
    } else {
      this.put('order', kind === 'flood' ? `flood ${Math.round(between(FLOOD_MIB))}` : kind);
    }
    this.faults[kind] += 1;
  }

  /** The next one comes when its time has come, whatever became of the last one. */
  planFault() {
    const [least, most] = FAULT_MS;
    this.nextFault = setTimeout(
      () => {
        this.fault();
        this.planFault();
      },
      least + this.draw() * (most - least),
    );
  }

  async countSettled() {
    for (let events = await this.reader.read(); events.length > 0; events = await this.reader.read())
      for (const { type, settles } of events)
        if (type === 'try-finished' && ['done', 'partial', 'failed'].includes(settles)) this.settled += 1;
  }

  async sample(pid) {
    const before = { settled: this.settled, at: this.sampledAt ?? this.elapsed() };
    await this.countSettled();
    this.sampledAt = this.elapsed();
    const zombies = await lastingZombies(pid);
    const seen = orchestratorOf(pid);
    if (seen === undefined) return;
    const processes = new Set([...processesBelow(this.space.root), ...descendantsOf(pid)]).size;
    const sample = { at: this.sampledAt, settled: this.settled, ...seen, processes, zombies };
    this.samples.push(sample);
    if (this.samplesFile !== undefined) appendFileSync(this.samplesFile, `${Object.values(sample).join(',')}\n`);
    if (this.samples.length % SHOW_EVERY === 1) this.show(sample);
    this.pace = paceFor({
      left: this.count - this.settled,
      secondsLeft: this.minutes * 60 - this.sampledAt,
      workers: this.workers,
      pace: this.pace,
      settled: this.settled - before.settled,
      seconds: this.sampledAt - before.at,
    });
    this.put('pace', this.pace.toFixed(4));
  }

  show({ at, settled, rssMiB, descriptors, processes, zombies }) {
    const faults = Object.values(this.faults).reduce((sum, one) => sum + one, 0);
    console.log(
      `${at.toFixed(0).padStart(5)} s  ${String(settled).padStart(7)} mini-batches  ${rssMiB.toFixed(1).padStart(6)} MiB  ` +
        `${descriptors} descriptors  ${processes} processes  ${zombies} zombies  ${faults} faults`,
    );
  }
}

function signal(pid, name) {
  try {
    process.kill(Number(pid), name);
    return true;
  } catch {
    return false;
  }
}

function orchestratorOf(pid) {
  try {
    const rssMiB = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
    return { rssMiB, descriptors: readdirSync(`/proc/${pid}/fd`).length };
  } catch {
    return undefined;
  }
}

/** A dead child is one for a moment until its parent looks: only those count that are still there a little later. */
async function lastingZombies(parent) {
  const first = zombiesOf(parent);
  if (first.length === 0) return 0;
  await new Promise((resolve) => setTimeout(resolve, 500));
  const second = new Set(zombiesOf(parent));
  return first.filter((pid) => second.has(pid)).length;
}

function zombiesOf(parent) {
  return processTable().flatMap((one) => (one.state === 'Z' && one.parent === parent ? [one.pid] : []));
}

/** Whatever its environment; as text, like names below /proc. */
function descendantsOf(pid) {
  const table = processTable();
  const found = new Set([pid]);
  for (let before = 0; before < found.size;) {
    before = found.size;
    for (const one of table) if (found.has(one.parent)) found.add(one.pid);
  }
  return [...found].map(String);
}

function processTable() {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const [state, parent] = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ').at(-1).split(' ');
      return [{ pid: Number(name), state, parent: Number(parent) }];
    } catch {
      return [];
    }
  });
}

async function watch(soak, child) {
  const ledger = soak.space.path('r', 'state/ledger.journal');
  while (child.exitCode === null && !existsSync(ledger)) await new Promise((resolve) => setTimeout(resolve, 50));
  soak.reader = await soak.reader(ledger);
  let busy = Promise.resolve();
  const timer = setInterval(() => {
    busy = busy.then(() => soak.sample(child.pid));
  }, SAMPLE_MS);
  if (FAULTS.length > 0) soak.planFault();
  const ended = await child.ended;
  clearInterval(timer);
  clearTimeout(soak.nextFault);
  await busy;
  await soak.countSettled();
  await soak.reader.close();
  if (ended.code !== 0)
    soak.problems.push(`the run ended with ${ended.code ?? ended.signal}: ${ended.text.slice(-4000)}`);
}

/** The output by the independent checker, and why items are missing in it. */
function checkOutput(soak) {
  const { space, problems, count } = soak;
  const letters = readLetters(space.path('r', 'outputs/dead_letters.jsonl'));
  const dead = new Set(letters.map(({ mini_batch: index, position }) => index * ITEMS + position));
  const names = Array.from({ length: count * ITEMS }, (_, i) => i);
  const expected = join(space.folder, 'expected');
  writeFileSync(expected, names.flatMap((i) => (dead.has(i) ? [] : [`${itemName(i)} scored\n`])).join(''));
  const spared = names.filter((i) => isCulprit(i) && !dead.has(i));
  if (spared.length > 0)
    problems.push(`items that always raise have rows: ${spared.slice(0, 5).map(itemName).join(' ')}`);
  // A fault may hit a part of one item while its mini-batch is narrowed down: it is what killed that item then.
  const others = letters.filter(({ mini_batch: index, position }) => !isCulprit(index * ITEMS + position));
  const odd = others.filter(({ kind, cause }) => kind === 'exception' && !cause.includes('asked to'));
  if (odd.length > 0) problems.push(`given up for no reason we made: ${JSON.stringify(odd[0])}`);
  const checked = check(['run', space.path('r', ''), space.path('r', 'outputs/parallel_run_step.txt'), expected]);
  if (!checked.ok) problems.push(`checker: ${checked.why}`);
  const culprits = letters.length - others.length;
  return `${names.length - dead.size} rows in order, ${culprits} dead letters of items that always raise, ${others.length} of faults`;
}

function readLetters(path) {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

async function soak() {
  const minutes = Number(option('minutes', '30'));
  const count = Number(option('count', String(Math.ceil(4000 * minutes))));
  const workers = Number(option('workers', '2'));
  const seed = Number(option('seed', '1'));
  const folder = option('folder', mkdtempSync(join(tmpdir(), 'soak-')));
  const cli = option('cli', join(root, 'dist/cli/main.js'));
  const samplesFile = option('samples', undefined);
  const { LedgerReader } = (await importTypeScript('src/ledger/index.ts', 'ledger')).module;
  const more = ['--timeout', String(LIMIT_SECONDS), '--max-retries', '4', '--mini-batch-size', String(ITEMS)];
  const space = new Space(join(folder, 'space'), { cli, count: 0, workers, script: SCRIPT, more });
  space.fresh();
  console.log(`${count} mini-batches of ${ITEMS} items in about ${minutes} minutes, ${workers} workers, seed ${seed}`);
  for (let i = 0; i < count * ITEMS; i++) writeFileSync(join(space.folder, 'in', itemName(i)), '');
  const reader = (path) => LedgerReader.open(path);
  const test = new Soak(space, { draw: random(seed), minutes, count, workers, samplesFile, reader });
  test.put('pace', String(test.pace));
  const child = space.start(space.runArguments('r'));
  child.text = '';
  child.stdout.on('data', (chunk) => (child.text = (child.text + chunk).slice(-8000)));
  child.stderr.on('data', (chunk) => (child.text = (child.text + chunk).slice(-8000)));
  child.ended = new Promise((resolve) =>
    child.on('close', (code, signalName) => resolve({ code, signal: signalName, text: child.text })),
  );
  await watch(test, child);
  const took = seconds(test.from);
  if ((await space.gone()) === undefined) test.problems.push('processes left at the end');
  const warmUp = test.samples.filter(
    ({ at, settled }) => at < WARM_UP.seconds || settled < WARM_UP.share * count,
  ).length;
  const rows = judge(test.samples.slice(warmUp));
  const output = checkOutput(test);
  const heads = ['quantity', 'least', 'most', 'measure', 'value', 'limit', ''];
  const cells = rows.map((one) => [...heads.slice(0, 6).map((head) => one[head]), one.ok ? 'ok' : 'TOO MUCH']);
  console.log(`\n${tableText([heads, ...cells])}\n`);
  console.log(`${output}; run folder ${sizeOf(space.path('r', ''))}`);
  for (const { quantity, value, limit } of rows.filter(({ ok }) => !ok))
    test.problems.push(`${quantity}: ${value}, allowed are ${limit}`);
  for (const problem of test.problems) console.log(`FAILED  ${problem}`);
  const well = test.problems.length === 0;
  console.log(
    `${well ? 'flat and exact' : 'NOT WELL'}: ${test.settled} mini-batches in ${took}, faults ${JSON.stringify(test.faults)}` +
      `${well ? '' : `; see ${folder}`}`,
  );
  if (well) rmSync(folder, { recursive: true, force: true });
  return well ? 0 : 1;
}

function sizeOf(folder) {
  return execFileSync('du', ['-sh', folder], { encoding: 'utf8' }).split('\t')[0];
}

if (isMain(import.meta.url)) process.exitCode = await soak();
