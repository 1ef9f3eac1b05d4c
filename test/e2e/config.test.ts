/** Settings that are wrong, too large, or meant for somewhere else: refused before anything starts, or held by a rule. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CLI, Workspace, runCommand } from './rig.ts';

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
  space.files('in', { a: '1', b: '2' });
  space.write('code/score.py', 'def run(mini_batch):\n    return mini_batch\n');
});
afterEach(() => {
  space.dispose();
});

const BASE = { 'entry-script': 'code/score.py', input: 'in' };

/** A run with these flags is refused with a code and all of these words, and leaves nothing behind. */
async function refused(flags: Readonly<Record<string, string>>, ...says: readonly RegExp[]): Promise<void> {
  const words = Object.entries({ ...BASE, ...flags }).flatMap(([name, value]) => [`--${name}=${value}`]);
  const { code, stdout, stderr } = await space.cli('run', ...words);
  expect(code, stdout + stderr).toBe(2);
  expect(stderr).toMatch(/^error PR\d{4} {2}/);
  for (const pattern of says) expect(stderr).toMatch(pattern);
  expect(existsSync(space.root) ? readdirSync(space.root) : []).toEqual([]);
}

test('numbers out of their range: all told at once, each with its flag', () =>
  refused(
    {
      'mini-batch-size': '0',
      processes: '1e309',
      timeout: 'NaN',
      'max-retries': '-2',
      'error-threshold': '-2',
      'mini-batch-error-threshold': '9007199254740993',
      'allowed-failed-percent': '101',
      'memory-limit': '1e9MB',
      'progress-update-timeout': '2147484',
    },
    ...['mini-batch-size', 'processes', 'timeout', 'max-retries', 'error-threshold', 'mini-batch-error-threshold'].map(
      (flag) => new RegExp(`--${flag}\\b`),
    ),
    /--allowed-failed-percent/,
    /--memory-limit/,
    /--progress-update-timeout/,
  ));

describe('entry scripts', () => {
  test('of another kind, or not below the code folder', async () => {
    space.write('code/score.sh', 'exit 0');
    await refused({ 'entry-script': 'code/score.sh' }, /score\.sh/);
    await refused({ 'entry-script': 'code' }, /\bcode\b/);
    mkdirSync(join(space.folder, 'other'));
    await refused({ code: 'other' }, /score\.py/);
  });

  const canDrop =
    process.getuid?.() === 0 &&
    spawnSync('setpriv', ['--reuid=64123', '--clear-groups', process.execPath, CLI, '--version']).status === 0;
  test.skipIf(!canDrop)('that may not be read', async () => {
    chmodSync(space.folder, 0o777);
    chmodSync(join(space.folder, 'code/score.py'), 0);
    const { code, stderr } = await runCommand(
      'setpriv',
      [
        ...['--reuid=64123', '--clear-groups', process.execPath, CLI],
        ...['run', '--entry-script', 'code/score.py', '--input', 'in'],
      ],
      space.folder,
      { PARALLELRUN_ROOT: space.root },
    );
    expect(code, stderr).toBe(2);
    expect(stderr).toMatch(/score\.py[\s\S]*(EACCES|permission|may not be read)/i);
  });
});

test('names of the result: what is no file name, what is there already', async () => {
  for (const name of ['../x', 'a/b', 'a:b', 'a*b', '..', '']) await refused({ 'append-row-to': name }, /append-row-to/);
  mkdirSync(join(space.folder, 'out/parallel_run_step.txt'), { recursive: true });
  await refused({ output: 'out' }, /parallel_run_step\.txt/);
  symlinkSync('/etc/passwd', join(space.folder, 'out/link.txt'));
  await refused({ output: 'out', 'append-row-to': 'link.txt' }, /link\.txt/);
  writeFileSync(join(space.folder, 'file'), '');
  await refused({ output: 'file' }, /\bfile\b/);
});

test('names of the run: what is no folder name of its own', async () => {
  for (const name of ['', '../x', '.', 'a/b', 'x'.repeat(300), '\u{1f600}', '-rf']) await refused({ name }, /--name/);
});

test('ten thousand processes are held by the limit, with a word about it', async () => {
  const { code, stdout, stderr } = await space.cli(
    ...['plan', '--entry-script', 'code/score.py', '--input', 'in', '--processes', '10000'],
  );
  expect(code, stdout + stderr).toBe(0);
  expect(stdout + stderr).toMatch(/PR1018[\s\S]*10,?000 worker processes are asked for, \d+ are used/);
});
