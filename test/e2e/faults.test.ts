/** Scripts that go wrong in every way: the run ends as the thresholds say and the cause stands where the eye is. */
import { join } from 'node:path';
import { statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FIXTURES, Workspace, processesOf } from './rig.ts';
import type { Ended } from './rig.ts';

const COUNT = 12;

interface Case {
  readonly order: string;
  /** What the end of the terminal output and overview.txt must say about it. */
  readonly says: RegExp;
  readonly status: RegExp;
}

const cases: Readonly<Record<string, Case>> = {
  raise: { order: 'raise', says: /ValueError: bad pixel in f05\.txt/, status: /RUN_EXCEPTION/ },
  none: { order: 'none', says: /returned None/, status: /RUN_INVALID_RETURN/ },
  exit: { order: 'exit 3', says: /exited with code 3/, status: /PROCESS_LOST|POISONED/ },
  segv: { order: 'segv', says: /SIGSEGV/, status: /PROCESS_LOST|POISONED/ },
  kill: { order: 'kill', says: /SIGKILL/, status: /PROCESS_LOST|POISONED/ },
  hang: { order: 'hang', says: /(timed out|timeout|time limit|longer than)/i, status: /RUN_TIMEOUT/ },
};

describe.each(Object.entries(cases))('a file that makes the script %s', (name, { order, says, status }) => {
  let space: Workspace;
  let ended: Ended;
  beforeAll(async () => {
    space = new Workspace();
    space.files(
      'in',
      Object.fromEntries(
        Array.from({ length: COUNT }, (_, i) => [`f${String(i).padStart(2, '0')}.txt`, i === 5 ? order : 'ok']),
      ),
    );
    ended = await space.cli(
      'run',
      '--entry-script',
      join(FIXTURES, 'faulty.py'),
      '--input',
      'in',
      '--mini-batch-size',
      '2',
      '--processes',
      '2',
      '--max-retries',
      '1',
      '--timeout',
      '1',
      '--name',
      name,
    );
  }, 60_000);
  afterAll(() => {
    space.dispose();
  });

  test('the run completes, as no threshold forbids it, with the rows of all other mini-batches', () => {
    expect(ended.code, ended.stdout + ended.stderr).toBe(0);
    const good = Array.from({ length: COUNT }, (_, i) => i).filter((i) => i !== 4 && i !== 5);
    expect(space.rows(name)).toEqual(good.map((i) => `f${String(i).padStart(2, '0')}.txt`));
  });

  test('the last lines and overview.txt name exception or signal, mini-batch, file and replay command', () => {
    const lastLines = ended.stdout.trimEnd().split('\n').slice(-30).join('\n');
    for (const text of [lastLines, space.read(name, 'logs/overview.txt')]) {
      expect(text).toMatch(says);
      expect(text).toMatch(/mini-batch 2\b/);
      expect(text).toContain('f04.txt');
      expect(text).toContain(`parallelrun replay ${name}/2`);
    }
  });

  test('each try has its row in the report', () => {
    const rows = space
      .read(name, 'logs/job_report/processed_mini-batches.csv')
      .split('\n')
      .filter((row) => row.startsWith('2,'));
    expect(rows).toHaveLength(2);
    for (const row of rows) expect(row).toMatch(status);
  });

  test('no process remains', () => {
    expect(processesOf(space.root)).toEqual([]);
  });
});

describe('thresholds end the run', () => {
  test.each([
    ['0', 1, /mini-batch.*threshold|mini_batch_error_threshold/i],
    ['1', 0, /completed/],
  ])('mini-batch error threshold %s with one failed mini-batch', async (limit, code, says) => {
    const space = new Workspace();
    space.files('in', { a: 'ok', b: 'raise', c: 'ok' });
    const ended = await space.cli(
      'run',
      '--entry-script',
      join(FIXTURES, 'faulty.py'),
      '--input',
      'in',
      '--mini-batch-size',
      '1',
      '--processes',
      '1',
      '--max-retries',
      '0',
      '--mini-batch-error-threshold',
      limit,
      '--name',
      't',
    );
    expect(ended.code, ended.stdout + ended.stderr).toBe(code);
    expect(ended.stdout).toMatch(says);
    if (code === 1) {
      expect(ended.stdout.trimEnd().split('\n').slice(-25).join('\n')).toContain('ValueError: bad pixel in b');
      expect(space.read('t', 'logs/job_result.txt')).toMatch(/Failed/);
      expect(space.list('t', 'outputs')).not.toContain('parallel_run_step.txt');
    }
    space.dispose();
  });

  test.each([
    ['1', 1],
    ['2', 0],
  ])('error threshold %s with two items short', async (limit, code) => {
    const space = new Workspace();
    space.files('in', { a: 'short', b: 'ok', c: 'short' });
    const ended = await space.cli(
      'run',
      '--entry-script',
      join(FIXTURES, 'faulty.py'),
      '--input',
      'in',
      '--mini-batch-size',
      '3',
      '--error-threshold',
      limit,
      '--name',
      't',
    );
    expect(ended.code, ended.stdout + ended.stderr).toBe(code);
    space.dispose();
  });

  test('no row at all is a failure', async () => {
    const space = new Workspace();
    space.files('in', { a: 'short', b: 'short' });
    const ended = await space.cli('run', '--entry-script', join(FIXTURES, 'faulty.py'), '--input', 'in', '--name', 't');
    expect(ended.code).toBe(1);
    expect(ended.stdout).toMatch(/no (item|row)|nothing succeeded|not a single/i);
    space.dispose();
  });
});

test('100 MB of prints: the run goes on, the log is bounded and keeps its end', async () => {
  const space = new Workspace();
  space.files('in', { a: 'ok', b: 'flood 100', c: 'ok' });
  const ended = await space.cli(
    'run',
    '--entry-script',
    join(FIXTURES, 'faulty.py'),
    '--input',
    'in',
    '--mini-batch-size',
    '1',
    '--processes',
    '1',
    '--name',
    'flood',
  );
  expect(ended.code, ended.stdout + ended.stderr).toBe(0);
  expect(space.rows('flood')).toEqual(['a', 'b', 'c']);
  const [ip = ''] = space.list('flood', 'logs/user/stdout');
  const log = space.read('flood', `logs/user/stdout/${ip}/Process-1.txt`);
  expect(log).toMatch(/dropped/);
  expect(log).toContain('the end of the flood');
  expect(log.length).toBeLessThan(40 * 1024 * 1024);
  expect(statSync(join(space.root, 'flood/azureml-logs/70_driver_log.txt')).size).toBeLessThan(40 * 1024 * 1024);
  space.dispose();
}, 60_000);

test('five kinds of failure in one run: each is named in the last lines, with its file and its replay command', async () => {
  const space = new Workspace();
  const orders = { raise: 'raise', none: 'none', exit: 'exit 3', segv: 'segv', hang: 'hang' };
  space.files('in', { good: 'ok', ...orders });
  const ended = await space.cli(
    'run',
    '--entry-script',
    join(FIXTURES, 'faulty.py'),
    '--input',
    'in',
    '--mini-batch-size',
    '1',
    '--processes',
    '2',
    '--max-retries',
    '0',
    '--timeout',
    '1',
    '--name',
    'five',
  );
  expect(ended.code, ended.stdout + ended.stderr).toBe(0);
  expect(space.rows('five')).toEqual(['good']);
  const names = ['good', ...Object.keys(orders)].sort();
  for (const text of [ended.stdout, space.read('five', 'logs/overview.txt')]) {
    for (const [name, says] of Object.entries(cases).filter(([key]) => key in orders)) {
      expect(text).toMatch(says.says.source.includes('f05') ? /ValueError: bad pixel in raise/ : says.says);
      expect(text).toContain(join(space.folder, 'in', name));
      expect(text).toContain(`parallelrun replay five/${names.indexOf(name)}`);
    }
  }
  space.dispose();
}, 30_000);
