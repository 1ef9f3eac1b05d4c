/** Scripts that misuse their process: what a person finds in the terminal and the logs afterwards. */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Workspace, processesOf } from './rig.ts';

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
});
afterEach(() => {
  space.dispose();
});

/** A run with one process and one file a mini-batch. */
const run = (script: string, ...flags: readonly string[]) =>
  space.cli('run', '--entry-script', script, '--input', 'in', '--mini-batch-size', '1', '--processes', '1', ...flags);

/** All log lines of a run that hold a text. */
function search(name: string, text: string): string[] {
  const found: string[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else
        found.push(
          ...readFileSync(path, 'utf8')
            .split('\n')
            .filter((line) => line.includes(text)),
        );
    }
  };
  for (const part of ['logs/worker', 'logs/user/stdout', 'azureml-logs']) walk(join(space.root, name, part));
  return found;
}

test('one search finds what a try printed, above its traceback, and nothing of another try', async () => {
  space.files('in', { a: 'x', b: 'x', c: 'x' });
  space.write(
    'score.py',
    `def init():
    print("in init")
def run(mini_batch, context):
    print("working on", context.minibatch_index, context.try_number)
    if context.minibatch_index == 1 and context.try_number == 1:
        raise ValueError("the first try never works")
    return mini_batch
`,
  );
  const ended = await run('score.py', '--max-retries', '1', '--name', 't');
  expect(ended.code, ended.stdout + ended.stderr).toBe(0);
  const first = search('t', 'mini_batch=1 try=1');
  expect(first.filter((line) => line.includes('working on'))).toEqual([
    expect.stringMatching(/Z mini_batch=1 try=1\|working on 1 1$/),
    expect.stringMatching(/Z \S+ Process-1 mini_batch=1 try=1 \| working on 1 1$/),
  ]);
  expect(search('t', 'mini_batch=1 try=2').filter((line) => line.includes('working on'))).toHaveLength(2);
  expect(search('t', 'in init').every((line) => !line.includes('mini_batch'))).toBe(true);
  const driver = space.read('t', 'azureml-logs/70_driver_log.txt');
  expect(driver.indexOf('working on 1 1')).toBeLessThan(driver.indexOf('ValueError: the first try never works'));
  const rows = space.read('t', 'logs/job_report/processed_mini-batches.csv').split('\n');
  const picked = rows.map((row) => row.split(',').slice(0, 2).join(' ')).filter((row) => /^\d/.test(row));
  expect(picked.sort()).toEqual(['0 1', '1 1', '1 2', '2 1']);
}, 30_000);

test('a flood leaves no raw megabytes behind', async () => {
  space.files('in', { a: 'x' });
  space.write(
    'score.py',
    `import os
def run(mini_batch):
    for _ in range(320):
        os.write(1, (b"x" * 99 + b"\\n") * 600)
    return mini_batch
`,
  );
  const ended = await run('score.py', '--name', 't');
  expect(ended.code, ended.stdout + ended.stderr).toBe(0);
  const raw = join(space.root, 't/state/capture');
  const bytes = readdirSync(raw).reduce((sum, name) => sum + statSync(join(raw, name)).size, 0);
  expect(bytes).toBeLessThan(64 * 1024);
  const end = 320 * 600 * 100;
  const index = readdirSync(raw).find((name) => name.endsWith('.stdout.idx')) ?? '';
  expect(readFileSync(join(raw, index), 'utf8')).toMatch(new RegExp(` ${end} ${end}\n$`));
}, 60_000);

test('a mini-batch that closes standard output spoils only its own prints', async () => {
  space.files('in', { a: 'x', b: 'x', c: 'x' });
  const python = 'import os\ndef run(b):\n    print("said")\n    os.close(1)\n    os.close(2)\n    return b\n';
  const typescript =
    "import { closeSync } from 'node:fs';\nexport function run(b: string[]): string[] {\n" +
    "  console.log('said');\n  closeSync(1);\n  closeSync(2);\n  return b;\n}\n";
  for (const [name, text] of [
    ['score.py', python],
    ['score.ts', typescript],
  ] as const) {
    space.write(name, text);
    const id = name.replace('.', '-');
    const ended = await run(name, '--max-retries', '0', '--name', id);
    expect(ended.code, ended.stdout + ended.stderr).toBe(0);
    expect(space.rows(id)).toHaveLength(3);
    expect(search(id, '|said')).toHaveLength(3);
  }
}, 60_000);

test('a shutdown() that raises: the run completes, and the last lines say what was not done', async () => {
  space.files('in', { a: 'x' });
  space.write(
    'score.py',
    'def run(b):\n    return b\ndef shutdown():\n    raise RuntimeError("the upload was refused")\n',
  );
  const ended = await run('score.py', '--name', 't');
  expect(ended.code, ended.stdout + ended.stderr).toBe(0);
  for (const text of [ended.stdout, space.read('t', 'logs/overview.txt')]) {
    expect(text).toContain('warning PR2209  shutdown() failed: RuntimeError: the upload was refused');
    const [, file = ''] = /open {3}(\S+)/.exec(text) ?? [];
    expect(readFileSync(file, 'utf8')).toContain('line 4, in shutdown');
  }
}, 30_000);

test('a hang: the line of the script where it hung is named', async () => {
  space.files('in', { a: 'x' });
  space.write('score.py', 'import time\ndef wait():\n    time.sleep(600)\ndef run(b):\n    wait()\n    return b\n');
  const ended = await run('score.py', '--timeout', '1', '--max-retries', '0', '--name', 't');
  expect(ended.stdout).toContain('where  score.py:3 wait()   mini-batch 0');
  expect(ended.stdout).not.toContain('parallelrun_host');
}, 30_000);

test('kill -9 of the run: nothing it started lives on, and what happened can be asked', async () => {
  space.files('in', Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`f${i}`, 'x'])));
  space.write(
    'score.py',
    `import subprocess, time
def run(mini_batch, context):
    if context.minibatch_index > 0:
        subprocess.Popen(["sleep", "500"], start_new_session=True)
        time.sleep(500)
    return mini_batch
`,
  );
  const flags = ['--input', 'in', '--mini-batch-size', '1', '--processes', '2', '--name', 't'];
  const cli = space.spawnCli('run', '--entry-script', 'score.py', ...flags);
  const died = new Promise((resolve) => cli.on('exit', resolve));
  const has = (condition: () => boolean) => expect.poll(condition, { timeout: 10_000, interval: 50 }).toBe(true);
  await has(() => processesOf(space.root).filter((line) => line.includes('sleep 500')).length === 2);
  // Logs are on the disk within a second of what they tell; what is younger dies with the process.
  await has(() => space.read('t', 'logs/overview.txt').includes('20 mini-batches (tasks) created'));
  cli.kill('SIGKILL');
  await died;
  await has(() => processesOf(space.root).length === 0);
  const status = await space.cli('status', 't');
  expect(status.stdout).toMatch(/interrupted/);
  expect((await space.cli('errors', 't')).code).toBe(0);
  expect((await space.cli('logs', 't', 'logs/overview.txt')).stdout).toContain('20 mini-batches (tasks) created');
  const replay = await space.cli('replay', 't/0');
  expect(replay.code, replay.stdout + replay.stderr).toBe(0);
  expect(replay.stdout).toContain('mini-batch 0 succeeded');
}, 60_000);

test('lines can be followed while they are made', async () => {
  space.files('in', { a: 'x' });
  space.write(
    'score.py',
    `import os, time
def run(mini_batch):
    print("early", flush=True)
    while not os.path.exists(${JSON.stringify(join(space.folder, 'go'))}):
        time.sleep(0.01)
    return mini_batch
`,
  );
  const cli = space.spawnCli('run', '--entry-script', 'score.py', '--input', 'in', '--name', 't');
  const died = new Promise((resolve) => cli.on('exit', resolve));
  const shown = (): boolean => {
    try {
      return search('t', 'mini_batch=0 try=1|early').length === 1;
    } catch {
      return false;
    }
  };
  await expect.poll(shown, { timeout: 10_000, interval: 50 }).toBe(true);
  expect(search('t', 'event=picked mini_batch=0')).toHaveLength(1);
  space.write('go', '');
  expect(await died).toBe(0);
}, 30_000);
