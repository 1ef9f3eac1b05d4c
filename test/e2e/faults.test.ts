/** Scripts that go wrong in every way: the run ends as the thresholds say and the cause stands where the eye is. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FATES, checkCause, checkRun, checked, errorsOf, expected, isFatal } from './model.ts';
import { Workspace, hasModule, itemName, processesOf } from './rig.ts';
import type { Faulty } from './rig.ts';

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
});
afterEach(() => {
  space.dispose();
});

/**
 * Up to three kinds of failure a run, so that `overview.txt` shows each of them in full; a mini-batch each, among good
 * ones. `lives`: the process goes on after each of them.
 */
const GROUPS: readonly {
  readonly what: string;
  readonly orders: readonly string[];
  readonly lives?: boolean;
  readonly settings?: Partial<Faulty>;
}[] = [
  { what: 'deaths of a process', orders: ['segv', 'exit 0', 'kill ABRT'] },
  { what: 'deaths from outside', orders: ['kill KILL', 'kill TERM', 'exit 3'] },
  { what: 'exceptions that are no Exception', orders: ['sysexit', 'interrupt', 'stop'], lives: true },
  { what: 'exceptions that are hard to tell', orders: ['mute', 'huge', 'chain'], lives: true },
  { what: 'exceptions that hold others', orders: ['cycle', 'memory', ...(hasGroups() ? ['group'] : [])], lives: true },
  { what: 'results that are none', orders: ['none', 'text', 'map'], lives: true },
  { what: 'a result that is no list, rows without text', orders: ['number', 'unprintable'], lives: true },
  { what: 'input that is gone at its second try', orders: ['swallow'], settings: { tries: 3 }, lives: true },
];

function hasGroups(): boolean {
  return hasModule('asyncio.taskgroups');
}

describe.each(GROUPS)('$what: $orders', ({ orders, lives, settings }) => {
  test('all others are done, each cause is told in full in one place, and the place can be used again', async () => {
    const run: Faulty = { name: 'bad', orders: among(orders), ...(lives === true && { processes: 1 }), ...settings };
    const { kinds, status } = await runAndCheck(run);
    expect(kinds).toBe(orders.length + (orders[0] === 'swallow' ? 1 : 0));
    if (lives === true) expect(status.workers.ended).toBe(1);
    await runAndCheck({ name: 'clean', orders: among(orders).map(() => 'ok') });
  }, 60_000);
});

test('what never ends is ended at its limit, whatever it does: busy, locked, deaf, printing, asleep', async () => {
  // A run each: all of them are the same kind of error. They wait rather than work, so all at once.
  const orders = ['spin', 'gil', 'deaf', 'endless', 'hang'];
  const runs = orders.map((order): Faulty => ({ name: order, orders: among([order]), timeout: 1 }));
  await Promise.all(runs.map((run) => runAndCheck(run)));
  for (const { name } of runs) {
    expect(space.read(name, 'logs/overview.txt')).toMatch(new RegExp(`faulty\\.py:\\d+ ${name}\\(\\)`));
  }
  await runAndCheck({ name: 'clean', orders: ['ok'] });
}, 60_000);

const among = (orders: readonly string[]): string[] => ['ok', 'ok', ...orders.flatMap((order) => [order, 'ok', 'ok'])];

/** Runs it; everything is as the model says, and each cause stands in full in one place. */
async function runAndCheck(run: Faulty) {
  const { code, text, status } = await space.runFaulty(run);
  expect(code, text).toBe(0);
  await checkRun(space, run, status);
  const groups = run.orders.some(isFatal) ? await errorsOf(space, run.name) : [];
  for (const [index, order] of run.orders.entries()) {
    if (isFatal(order)) checkCause(space, run.name, groups, order, { index });
  }
  // What the terminal shows last is what overview.txt says.
  for (const group of groups) expect(text).toContain(`error ${group.code}  ${group.title}`);
  return { kinds: groups.length, status };
}

test('a crash in native code: its trace, with the line of the script, stands in the log that is named', async () => {
  const { code, text } = await space.runFaulty({ name: 'native', orders: ['ok', 'segv'] });
  expect(code, text).toBe(0);
  const [group] = await errorsOf(space, 'native');
  expect(readFileSync(group?.open ?? '', 'utf8')).toMatch(/Segmentation fault[\s\S]*faulty\.py", line \d+ in segv/);
}, 30_000);

test('each try has its row in the report, and rows of one try only in the result', async () => {
  const run: Faulty = { name: 'tries', orders: ['raise', 'flaky 2', 'flaky 3', 'exit 3'], tries: 3 };
  const { code, text, status } = await space.runFaulty(run);
  expect(code, text).toBe(0);
  await checkRun(space, run, status);
  expect(space.rows('tries')).toEqual(['f001 try 2', 'f002 try 3']);
  const rows = space.read('tries', 'logs/job_report/processed_mini-batches.csv').split('\n');
  const states = (index: number) =>
    rows
      .filter((row) => row.startsWith(`${index},`))
      .map((row) => /\b(RUN_\w+|PROCESS_LOST|POISONED)\b/.exec(row)?.[0]);
  expect(states(0)).toEqual(['RUN_EXCEPTION', 'RUN_EXCEPTION', 'RUN_EXCEPTION']);
  expect(states(1)).toEqual(['RUN_EXCEPTION', 'RUN_DONE']);
  expect(states(2)).toEqual(['RUN_EXCEPTION', 'RUN_EXCEPTION', 'RUN_DONE']);
  expect(states(3)).toEqual(['PROCESS_LOST', 'PROCESS_LOST', 'POISONED']);
  expect(status).toMatchObject({ retries: 2 + 1 + 2 + 2 });
}, 60_000);

describe('files that change after they were listed', () => {
  test('gone before their turn: named, and the others of their mini-batch go on', async () => {
    // One process and one mini-batch at a time: nothing else is handed out while the first runs.
    const orders = ['remove f007', 'ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'ok'];
    const run: Faulty = { name: 'gone', orders, size: 4, processes: 1, tries: 3 };
    const { code, text, status } = await space.runFaulty(run);
    expect(code, text).toBe(0);
    const want = expected({ ...run, orders: orders.map((order, i) => (i === 7 ? 'swallow' : order)) });
    await checkRun(space, run, status, want);
    checkCause(space, 'gone', await errorsOf(space, 'gone'), 'swallow', { index: 1, item: 3 });
    expect(space.read('gone', 'logs/overview.txt')).toContain(join(space.folder, 'in-gone', itemName(7)));
    // One retry is enough for what is not there.
    expect(space.calls('gone').filter(({ names }) => names.length === 4)).toHaveLength(3 + 1);
  }, 60_000);
});

test('processes that a script leaves are gone with it, and hold nothing up', async () => {
  const orders = ['child', 'ok', 'thread', 'ok'];
  const run: Faulty = { name: 'left', orders, processes: 1 };
  const { code, text, status } = await space.runFaulty(run);
  expect(code, text).toBe(0);
  await checkRun(space, run, status);
  expect(processesOf(space.root)).toEqual([]);
  // What the thread printed when no mini-batch ran belongs to none.
  const driver = space.read('left', 'azureml-logs/70_driver_log.txt').split('\n');
  expect(driver.filter((line) => line.endsWith('| a word of the thread of f002'))).toEqual([
    expect.not.stringContaining('mini_batch='),
  ]);
}, 60_000);

test('whatever a script turns around in its process, its results arrive and the engine goes on', async () => {
  // Modules named like those that the host needs, in front of all others.
  const code = join(space.folder, 'code');
  mkdirSync(code);
  for (const module of ['json', 'logging', 'struct', 'socket', 'traceback', 'random', 'io']) {
    writeFileSync(join(code, `${module}.py`), `raise RuntimeError("${module} of the script was imported")\n`);
  }
  const script = join(code, 'faulty.py');
  writeFileSync(script, readFileSync(new URL('fixtures/faulty.py', import.meta.url)));
  const rude = ['native', 'junk', 'pickle', 'take', 'close', 'native', 'blind', 'turn', 'ok', 'rows 3', 'ok'];
  const run: Faulty = { name: 'rude', orders: rude, processes: 1, script };
  const { code: exit, text, status } = await space.runFaulty(run);
  expect(exit, text).toBe(0);
  await checkRun(space, run, status);
  expect(status.workers.ended).toBe(1);
  expect(existsSync(join(space.folder, 'canary'))).toBe(false);
  const [ip = ''] = space.list('rude', 'logs/user/stdout');
  const lines = space.read('rude', `logs/user/stdout/${ip}/Process-1.txt`).split('\n');
  for (const index of [0, 5]) {
    const own = lines.filter((line) => line.includes(` mini_batch=${index} try=1|`)).map((line) => line.split('|')[1]);
    const name = itemName(index);
    expect(own).toEqual([
      ...[`reading ${name}`, `by Python ${name}`, `by C ${name}`, `by a child ${name}`, `by Python again ${name}`],
    ]);
  }
}, 60_000);

describe('thresholds end the run', () => {
  test.each([
    ['0', 1, /mini-batch.*threshold|mini_batch_error_threshold/i],
    ['1', 0, /completed/],
  ])('mini-batch error threshold %s with one failed mini-batch', async (limit, code, says) => {
    const run: Faulty = { name: 't', orders: ['ok', 'raise', 'ok'], processes: 1 };
    const ended = await space.runFaulty({ ...run, flags: ['--mini-batch-error-threshold', limit] });
    expect(ended.code, ended.text).toBe(code);
    expect(ended.text).toMatch(says);
    if (code === 0) return checkRun(space, run, ended.status);
    expect(ended.text.trimEnd().split('\n').slice(-25).join('\n')).toContain('ValueError: bad pixel in f001');
    expect(space.read('t', 'logs/job_result.txt')).toMatch(/Failed/);
    expect(space.list('t', 'outputs')).not.toContain('parallel_run_step.txt');
    checkCause(space, 't', await errorsOf(space, 't'), 'raise', { index: 1 });
  });

  test.each([
    ['1', 1],
    ['2', 0],
  ])('error threshold %s with two items short', async (limit, code) => {
    const run: Faulty = { name: 't', orders: ['short', 'ok', 'short'], size: 3 };
    const ended = await space.runFaulty({ ...run, flags: ['--error-threshold', limit] });
    expect(ended.code, ended.text).toBe(code);
    if (code === 0) return checkRun(space, run, ended.status);
    expect(ended.status.reason).toEqual({ kind: 'error-threshold', limit: 1, failedItems: 2 });
  });

  test('more rows than items make up for nothing: each mini-batch counts by itself', async () => {
    const run: Faulty = { name: 't', orders: ['rows 5', 'short', 'ok'] };
    const { code, text, status } = await space.runFaulty({ ...run, flags: ['--error-threshold', '0'] });
    expect(code, text).toBe(1);
    expect(status.reason).toEqual({ kind: 'error-threshold', limit: 0, failedItems: 1 });
    const allowed: Faulty = { ...run, name: 'u' };
    const ended = await space.runFaulty({ ...allowed, flags: ['--error-threshold', '1'] });
    expect(ended.code, ended.text).toBe(0);
    await checkRun(space, allowed, ended.status);
  });

  test('no row at all is a failure', async () => {
    const { code, text } = await space.runFaulty({ name: 't', orders: ['short', 'short'] });
    expect(code).toBe(1);
    expect(text).toMatch(/no (item|row)|nothing succeeded|not a single/i);
  });
});

test('100 MB of prints: the run goes on, the log is bounded and keeps its end', async () => {
  const run: Faulty = { name: 'flood', orders: ['ok', 'flood 100', 'ok'], processes: 1 };
  const { code, text, status } = await space.runFaulty(run);
  expect(code, text).toBe(0);
  await checkRun(space, run, status);
  const [ip = ''] = space.list('flood', 'logs/user/stdout');
  const log = space.read('flood', `logs/user/stdout/${ip}/Process-1.txt`);
  expect(log).toMatch(/dropped/);
  expect(log).toContain('the end of the flood');
  expect(log.length).toBeLessThan(40 * 1024 * 1024);
  expect(statSync(join(space.root, 'flood/azureml-logs/70_driver_log.txt')).size).toBeLessThan(40 * 1024 * 1024);
}, 60_000);

test('workers that are replaced after some mini-batches lose nothing', async () => {
  const run: Faulty = { name: 'recycled', orders: [...Array.from({ length: 19 }, () => 'ok'), 'raise'], tries: 2 };
  const { code, text, status } = await space.runFaulty({ ...run, flags: ['--recycle-after', '3'] });
  expect(code, text).toBe(0);
  await checkRun(space, run, status);
  const perProcess = new Map<number, number>();
  for (const { pid } of space.calls('recycled')) perProcess.set(pid, (perProcess.get(pid) ?? 0) + 1);
  expect(Math.max(...perProcess.values())).toBeLessThanOrEqual(3);
  expect(status).toMatchObject({ retries: 1, requeues: 0 });
}, 60_000);

describe('canceled', () => {
  test('while every worker is in init(): nothing has run, nothing is left, and resume does all of it', async () => {
    const go = join(space.folder, 'go');
    space.write(
      'code/init.py',
      `import os, time
def init():
    open(${JSON.stringify(join(space.folder, 'began'))}, "w").close()
    while not os.path.exists(${JSON.stringify(go)}):
        time.sleep(0.02)
def run(mini_batch):
    return [os.path.basename(path) for path in mini_batch]
`,
    );
    const run: Faulty = { name: 'c', orders: ['ok', 'ok', 'ok'], script: join(space.folder, 'code/init.py') };
    const child = space.spawnCli(...space.faulty(run));
    await expect.poll(() => existsSync(join(space.folder, 'began')), { timeout: 20_000, interval: 20 }).toBe(true);
    child.kill('SIGINT');
    const [code] = (await once(child, 'close')) as [number];
    expect(code).toBe(130);
    expect(processesOf(space.root)).toEqual([]);
    expect(await space.status('c')).toMatchObject({ state: 'Canceled', miniBatches: { processed: 0 } });
    writeFileSync(go, '');
    const again = await space.cli('resume', 'c');
    expect(again.code, again.stdout + again.stderr).toBe(0);
    await checkRun(space, run, await space.status('c'));
  }, 60_000);
});

test('more kinds of failure than are shown in full: each still has its line, its file and its command', async () => {
  const orders = ['ok', 'raise', 'none', 'exit 3', 'segv', 'unprintable'];
  const { code, text } = await space.runFaulty({ name: 'five', orders, flags: ['--summary-only'] });
  // Without a result file a row need not have a text.
  expect(code, text).toBe(0);
  for (const shown of [text, space.read('five', 'logs/overview.txt')]) {
    for (const [index, order] of orders.entries()) {
      if (!isFatal(order) || order === 'unprintable') continue;
      expect(shown).toContain(FATES[order.split(' ')[0] ?? '']?.says);
      expect(shown).toContain(join(space.folder, 'in-five', itemName(index)));
      expect(shown).toContain(`parallelrun replay five/${index}`);
    }
  }
  await checked(space, 'run', join(space.root, 'five'), '-');
}, 30_000);
