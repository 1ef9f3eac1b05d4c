/**
 * `npm run kill-test -- --kills 50`: one long run, killed again and again at random moments (orchestrator, a worker,
 * or both), resumed each time; then the result must be that of an undisturbed run.
 *
 *   --kills N     kills (default 50)      --seed N      of the moments and victims (default 1)
 *   --count N     mini-batches (default 12 for each kill)       --workers N   (default 2)
 *   --folder DIR  where to work; --cli FILE command line to test
 *
 * Checked: rows in order, none lost, none twice; what the ledger had committed at a kill never ran again; repeated
 * work at most one mini-batch per worker and kill of the orchestrator; no process left.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMain, root } from './lib.mjs';
import { check, itemName, option, processesBelow, random, seconds, Space } from './crash-lib.mjs';

/** Long enough that none waits behind another at its worker, and that commits are over before the next ends. */
const ITEM_MS = 120;
const SCRIPT = `
import os, time
def run(mini_batch):
    name = os.path.basename(mini_batch[0])
    with open(os.environ["SPACE"] + "/executions", "a") as f:
        f.write(name + "\\n")
    time.sleep(${ITEM_MS / 1000})
    return [name + " scored"]
`;
const MOMENT_MS = [150, 1500];

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
    this.resumes = 0;
    this.repeatedCommitted = [];
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
    const [least, most] = MOMENT_MS;
    const pause = new Promise((resolve) => setTimeout(() => resolve('moment'), least + this.draw() * (most - least)));
    const first = await Promise.race([pause, child.ended]);
    if (first !== 'moment') return this.over(first);
    const victim = ['orchestrator', 'worker', 'both'][Math.floor(this.draw() * 3)];
    const workers = processesBelow(this.space.root, 'AZ_BATCHAI_INPUT_AZUREML');
    const worker = workers[Math.floor(this.draw() * workers.length)];
    this.kills[victim] += 1;
    if (victim !== 'orchestrator' && worker !== undefined) kill(worker);
    if (victim === 'worker') return child;
    kill(child.pid);
    return this.resume(await child.ended);
  }

  over(ended) {
    if (ended.code !== 0) this.problems.push(`ended with ${ended.code ?? ended.signal}: ${ended.text}`);
    return undefined;
  }

  async resume(ended) {
    if (ended.signal !== 'SIGKILL') return this.over(ended);
    if ((await this.space.gone()) === undefined) this.problems.push('processes left after a kill');
    const { ok, done, why } = this.space.settled('r');
    if (!ok) this.problems.push(`ledger: ${why}`);
    this.noteRepeated();
    this.committed = new Set((done ?? []).map(itemName));
    this.executed = this.space.executions().length;
    this.resumes += 1;
    return this.start(['resume', 'r']);
  }

  /** What was committed at the last kill must not have run since. */
  noteRepeated() {
    if (!this.committed) return;
    const since = this.space.executions().slice(this.executed);
    this.repeatedCommitted.push(...since.filter((item) => this.committed.has(item)));
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
  test.noteRepeated();
  report(test, space, { kills: struck, wanted: kills, workers, count, seed, from });
  const verified = await space.run(['verify', 'r']);
  console.log(verified.text.trim());
  if (verified.code !== 0) test.problems.push(`verify ended with ${verified.code}`);
  for (const problem of test.problems) console.log(`FAILED  ${problem}`);
  console.log(test.problems.length === 0 ? 'all well' : `${test.problems.length} failures`);
  if (test.problems.length === 0) rmSync(folder, { recursive: true, force: true });
  return test.problems.length === 0 ? 0 : 1;
}

function report(test, space, { kills, wanted, workers, count, seed, from }) {
  const { problems } = test;
  const executions = space.executions().length;
  const orchestratorKills = test.kills.orchestrator + test.kills.both;
  const allowed = workers * orchestratorKills + test.kills.worker;
  console.log(
    `seed ${seed}: ${kills} kills (${JSON.stringify(test.kills)}), ${test.resumes} resumes, ${count} mini-batches, ` +
      `${workers} workers, ${seconds(from)}; ${executions - count} executions repeated, ${allowed} allowed; ` +
      `${test.repeatedCommitted.length} of committed ones`,
  );
  if (kills < wanted) console.log(`the run ended before ${wanted} kills: more --count is needed`);
  if (executions - count > allowed) problems.push('more repeated than one mini-batch per worker and kill');
  if (test.repeatedCommitted.length > 0) problems.push(`committed, and run again: ${test.repeatedCommitted.join(' ')}`);
  const wantedRows = Array.from({ length: count }, (_, i) => `${itemName(i)} scored\n`).join('');
  const result = space.path('r', 'outputs/parallel_run_step.txt');
  if (problems.length === 0 && readFileSync(result, 'utf8') !== wantedRows) problems.push('the result differs');
  const checked = check([
    'spool',
    space.path('r', 'state/ledger.journal'),
    space.path('r', 'state/rows.spool'),
    result,
  ]);
  if (!checked.ok) problems.push(`checker: ${checked.why}`);
  if (processesBelow(space.root).length > 0) problems.push('processes left at the end');
}

if (isMain(import.meta.url)) process.exitCode = await killTest();
