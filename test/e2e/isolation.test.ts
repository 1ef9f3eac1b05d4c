/** A bad item costs itself and nothing else: the others of its mini-batch keep their rows, and it is named. */
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FATES, checkCause, checkRun, checked, deadLetters, errorsOf, expected } from './model.ts';
import { TEST_PYTHON, Workspace, hasModule, itemName, processesOf } from './rig.ts';
import type { Faulty } from './rig.ts';

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
});
afterEach(() => {
  space.dispose();
});

/** Orders of so many items; those that are not named are good. */
const orders = (count: number, bad: Readonly<Record<number, string>>): string[] =>
  Array.from({ length: count }, (_, i) => bad[i] ?? 'ok');

/** Runs it, and everything is as the model says. @returns what run() was called with */
async function runAndCheck(run: Faulty) {
  const { code, text, status } = await space.runFaulty(run);
  expect(code, text).toBe(0);
  await checkRun(space, run, status);
  return { status, calls: space.calls(run.name) };
}

describe('one item of a hundred, alone, among ten, among a hundred', () => {
  const TRIES = 3;
  const cases: Readonly<Record<string, Partial<Faulty>>> = {
    raise: {},
    kill: {},
    'exit 3': {},
    exhaust: { flags: ['--memory-limit', '300mb'] },
    // Waiting for a limit costs no processor: all three sizes at once.
    hang: { timeout: 2 },
  };

  test.each(Object.entries(cases))(
    '%s: 99 results and one dead letter that names the item',
    async (order, settings) => {
      const runs = [1, 10, 100].map((size): Faulty => {
        return { name: `n${size}`, orders: orders(100, { 37: order }), size, tries: TRIES, ...settings };
      });
      const together = order === 'hang' ? [runs] : runs.map((run) => [run]);
      for (const some of together) {
        await Promise.all(
          some.map(async (run) => {
            const { status } = await runAndCheck(run);
            await checkOneCulprit(run, order, status.isolationRuns);
          }),
        );
      }
    },
    120_000,
  );

  async function checkOneCulprit(run: Faulty, order: string, isolationRuns: number): Promise<void> {
    const { name, size = 1 } = run;
    const [index, position] = [Math.floor(37 / size), 37 % size];
    checkCause(space, name, await errorsOf(space, name), order, { index, ...(size > 1 && { item: position }) });

    const calls = space.calls(name);
    const extra = calls.length - 100 / size;
    expect(extra).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(size)) + TRIES);
    expect(isolationRuns).toBe(extra - (TRIES - 1));

    const [letter] = deadLetters(space, name);
    const fate = FATES[order.split(' ')[0] ?? ''];
    expect(letter).toMatchObject({
      mini_batch: index,
      position,
      item: join(space.folder, `in-${name}`, itemName(37)),
      code: fate?.code,
      kind: fate?.kind,
      exception_type: order === 'raise' ? 'ValueError' : null,
      signal: order === 'kill' || order === 'exhaust' ? 'SIGKILL' : null,
      exit_code: order === 'exit 3' ? 3 : null,
      process: expect.stringMatching(/^Process-\d+$/) as string,
      // What runs out of memory has tries of its own.
      try: order === 'exhaust' ? 1 : TRIES,
      narrowed: true,
      replay: `parallelrun replay ${name}/${index}${size > 1 ? ` --item ${position}` : ''}`,
    });
    expect(letter?.cause).toContain(fate?.says);
    expect(letter?.last_lines.at(-1)).toBe(`reading ${itemName(37)}`);
    expect(letter?.peak_memory_bytes).toBeGreaterThan(order === 'exhaust' ? 200e6 : 5e6);
    expect(calls.filter((call) => call.names.includes(itemName(37))).map((call) => call.pid)).toContain(letter?.pid);
    expect(space.read(name, letter?.log ?? '')).toContain(`mini-batch ${index}`);
  }
});

describe('what a mini-batch may hold', () => {
  test('several culprits that go wrong in ways of their own, in two mini-batches; a mended run is clean', async () => {
    const bad = { 3: 'raise', 4: 'kill SEGV', 31: 'exit 0', 32: 'none', 63: 'unprintable', 70: 'raise' };
    const run = { name: 'many', orders: orders(96, bad), size: 64, tries: 2, processes: 2 };
    const { calls } = await runAndCheck(run);
    expect(deadLetters(space, 'many').map(({ cause }) => cause)).toEqual([
      expect.stringContaining('bad pixel in f003'),
      expect.stringContaining('SIGSEGV'),
      expect.stringContaining('exited with code 0'),
      expect.stringContaining('returned None'),
      expect.stringContaining('this row has no text'),
      expect.stringContaining('bad pixel in f070'),
    ]);
    // Five culprits among 64 and one among 32, each with its 2 log2(n), and the tries of both mini-batches.
    expect(calls.length).toBeLessThanOrEqual(5 * 12 + 1 * 10 + 2 * 2);
    await runAndCheck({ ...run, name: 'mended', orders: orders(96, {}) });
  }, 60_000);

  test('all items bad, in every mini-batch: soon given up, with the cause and without a row', async () => {
    const run: Faulty = { name: 'all', orders: orders(100, {}).fill('raise'), size: 20, tries: 2 };
    const { code, text, status } = await space.runFaulty(run);
    expect(code, text).toBe(1);
    expect(text).toMatch(/PR5104/);
    // Two are looked into, with two halves and three items each, and one more that the other process was at.
    expect(space.calls('all').length).toBeLessThanOrEqual(5 * 2 + 3 * 5);
    expect(status).toMatchObject({
      miniBatches: { created: 5, failed: 5, partial: 0 },
      items: { failed: 100, deadLetters: 0 },
      reason: { kind: 'nothing-succeeded' },
    });
    expect(space.read('all', 'logs/overview.txt')).toMatch(/ValueError: bad pixel in/);
    await checked(space, 'run', join(space.root, 'all'), '-');
  }, 60_000);

  test('items that fail only together: all through, in order, no dead letter', async () => {
    const run = { name: 'whole', orders: orders(12, { 5: 'whole' }), size: 12, tries: 2 };
    const { status } = await runAndCheck(run);
    expect(status).toMatchObject({ miniBatches: { succeeded: 1, failed: 0 }, retries: 1 });
    expect(existsSync(join(space.root, 'whole/outputs/dead_letters.jsonl'))).toBe(false);
  }, 60_000);

  test('an item that fails in its first try only: nothing is narrowed down', async () => {
    const run = { name: 'flaky', orders: orders(12, { 5: 'flaky 3' }), size: 4, tries: 3 };
    const { calls } = await runAndCheck(run);
    expect(calls).toHaveLength(3 + 2);
  }, 60_000);
});

describe('switched off, and by itself', () => {
  test('isolate: false: the mini-batch fails whole after its tries', async () => {
    const run: Faulty = { name: 'off', orders: orders(20, { 7: 'raise' }), size: 10, tries: 2 };
    const { code, text, status } = await space.runFaulty({ ...run, flags: ['--isolate', 'false'] });
    expect(code, text).toBe(0);
    await checkRun(space, run, status, expected(run, false));
    expect(space.calls('off')).toHaveLength(3);
    expect(status.isolationRuns).toBe(0);
  }, 60_000);

  const MIXING = `
import os
def run(mini_batch):
    names = [os.path.basename(path) for path in mini_batch]
    if "f004" in names or "f014" in names:
        raise ValueError("bad pixel")
    return ["-".join(names)]
`;

  test('a script whose rows belong to no single item: parts are dropped, it is said, and no other is looked into', async () => {
    space.write('mixing.py', MIXING);
    const run: Faulty = {
      name: 'mix',
      orders: orders(24, {}),
      size: 8,
      tries: 1,
      script: join(space.folder, 'mixing.py'),
    };
    const { code, text, status } = await space.runFaulty(run);
    expect(code, text).toBe(0);
    expect(space.rows('mix')).toEqual([[16, 17, 18, 19, 20, 21, 22, 23].map(itemName).join('-')]);
    expect(status).toMatchObject({
      miniBatches: { succeeded: 1, failed: 2, partial: 0 },
      items: { deadLetters: 0, failed: 16 + 7 },
      warnings: 1,
    });
    expect(space.read('mix', 'logs/overview.txt')).toMatch(/4 items returned 1 row/);
    await checked(space, 'run', join(space.root, 'mix'), join(space.root, 'mix/outputs/parallel_run_step.txt'));
  }, 60_000);

  test('isolate: true trusts the parts of such a script', async () => {
    space.write('mixing.py', MIXING);
    const run: Faulty = {
      name: 'on',
      orders: orders(8, {}),
      size: 8,
      tries: 1,
      script: join(space.folder, 'mixing.py'),
    };
    const { code, text } = await space.runFaulty({ ...run, flags: ['--isolate', 'true'] });
    expect(code, text).toBe(0);
    expect(space.rows('on')).toEqual(['f000-f001-f002-f003', 'f005', 'f006-f007']);
    expect(deadLetters(space, 'on').map(({ position }) => position)).toEqual([4]);
  }, 60_000);
});

describe('kinds of script and result', () => {
  test('TypeScript: exceptions, exits, signals and endless loops are narrowed down all the same', async () => {
    space.write('score.ts', TYPESCRIPT);
    const bad = { 2: 'raise', 9: 'exit 3', 14: 'kill', 21: 'spin' };
    const run = { name: 'ts', orders: orders(24, bad), size: 8, tries: 1, timeout: 1 };
    await runAndCheck({ ...run, script: join(space.folder, 'score.ts') });
    expect(deadLetters(space, 'ts').map(({ kind, signal, exit_code }) => [kind, signal, exit_code])).toEqual([
      ['exception', null, null],
      ['worker-lost', null, 3],
      ['worker-lost', 'SIGKILL', null],
      ['timeout', null, null],
    ]);
  }, 60_000);

  const csv = ['id,text', ...Array.from({ length: 60 }, (_, i) => `${i},${i === 37 ? 'bad' : `"t\n${i}"`}`)].join('\n');
  const rowsExcept37 = Array.from({ length: 60 }, (_, i) => `${i}`).filter((id) => id !== '37');

  test.skipIf(TEST_PYTHON === undefined || !hasModule('pandas'))(
    'rows of a table, with a header in the result: the row is named by its number in the file',
    async () => {
      space.write('data.csv', csv);
      space.write(
        'score.py',
        'def run(df):\n    if (df["text"] == "bad").any():\n        raise ValueError("bad row")\n    return df[["id"]]\n',
      );
      await table('score.py', 'pandas', ['--python', TEST_PYTHON ?? '', '--append-row-to', 'scores.csv']);
      expect(space.rows('pandas', 'scores.csv')).toEqual(['id', ...rowsExcept37]);
    },
    60_000,
  );

  test('rows of a table in TypeScript', async () => {
    space.write('data.csv', csv);
    space.write(
      'score.ts',
      'export function run(table: Iterable<{ id: number | bigint; text: string }>): object[] {\n' +
        "  return [...table].map(({ id, text }) => {\n    if (text === 'bad') throw new Error('bad row');\n" +
        '    return { id };\n  });\n}\n',
    );
    await table('score.ts', 'arrow', ['--append-row-to', 'scores.csv']);
    expect(space.rows('arrow', 'scores.csv')).toEqual(['id', ...rowsExcept37]);
  }, 60_000);

  async function table(script: string, name: string, flags: readonly string[]): Promise<void> {
    const more = ['--mini-batch-rows', '20', '--max-retries', '0', '--processes', '2', '--name', name, ...flags];
    const ended = await space.cli('run', '--entry-script', script, '--input', 'data.csv', ...more);
    expect(ended.code, ended.stdout + ended.stderr).toBe(0);
    expect((await space.status(name)).items).toMatchObject({ succeeded: 59, failed: 1, deadLetters: 1 });
    expect(deadLetters(space, name)).toMatchObject([
      { mini_batch: 1, position: 17, item: `${join(space.folder, 'data.csv')} row 37`, try: 1, narrowed: true },
    ]);
    expect(space.read(name, 'logs/overview.txt')).toMatch(/mini-batch 1 item 17 \(.*data\.csv row 37\)/);
  }

  test('summary_only: counted, and dead letters written beside no result', async () => {
    const run: Faulty = { name: 'sum', orders: orders(20, { 7: 'raise', 11: 'kill' }), size: 10, tries: 1 };
    const { code, text, status } = await space.runFaulty({ ...run, flags: ['--summary-only'] });
    expect(code, text).toBe(0);
    const { miniBatches, items } = expected(run);
    expect(status).toMatchObject({ miniBatches, items });
    expect(space.list('sum', 'outputs')).toEqual(['dead_letters.jsonl']);
    expect(deadLetters(space, 'sum').map(({ item }) => item?.slice(-4))).toEqual(['f007', 'f011']);
    await checked(space, 'run', join(space.root, 'sum'), '-');
  }, 60_000);

  test('a dead letter can be replayed alone: its failure first, success once it is mended', async () => {
    await runAndCheck({ name: 're', orders: orders(8, { 5: 'raise' }), size: 8, tries: 1 });
    const bad = await space.cli('replay', 're/0', '--item', '5');
    expect(bad.code).toBe(1);
    expect(bad.stdout + bad.stderr).toContain('ValueError: bad pixel in f005');
    expect((await space.cli('replay', 're/0', '--item', '4')).code).toBe(0);
    writeFileSync(join(space.folder, 'in-re', itemName(5)), 'ok');
    const good = await space.cli('replay', 're/0', '--item', '5');
    expect(good.code, good.stdout + good.stderr).toBe(0);
  }, 60_000);
});

describe('thresholds count what is really lost', () => {
  const bad = { 1: 'raise', 2: 'raise', 13: 'exit 3', 28: 'none' };
  test.each([
    ['--error-threshold', '4', 0, undefined],
    ['--error-threshold', '3', 1, { kind: 'error-threshold', limit: 3 }],
    ['--mini-batch-error-threshold', '3', 0, undefined],
    ['--mini-batch-error-threshold', '2', 1, { kind: 'mini-batch-error-threshold', limit: 2 }],
  ] as const)(
    '4 dead letters in 3 mini-batches, %s %s: exit code %d',
    async (flag, limit, code, reason) => {
      const run: Faulty = { name: 't', orders: orders(30, bad), size: 10, tries: 1, processes: 1 };
      const ended = await space.runFaulty({ ...run, flags: [flag, limit] });
      expect(ended.code, ended.text).toBe(code);
      if (code === 0) return checkRun(space, run, ended.status);
      expect(ended.status.reason).toMatchObject(reason);
      await checked(space, 'run', join(space.root, 't'), join(space.root, 't/outputs/parallel_run_step.txt.partial'));
    },
    60_000,
  );
});

describe('killed in the middle of it', () => {
  /** A part that waits, told apart from the tries of the whole: whatever the whole does, item 3 fails it first. */
  const run: Faulty = {
    name: 'k',
    orders: orders(16, { 3: 'raise', 12: 'wait go' }),
    size: 16,
    tries: 1,
    processes: 1,
  };

  async function untilWaiting() {
    const child = space.spawnCli(...space.faulty(run));
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
    await expect
      .poll(() => existsSync(join(space.folder, 'waiting-f012')), { timeout: 20_000, interval: 20 })
      .toBe(true);
    return { child, output: () => output };
  }

  test('the worker: a part is looked into further, and its good items keep their rows', async () => {
    const { child, output } = await untilWaiting();
    const part = space.calls('k').at(-1);
    expect(part?.names.length).toBeLessThan(16);
    process.kill(part?.pid ?? 0, 'SIGKILL');
    space.write('go', '');
    const [code] = (await once(child, 'close')) as [number];
    expect(code, output()).toBe(0);
    await checkRun(space, run, await space.status('k'));
  }, 60_000);

  test('by Ctrl-C: the part ends, no other follows; resume ends exactly', async () => {
    const { child, output } = await untilWaiting();
    child.kill('SIGINT');
    await expect.poll(() => space.read('k', 'logs/master.txt'), { timeout: 20_000 }).toMatch(/cancel/i);
    const before = space.calls('k').length;
    space.write('go', '');
    const [code] = (await once(child, 'close')) as [number];
    expect(code, output()).toBe(130);
    expect(space.calls('k')).toHaveLength(before);
    expect(deadLetters(space, 'k')).toEqual([]);
    const ended = await space.cli('resume', 'k');
    expect(ended.code, ended.stdout + ended.stderr).toBe(0);
    await checkRun(space, run, await space.status('k'));
  }, 60_000);

  test('the orchestrator: resume begins anew with the whole, and ends exactly', async () => {
    const { child } = await untilWaiting();
    child.kill('SIGKILL');
    await once(child, 'close');
    await expect.poll(() => processesOf(space.root), { timeout: 15_000 }).toEqual([]);
    const before = space.calls('k').length;
    space.write('go', '');
    const ended = await space.cli('resume', 'k');
    expect(ended.code, ended.stdout + ended.stderr).toBe(0);
    expect(space.calls('k')[before]?.names).toHaveLength(16);
    await checkRun(space, run, await space.status('k'));
    expect((await space.cli('verify', 'k')).code).toBe(0);
  }, 60_000);
});

const TYPESCRIPT = `import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
export function run(batch: string[]): string[] {
  return batch.map((path) => {
    const [word, argument] = readFileSync(path, 'utf8').split(' ');
    if (word === 'raise') throw new Error('ValueError: bad pixel in ' + basename(path));
    if (word === 'exit') process.exit(Number(argument));
    if (word === 'kill') {
      process.kill(process.pid, 'SIGKILL');
      for (;;);
    }
    if (word === 'spin') for (;;);
    return basename(path);
  });
}
`;
