/**
 * Faults that come from the machine rather than from the script. What needs root or a tool looks for it first and is
 * skipped, and counted as skipped, where it isn't there.
 */
import { spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkCause, checkRun, deadLetters, errorsOf, expected } from './model.ts';
import { CLI, FIXTURES, Workspace, processesOf, runCommand, spawnIn } from './rig.ts';
import type { Faulty } from './rig.ts';

const IS_ROOT = process.getuid?.() === 0 && process.platform === 'linux';
const does = (command: string, ...args: readonly string[]): boolean => spawnSync(command, args).status === 0;
const HAVE_STRACE = does('strace', '-f', '-qq', '-b', 'execve', '-o', '/dev/null', 'true');
const HAVE_NAMESPACES = does('unshare', '--pid', '--fork', '--mount-proc', '--kill-child', 'true');
const HAVE_PRLIMIT = does('prlimit', '--nofile=64', 'true');

/** An account that nobody else uses: limits per account count our processes alone. */
const STRANGER = ['setpriv', '--reuid=64123', '--regid=64123', '--clear-groups'];
const CAN_BE_STRANGER = IS_ROOT && does(STRANGER[0] ?? '', ...STRANGER.slice(1), process.execPath, CLI, '--version');

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
});
afterEach(() => {
  space.dispose();
});

interface Started {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** Exit code. */
  readonly ended: Promise<number | null>;
}

/** Starts a faulty run within another command: `[...before, node, command line]`. */
function start(run: Faulty, before: readonly string[] = []): Started {
  const child = spawnIn(space, [...before, process.execPath, CLI, ...space.faulty(run)]);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return { child, output: () => output, ended };
}

const until = (condition: () => boolean): Promise<void> =>
  expect.poll(condition, { timeout: 30_000, interval: 20 }).toBe(true);
const isWaiting = (name: string): boolean => existsSync(join(space.folder, `waiting-${name}`));
const many = (count: number, order: string): string[] => Array.from({ length: count }, () => order);

test('an orchestrator that stands still for longer than the limit of run(): results that came in time count', async () => {
  const run: Faulty = { name: 'still', orders: ['wait go', 'wait go', ...many(10, 'ok')], timeout: 2 };
  const { child, output, ended } = start(run);
  await until(() => isWaiting('f000') && isWaiting('f001'));
  child.kill('SIGSTOP');
  const stopped = performance.now();
  space.write('go', '');
  await until(() => performance.now() - stopped > 2500);
  child.kill('SIGCONT');
  expect(await ended, output()).toBe(0);
  const status = await space.status('still');
  await checkRun(space, run, status);
  expect(status).toMatchObject({ retries: 0, requeues: 0, workers: { ended: 2 } });
}, 60_000);

test.skipIf(!IS_ROOT || !HAVE_NAMESPACES)(
  'all processes of a node gone at once: resumed elsewhere, exactly',
  async () => {
    const run: Faulty = { name: 'node', orders: [...many(10, 'ok'), 'wait go', 'wait go', ...many(10, 'ok')] };
    const { child, ended } = start(run, ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child']);
    await until(() => isWaiting('f010') || isWaiting('f011'));
    child.kill('SIGKILL');
    await ended;
    await expect.poll(() => processesOf(space.root), { timeout: 15_000 }).toEqual([]);
    space.write('go', '');
    const again = await space.cli('resume', 'node');
    expect(again.code, again.stdout + again.stderr).toBe(0);
    await checkRun(space, run, await space.status('node'));
  },
  60_000,
);

describe.skipIf(!HAVE_STRACE)('disks', () => {
  const syncs = 'fsync,fdatasync';
  test('each sync takes a third of a second: slower, nothing else', async () => {
    const run: Faulty = { name: 'slow', orders: [...many(20, 'ok'), 'raise', ...many(20, 'ok')], timeout: 1 };
    const inject = ['-e', `trace=${syncs}`, '-e', `inject=${syncs}:delay_enter=300000`];
    const { output, ended } = start(run, ['strace', '-f', '-qq', '-o', '/dev/null', ...inject]);
    expect(await ended, output()).toBe(0);
    const status = await space.status('slow');
    await checkRun(space, run, status);
    expect(status).toMatchObject({ retries: 0, requeues: 0, lateOutcomes: 0 });
  }, 60_000);

  test.each([
    ['ledger.journal', 'EROFS', 4],
    ['rows.spool', 'EIO', 1],
  ])(
    'state/%s can no longer be written (%s, from write %d on): stopped, resumable; then exact',
    async (file, errno, from) => {
      const run: Faulty = { name: 'ro', orders: many(30, 'ok'), processes: 1 };
      const path = join(space.root, 'ro/state', file);
      const writes = 'write,writev,pwrite64,pwritev';
      const inject = ['-P', path, '-e', `trace=${writes}`, '-e', `inject=${writes}:error=${errno}:when=${from}+`];
      const { output, ended } = start(run, ['strace', '-f', '-qq', '-o', '/dev/null', ...inject]);
      expect(await ended, output()).toBe(3);
      expect(output()).toMatch(new RegExp(`${errno}.*PR5112[\\s\\S]*next +parallelrun resume ro\\n`));
      expect(processesOf(space.root)).toEqual([]);
      const again = await space.cli('resume', 'ro');
      expect(again.code, again.stdout + again.stderr).toBe(0);
      await checkRun(space, run, await space.status('ro'));
    },
    60_000,
  );
});

test.skipIf(!HAVE_PRLIMIT)(
  'few file descriptors: the run goes on',
  async () => {
    const run: Faulty = { name: 'few', orders: [...many(30, 'ok'), 'exit 3', ...many(9, 'ok')], processes: 4 };
    const { output, ended } = start(run, ['prlimit', '--nofile=128']);
    expect(await ended, output()).toBe(0);
    await checkRun(space, run, await space.status('few'));
  },
  60_000,
);

describe.skipIf(!CAN_BE_STRANGER)('as another account', () => {
  beforeEach(() => {
    chmodSync(space.folder, 0o777);
  });

  test('a file and a folder that may not be read: named, before the run or in it, and the others go on', async () => {
    const run: Faulty = { name: 'mine', orders: many(9, 'ok'), size: 3, tries: 3 };
    space.faulty(run);
    chmodSync(join(space.folder, 'in-mine/f004'), 0);
    const { output, ended } = start(run, STRANGER);
    expect(await ended, output()).toBe(0);
    const meant = { ...run, orders: run.orders.map((order, i) => (i === 4 ? 'locked' : order)) };
    await checkRun(space, run, await space.status('mine'), expected(meant));
    checkCause(space, 'mine', await errorsOf(space, 'mine'), 'locked', { index: 1, item: 1 });

    mkdirSync(join(space.folder, 'in-mine/secret'), { mode: 0 });
    const args = space.faulty(run).map((word) => (word === 'mine' ? 'again' : word));
    const refused = await runCommand(
      STRANGER[0] ?? '',
      [...STRANGER.slice(1), process.execPath, CLI, ...args],
      space.folder,
    );
    expect(refused.code).toBe(1);
    expect(refused.stdout).toMatch(/in-mine\/secret.*PR5110/);
  }, 60_000);

  test('a fork bomb: held by the limit of the account, over with its time, and nothing of it is left', async () => {
    const run: Faulty = { name: 'bomb', orders: ['ok', 'ok', 'bomb', ...many(6, 'ok')], timeout: 1 };
    const { output, ended } = start(run, [...STRANGER, 'prlimit', '--nproc=100']);
    expect(await ended, output()).toBe(0);
    await checkRun(space, run, await space.status('bomb'));
    checkCause(space, 'bomb', await errorsOf(space, 'bomb'), 'bomb', { index: 2 });
    expect(processesOf(space.root)).toEqual([]);
  }, 60_000);
});

/** A control group of version 1 with a limit of memory; removed at the end. */
class MemoryGroup {
  readonly path: string;

  constructor(name: string, bytes: number) {
    this.path = `/sys/fs/cgroup/memory/parallelrun-test-${process.pid}-${name}`;
    mkdirSync(this.path);
    writeFileSync(join(this.path, 'memory.limit_in_bytes'), String(bytes));
  }

  /** Command that starts what follows it in the group. */
  get enter(): string[] {
    return ['sh', '-c', `echo $$ > ${this.path}/cgroup.procs && exec "$@"`, 'sh'];
  }

  get oomKills(): number {
    return Number(/oom_kill (\d+)/.exec(readFileSync(join(this.path, 'memory.oom_control'), 'utf8'))?.[1]);
  }

  remove(): void {
    rmdirSync(this.path);
  }
}

function canLimitMemory(): boolean {
  try {
    new MemoryGroup('probe', 1 << 26).remove();
    return IS_ROOT;
  } catch {
    return false;
  }
}

describe.skipIf(!canLimitMemory())('memory', () => {
  let group: MemoryGroup | undefined;
  afterEach(() => {
    group?.remove();
    group = undefined;
  });

  test('the kernel ends a worker while the guard is looked away from: proven by its counter, the others live on', async () => {
    group = new MemoryGroup('kernel', 500 << 20);
    const run: Faulty = { name: 'oom', orders: ['ok', 'exhaust_after go', ...many(4, 'ok')] };
    const { child, output, ended } = start(run, group.enter);
    await until(() => isWaiting('f001'));
    child.kill('SIGSTOP');
    space.write('go', '');
    await until(() => (group?.oomKills ?? 0) > 0);
    child.kill('SIGCONT');
    expect(await ended, output()).toBe(0);
    await checkRun(space, run, await space.status('oom'));
    checkCause(space, 'oom', await errorsOf(space, 'oom'), 'exhaust_after', { index: 1 });
    expect(group.oomKills).toBeGreaterThan(0);
  }, 60_000);

  test('a container that is nearly full: the guard is faster than the kernel, which touches nobody', async () => {
    group = new MemoryGroup('all', 600 << 20);
    const run: Faulty = { name: 'full', orders: ['ok', 'exhaust', ...many(4, 'ok')] };
    const { output, ended } = start(run, group.enter);
    expect(await ended, output()).toBe(0);
    await checkRun(space, run, await space.status('full'));
    checkCause(space, 'full', await errorsOf(space, 'full'), 'exhaust', { index: 1 });
    expect(space.read('full', 'logs/overview.txt')).toMatch(/memory/);
    expect(group.oomKills).toBe(0);
  }, 60_000);
});

/** Whether a file system of the test can be mounted. */
const HAVE_FUSE = IS_ROOT && existsSync('/dev/fuse');

test.skipIf(!HAVE_FUSE)(
  'an input on a mount that no longer answers: given up with the process that hangs in it, the others are done',
  async () => {
    const input = join(space.folder, 'mounted');
    mkdirSync(input);
    const server = spawnIn(space, ['python3', join(FIXTURES, 'hangfs.py'), input, 'a', 'b', 'hang', 'z']);
    try {
      const [said] = (await once(server.stdout, 'data')) as [Buffer];
      expect(said.toString()).toMatch(/^ready/);
      space.write('code/score.py', 'def run(b):\n    return [open(p).read() for p in b]\n');
      const flags = [
        '--mini-batch-size',
        '1',
        '--max-retries',
        '0',
        '--timeout',
        '1',
        '--name',
        'm',
        '--processes',
        '2',
      ];
      const ended = await space.cli('run', '--entry-script', 'code/score.py', '--input', input, ...flags);
      expect(ended.code, ended.stdout + ended.stderr).toBe(0);
      expect(space.rows('m')).toEqual(['a', 'b', 'z']);
      expect(deadLetters(space, 'm')).toMatchObject([{ mini_batch: 2, item: join(input, 'hang'), kind: 'timeout' }]);
      // Its process can't be killed as long as the mount says nothing: nobody waits for it.
      expect(space.read('m', 'logs/master.txt')).toMatch(/process \d+ of \S+ can't be ended/);
    } finally {
      server.kill('SIGKILL');
      await once(server, 'close');
      spawnSync('umount', ['-l', input]);
    }
  },
  60_000,
);

test('what this machine can be asked for', () => {
  const have = { strace: HAVE_STRACE, namespaces: IS_ROOT && HAVE_NAMESPACES, prlimit: HAVE_PRLIMIT, fuse: HAVE_FUSE };
  const found = { ...have, account: CAN_BE_STRANGER, 'memory groups': canLimitMemory() };
  const missing = Object.entries(found).flatMap(([name, is]) => (is ? [] : [name]));
  if (missing.length > 0) console.warn(`tests of faults are skipped for want of: ${missing.join(', ')}`);
  // As root on Linux only tools can be missing.
  if (IS_ROOT) expect(missing).not.toContain('account');
});
