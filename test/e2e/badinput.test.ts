/** What people get wrong: a clear error with what, where, why and what next, or correct work; nothing half done. */
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Workspace } from './rig.ts';

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
  space.files('in', { a: '1', b: '2' });
  space.write('score.py', 'def run(mini_batch):\n    return mini_batch\n');
});
afterEach(() => {
  space.dispose();
});

/** Runs that can't start: exit code 2, a code to look up, and no run folder. */
async function refused(args: readonly string[], says: readonly RegExp[]): Promise<void> {
  const ended = await space.cli('run', ...args);
  const text = ended.stdout + ended.stderr;
  expect(ended.code, text).toBe(2);
  expect(text).toMatch(/PR\d{4}/);
  for (const pattern of says) expect(text).toMatch(pattern);
  expect(existsSync(space.root) ? readdirSync(space.root) : []).toEqual([]);
}

describe('refused before anything starts', () => {
  test('a missing script', () => refused(['--entry-script', 'scor.py', '--input', 'in'], [/scor\.py/]));
  test('a folder as script', () => refused(['--entry-script', 'in', '--input', 'in'], [/in\b/]));
  test('a missing input', () => refused(['--entry-script', 'score.py', '--input', 'nowhere'], [/nowhere/]));
  test('an empty input', () => {
    mkdirSync(join(space.folder, 'empty'));
    return refused(['--entry-script', 'score.py', '--input', 'empty'], [/empty/, /--allow-empty/]);
  });
  test('a glob without match', () => refused(['--entry-script', 'score.py', '--input', 'in/*.png'], [/\*\.png|match/]));
  test('a bad number', () =>
    refused(['--entry-script', 'score.py', '--input', 'in', '--mini-batch-size', 'ten'], [/ten/]));
  test('a result that exists', async () => {
    space.write('out/parallel_run_step.txt', 'old');
    await refused(['--entry-script', 'score.py', '--input', 'in', '--output', 'out'], [/--overwrite/]);
  });
  test('TypeScript with a syntax error, found late: the line in the own file, no half a run', async () => {
    space.write('code/late.ts', 'export function run(x: string[] { return x }\n');
    await refused(['--entry-script', 'code/late.ts', '--input', 'in'], [/PR2301/, /\/code\/late\.ts:1:33/]);
    expect((await space.cli('list', '--json')).stdout).toBe('');
  });
  test('an output folder that can not be made, found late', async () => {
    space.write('file', '');
    symlinkSync(join(space.folder, 'gone', 'away'), join(space.folder, 'link'));
    await refused(['--entry-script', 'score.py', '--input', 'in', '--output', 'link/x'], [/link/]);
  });
  test('an interpreter that is none', () =>
    refused(['--entry-script', 'score.py', '--input', 'in', '--python', '/no/python'], [/\/no\/python/]));
  test('a job file with several mistakes: all at once, each with its line', async () => {
    space.write(
      'job.yml',
      [
        'type: pipeline',
        'jobs:',
        '  score:',
        '    type: parallel',
        '    mini_batch_size: ten',
        '    error_treshold: 5',
        '    max_concurrency_per_instance: 0',
        '    input_data: ${{inputs.images}}',
        '    inputs:',
        '      images:',
        '        type: uri_folder',
        '        path: ./nowhere',
        '    task:',
        '      type: run_function',
        '      code: .',
        '      entry_script: missing.py',
        '',
      ].join('\n'),
    );
    const ended = await space.cli('run', 'job.yml');
    const text = ended.stdout + ended.stderr;
    expect(ended.code, text).toBe(2);
    for (const line of [5, 6, 7, 12, 16]) expect(text).toContain(`job.yml:${line}`);
    expect(text).toMatch(/did you mean.*error_threshold/i);
  });
});

describe('scripts that can’t be loaded end the run at once, with file and line', () => {
  test.each([
    ['a syntax error', 'def run(mini_batch)\n    return []\n', /score\.py:1|line 1/],
    ['an import error', 'import no_such_module\ndef run(mini_batch):\n    return []\n', /no_such_module/],
    ['no run()', 'def rum(mini_batch):\n    return []\n', /run/],
    ['a run() that takes nothing', 'def run():\n    return []\n', /score\.py:1[\s\S]*run\(mini_batch\)/],
    ['an exit at import', 'import sys\nsys.exit(3)\n', /SystemExit: 3/],
    ['an init that ends its process', 'import os\ndef init():\n    os._exit(0)\ndef run(b):\n    return b\n', /init/],
    [
      'an init that raises',
      'def init():\n    open("/no/model.pkl")\ndef run(mini_batch):\n    return []\n',
      /model\.pkl/,
    ],
  ])(
    '%s',
    async (_, script, says) => {
      space.write('score.py', script);
      const ended = await space.cli(
        'run',
        '--entry-script',
        'score.py',
        '--input',
        'in',
        '--processes',
        '2',
        '--name',
        'bad',
      );
      expect(ended.code, ended.stdout + ended.stderr).toBe(1);
      const lastLines = ended.stdout.trimEnd().split('\n').slice(-25).join('\n');
      expect(lastLines).toMatch(says);
      expect(space.read('bad', 'logs/overview.txt')).toMatch(says);
      const status = await space.status('bad');
      expect(status.reason?.kind).toBe('init-failed');
    },
    20_000,
  );
});

test('an init that hangs: told while it does, ended at its limit, with the line', async () => {
  const go = join(space.folder, 'go');
  space.write(
    'score.py',
    `import os, time\ndef wait():\n    while not os.path.exists(${JSON.stringify(go)}):\n        time.sleep(0.02)\n` +
      'def init():\n    wait()\ndef run(b):\n    return b\n',
  );
  const flags = ['--entry-script', 'score.py', '--input', 'in', '--processes', '2', '--name', 'i'];
  const child = space.spawnCli('run', ...flags, '--init-timeout', '1');
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = once(child, 'close');
  const initializing = async (): Promise<number> =>
    (await space.status('i').catch(() => undefined))?.workers.initializing ?? 0;
  await expect.poll(initializing, { timeout: 20_000, interval: 100 }).toBeGreaterThan(0);
  const [code] = (await ended) as [number];
  expect(code, output).toBe(1);
  for (const text of [output, space.read('i', 'logs/overview.txt')]) {
    expect(text).toMatch(/PR2204[\s\S]*score\.py:\d wait\(\)/);
  }
  expect((await space.status('i')).reason).toMatchObject({ kind: 'init-failed', example: { kind: 'init-timeout' } });
  // The same place, mended.
  writeFileSync(go, '');
  const again = await space.cli('run', ...flags.map((word) => (word === 'i' ? 'j' : word)));
  expect(again.code, again.stdout + again.stderr).toBe(0);
}, 60_000);

test('--allow-empty gives a valid empty output', async () => {
  mkdirSync(join(space.folder, 'empty'));
  const ended = await space.cli(
    'run',
    '--entry-script',
    'score.py',
    '--input',
    'empty',
    '--allow-empty',
    '--name',
    'e',
  );
  expect(ended.code, ended.stdout + ended.stderr).toBe(0);
  expect(space.rows('e')).toEqual([]);
});

test('nasty file names arrive untouched, in byte order', async () => {
  const names = [
    'a b',
    "it's",
    'quote"d',
    'new\nline',
    'tab\tbed',
    '-rf',
    '$(touch x)',
    '`x`',
    '*',
    '~',
    'ünï',
    '日本',
    '😀',
    'back\\slash',
    ';',
    '..foo',
    '...',
    '%2e%2e%2f',
    'C:x',
    'file:',
  ];
  mkdirSync(join(space.folder, 'nasty'));
  for (const name of names) writeFileSync(join(space.folder, 'nasty', name), name);
  const invalid = Buffer.concat([Buffer.from(join(space.folder, 'nasty') + '/'), Buffer.from([0x66, 0xff, 0x66])]);
  writeFileSync(invalid, 'invalid');
  space.write(
    'score.py',
    'import os, json\ndef run(mini_batch):\n    out = []\n    for p in mini_batch:\n        with open(p, "rb") as f: c = f.read().decode()\n        out.append(json.dumps([list(os.fsencode(os.path.basename(p))), c]))\n    return out\n',
  );
  const ended = await space.cli(
    'run',
    '--entry-script',
    'score.py',
    '--input',
    'nasty',
    '--mini-batch-size',
    '3',
    '--name',
    'n',
  );
  expect(ended.code, ended.stdout + ended.stderr).toBe(0);
  const got = space.rows('n').map((row) => JSON.parse(row) as [number[], string]);
  const want = [
    ...names.map((name) => [[...Buffer.from(name)], name] as const),
    [[0x66, 0xff, 0x66], 'invalid'] as const,
  ];
  want.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  expect(got).toEqual(want);
});
