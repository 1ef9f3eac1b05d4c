/**
 * Moments that a sweep over system calls doesn't reach: part files that are torn or whose report is lost, workers that
 * outlive their orchestrator, recovery killed again and again, two orchestrators at once, processes that stand still.
 */
import { existsSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { COUNT, PacedRun, fileName, pythonScript } from './paced.ts';
import type { Watched } from './paced.ts';
import { processesOf } from './rig.ts';

const ROW_BYTES = 1_000;
const LARGE_ROW_BYTES = 200_000;
const LARGE = fileName(10);

let run: PacedRun;
afterEach(async () => {
  await run.dispose();
});

/** What is in the part file while it is written, what is in it at last: rows of 100 bytes. */
const HALF_ROWS = 3_000;
const ROWS = 4_000;
const ROW = 'x'.repeat(99);

/** File 10 has many rows: the part file is begun, and goes on when file `whole` is there. */
const SLOW_PART = `
import os, select
SPACE = os.environ["SPACE"]
def rows(name):
    yield name
    if name != "${LARGE}":
        return
    for i in range(1, ${ROWS}):
        while i == ${HALF_ROWS} and not os.path.exists(SPACE + "/whole"):
            select.select([], [], [], 0.01)
        yield "${ROW}"
def run(mini_batch):
    name = os.path.basename(mini_batch[0])
    with open(SPACE + "/executions", "a") as f:
        f.write(name + "\\n")
    return rows(name)
`;
const SLOW_ROWS = Array.from({ length: COUNT }, (_, i) => fileName(i)).flatMap((name) => [
  name,
  ...(name === LARGE ? Array.from({ length: ROWS - 1 }, () => ROW) : []),
]);
const WHOLE_PART_BYTES = LARGE.length + 1 + (ROWS - 1) * 100;

const executions = (): string[] => readFileSync(join(run.space.folder, 'executions'), 'utf8').trimEnd().split('\n');
const timesRun = (name: string): number => executions().filter((one) => one === name).length;
const parts = (): string[] => readdirSync(run.path('state/parts'));
const until = (condition: () => boolean): Promise<void> =>
  expect
    .poll(
      () => {
        try {
          return condition();
        } catch {
          return false;
        }
      },
      { timeout: 20_000, interval: 20 },
    )
    .toBe(true);
const partBegun = (): Promise<void> => until(() => parts().some((name) => name.startsWith('10.')));
/** Of the worker that runs a mini-batch: the one whose part file is open. */
function pidOfPart(): number {
  const pids = processesOf(run.space.root).map((line) => Number(line.split(' ')[0]));
  const writes = (pid: number): boolean => {
    const links = readdirSync(`/proc/${pid}/fd`).map((fd) => readLink(`/proc/${pid}/fd/${fd}`));
    return links.some((link) => link.startsWith(run.path('state/parts/10.')));
  };
  return pids.find(writes) ?? 0;
}
function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
async function killed(watched: Watched): Promise<void> {
  watched.signal('SIGKILL');
  await watched.ended();
  await run.gone();
}

test('a part file torn by the death of its worker is none: the mini-batch runs again', async () => {
  run = new PacedRun(SLOW_PART);
  const whole = run.start();
  await partBegun();
  process.kill(pidOfPart(), 'SIGKILL');
  await until(() => timesRun(LARGE) === 2);
  run.space.write('whole', '');
  await run.endsExactly(whole, SLOW_ROWS, 1);
  expect(parts()).toEqual([]);
}, 60_000);

test('a part file torn by the death of all is none', async () => {
  run = new PacedRun(SLOW_PART);
  const first = run.start();
  await partBegun();
  await killed(first);
  expect(parts().length).toBeGreaterThan(0);
  run.space.write('whole', '');
  await run.endsExactly(run.resume(), SLOW_ROWS);
  expect(parts()).toEqual([]);
}, 60_000);

test('a part file is whole, its report is lost: its rows are there once', async () => {
  run = new PacedRun(SLOW_PART);
  const first = run.start();
  await partBegun();
  first.signal('SIGSTOP');
  run.space.write('whole', '');
  const size = (): number =>
    statSync(run.path(`state/parts/${parts().find((name) => name.startsWith('10.')) ?? ''}`)).size;
  await until(() => size() === WHOLE_PART_BYTES && pidOfPart() === 0);
  await killed(first);
  await run.endsExactly(run.resume(), SLOW_ROWS);
  expect(timesRun(LARGE)).toBe(2);
  expect(parts()).toEqual([]);
}, 60_000);

/** Lives on without its agent, as far as that is in its own hands; file 10 stays until it may go on. */
const OUTLIVING = pythonScript(
  `ctypes.CDLL(None).prctl(1, 0)
    while names[0] == "${LARGE}" and os.path.exists(SPACE + "/stay"):
        select.select([], [], [], 0.01)`,
  LARGE_ROW_BYTES,
).replace('import os', 'import ctypes, os');

test('a worker that outlives its orchestrator is ended by the next one, and leaves nothing', async () => {
  run = new PacedRun(OUTLIVING);
  run.space.write('stay', '');
  run.allow(COUNT);
  const first = run.start();
  await run.untilSettled(12);
  await until(() => timesRun(LARGE) === 1);
  // the watcher that an agent has for this would end it at once
  for (const pid of childrenOf(first.pid)) if (isGuard(pid)) process.kill(pid, 'SIGKILL');
  first.signal('SIGKILL');
  await first.ended();
  const left = processesOf(run.space.root).map((line) => Number(line.split(' ')[0]));
  expect(left.length).toBeGreaterThan(0);
  const resumed = run.resume();
  await until(() => left.every((pid) => !existsSync(`/proc/${pid}`)));
  rmSync(join(run.space.folder, 'stay'));
  await run.endsExactly(resumed, LARGE_ROW_BYTES);
  expect(parts()).toEqual([]);
}, 60_000);

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
const isGuard = (pid: number): boolean => /^(\/bin\/)?sh\0/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));

test('resume, killed at twenty random moments in a row, then left alone', async () => {
  run = new PacedRun(pythonScript('pass', ROW_BYTES));
  await run.begun(10);
  const before = executions();
  for (let i = 0; i < 20; i++) {
    const resumed = run.resume();
    // from its first steps to its first hand-outs
    await new Promise((resolve) => setTimeout(resolve, 80 + 35 * i));
    await killed(resumed);
  }
  expect(await run.settled()).toBe(10);
  run.allow(COUNT);
  await run.endsExactly(run.resume(), ROW_BYTES);
  // those that were allowed to: a worker may have begun a later one before
  const settled = before.filter((name) => Number(name.slice(1)) < 10);
  expect(settled).toHaveLength(10);
  expect(
    executions()
      .slice(before.length)
      .filter((name) => settled.includes(name)),
  ).toEqual([]);
}, 120_000);

test('two that resume at the same moment: one at most goes on, who is refused names the other', async () => {
  run = new PacedRun(pythonScript('pass', ROW_BYTES));
  await run.begun(10);
  const before = executions().length;
  const both = [run.resume(), run.resume()];
  await expect
    .poll(() => both.filter((one) => one.output().includes('PR5004')).length, { timeout: 20_000 })
    .toBeGreaterThan(0);
  const refused = both.filter((one) => one.output().includes('PR5004'));
  for (const one of refused) {
    expect(await one.ended()).toBe(4);
    const other = both.find((two) => two !== one);
    expect(one.output()).toContain(`process ${other?.pid}`);
  }
  run.allow(COUNT);
  const first = both.find((one) => !refused.includes(one)) ?? run.resume();
  await run.endsExactly(first, ROW_BYTES);
  const since = executions().slice(before);
  expect(new Set(since).size).toBe(since.length);
}, 60_000);

test('an orchestrator that stands still again and again hands nothing out twice', async () => {
  run = new PacedRun(pythonScript('select.select([], [], [], 0.1)', ROW_BYTES));
  run.allow(COUNT);
  const halting = run.start('--timeout', '1');
  for (const count of [5, 15, 25]) {
    await run.untilSettled(count);
    halting.signal('SIGSTOP');
    // longer than the limit of a try
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    halting.signal('SIGCONT');
  }
  await run.endsExactly(halting, ROW_BYTES);
  expect(new Set(executions()).size).toBe(executions().length);
}, 60_000);

test('a worker that stands still in a try: ended by the limit of the try, the next one does its work', async () => {
  run = new PacedRun(pythonScript('pass', ROW_BYTES));
  run.allow(10);
  // long enough for the other worker to go on in time on a busy machine
  const halting = run.start('--timeout', '5');
  await run.untilSettled(10);
  await until(() => timesRun(fileName(10)) === 1);
  process.kill(Number(readFileSync(join(run.space.folder, `pid-${fileName(10)}`), 'utf8')), 'SIGSTOP');
  run.allow(COUNT);
  await run.endsExactly(halting, ROW_BYTES, 1);
  expect(run.space.read('d', 'logs/master.txt')).toMatch(/RUN_TIMEOUT/);
}, 60_000);
