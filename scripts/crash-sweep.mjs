/**
 * `npm run crash-sweep`: kills the orchestrator at every system call that changes a file, resumes, and compares the
 * result byte for byte with that of an undisturbed run.
 *
 *   --workers 1,2      worker processes, one sweep each (default 1,2)
 *   --points N         only N points of each scenario, evenly spread (default all)
 *   --scenarios LIST   of run,resume,abort,pipeline (default all)
 *   --lanes N          points tried at the same time (default 2)
 *   --verbose          names the points that were not reached
 *   --folder DIR       where to work (default a temporary folder); --cli FILE: command line to test
 *
 * A run is recorded once under strace; each call below its folder becomes a point (kind, path, how often). strace
 * filters by path and lets go of children at execve, so workers are neither traced nor counted. The call at the point
 * is not carried out: the state on the disk is that between two calls. A point that a second run never comes to
 * (group commits differ from run to run) is counted as not reached.
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMain, root } from './lib.mjs';
import { check, itemName, option, processesBelow, seconds, Space } from './crash-lib.mjs';
import { pipelineSweep } from './crash-pipeline.mjs';
import { commitPoint, haveStrace, killAt, record } from './strace-lib.mjs';

const COUNT = 20;
const LARGE = 7;
const BAD = 12;
/** One item returns more than travels in a message, so that part files are there; pauses keep commits apart. */
const SCRIPT = `
import os, time
def run(mini_batch):
    names = [os.path.basename(p) for p in mini_batch]
    with open(os.environ["SPACE"] + "/executions", "a") as f:
        f.write("".join(name + "\\n" for name in names))
    time.sleep(0.02)
    if names[0] == "BAD":
        raise ValueError("bad")
    return [name + " scored" + ("x" * 300000 if name == "LARGE" else "") for name in names]
`.replace('LARGE', itemName(LARGE));
const rowOf = (i) => `${itemName(i)} scored${i === LARGE ? 'x'.repeat(300_000) : ''}\n`;

/** How many points beyond the recorded ones are tried where commits may be more than in the recorded run. */
const BEYOND = 40;

const SCENARIOS = {
  run: { script: SCRIPT, more: [], exitCode: 0, result: 'parallel_run_step.txt', rows: COUNT },
  resume: { script: SCRIPT, more: [], exitCode: 0, result: 'parallel_run_step.txt', rows: COUNT },
  // The run fails at a threshold: the verdict has to come again, and nothing is handed out after it.
  abort: {
    script: SCRIPT.replace('BAD', itemName(BAD)),
    more: ['--mini-batch-error-threshold', '0', '--max-retries', '0'],
    exitCode: 1,
    result: 'parallel_run_step.txt.partial',
    rows: undefined,
  },
};

/** After the last recorded call of the ledger and the spool come those that another run may have. */
function withMore(points) {
  const more = [];
  for (const point of points) {
    const last = points.findLast((p) => p.key === point.key);
    if (last !== point || !/ledger\.journal|rows\.spool/.test(point.path)) continue;
    if (!/pwrite|fdatasync/.test(point.kind)) continue;
    for (let n = 1; n <= BEYOND; n++) more.push({ ...point, nth: point.nth + n, beyond: true });
  }
  return [...points, ...more];
}

/** A run of which half is committed, as a kill left it. */
async function interrupted(space) {
  const middle = { kind: 'fdatasync', path: '/runs/r/state/rows.spool', nth: 9 };
  const { signal } = await space.run(space.runArguments('r'), killAt(space, middle));
  if (signal !== 'SIGKILL' || (await space.gone()) === undefined) throw new Error('no interrupted run could be made');
}

/** The interrupted run again. Its input stays the same files: a copy would be another input. */
function asKept(space) {
  const input = join(space.folder, 'in');
  renameSync(input, `${space.folder}.in`);
  rmSync(space.folder, { recursive: true, force: true });
  cpSync(`${space.folder}.kept`, space.folder, { recursive: true, preserveTimestamps: true });
  rmSync(input, { recursive: true });
  renameSync(`${space.folder}.in`, input);
}

/** The tracer itself can fail, mostly as a process ends just when it is looked at: such a go says nothing. */
const GOES = 3;

/** One kill and what comes of it. @returns undefined where the point was not reached */
async function strike(space, name, point, expected, go = 1) {
  const scenario = SCENARIOS[name];
  if (name === 'resume') asKept(space);
  else space.fresh();
  const args = name === 'resume' ? ['resume', 'r'] : space.runArguments('r');
  const killed = await space.run(args, killAt(space, point));
  if (killed.signal !== 'SIGKILL') {
    if (/^strace: .*ptrace/m.test(killed.text) && go < GOES) return strike(space, name, point, expected, go + 1);
    return killed.code === scenario.exitCode
      ? undefined
      : { why: `not killed, ended with ${killed.code}: ${killed.text}` };
  }
  const goneMs = await space.gone();
  if (goneMs === undefined) return { why: 'processes left after the kill' };
  return { goneMs, ...(await recover(space, scenario, expected)) };
}

async function recover(space, scenario, expected) {
  const before = space.settled('r');
  if (!before.ok) return { why: `ledger after the kill: ${before.why}` };
  const executed = space.executions().length;
  let run = 'r';
  let ended = await space.run(['resume', 'r']);
  let how = 'resumed';
  if (ended.code !== scenario.exitCode && ended.code !== 0) {
    // The folder was not complete: nothing had been handed out, and resume must have said so.
    if (!/PR5\d\d\d/.test(ended.text) || /PR5999/.test(ended.text))
      return { why: `resume, ${ended.code}: ${ended.text}` };
    if (before.done.length > 0 || executed > 0) return { why: `work was done, and resume refuses: ${ended.text}` };
    how = 'run again';
    ended = await space.run(space.runArguments('r'));
    if (ended.code !== scenario.exitCode) {
      if (!/PR5001/.test(ended.text)) return { why: `run again, ${ended.code}: ${ended.text}` };
      how = 'run under another name';
      run = 'r2';
      ended = await space.run(space.runArguments(run));
    }
  }
  if (ended.code !== scenario.exitCode) return { why: `${how}, ${ended.code}: ${ended.text}` };
  if (processesBelow(space.root).length > 0) return { why: 'processes left at the end' };
  const repeated = space.executions().length - new Set(space.executions()).size;
  return { how, repeated, why: await inspect(space, run, scenario, expected, before, executed) };
}

/** @returns what is wrong with the outcome; undefined where all is well */
async function inspect(space, run, scenario, expected, before, executed) {
  const result = space.path(run, `outputs/${scenario.result}`);
  if (!existsSync(result)) return 'no result';
  if (!fits(readFileSync(result, 'utf8'), expected)) return 'the result differs';
  const ledger = space.path(run, 'state/ledger.journal');
  const checked = check(['spool', ledger, space.path(run, 'state/rows.spool'), result]);
  if (!checked.ok) return `checker: ${checked.why}`;
  const again = space.executions().slice(executed);
  const repeated = before.done.map(itemName).filter((item) => again.includes(item));
  if (repeated.length > 0) return `committed, and run again: ${repeated.join(' ')}`;
  const verified = await space.run(['verify', run]);
  if (verified.code !== 0 || !/every byte/.test(verified.text)) return `verify, ${verified.code}: ${verified.text}`;
  return undefined;
}

/** Of an aborted run: all rows before the bad one; behind it only what its worker held already. */
function fits(text, expected) {
  if (expected !== undefined) return text === expected;
  const before = Array.from({ length: BAD }, (_, i) => rowOf(i)).join('');
  return [before, before + rowOf(BAD + 1)].includes(text);
}

/** @returns lanes to work in, points to kill at, and what does it */
async function prepare(name, workers, settings) {
  if (name === 'pipeline') return pipelineSweep(settings);
  const scenario = SCENARIOS[name];
  const options = { cli: settings.cli, count: COUNT, workers, script: scenario.script, more: scenario.more };
  const spaces = Array.from(
    { length: settings.lanes },
    (_, i) => new Space(join(settings.folder, `lane${i}`), options),
  );
  for (const space of spaces) {
    space.fresh();
    if (name !== 'resume') continue;
    await interrupted(space);
    rmSync(`${space.folder}.kept`, { recursive: true, force: true });
    cpSync(space.folder, `${space.folder}.kept`, { recursive: true, preserveTimestamps: true });
  }
  const [first] = spaces;
  const { ended, points: recorded } = await record(
    first,
    name === 'resume' ? ['resume', 'r'] : first.runArguments('r'),
  );
  if (ended.code !== scenario.exitCode) throw new Error(`the recorded run ended with ${ended.code}:\n${ended.text}`);
  const expected = scenario.rows && Array.from({ length: scenario.rows }, (_, i) => rowOf(i)).join('');
  if (!fits(readFileSync(first.path('r', `outputs/${scenario.result}`), 'utf8'), expected))
    throw new Error('the undisturbed run has another result than expected');
  return { spaces, points: withMore(recorded), strike: (space, point) => strike(space, name, point, expected) };
}

async function sweep(name, workers, settings) {
  const { spaces, points, strike: hit } = await prepare(name, workers, settings);
  const queue = [...spread(points, settings.points)];
  const tally = {
    points: 0,
    notReached: [],
    how: {},
    commitPoints: {},
    failures: [],
    goneMs: 0,
    repeated: 0,
    over: new Set(),
  };
  const lane = async (space) => {
    for (let point = queue.shift(); point; point = queue.shift()) {
      if (point.beyond && tally.over.has(point.key)) continue;
      note(tally, name, point, await hit(space, point));
    }
  };
  await Promise.all(spaces.map(lane));
  return { recorded: points.filter((point) => !point.beyond).length, ...tally };
}

function note(tally, name, point, outcome) {
  if (!outcome) {
    if (point.beyond) tally.over.add(point.key);
    else tally.notReached.push(`${point.key} #${point.nth}`);
    return;
  }
  tally.points += 1;
  const label = commitPoint(name, point);
  tally.commitPoints[label] = (tally.commitPoints[label] ?? 0) + 1;
  if (outcome.how) tally.how[outcome.how] = (tally.how[outcome.how] ?? 0) + 1;
  tally.goneMs = Math.max(tally.goneMs, outcome.goneMs ?? 0);
  tally.repeated = Math.max(tally.repeated, outcome.repeated ?? 0);
  if (outcome.why === undefined) return;
  tally.failures.push({ point: `${point.key} #${point.nth}`, why: outcome.why });
  console.log(`FAILED  ${name}: ${point.key} #${point.nth}\n        ${outcome.why.replaceAll('\n', '\n        ')}`);
}

function spread(points, wanted) {
  if (wanted === undefined || wanted >= points.length) return points;
  const own = points.filter((point) => !point.beyond);
  return Array.from({ length: wanted }, (_, i) => own[Math.floor((i * own.length) / wanted)]);
}

async function sweepAll() {
  if (!haveStrace()) {
    console.log('strace is not there and could not be installed: 1 sweep skipped');
    return 0;
  }
  const settings = {
    cli: option('cli', join(root, 'dist/cli/main.js')),
    folder: option('folder', mkdtempSync(join(tmpdir(), 'crash-sweep-'))),
    lanes: Number(option('lanes', '2')),
    points: option('points') === undefined ? undefined : Number(option('points')),
  };
  const names = option('scenarios', 'run,resume,abort,pipeline').split(',');
  let failures = 0;
  let points = 0;
  for (const workers of option('workers', '1,2').split(',').map(Number)) {
    for (const name of names) {
      // With two workers it isn't fixed which mini-batches were done before the threshold.
      // The steps of the pipeline have theirs.
      if ((name === 'abort' || name === 'pipeline') && workers > 1) continue;
      const from = performance.now();
      const tally = await sweep(name, workers, settings);
      failures += tally.failures.length;
      if (process.argv.includes('--verbose'))
        console.log(tally.notReached.map((text) => `not reached: ${text}`).join('\n'));
      points += tally.points;
      const { commitPoints, how, notReached, recorded, goneMs, repeated } = tally;
      console.log(
        `${name}, ${workers} worker(s): ${tally.points} kills (${recorded} calls recorded, ${notReached.length} not reached), ` +
          `${tally.failures.length} failures, ${seconds(from)}; ${JSON.stringify(how)}; ${JSON.stringify(commitPoints)}; ` +
          `executions repeated ${repeated} at most, workers gone after ${Math.round(goneMs)} ms at most`,
      );
    }
  }
  console.log(`${points} kills, ${failures} failures`);
  rmSync(settings.folder, { recursive: true, force: true });
  return failures === 0 ? 0 : 1;
}

if (isMain(import.meta.url)) process.exitCode = await sweepAll();
