/**
 * Time from `parallelrun resume` after a kill to the first new mini-batch inside `run()`.
 *
 *   node bench/resume.mjs [--counts 10000,1000000] [--repeat 3] [--dist DIR]
 *
 * A real run is killed, then its list of mini-batches, ledger and spool are written anew, by the product's own
 * classes, for as many mini-batches as asked for: half of them done, one item and one row each. What is measured is
 * the whole: start of Node, reading the ledger, start of a Python worker, hand-out, entry of `run()`.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { option } from '../scripts/crash-lib.mjs';
import { root } from '../scripts/lib.mjs';

const dist = option('dist', join(root, 'dist'));
const load = (path) => import(pathToFileURL(join(dist, path)).href);
const { LedgerWriter, readLedger } = await load('ledger/index.js');
const { SpoolWriter } = await load('output/index.js');
const { createManifest } = await load('dataset/index.js');
const { crc32 } = await load('domain/crc32.js');

const ROW = Buffer.from('scored\n');
const ROW_CRC = crc32(ROW);
/** Events of a frame, as a busy run groups them. */
const GROUP = 20;
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
    stdio: 'ignore',
  });
}

async function until(condition) {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Starts, waits for the first mini-batch inside `run()`, kills. @returns seconds between */
async function untilFirst(folder, args) {
  const mark = join(folder, 'mark');
  rmSync(mark, { force: true });
  const from = Date.now();
  const child = start(folder, args);
  const closed = new Promise((resolve) => child.on('close', resolve));
  let over = false;
  void closed.then(() => (over = true));
  let peak = 0;
  let cpu = 0;
  await until(() => {
    peak = Math.max(peak, residentOf(child.pid));
    cpu = cpuSecondsOf(child.pid) ?? cpu;
    return over || (existsSync(mark) && statSync(mark).size > 0);
  });
  if (over && !existsSync(mark)) throw new Error(`${args.join(' ')} ended before a mini-batch ran`);
  const seconds = Number(readFileSync(mark, 'utf8')) - from / 1000;
  child.kill('SIGKILL');
  await closed;
  await new Promise((resolve) => setTimeout(resolve, 500));
  return { seconds, peak, cpu };
}

/** Seconds of processor time: what a busy machine doesn't distort. */
function cpuSecondsOf(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return undefined;
  }
}

/** Resident memory, MiB. */
function residentOf(pid) {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** Manifest, ledger and spool of a run of `count` mini-batches, half of them done. */
async function rewrite(folder, count) {
  const state = join(folder, 'runs/r/state');
  const path = (name) => join(state, name);
  const opening = [];
  for await (const events of readLedger(path('ledger.journal')))
    opening.push(
      ...events.filter((event) => /run-created|run-state|code-|environment-|node-|worker-/.test(event.type)),
    );
  for (const name of ['ledger.journal', 'rows.spool', 'manifest.jsonl', 'manifest.index']) rmSync(path(name));
  const source = { kind: 'files', root: join(folder, 'in'), files: ['item'] };
  const manifest = await createManifest({ manifest: path('manifest.jsonl'), index: path('manifest.index') });
  for (let i = 0; i < count; i += 10_000) {
    manifest.append(Array.from({ length: Math.min(10_000, count - i) }, () => ({ source, items: 1 })));
    await manifest.flush(false);
  }
  await manifest.close();
  const done = count / 2;
  writeFileSync(path('rows.spool'), Buffer.concat(Array(done).fill(ROW)));
  await (await SpoolWriter.reopen(path('rows.spool'), done * ROW.length)).close();
  const ledger = await LedgerWriter.create(path('ledger.journal'));
  const at = Date.now();
  await ledger.commit([...opening, { type: 'creation-finished', at, miniBatches: count, items: count }]);
  await ledger.commit([{ type: 'dispatch-reserved', at, below: done + 2 }]);
  // One sync a frame would take minutes; the bytes are the same.
  ledger.file.datasync = () => Promise.resolve();
  for (let i = 0; i < done; i += GROUP) {
    await ledger.commit(Array.from({ length: Math.min(GROUP, done - i) }, (_, k) => doneEvent(i + k, at)));
  }
  await ledger.close();
}

function doneEvent(index, at) {
  const timing = { start1: at, end1: at + 1.25, start2: 1.5, end2: 1.501, runSeconds: 0.0012, elapsedSeconds: 0.0015 };
  const rows = { offset: index * ROW.length, bytes: ROW.length, rows: 1, crc32: ROW_CRC };
  const numbers = { index, dispatch: 1, try: 1, pid: 4711, items: 1, succeeded: 1, failed: 0 };
  const worker = `192.0.2.1/Process-${1 + (index % 2)}`;
  return { type: 'try-finished', at, ...numbers, worker, status: 'RUN_DONE', settles: 'done', timing, rows };
}

async function measure(count, repeat) {
  const folder = mkdtempSync(join(tmpdir(), 'bench-resume-'));
  mkdirSync(join(folder, 'in'));
  mkdirSync(join(folder, 'code'));
  writeFileSync(join(folder, 'in/item'), '');
  writeFileSync(join(folder, 'code/score.py'), SCRIPT);
  const run = ['run', '--entry-script', 'code/score.py', '--input', 'in', '--mini-batch-size', '1'];
  const fresh = await untilFirst(folder, [...run, '--processes', '1', '--name', 'r']);
  await rewrite(folder, count);
  const ledgerMiB = statSync(join(folder, 'runs/r/state/ledger.journal')).size / 1048576;
  const found = [];
  for (let i = 0; i < repeat; i++) found.push(await untilFirst(folder, ['resume', 'r']));
  found.sort((a, b) => a.seconds - b.seconds);
  const median = found[Math.floor(found.length / 2)];
  console.log(
    `${count} mini-batches, ${count / 2} done, ledger ${ledgerMiB.toFixed(1)} MiB: first new mini-batch after ` +
      `${median.seconds.toFixed(2)} s (${found.map((one) => one.seconds.toFixed(2)).join(', ')}), ${median.cpu.toFixed(2)} s of processor time, peak memory ` +
      `${Math.round(median.peak)} MiB; a fresh run of one: ${fresh.seconds.toFixed(2)} s`,
  );
  if (!process.argv.includes('--keep')) rmSync(folder, { recursive: true, force: true });
  else console.log(folder);
}

for (const count of option('counts', '10000,1000000').split(',').map(Number))
  await measure(count, Number(option('repeat', '3')));
