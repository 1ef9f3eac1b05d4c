/** `verify` names what happened to a result, and finds nothing where nothing did. */
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Workspace, processesOf, runCommand } from './rig.ts';
import type { Ended } from './rig.ts';
import { fileURLToPath } from 'node:url';

const CHECKER = fileURLToPath(new URL('checker.py', import.meta.url));
const COUNT = 12;
const name = (i: number): string => `f${String(i).padStart(2, '0')}`;

const SCRIPT = `
import os, time
def run(mini_batch):
    for p in mini_batch:
        if open(p).read() == "raise":
            raise ValueError("bad")
        if open(p).read() == "wait":
            time.sleep(300)
    return [os.path.basename(p) + " scored" for p in mini_batch if open(p).read() != "skip"]
`;

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
  space.files('in', Object.fromEntries(Array.from({ length: COUNT }, (_, i) => [name(i), ''])));
  space.write('code/score.py', SCRIPT);
});
afterEach(() => {
  space.dispose();
});

const BASE = ['run', '--entry-script', 'code/score.py', '--input', 'in', '--mini-batch-size', '2', '--processes', '2'];
const run = (...more: string[]): Promise<Ended> => space.cli(...BASE, '--name', 'r', '--max-retries', '0', ...more);
const result = (): string => join(space.root, 'r/outputs/parallel_run_step.txt');
const row = (i: number): string => `${name(i)} scored\n`;
const ROW_BYTES = row(0).length;

async function verdict(): Promise<{
  code: number | null;
  codes: unknown[];
  text: string;
  last: Record<string, unknown>;
}> {
  const { code, stdout, stderr } = await space.cli('verify', 'r', '--json');
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const codes = lines.filter((line) => line['type'] === 'problem').map((line) => line['code']);
  return { code, codes, text: stderr, last: lines.at(-1) ?? {} };
}

describe('a completed run', () => {
  test('every byte is accounted for, in one line, and as the independent checker says', async () => {
    await run();
    const { code, stdout } = await space.cli('verify', 'r');
    expect(code).toBe(0);
    expect(stdout).toBe(
      '12 items: 12 in rows 1 to 12 of parallel_run_step.txt; every byte of the result is accounted for\n',
    );
    const expected = space.write('expected', Array.from({ length: COUNT }, (_, i) => row(i)).join(''));
    const rows = await runCommand('python3', [CHECKER, 'rows', result(), expected], space.folder);
    expect(JSON.parse(rows.stdout)).toEqual({ ok: true, rows: COUNT });
    const ledger = await runCommand(
      'python3',
      [CHECKER, 'ledger', join(space.root, 'r/state/ledger.journal')],
      space.folder,
    );
    expect(JSON.parse(ledger.stdout)).toEqual({ ok: true, done: [0, 1, 2, 3, 4, 5], failed: [] });
  }, 60_000);

  test('a byte flipped, a row cut, a row doubled, the file gone: each named; without the spool too', async () => {
    await run();
    const whole = readFileSync(result());
    copyFileSync(result(), join(space.folder, 'whole'));
    rmSync(join(space.root, 'r/state/rows.spool'));

    const flipped = Buffer.from(whole);
    const at = 5 * ROW_BYTES + 3;
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    writeFileSync(result(), flipped);
    const one = await verdict();
    expect(one).toMatchObject({ code: 1, codes: ['PR5503'] });
    expect(one.text).toMatch(/rows 5 to 6 of the result, those of mini-batch 2,[\s\S]*bytes 44 to 65 of the file/);

    writeFileSync(result(), Buffer.concat([whole.subarray(0, 4 * ROW_BYTES), whole.subarray(5 * ROW_BYTES)]));
    const two = await verdict();
    expect(two).toMatchObject({ code: 1, codes: ['PR5502', 'PR5503'] });
    expect(two.text).toMatch(/has 121 bytes, not 132[\s\S]*11 bytes are missing in front of rows 7 to 8, mini-batch 3/);
    expect(two.text).toMatch(/those of mini-batch 2/);

    writeFileSync(result(), Buffer.concat([whole.subarray(0, 4 * ROW_BYTES), whole.subarray(3 * ROW_BYTES)]));
    const three = await verdict();
    expect(three).toMatchObject({ code: 1, codes: ['PR5502'] });
    expect(three.text).toMatch(
      /11 bytes are too many in front of rows 5 to 6, mini-batch 2, which should begin at byte 44 and begins at 55/,
    );

    writeFileSync(result(), Buffer.concat([whole, Buffer.from('more\n')]));
    expect((await verdict()).text).toMatch(/5 bytes are too many at its end/);

    rmSync(result());
    const four = await verdict();
    expect(four).toMatchObject({ code: 1, codes: ['PR5501'] });
    expect(four.text).toMatch(/next +if it was moved/);

    copyFileSync(join(space.folder, 'whole'), result());
    expect(await verdict()).toMatchObject({ code: 0, codes: [] });
  }, 60_000);

  test('with the spool still there the first byte that differs is named', async () => {
    await run();
    const bytes = readFileSync(result());
    bytes[70] = 33;
    writeFileSync(result(), bytes);
    expect((await verdict()).text).toMatch(/byte 70 is the first that differs/);
  }, 60_000);

  test('failed mini-batches and short returns have their reasons', async () => {
    space.write(`in/${name(3)}`, 'raise');
    space.write(`in/${name(8)}`, 'skip');
    await run();
    const { code, stdout } = await space.cli('verify', 'r', '--each');
    expect(code, stdout).toBe(0);
    expect(stdout.trimEnd().split('\n')).toEqual([
      'mini-batch 0 (2 items): rows 1 to 2',
      'mini-batch 1 (2 items): row 3, 1 dead letter',
      `  item 1 (${space.folder}/in/${name(3)}): ValueError: bad`,
      'mini-batch 2 (2 items): rows 4 to 5',
      'mini-batch 3 (2 items): rows 6 to 7',
      'mini-batch 4 (2 items): row 8, 1 item without a row',
      'mini-batch 5 (2 items): rows 9 to 10',
      '12 items: 10 in rows 1 to 10 of parallel_run_step.txt, 1 failed without a row in mini-batches that returned too few, ' +
        '1 dead letter; every byte of the result is accounted for',
    ]);
  }, 60_000);

  test('a mini-batch that is not narrowed down fails whole', async () => {
    space.write(`in/${name(3)}`, 'raise');
    await run('--isolate', 'false');
    const { stdout } = await space.cli('verify', 'r', '--each');
    const lines = stdout.split('\n');
    expect(lines[1]).toBe('mini-batch 1 (2 items): failed: ValueError: bad');
    expect(lines[6]).toBe(
      '12 items: 10 in rows 1 to 10 of parallel_run_step.txt, 2 failed in 1 mini-batch; every byte of the result is accounted for',
    );
    expect(space.list('r', 'outputs')).toEqual(['parallel_run_step.txt']);
  }, 60_000);

  test('a damaged ledger is refused, a damaged list of mini-batches is a difference', async () => {
    await run();
    const index = join(space.root, 'r/state/manifest.jsonl');
    const list = readFileSync(index);
    writeFileSync(index, list.subarray(0, list.length - 5));
    expect(await verdict()).toMatchObject({ code: 1, codes: ['PR5504'] });
    writeFileSync(index, list);
    const ledger = join(space.root, 'r/state/ledger.journal');
    const bytes = readFileSync(ledger);
    const middle = Math.floor(bytes.length / 2);
    bytes[middle] = (bytes[middle] ?? 0) ^ 16;
    writeFileSync(ledger, bytes);
    expect(await verdict()).toMatchObject({ code: 4, codes: ['PR5005'] });
  }, 60_000);
});

describe('runs that did not complete', () => {
  test('failed at a threshold: the partial result is read', async () => {
    space.write(`in/${name(11)}`, 'raise');
    expect((await run('--mini-batch-error-threshold', '0')).code).toBe(1);
    const { code, stdout } = await space.cli('verify', 'r');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^12 items: 11 in rows 1 to 11 of parallel_run_step.txt.partial, 1 dead letter; every byte/);
    writeFileSync(`${result()}.partial`, 'x');
    expect(await verdict()).toMatchObject({ code: 1, last: { ok: false, state: 'Failed' } });
  }, 60_000);

  test('killed: while it lives refused, then what is committed is read', async () => {
    space.write(`in/${name(9)}`, 'wait');
    const child = space.spawnCli(...BASE, '--name', 'r');
    await expect
      .poll(async () => (await space.status('r').catch(() => undefined))?.miniBatches.succeeded, { timeout: 20_000 })
      .toBe(5);
    expect(await verdict()).toMatchObject({ code: 4, codes: ['PR5004'] });
    child.kill('SIGKILL');
    await once(child, 'close');
    await expect.poll(() => processesOf(space.root), { timeout: 15_000 }).toEqual([]);
    const { code, stdout } = await space.cli('verify', 'r');
    expect(code, stdout).toBe(0);
    expect(stdout).toMatch(
      /^12 items: 10 in rows 1 to 10 of what is committed, 2 not processed; every byte of it is as committed\nRun r has not ended/,
    );
    const spool = join(space.root, 'r/state/rows.spool');
    const bytes = readFileSync(spool);
    bytes[30] = 33;
    writeFileSync(spool, bytes);
    expect(await verdict()).toMatchObject({ code: 1, codes: ['PR5506'] });
  }, 60_000);

  test('killed before its folder was complete: said so, by resume too', async () => {
    await run();
    rmSync(join(space.root, 'r/state/ledger.journal'));
    expect(await verdict()).toMatchObject({ code: 4, codes: ['PR5008'] });
    const resumed = await space.cli('resume', 'r');
    expect(resumed.code).toBe(4);
    expect(resumed.stderr).toMatch(/PR5008[\s\S]*nothing of it has run/);
    writeFileSync(join(space.root, 'r/state/ledger.journal'), 'parallelru');
    expect((await space.cli('resume', 'r')).stderr).toMatch(/PR5008/);
  }, 60_000);
});

describe('dead letters', () => {
  const letters = (): string => join(space.root, 'r/outputs/dead_letters.jsonl');
  const letter = (): Record<string, unknown> => JSON.parse(readFileSync(letters(), 'utf8')) as Record<string, unknown>;
  /** Fails for files that say so, unless it has been mended; waits with parts while a file asks it to. */
  const MENDABLE = `
import os, time
HERE = ${JSON.stringify('SPACE')}
def run(mini_batch):
    while len(mini_batch) < 6 and os.path.exists(HERE + "/wait"):
        time.sleep(0.02)
    for p in mini_batch:
        print("reading", os.path.basename(p))
        if open(p).read() == "raise" and not os.path.exists(HERE + "/mended"):
            raise ValueError("bad " + os.path.basename(p))
    return [os.path.basename(p) + " scored" for p in mini_batch]
`;
  const SIXES = [
    'run',
    '--entry-script',
    'code/score.py',
    '--input',
    'in',
    '--mini-batch-size',
    '6',
    '--processes',
    '2',
  ];
  const rowsBut = (...dead: number[]): string =>
    Array.from({ length: COUNT }, (_, i) => (dead.includes(i) ? '' : row(i))).join('');

  beforeEach(() => {
    space.write('code/score.py', MENDABLE.replace('SPACE', space.folder));
    space.write(`in/${name(8)}`, 'raise');
  });

  test('are those of the ledger, one line each, beside a result with all good rows', async () => {
    await space.cli(...SIXES, '--name', 'r', '--max-retries', '1');
    expect(readFileSync(result(), 'utf8')).toBe(rowsBut(8));
    expect(letter()).toMatchObject({
      mini_batch: 1,
      position: 2,
      item: join(space.folder, 'in', name(8)),
      cause: `ValueError: bad ${name(8)}`,
      code: 'PR2101',
      exception_type: 'ValueError',
      try: 2,
      narrowed: true,
      replay: 'parallelrun replay r/1 --item 2',
    });
    expect(letter()['last_lines']).toEqual([`reading ${name(8)}`]);
    const { code, last } = await verdict();
    expect(code).toBe(0);
    expect(last).toMatchObject({
      items: { total: 12, succeeded: 11, failed: 1, deadLetters: 1, pending: 0 },
      miniBatches: { total: 2, done: 1, partial: 1, failed: 0, allDead: 0, pending: 0 },
    });
    const { stdout } = await space.cli('verify', 'r', '--each', '--json');
    expect(JSON.parse(stdout.split('\n')[1] ?? '')).toEqual({
      type: 'mini-batch',
      index: 1,
      items: 6,
      state: 'partial',
      rows: { from: 7, to: 11 },
      failedItems: 1,
      dead: [{ from: 2, to: 3, reason: `ValueError: bad ${name(8)}`, item: join(space.folder, 'in', name(8)) }],
    });
  }, 60_000);

  test('a line lost, doubled or foreign, the file gone: each named; resume makes it anew', async () => {
    await space.cli(...SIXES, '--name', 'r', '--max-retries', '0');
    const whole = readFileSync(letters(), 'utf8');
    const found = async (text: string): Promise<string> => {
      writeFileSync(letters(), text);
      const { code, codes, text: told } = await verdict();
      expect([code, [...new Set(codes)]]).toEqual([1, ['PR5507']]);
      return told;
    };
    expect(await found('')).toMatch(
      /1 dead letter of the ledger missing[^]*item 2 of mini-batch 1[^]*parallelrun resume r/,
    );
    expect(await found(whole + whole)).toMatch(/line 2, item 2 of mini-batch 1 is there twice/);
    expect(await found(`${whole}{"mini_batch":0,"position":0}\n`)).toMatch(
      /line 2, item 0 of mini-batch 0 is no dead letter/,
    );
    expect(await found(whole.slice(0, 40))).toMatch(/line 1, it is no JSON/);
    rmSync(letters());
    expect((await verdict()).text).toMatch(/the file of the dead letters is not there/);
    expect((await space.cli('resume', 'r')).code).toBe(0);
    expect(readFileSync(letters(), 'utf8')).toBe(whole);
    expect(await verdict()).toMatchObject({ code: 0, codes: [] });
  }, 60_000);

  test('killed while a mini-batch is narrowed down: nothing twice, and the torn file is made anew', async () => {
    space.write(`in/${name(1)}`, 'raise');
    space.write('wait', '');
    const child = space.spawnCli(...SIXES, '--name', 'r', '--max-retries', '0');
    await expect
      .poll(async () => (await space.status('r').catch(() => undefined))?.miniBatches.narrowing, { timeout: 20_000 })
      .toBe(2);
    child.kill('SIGKILL');
    await once(child, 'close');
    await expect.poll(() => processesOf(space.root), { timeout: 15_000 }).toEqual([]);
    writeFileSync(letters(), '{"mini_batch":1,"posit');
    expect(await verdict()).toMatchObject({ code: 0, last: { state: 'Interrupted', items: { pending: 12 } } });
    rmSync(join(space.folder, 'wait'));
    expect((await space.cli('resume', 'r')).code).toBe(0);
    expect(readFileSync(result(), 'utf8')).toBe(rowsBut(1, 8));
    const lines = readFileSync(letters(), 'utf8').trimEnd().split('\n');
    const places = lines.map((line) => JSON.parse(line) as { mini_batch: number; position: number });
    expect(places.map(({ mini_batch, position }) => [mini_batch, position]).sort()).toEqual([
      [0, 1],
      [1, 2],
    ]);
    expect(await verdict()).toMatchObject({
      code: 0,
      last: { items: { deadLetters: 2 }, miniBatches: { partial: 2 } },
    });
  }, 60_000);

  test('tried again and good: the file is gone', async () => {
    await space.cli(...SIXES, '--name', 'r', '--max-retries', '0');
    expect(space.list('r', 'outputs')).toEqual(['dead_letters.jsonl', 'parallel_run_step.txt']);
    space.write('mended', '');
    expect((await space.cli('resume', 'r', '--retry-failed')).code).toBe(0);
    expect(readFileSync(result(), 'utf8')).toBe(rowsBut());
    expect(space.list('r', 'outputs')).toEqual(['parallel_run_step.txt']);
    expect(await verdict()).toMatchObject({ code: 0, last: { items: { succeeded: 12, failed: 0, deadLetters: 0 } } });
    const status = await space.status('r');
    expect(status.miniBatches).toMatchObject({ succeeded: 2, failed: 0, partial: 0 });
    expect(status.items).toMatchObject({ succeeded: 12, failed: 0, deadLetters: 0 });
  }, 60_000);
});
