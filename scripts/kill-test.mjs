/**
 * `npm run kill-test -- --kills 200`: one long run, killed again and again at random moments (orchestrator, a worker,
 * or both), resumed each time; then the result must be that of an undisturbed run.
 *
 *   --kills N     kills (default 50)      --seed N      of the moments and victims (default 1)
 *   --count N     mini-batches (default 12 for each kill)       --workers N   (default 2)
 *   --bound N     mini-batches that a crash of the orchestrator may repeat, per slot (default 1)
 *   --folder DIR  where to work; --cli FILE command line to test
 *
 * Checked: rows in order, none lost, none twice; what the ledger had committed at a kill never ran again; repeated
 * work, counted from what the script itself writes down when it begins an item; no process left. A kill of a worker
 * alone repeats the one item it was running.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMain, root } from './lib.mjs';
import { check, itemName, option, processesBelow, random, seconds, Space } from './crash-lib.mjs';
import { accountOf, histogram } from './kill-account.mjs';

/** Items take 50 to 150 ms, each always the same. The worker is named by its pid and when it began. */
const SCRIPT = `
import os, time, zlib
WORKER = "%d.%d" % (os.getpid(), time.monotonic_ns())
def run(mini_batch):
    name = os.path.basename(mini_batch[0])
    with open(os.environ["SPACE"] + "/executions", "a") as f:
        f.write(name + " " + WORKER + "\\n")
    time.sleep(0.05 + zlib.crc32(name.encode()) % 101 / 1000)
    return [name + " scored"]
`;
/** So often an orchestrator is killed before it has work under way: within so long after its start. */
const EARLY = 0.25;
const EARLY_MS = 1000;
/** The other moments: after the first new mini-batch has begun, or after the last kill of a worker. */
const MOMENT_MS = 1200;

const closed = (child) =>
  new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, text: child.text })));

function kill(pid) {
  try {
    process.kill(Number(pid), 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}

class KillTest {
  constructor(space, draw) {
    this.space = space;
    this.draw = draw;
    this.kills = { orchestrator: 0, worker: 0, both: 0 };
    this.stretches = [];
    this.killed = [];
    /** Executions at the last end of an orchestrator. */
    this.seen = 0;
    this.problems = [];
  }

  start(args) {
    const child = this.space.start(args);
    child.text = '';
    child.stdout.on('data', (chunk) => (child.text += chunk));
    child.stderr.on('data', (chunk) => (child.text += chunk));
    child.ended = closed(child);
    return child;
  }

  /** One kill at a moment of its own. @returns the orchestrator that goes on, undefined where the run has ended */
  async strike(child) {
    const first = await Promise.race([this.moment(child), child.ended]);
    const wanted = ['orchestrator', 'worker', 'both'][Math.floor(this.draw() * 3)];
    const place = this.draw();
    if (first !== 'moment') return this.over(first);
    const workers = processesBelow(this.space.root, 'AZ_BATCHAI_INPUT_AZUREML');
    const worker = workers[Math.floor(place * workers.length)];
    // Too early for a worker: there is only one to kill.
    const victim = worker === undefined ? 'orchestrator' : wanted;
    this.kills[victim] += 1;
    if (victim !== 'orchestrator' && kill(worker)) this.killed.push(worker);
    if (victim === 'worker') return child;
    kill(child.pid);
    return this.resume(await child.ended);
  }

  async moment(child) {
    const early = this.draw() < EARLY;
    const share = this.draw();
    const begun = () => child.exitCode !== null || this.space.executions().length > this.seen;
    while (!early && !begun()) await new Promise((resolve) => setTimeout(resolve, 10));
    await new Promise((resolve) => setTimeout(resolve, share * (early ? EARLY_MS : MOMENT_MS)));
    return 'moment';
  }

  over(ended) {
    this.endStretch(false);
    if (ended.code !== 0) this.problems.push(`ended with ${ended.code ?? ended.signal}: ${ended.text}`);
    return undefined;
  }

  async resume(ended) {
    if (ended.signal !== 'SIGKILL') return this.over(ended);
    if ((await this.space.gone()) === undefined) this.problems.push('processes left after a kill');
    this.endStretch(true);
    return this.start(['resume', 'r']);
  }

  endStretch(crash) {
    const { ok, done, why } = this.space.settled('r');
    if (!ok) this.problems.push(`ledger: ${why}`);
    const until = this.space.executions().length;
    this.seen = until;
    this.stretches.push({ until, committed: new Set((done ?? []).map(itemName)), killed: this.killed, crash });
    this.killed = [];
  }

  account() {
    const executions = this.space.executions().map((line) => {
      const [item, by] = line.split(' ');
      return { item, by };
    });
    return { executions: executions.length, ...accountOf(executions, this.stretches) };
  }
}

/** Before its ledger is there a run can't be resumed: that is the crash sweep's matter. */
async function begun(space, child) {
  const ledger = space.path('r', 'state/ledger.journal');
  while (child.exitCode === null && !(existsSync(ledger) && statSync(ledger).size > 100))
    await new Promise((resolve) => setTimeout(resolve, 20));
}

async function killTest() {
  const kills = Number(option('kills', '50'));
  const workers = Number(option('workers', '2'));
  const count = Number(option('count', String(12 * kills)));
  const seed = Number(option('seed', '1'));
  const bound = Number(option('bound', '1'));
  const folder = option('folder', mkdtempSync(join(tmpdir(), 'kill-test-')));
  const cli = option('cli', join(root, 'dist/cli/main.js'));
  // A worker that is killed uses up a try of the mini-batch that it ran.
  const more = ['--max-retries', '50'];
  const space = new Space(join(folder, 'space'), { cli, count, workers, script: SCRIPT, more });
  space.fresh();
  const from = performance.now();
  const test = new KillTest(space, random(seed));
  let child = test.start(space.runArguments('r'));
  await begun(space, child);
  let struck = 0;
  for (; struck < kills && child; struck++) child = await test.strike(child);
  if (child) test.over(await child.ended);
  console.log(
    `seed ${seed}: ${struck} kills (${JSON.stringify(test.kills)}), ${count} mini-batches of 50 to 150 ms, ` +
      `${workers} workers, ${seconds(from)}`,
  );
  if (struck < kills) test.problems.push(`the run ended before ${kills} kills: more --count is needed`);
  checkWork(test, { workers, count, bound });
  await checkResult(test, space, count);
  for (const problem of test.problems) console.log(`FAILED  ${problem}`);
  console.log(test.problems.length === 0 ? 'all well' : `${test.problems.length} failures, in ${folder}`);
  if (test.problems.length === 0) rmSync(folder, { recursive: true, force: true });
  return test.problems.length === 0 ? 0 : 1;
}

function checkWork(test, { workers, count, bound }) {
  const { executions, perStretch, again, unexplained } = test.account();
  const crashes = perStretch.filter(({ crash }) => crash).map(({ byCrash }) => byCrash.length);
  const total = crashes.reduce((sum, one) => sum + one, 0);
  const most = Math.max(0, ...crashes);
  const above = crashes.filter((one) => one > workers).length;
  const byWorker = perStretch.reduce((sum, { byWorker: lost }) => sum + lost.length, 0);
  const workerKills = test.kills.worker + test.kills.both;
  console.log(
    `repeated by a crash of the orchestrator: at most ${most}, on average ${(total / Math.max(1, crashes.length)).toFixed(2)} ` +
      `(${crashes.length} crashes, by number repeated ${JSON.stringify(histogram(crashes))}); ${above} above the ` +
      `${workers} slots; by the kill of a worker: ${byWorker} in ${workerKills} kills`,
  );
  console.log(`${executions} executions = ${count} + ${total} + ${byWorker}; ${again.length} of committed ones`);
  const { problems } = test;
  if (most > bound * workers) problems.push(`a crash repeated ${most}, allowed are ${bound} a slot`);
  if (byWorker > workerKills) problems.push('the kill of a worker repeated more than what it was running');
  if (again.length > 0) problems.push(`committed, and run again: ${again.join(' ')}`);
  if (unexplained.length > 0) problems.push(`run again though nobody died: ${unexplained.join(' ')}`);
  if (executions !== count + total + byWorker + unexplained.length + again.length)
    problems.push('executions do not add up');
}

async function checkResult(test, space, count) {
  const { problems } = test;
  const wanted = Array.from({ length: count }, (_, i) => `${itemName(i)} scored\n`).join('');
  const result = space.path('r', 'outputs/parallel_run_step.txt');
  const rows = existsSync(result) ? readFileSync(result, 'utf8') : '';
  if (rows !== wanted) problems.push('the result differs');
  if (rows.split('\n').sort().join('\n') !== wanted.split('\n').sort().join('\n'))
    problems.push('rows are lost, or twice');
  const ledger = space.path('r', 'state/ledger.journal');
  const checked = check(['spool', ledger, space.path('r', 'state/rows.spool'), result]);
  if (!checked.ok) problems.push(`checker: ${checked.why}`);
  if (processesBelow(space.root).length > 0) problems.push('processes left at the end');
  const verified = await space.run(['verify', 'r']);
  console.log(verified.text.trim());
  if (verified.code !== 0) problems.push(`verify ended with ${verified.code}`);
}

if (isMain(import.meta.url)) process.exitCode = await killTest();
