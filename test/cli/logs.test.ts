import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeWorld, planFor, refuse, statusOf } from './fakes.ts';

let base: string;
let folder: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'cli-logs-'));
  folder = join(base, 'root', 'demo');
  for (const path of ['logs/worker/10.0.0.5', 'azureml-logs', 'outputs', 'state'])
    mkdirSync(join(folder, path), { recursive: true });
  writeFileSync(join(folder, 'state/plan.json'), '{}');
  writeFileSync(join(folder, 'logs/overview.txt'), 'over\n');
  writeFileSync(join(folder, 'logs/worker/10.0.0.5/Process-1.txt'), 'worker\n');
  writeFileSync(join(folder, 'azureml-logs/70_driver_log.txt'), Buffer.from('a\x1b[2J\xffb\r\nc\n', 'latin1'));
  writeFileSync(join(base, 'secret.txt'), 'secret\n');
});
afterEach(() => {
  rmSync(base, { recursive: true });
});

function world(options: { terminal?: boolean } = {}): FakeWorld {
  const made = new FakeWorld(options);
  made.env = { PARALLELRUN_ROOT: join(base, 'root') };
  return made;
}

describe('logs', () => {
  it('shows the tree with sizes and meanings, links not followed', async () => {
    symlinkSync(base, join(folder, 'logs/out'));
    const here = world();
    expect(await here.main('logs', 'demo')).toBe(0);
    expect(here.stdout.text).toMatchInlineSnapshot(`
      "azureml-logs/
        70_driver_log.txt   11 bytes  everything the scripts printed, and every traceback
      logs/
        out                  special
        overview.txt         5 bytes  start here: progress, result, and the cause of a failure
        worker/                       per worker: each mini-batch it picked up and finished
          10.0.0.5/
            Process-1.txt    7 bytes
      outputs/                        the result
      "
    `);
  });

  it.each([
    ['overview.txt', 'over\n'],
    ['logs/overview.txt', 'over\n'],
    ['./worker/10.0.0.5/Process-1.txt', 'worker\n'],
    ['../azureml-logs/../logs/overview.txt', 'over\n'],
  ])('finds %s', async (path, text) => {
    const here = world();
    expect(await here.main('logs', 'demo', path)).toBe(0);
    expect(here.stdout.text).toBe(text);
  });

  it('takes an absolute path inside the run folder', async () => {
    const here = world();
    expect(await here.main('logs', 'demo', join(folder, 'logs/overview.txt'))).toBe(0);
    expect(here.stdout.text).toBe('over\n');
  });

  it('is raw into a pipe and harmless on a terminal', async () => {
    const pipe = world();
    await pipe.main('logs', 'last', 'azureml-logs/70_driver_log.txt');
    expect(pipe.stdout.text).toBe('a\x1b[2J\ufffdb\r\nc\n');
    const terminal = world({ terminal: true });
    await terminal.main('logs', 'last', 'azureml-logs/70_driver_log.txt');
    expect(terminal.stdout.text).toBe('a\\x1b[2J\ufffdb\nc\n');
  });

  it('a folder shows what is in it', async () => {
    const here = world();
    expect(await here.main('logs', 'demo', 'worker', '--json')).toBe(0);
    expect(here.stdout.json().map((line) => line['path'])).toEqual([
      'logs/worker/10.0.0.5',
      'logs/worker/10.0.0.5/Process-1.txt',
    ]);
  });

  it('text of a file is data with --json', async () => {
    const here = world();
    await here.main('logs', 'demo', 'overview.txt', '--json');
    expect(here.stdout.json()).toEqual([{ type: 'log-text', text: 'over\n' }]);
  });

  it.each(['../../../secret.txt', '/etc/hostname', 'link.txt', 'linked/secret.txt', 'logs/\0', 'pipe'])(
    'never reads outside of the run folder: %j',
    async (path) => {
      symlinkSync(join(base, 'secret.txt'), join(folder, 'logs/link.txt'));
      symlinkSync(base, join(folder, 'logs/linked'));
      execFileSync('mkfifo', [join(folder, 'logs/pipe')]);
      const here = world();
      expect(await here.main('logs', 'demo', path)).toBe(2);
      expect(here.stdout.text).toBe('');
      expect(here.stderr.text).toContain('PR5903');
    },
  );

  it.each([
    ['overveiw.txt', 'did you mean overview.txt?'],
    ['Process-1.txt', 'did you mean logs/worker/10.0.0.5/Process-1.txt?'],
    ['nothing like it', 'parallelrun logs RUN shows the files there are'],
  ])('says what is nearest to %s', async (path, next) => {
    const here = world();
    expect(await here.main('logs', 'demo', path)).toBe(2);
    expect(here.stderr.text).toContain('PR5902');
    expect(here.stderr.text).toContain(next);
  });
});

describe('logs -f', () => {
  /** A run that is over once `live` was asked for so many times. */
  function following(here: FakeWorld, lives: number, onAsked: (left: number) => void): void {
    let left = lives;
    here.sdk = {
      openRun: () =>
        Promise.resolve({
          plan: planFor('demo'),
          status: () => Promise.resolve(statusOf({ done: 1 })),
          events: refuse('events'),
          requestCancel: refuse('requestCancel'),
          records: refuse('records'),
          manifestEntry: refuse('manifestEntry'),
          live: () => {
            onAsked(left);
            return Promise.resolve(left-- > 0);
          },
        }),
    };
  }

  async function runTimers(here: FakeWorld, end: Promise<number>): Promise<number> {
    let code: number | undefined;
    void end.then((exit) => (code = exit));
    const deadline = Date.now() + 30_000;
    while (code === undefined && Date.now() < deadline) {
      here.tick(200);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return end;
  }

  it('follows until the run ends and misses nothing written before its end', async () => {
    const here = world();
    following(here, 4, (left) => appendFileSync(join(folder, 'logs/overview.txt'), `left ${left}\n`));
    expect(await runTimers(here, here.main('logs', 'demo', '-f'))).toBe(0);
    expect(here.stdout.text).toBe('over\nleft 4\nleft 3\nleft 2\nleft 1\nleft 0\n');
    expect(here.timers.size).toBe(0);
  });

  it('waits for a file that is not there yet', async () => {
    const here = world();
    following(here, 4, (left) => {
      if (left === 2) writeFileSync(join(folder, 'logs/master.txt'), 'here\n');
    });
    expect(await runTimers(here, here.main('logs', 'demo', 'master.txt', '--follow'))).toBe(0);
    expect(here.stdout.text).toBe('here\n');
  });

  it('gives up on a file that never came', async () => {
    const here = world();
    following(here, 2, () => undefined);
    expect(await runTimers(here, here.main('logs', 'demo', 'never.txt', '-f'))).toBe(2);
    expect(here.stderr.text).toContain('PR5902');
  });

  it('ends when its reader goes away', async () => {
    const here = world();
    here.stdout.closeAfter = 1;
    following(here, 1_000_000, () => undefined);
    expect(await runTimers(here, here.main('logs', 'demo', '-f'))).toBe(0);
    expect(here.stdout.text).toBe('over\n');
  });
});
