/** Cancel, Ctrl-C, replay, the reading commands, the SDK. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FIXTURES, Workspace, processesOf } from './rig.ts';

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
});
afterEach(() => {
  space.dispose();
});

/** A script that says it runs (a file appears) and stays until told to go on. */
const WAITING = `
import os, time
def run(mini_batch):
    for p in mini_batch:
        open(os.environ["SPACE"] + "/began-" + os.path.basename(p), "w").close()
    while not os.path.exists(os.environ["SPACE"] + "/go"):
        time.sleep(0.02)
    return mini_batch
def shutdown():
    open(os.environ["SPACE"] + "/shut-down", "a").write("x")
`;

function startWaiting(name: string) {
  space.files('in', Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`f${i}`, ''])));
  space.write('score.py', WAITING);
  process.env.SPACE = space.folder;
  const child = space.spawnCli(
    'run',
    '--entry-script',
    'score.py',
    '--input',
    'in',
    '--mini-batch-size',
    '1',
    '--processes',
    '1',
    '--name',
    name,
  );
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  return {
    child,
    output: () => output,
    began: () => expect.poll(() => existsSync(join(space.folder, 'began-f0')), { timeout: 10_000 }).toBe(true),
  };
}

describe('cancel', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    '%s once: the running mini-batch finishes, shutdown() is called, nothing else starts',
    async (signal, code) => {
      const { child, began, output } = startWaiting('c');
      await began();
      child.kill(signal);
      await expect.poll(() => space.read('c', 'logs/master.txt'), { timeout: 10_000 }).toMatch(/cancel/i);
      space.write('go', '');
      const [exit] = (await once(child, 'close')) as [number];
      expect(exit, output()).toBe(code);
      expect(existsSync(join(space.folder, 'began-f1'))).toBe(false);
      expect(readFileSync(join(space.folder, 'shut-down'), 'utf8')).toBe('x');
      const status = await space.status('c');
      expect(status.state).toBe('Canceled');
      expect(status.miniBatches.succeeded).toBe(1);
      expect(space.list('c', 'outputs')).toEqual(['parallel_run_step.txt.partial']);
    },
    30_000,
  );

  test('Ctrl-C twice: at once, no process left', async () => {
    const { child, began, output } = startWaiting('c');
    await began();
    child.kill('SIGINT');
    await expect.poll(output, { timeout: 10_000 }).toMatch(/again|second|once more/i);
    child.kill('SIGINT');
    const [exit] = (await once(child, 'close')) as [number];
    expect(exit, output()).toBe(130);
    expect(existsSync(join(space.folder, 'shut-down'))).toBe(false);
    expect(processesOf(space.root)).toEqual([]);
  }, 30_000);

  test('the command cancels from elsewhere; status and list show the run live before and Canceled after', async () => {
    const { child, began, output } = startWaiting('c');
    await began();
    expect((await space.status('c')).state).toBe('Running');
    expect((await space.cli('list')).stdout).toMatch(/c .*Running/);
    expect((await space.cli('cancel', 'c')).code).toBe(0);
    await expect.poll(() => space.read('c', 'logs/master.txt'), { timeout: 10_000 }).toMatch(/cancel/i);
    space.write('go', '');
    const [exit] = (await once(child, 'close')) as [number];
    expect(exit, output()).toBe(130);
    expect((await space.status('c')).state).toBe('Canceled');
  }, 30_000);
});

describe('after a run', () => {
  async function failedRun(): Promise<void> {
    space.files('in', { a: 'ok', b: 'raise', c: 'ok' });
    await space.cli(
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
      '--name',
      'r',
    );
  }

  test('replay runs exactly that mini-batch again and says how it went', async () => {
    await failedRun();
    const bad = await space.cli('replay', 'r/1');
    expect(bad.code).toBe(1);
    expect(bad.stdout + bad.stderr).toMatch(/ValueError: bad pixel in b/);
    const good = await space.cli('replay', 'r/0');
    expect(good.code, good.stdout + good.stderr).toBe(0);
    space.write('in/b', 'ok');
    expect((await space.cli('replay', 'r/1')).code).toBe(0);
    const none = await space.cli('replay', 'r/9');
    expect(none.code).toBe(2);
    expect(none.stdout + none.stderr).toMatch(/0 to 2/);
    expect((await space.status('r')).miniBatches.failed).toBe(1);
  }, 60_000);

  test('errors groups, with an example and its replay command', async () => {
    await failedRun();
    const { stdout, code } = await space.cli('errors', 'r');
    expect(code).toBe(0);
    expect(stdout).toMatch(/ValueError/);
    expect(stdout).toContain('faulty.py');
    expect(stdout).toContain('parallelrun replay r/1');
    const json = await space.cli('errors', 'r', '--json');
    expect(json.stdout).toContain('ValueError');
    for (const line of json.stdout.trim().split('\n')) JSON.parse(line);
  }, 30_000);

  test('logs shows the tree, a file, and nothing from outside the run', async () => {
    await failedRun();
    expect((await space.cli('logs', 'r')).stdout).toContain('overview.txt');
    expect((await space.cli('logs', 'r', 'overview.txt')).stdout).toBe(space.read('r', 'logs/overview.txt'));
    expect((await space.cli('logs', 'r', '../../in/a')).code).toBe(2);
  }, 30_000);

  test('the same name again is refused; prune removes ended runs', async () => {
    await failedRun();
    const again = await space.cli('run', '--entry-script', join(FIXTURES, 'faulty.py'), '--input', 'in', '--name', 'r');
    expect(again.code).toBe(2);
    const dry = await space.cli('prune', '--keep', '0', '--dry-run');
    expect(dry.stdout).toContain('r');
    expect(existsSync(join(space.root, 'r'))).toBe(true);
    expect((await space.cli('prune', '--keep', '0')).code).toBe(0);
    expect(existsSync(join(space.root, 'r'))).toBe(false);
  }, 30_000);

  test('run --json: every line is JSON, the last is the result', async () => {
    space.files('in', { a: 'ok', b: 'ok' });
    const { stdout, code } = await space.cli(
      'run',
      '--entry-script',
      join(FIXTURES, 'faulty.py'),
      '--input',
      'in',
      '--json',
      '--name',
      'j',
    );
    expect(code).toBe(0);
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; exitCode?: number });
    expect(events[0]?.type).toBe('run-created');
    expect(events.at(-1)).toMatchObject({ type: 'result', exitCode: 0 });
    const refusal = await space.cli('run', '--entry-script', 'no.py', '--input', 'in', '--json');
    expect(refusal.code).toBe(2);
    expect(
      refusal.stdout
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { type: string }).type),
    ).toContain('problem');
  }, 30_000);

  test('test runs one mini-batch in the foreground and leaves no run', async () => {
    space.files('in', { a: 'ok', b: 'ok' });
    const { code, stdout, stderr } = await space.cli(
      'test',
      '--entry-script',
      join(FIXTURES, 'faulty.py'),
      '--input',
      'in',
      '--mini-batch-size',
      '1',
    );
    expect(code, stdout + stderr).toBe(0);
    expect(stdout).toContain('init of');
    expect(existsSync(space.root)).toBe(false);
  }, 30_000);

  test('plan shows settings with their origin and the first mini-batches, and starts nothing', async () => {
    space.files('in', { a: 'ok', b: 'ok', c: 'ok' });
    space.write('score.py', 'def run(b):\n    return b\n');
    space.write(
      'job.yml',
      'type: pipeline\ninputs:\n  data:\n    type: uri_folder\n    path: ./in\njobs:\n  score:\n    type: parallel\n    mini_batch_size: "2"\n    inputs:\n      data: ${{parent.inputs.data}}\n    input_data: ${{inputs.data}}\n    outputs:\n      o:\n        type: uri_file\n    task:\n      type: run_function\n      code: .\n      entry_script: score.py\n      append_row_to: ${{outputs.o}}\n',
    );
    const { stdout, code, stderr } = await space.cli(
      'plan',
      'job.yml',
      '--set',
      'jobs.score.retry_settings.max_retries=7',
    );
    expect(code, stdout + stderr).toBe(0);
    expect(stdout).toMatch(/mini_batch_size.*job file/i);
    expect(stdout).toMatch(/max_retries.*7.*command line/i);
    expect(stdout).toMatch(/2 mini-batches/);
    expect(existsSync(space.root)).toBe(false);
    const run = await space.cli('run', 'job.yml', '--name', 'job');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect((await space.status('job')).output?.rows).toBe(3);
  }, 30_000);
});
