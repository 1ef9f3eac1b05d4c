/**
 * Time from `parallelrun resume` after a kill to the first new mini-batch inside `run()`.
 *
 *   node bench/resume.mjs [--counts 10000,1000000] [--done 0.999] [--group 5] [--repeat 5] [--cold] [--limit SECONDS]
 *                         [--dist DIR] [--folder DIR]
 *
 * A real run over as many files, one a mini-batch, is killed once it has listed them. Then its ledger and spool are
 * written anew, by the product's own classes: the first `--done` of the mini-batches (a share) are done, one row each;
 * every 200th failed a try before. `--group` of them share a frame of the ledger: few where mini-batches are long,
 * dozens where they are short. What is measured is the whole: start of Node, reading the ledger, start of a Python
 * worker, hand-out, entry of `run()`; the input is looked through beside that, as always. `--cold` drops all files from
 * the page cache first (as root). Exit code 1 where a median is over `--limit`. `--folder` keeps the prepared runs
 * there, for the next time.
 */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync } from 'node:fs';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { option } from '../scripts/crash-lib.mjs';
import { root } from '../scripts/lib.mjs';
import { importTypeScript } from '../scripts/typescript.mjs';

const dist = option('dist', join(root, 'dist'));
const load = async (folder) => (await importTypeScript(`src/${folder}.ts`, `bench/${folder}`)).module;
const { LedgerWriter, readLedger } = await load('ledger/index');
const { SpoolWriter } = await load('output/index');
const { crc32 } = await load('domain/crc32');

const ROW = Buffer.from('scored\n');
const ROW_CRC = crc32(ROW);
const GROUP = Number(option('group', '5'));
const COLD = process.argv.includes('--cold');
const DONE = Number(option('done', '0.999'));
const LIMIT_SECONDS = Number(option('limit', 'Infinity'));
const FILES_A_FOLDER = 1000;
const SCRIPT = `
import os, time
MARK = os.environ["MARK"]
def run(mini_batch):
    if not os.path.exists(MARK):
        with open(MARK, "w") as f:
            f.write(repr(time.time()))
    time.sleep(60)
    return ["scored" for _ in mini_batch]
`;

function start(folder, args) {
  return spawn(process.execPath, [join(dist, 'cli/main.js'), ...args], {
    cwd: folder,
    env: { ...process.env, PARALLELRUN_ROOT: join(folder, 'runs'), MARK: join(folder, 'mark'), NO_COLOR: '1' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

async function until(condition, ms = 5) {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Starts, waits for the first mini-batch inside `run()` and for what `more` waits for, kills.
 * @returns seconds to the first mini-batch; resident memory (MiB) and processor seconds of the orchestrator until then
 */
async function untilFirst(folder, args, more) {
  const mark = join(folder, 'mark');
  rmSync(mark, { force: true });
  const from = Date.now();
  const child = start(folder, args);
  const closed = new Promise((resolve) => child.on('close', resolve));
  let over = false;
  void closed.then(() => (over = true));
  let found;
  await until(() => {
    found = measured(child.pid) ?? found;
    return over || (existsSync(mark) && statSync(mark).size > 0);
  });
  if (over) throw new Error(`${args.join(' ')} ended too soon`);
  const seconds = Number(readFileSync(mark, 'utf8')) - from / 1000;
  await more?.();
  child.kill('SIGKILL');
  await closed;
  // Its worker notices.
  await new Promise((resolve) => setTimeout(resolve, 500));
  return { seconds, ...found };
}

/** Processor seconds are what a busy machine distorts least. */
function measured(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
    return { cpu: (Number(fields[11]) + Number(fields[12])) / 100, peak };
  } catch {
    return undefined;
  }
}

/** Ledger and spool of a run of `count` mini-batches, most of them done. */
async function rewrite(folder, count) {
  const path = (name) => join(folder, 'runs/r/state', name);
  const opening = [];
  for await (const events of readLedger(path('ledger.journal')))
    opening.push(...events.filter(({ type }) => /run-created|run-state|code-|environment-|node-|worker-/.test(type)));
  for (const name of ['ledger.journal', 'rows.spool']) rmSync(path(name));
  const done = Math.floor(count * DONE);
  writeFileSync(path('rows.spool'), Buffer.concat(Array(done).fill(ROW)));
  await (await SpoolWriter.reopen(path('rows.spool'), done * ROW.length)).close();
  const ledger = await LedgerWriter.create(path('ledger.journal'));
  const at = Date.now();
  await ledger.commit([...opening, { type: 'creation-finished', at, miniBatches: count, items: count }]);
  await ledger.commit([{ type: 'dispatch-reserved', at, below: done + 2 }]);
  // One sync a frame would take minutes; the bytes are the same.
  ledger.file.datasync = () => Promise.resolve();
  for (let i = 0; i < done; i += GROUP) {
    const events = Array.from({ length: Math.min(GROUP, done - i) }, (_, k) => doneEvent(i + k, at));
    await ledger.commit(i % 200 < GROUP ? [retryEvent(events[0]), ...events] : events);
  }
  await ledger.close();
}

/** With digits as a worker sends them. */
function doneEvent(index, start) {
  const start1 = start + index * 1.2 + 0.3491;
  const cpu = Math.round(index * 1.7 + 380_123) / 1e6;
  const end2 = Math.round((cpu + 0.001713) * 1e6) / 1e6;
  const timing = { start1, end1: start1 + 1.2178, start2: cpu, end2, runSeconds: 0.001204 };
  return {
    type: 'try-finished',
    at: Math.round(start1 + 3),
    ...{ index, dispatch: 1, try: 1, pid: 4711, items: 1, succeeded: 1, failed: 0 },
    worker: `192.0.2.1/Process-${1 + (index % 2)}`,
    status: 'RUN_DONE',
    settles: 'done',
    timing: { ...timing, elapsedSeconds: (1500 + (index % 977)) / 1e6 },
    rows: { offset: index * ROW.length, bytes: ROW.length, rows: 1, crc32: ROW_CRC },
    printed: { stdout: [index * 10, index * 10 + 10], stderr: [0, 0] },
  };
}

function retryEvent({ rows: _rows, ...done }) {
  const exception = { exceptionType: 'ValueError', message: 'bad pixel', traceback: 'Traceback\n', frames: [] };
  const failure = { kind: 'exception', ...exception };
  return { ...done, status: 'RUN_EXCEPTION', settles: 'retry', succeeded: 0, failed: 1, failure, retryAfterMs: 100 };
}

function makeInput(folder, count) {
  for (let i = 0; i < count; i++) {
    const below = join(folder, 'in', String(Math.floor(i / FILES_A_FOLDER)).padStart(4, '0'));
    if (i % FILES_A_FOLDER === 0) mkdirSync(below, { recursive: true });
    closeSync(openSync(join(below, `f${String(i % FILES_A_FOLDER).padStart(3, '0')}`), 'w'));
  }
}

/** A run that was killed when it had listed its input; its first mini-batch had begun. */
async function prepare(folder, count) {
  makeInput(folder, count);
  mkdirSync(join(folder, 'code'));
  writeFileSync(join(folder, 'code/score.py'), SCRIPT);
  const run = ['run', '--entry-script', 'code/score.py', '--input', 'in', '--mini-batch-size', '1'];
  const ledger = join(folder, 'runs/r/state/ledger.journal');
  const fresh = await untilFirst(folder, [...run, '--processes', '1', '--timeout', '3600', '--name', 'r'], () =>
    until(() => readFileSync(ledger).includes('"creation-finished"'), 200),
  );
  await rewrite(folder, count);
  return fresh;
}

/** @returns the median, seconds */
async function measure(folder, count, repeat) {
  const fresh = existsSync(folder) ? undefined : await prepare(folder, count);
  const ledgerMiB = statSync(join(folder, 'runs/r/state/ledger.journal')).size / 1048576;
  const found = [];
  for (let i = 0; i < repeat; i++) {
    if (COLD) {
      spawnSync('sync');
      writeFileSync('/proc/sys/vm/drop_caches', '3');
    }
    found.push(await untilFirst(folder, ['resume', 'r']));
  }
  found.sort((a, b) => a.seconds - b.seconds);
  const median = found[Math.floor(found.length / 2)];
  const { seconds, cpu, peak } = median;
  console.log(
    `${count} mini-batches, ${Math.floor(count * DONE)} done, ledger ${ledgerMiB.toFixed(1)} MiB: first new mini-batch ` +
      `after ${seconds.toFixed(2)} s (${found.map((one) => one.seconds.toFixed(2)).join(', ')}), ${cpu.toFixed(2)} s of ` +
      `processor time, peak memory ${Math.round(peak)} MiB` +
      (fresh ? `; the first of a fresh run: ${fresh.seconds.toFixed(2)} s` : ''),
  );
  return seconds;
}

const kept = option('folder', undefined);
const base = kept ?? mkdtempSync(join(tmpdir(), 'bench-resume-'));
mkdirSync(base, { recursive: true });
const repeat = Number(option('repeat', '5'));
for (const count of option('counts', '10000,1000000').split(',').map(Number)) {
  const seconds = await measure(join(base, String(count)), count, repeat);
  if (seconds > LIMIT_SECONDS) {
    console.log(`over the limit of ${LIMIT_SECONDS} s`);
    process.exitCode = 1;
  }
}
if (kept === undefined) rmSync(base, { recursive: true, force: true });
