/**
 * `npm run power-loss -- --count 100`: takes the power from the disk of a run, again and again: all that was not synced
 * is gone. The run is resumed until it ends; its result must be byte for byte that of an undisturbed run.
 *
 *   --count N          power losses (default 100)            --seed N   of moments and disks (default 1)
 *   --filesystem TYPE  ext4 (default) or xfs                 --lanes N  disks at the same time (default 2)
 *   --moments LIST     kinds of moments, see MOMENTS (default all in turn)
 *   --folder DIR       where to work (default a temporary folder); --cli FILE: command line to test; --verbose
 *   --probe            only says whether the power of a disk can be cut here
 *
 * The run folder lies on a file system of its own on a loop device. Its power is cut by the shutdown call of the kernel,
 * which forgets every page and every journal entry that is not on the device; then the processes are killed, and the
 * file system is mounted anew, as after a restart. In half of the losses some pages are written out before, in no order.
 * A moment is a random time, a system call that changes a file (see crash-sweep), or the end of the command.
 * Needs root and loop devices: elsewhere everything is skipped, and says so.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMain, root } from './lib.mjs';
import { check, itemName, option, processesBelow, random, seconds, Space } from './crash-lib.mjs';
import { Disk, sizesBelow, whyNoPowerCut } from './power-disk.mjs';
import { commitPoint, haveStrace, killAt, record } from './strace-lib.mjs';

const COUNT = 24;
const LARGE = 7;
const LARGE_BYTES = 300_000;
const WORKERS = 2;
const RESULT = 'outputs/parallel_run_step.txt';
const rowOf = (i) => `${itemName(i)} scored${i === LARGE ? 'x'.repeat(LARGE_BYTES) : ''}\n`;
const EXPECTED = Array.from({ length: COUNT }, (_, i) => rowOf(i)).join('');

/** The module beside the script shows that the snapshot of the code survives as a whole. */
const JOBS = {
  python: {
    entry: 'score.py',
    code: {
      'rows.py': `def row(name):\n    return name + " scored" + ("x" * ${LARGE_BYTES} if name == "${itemName(LARGE)}" else "")\n`,
      'score.py': `
import os, time
from rows import row
def run(mini_batch):
    names = [os.path.basename(p) for p in mini_batch]
    with open(os.environ["SPACE"] + "/executions", "a") as f:
        f.write("".join(name + "\\n" for name in names))
    time.sleep(0.02)
    return [row(name) for name in names]
`,
    },
  },
  node: {
    entry: 'score.ts',
    code: {
      'rows.ts': `export const row = (name: string): string => name + ' scored' + (name === '${itemName(LARGE)}' ? 'x'.repeat(${LARGE_BYTES}) : '');\n`,
      'score.ts': `
import { appendFileSync } from 'node:fs';
import { basename } from 'node:path';
import { row } from './rows.ts';
export async function run(miniBatch: readonly string[]): Promise<string[]> {
  const names = miniBatch.map((path) => basename(path));
  appendFileSync(process.env['SPACE'] + '/executions', names.map((name) => name + '\\n').join(''));
  await new Promise((resolve) => setTimeout(resolve, 20));
  return names.map(row);
}
`,
    },
  },
};

/** Long between commits of the journal, or short; a file put in the place of another is not written out for us. */
const MOUNTS = {
  ext4: [
    '',
    'commit=1',
    'noauto_da_alloc,commit=300',
    'data=writeback,noauto_da_alloc,commit=300',
    'data=writeback,commit=1',
  ],
  xfs: ['', 'logbsize=32k'],
};
/** What kind of moment comes next: each equally often. `end`: the command has just said that all is well. */
const MOMENTS = [
  'time',
  'CP0',
  'CP11',
  'time',
  'CP5',
  'CP6',
  'time',
  'CP7',
  'CP8',
  'CP9',
  'CP10',
  'CP10',
  'logs',
  'end',
];
/** Refusals and new names in one round; more would be a loop of ours. */
const STARTS_MAX = 30;

/** One run on a disk of its own, from its start to its end, with one to three losses on the way. */
class Round {
  constructor(lane, draw) {
    const job = draw() < 0.5 ? 'python' : 'node';
    this.lane = lane;
    this.draw = draw;
    this.job = job;
    this.space = lane.spaces[job];
    this.disk = lane.disks[job];
    this.mountOptions = pick(draw, MOUNTS[this.disk.type]);
    this.name = 'r';
    this.begun = false;
    this.log = [];
    this.committed = [];
    this.shown = new Set();
    this.ended = false;
  }

  /** @returns what is wrong; undefined where all is well */
  async play(kinds, tally) {
    const { space, disk } = this;
    await disk.unmount();
    space.fresh();
    await disk.make(this.mountOptions);
    this.log.push(`${this.job}, mounted with "${this.mountOptions}"`);
    const hideCode = this.draw() < 0.5;
    for (let starts = 0; kinds.length > 0; starts++) {
      if (starts > STARTS_MAX) return 'starts again and again';
      const outcome = await this.lose(kinds[0]);
      if (outcome.why !== undefined) return outcome.why;
      // Refused: nothing had been begun, so there was nothing to lose either.
      if (outcome.refused) continue;
      const kind = kinds.shift();
      note(tally, outcome.label ?? kind, outcome);
      if (hideCode && this.begun) this.moveCode('code', 'code.away');
    }
    return this.finish();
  }

  moveCode(from, to) {
    const path = join(this.space.folder, from);
    if (existsSync(path)) renameSync(path, join(this.space.folder, to));
  }

  arguments() {
    return this.begun ? ['resume', this.name, '--json'] : [...this.space.runArguments(this.name), '--json'];
  }

  /** One command, a loss of power in it or right after it, and what is left. */
  async lose(kind) {
    const { space, disk, draw } = this;
    const scenario = this.begun ? 'resume' : 'run';
    const points = this.lane.points[this.job][scenario].filter((one) => commitPoint(scenario, one) === kind);
    const point = points.length > 0 ? pick(draw, points) : undefined;
    const afterMs = kind === 'end' ? Infinity : this.lane.firstMs + draw() * this.lane.lastMs[this.job];
    const power = await disk.arm();
    const child = space.start(this.arguments(), point ? killAt(space, point) : []);
    const ended = listen(child);
    const first = point ? await ended : await Promise.race([ended, moment(afterMs)]);
    if (first !== undefined && first.code !== null && first.code !== 0) {
      power.disarm();
      return this.refusal(first);
    }
    const share = draw() < 0.5 ? 0 : 0.1 + 0.8 * draw();
    const before = sizesBelow(space.root);
    await power.cut(Math.floor(draw() * 2 ** 31), share);
    child.kill('SIGKILL');
    const { code, text } = await ended;
    if ((await space.gone()) === undefined) return { why: 'processes left after the loss' };
    await disk.powerUp(this.mountOptions);
    const label = point ? kind : code === 0 ? 'end' : 'time';
    const where = point ? `${point.key} #${point.nth}` : code === 0 ? 'the end' : `${Math.round(afterMs)} ms`;
    this.log.push(`${scenario}: power lost at ${where}, ${share.toFixed(2)} written out`);
    return { label, ...this.inspectLoss(before, code, text) };
  }

  /** A command that says no: only where nothing of the run had begun. */
  refusal({ code, text }) {
    this.log.push(`refused with ${code}`);
    const said = plain(text);
    if (!/PR5\d\d\d/.test(said) || /PR5999/.test(said)) return { why: `ended with ${code}: ${said}` };
    if (this.shown.size > 0 || this.space.executions().length > 0)
      return { why: `work was done, and resume refuses: ${said}` };
    this.moveCode('code.away', 'code');
    this.name += 'x';
    this.begun = false;
    return { refused: true };
  }

  /** What was told before the loss is there after it; what is there is whole. */
  inspectLoss(before, code, text) {
    const { space } = this;
    const after = sizesBelow(space.root);
    const cut = [...before].filter(([path, size]) => (after.get(path) ?? -1) < size).length;
    for (const index of doneOf(text)) this.shown.add(index);
    const settled = space.settled(this.name);
    if (!settled.ok) return { why: `ledger after the loss: ${settled.why}` };
    const done = new Set(settled.done);
    const missing = [...this.shown].filter((index) => !done.has(index));
    if (missing.length > 0) return { why: `told as done, and lost: mini-batches ${missing.join(' ')}` };
    const repeated = this.repeatedCommitted();
    if (repeated.length > 0) return { why: `committed, and run again: ${repeated.join(' ')}` };
    if (code === 0) this.ended = true;
    if (this.ended && !this.isExact()) return { why: 'the run had ended well, and its result is gone or another' };
    this.committed = settled.done.map(itemName);
    this.executed = space.executions().length;
    this.begun = true;
    return { cut };
  }

  repeatedCommitted() {
    const since = this.space.executions().slice(this.executed ?? 0);
    return this.committed.filter((item) => since.includes(item));
  }

  isExact() {
    const result = this.space.path(this.name, RESULT);
    return existsSync(result) && readFileSync(result, 'utf8') === EXPECTED;
  }

  /** No more losses: to the end, and everything that can be said of it. */
  async finish() {
    const { space } = this;
    for (let starts = 0; ; starts++) {
      const ended = await space.run(this.arguments());
      if (ended.code === 0) break;
      const { why } = this.refusal(ended);
      if (why !== undefined || starts > STARTS_MAX) return why ?? 'starts again and again';
    }
    if (!this.isExact()) return 'the result differs';
    const repeated = this.repeatedCommitted();
    if (repeated.length > 0) return `committed, and run again: ${repeated.join(' ')}`;
    const state = (file) => space.path(this.name, `state/${file}`);
    const checked = check(['spool', state('ledger.journal'), state('rows.spool'), space.path(this.name, RESULT)]);
    if (!checked.ok) return `checker: ${checked.why}`;
    const verified = await space.run(['verify', this.name]);
    if (verified.code !== 0 || !/every byte/.test(verified.text)) return `verify, ${verified.code}: ${verified.text}`;
    return processesBelow(space.root).length > 0 ? 'processes left at the end' : undefined;
  }
}

const pick = (draw, list) => list[Math.floor(draw() * list.length)];
const moment = (ms) => new Promise((resolve) => ms < Infinity && setTimeout(() => resolve(undefined), ms));

function listen(child) {
  let text = '';
  child.stdout.on('data', (chunk) => (text += chunk));
  child.stderr.on('data', (chunk) => (text += chunk));
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, text })));
}

/** What a command said, without its events. */
const plain = (text) =>
  text
    .split('\n')
    .filter((line) => !line.startsWith('{'))
    .join('\n');

/** Mini-batches that the command has told as done. */
function doneOf(text) {
  return text.split('\n').flatMap((line) => {
    if (!line.startsWith('{"type":"try-finished"')) return [];
    try {
      const event = JSON.parse(line);
      return event.settles === 'done' ? [event.index] : [];
    } catch {
      return [];
    }
  });
}

function note(tally, label, { cut }) {
  tally.losses += 1;
  tally.moments[label] = (tally.moments[label] ?? 0) + 1;
  if (cut > 0) tally.bit += 1;
}

/** Where calls change files: of a run, and of a resume of a run that was killed in the middle. */
async function calibrate(lane, traced) {
  for (const job of Object.keys(JOBS)) {
    const space = lane.spaces[job];
    const disk = lane.disks[job];
    await disk.unmount();
    space.fresh();
    await disk.make();
    const from = performance.now();
    const plain = await space.run(space.runArguments('plain'));
    lane.lastMs[job] = performance.now() - from;
    if (plain.code !== 0 || readFileSync(space.path('plain', RESULT), 'utf8') !== EXPECTED)
      throw new Error(`the undisturbed run ended with ${plain.code}: ${plain.text}`);
    lane.points[job] = { run: [], resume: [] };
    if (!traced) continue;
    lane.points[job].run = (await record(space, space.runArguments('r'))).points;
    await interrupted(space, lane.points[job].run);
    lane.points[job].resume = (await record(space, ['resume', 'r'])).points;
  }
}

/** A run that was killed in the middle. Group commits differ from run to run: not every call comes again. */
async function interrupted(space, points) {
  const spool = points.filter(({ path, nth }) => path.endsWith('/rows.spool') && nth > 2);
  for (const point of spool) {
    rmSync(space.path('r', ''), { recursive: true });
    const { signal } = await space.run(space.runArguments('r'), killAt(space, point));
    await space.gone();
    if (signal === 'SIGKILL') return;
  }
  throw new Error('no interrupted run could be made');
}

function laneIn(folder, number, { cli, type }) {
  const lane = { spaces: {}, disks: {}, points: {}, lastMs: {}, firstMs: 100 };
  mkdirSync(folder, { recursive: true });
  for (const [job, options] of Object.entries(JOBS)) {
    const space = new Space(join(folder, `lane${number}-${job}`), { cli, count: COUNT, workers: WORKERS, ...options });
    lane.spaces[job] = space;
    lane.disks[job] = new Disk(type, join(folder, `lane${number}-${job}.image`), space.root);
  }
  return lane;
}

async function powerLoss() {
  const type = option('filesystem', 'ext4');
  const moments = option('moments', MOMENTS.join(',')).split(',');
  const wanted = Number(option('count', '100'));
  const seed = Number(option('seed', '1'));
  const why = await whyNoPowerCut(type);
  if (why !== undefined) {
    console.log(`the power of a disk can not be cut here (${why}): ${wanted} power losses skipped`);
    return process.argv.includes('--probe') ? 1 : 0;
  }
  if (process.argv.includes('--probe')) return 0;
  const traced = haveStrace();
  if (!traced) console.log('strace is not there: random moments only, no loss at a chosen system call');
  const folder = option('folder', mkdtempSync(join(tmpdir(), 'power-loss-')));
  const cli = option('cli', join(root, 'dist/cli/main.js'));
  const lanes = Array.from({ length: Number(option('lanes', '2')) }, (_, i) => laneIn(folder, i, { cli, type }));
  const tally = { losses: 0, bit: 0, rounds: 0, moments: {}, failures: 0 };
  const from = performance.now();
  let next = 0;
  const work = async (lane) => {
    await calibrate(lane, traced);
    while (next < wanted) {
      // A round is drawn by its first number: the same seed gives the same round, however lanes overtake each other.
      const draw = random(seed * 1_000_003 + next);
      const kinds = [];
      for (let more = 1; more > 0 && next < wanted; more = kinds.length < 3 && draw() < 0.5 ? 1 : 0)
        kinds.push(moments[next++ % moments.length]);
      const round = new Round(lane, draw);
      const problem = await round.play([...kinds], tally);
      tally.rounds += 1;
      if (problem === undefined && !process.argv.includes('--verbose')) continue;
      if (problem !== undefined) tally.failures += 1;
      console.log(`${problem === undefined ? 'ok' : 'FAILED'}  ${round.log.join('; ')}`);
      if (problem !== undefined) console.log(`        ${problem.slice(0, 3000).replaceAll('\n', '\n        ')}`);
    }
  };
  try {
    await Promise.all(lanes.map(work));
  } finally {
    for (const lane of lanes) for (const disk of Object.values(lane.disks)) await disk.unmount();
  }
  const spent = (performance.now() - from) / 1000;
  console.log(
    `seed ${seed}: ${tally.losses} power losses on ${type} in ${tally.rounds} runs, ${tally.failures} failures, ` +
      `${seconds(from)}, ${(spent / tally.losses).toFixed(1)} s each; files were cut or gone after ${tally.bit} of them; ` +
      `moments ${JSON.stringify(tally.moments)}`,
  );
  rmSync(folder, { recursive: true, force: true });
  return tally.failures === 0 ? 0 : 1;
}

if (isMain(import.meta.url)) process.exitCode = await powerLoss();
