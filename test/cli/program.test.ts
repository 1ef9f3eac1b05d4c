import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StoredRun } from '../../src/cli/deps.ts';
import type { PruneOptions, ReplayOptions, TestOptions } from '../../src/sdk/index.ts';
import { COMMANDS } from '../../src/cli/catalog.ts';
import { ParallelRunError } from '../../src/domain/problem.ts';
import { badPixel, eventsOf, FakeWorld, NOW, planFor, refuse, statusOf, type Story } from './fakes.ts';

let root: string;
let world: FakeWorld;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'cli-'));
  world = new FakeWorld();
  world.env = { PARALLELRUN_ROOT: root };
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

/** A folder that the command line takes for a run; `age` in seconds. */
function addRun(runId: string, age = 0): void {
  const state = join(root, runId, 'state');
  mkdirSync(state, { recursive: true });
  writeFileSync(join(state, 'plan.json'), '{}');
  utimesSync(join(state, 'plan.json'), NOW / 1000 - age, NOW / 1000 - age);
}

function stored(story: Story, over: Partial<StoredRun> = {}): StoredRun {
  return {
    plan: planFor(story.runId ?? 'demo', root),
    status: () => Promise.resolve(statusOf(story)),
    async *events() {
      await Promise.resolve();
      yield* eventsOf(story);
    },
    live: () => Promise.resolve(false),
    requestCancel: refuse('requestCancel'),
    manifestEntry: (index) =>
      Promise.resolve({ source: { kind: 'files', root: '/data', files: [`${index}.png`, 'b.png'] }, items: 2 }),
    ...over,
  };
}

describe('usage', () => {
  it('shows version and help without loading the SDK', async () => {
    expect(await world.main('--version')).toBe(0);
    expect(world.stdout.text).toBe('9.8.7\n');
    expect(await world.main('--help')).toBe(0);
    for (const { name } of COMMANDS) {
      expect(world.stdout.text).toContain(`  ${name} `);
      const help = new FakeWorld();
      expect(await help.main(name, '--help')).toBe(0);
      expect(help.stdout.text).toMatch(/\nExamples?:\n/);
      expect(help.stdout.text).toContain(`  parallelrun ${name} `);
      expect(help.sdkLoads).toBe(0);
    }
    expect(world.sdkLoads).toBe(0);
    expect(world.stderr.text).toBe('');
  });

  it('without any argument shows help and is a usage error', async () => {
    expect(await world.main()).toBe(2);
    expect(world.stderr.text).toContain('Usage: parallelrun');
    expect(world.stdout.text).toBe('');
  });

  it.each([
    [['rum', 'job.yml'], "unknown command 'rum'", 'did you mean run? Otherwise: parallelrun --help\n'],
    [['run', '--inptu', 'x'], "unknown option '--inptu'", 'did you mean --input?'],
    [['run', '--mini_batch_size', '3'], "unknown option '--mini_batch_size'", 'did you mean --mini-batch-size?'],
    [['run', '--input'], "option '--input <path>' argument missing", 'parallelrun run --help'],
    [['run', 'a.yml', 'b.yml'], 'too many arguments', 'parallelrun run --help'],
    [['status'], "missing required argument 'run'", 'parallelrun status last; more: parallelrun status --help'],
    [['score.py', 'my images'], "unknown command 'score.py'", "run --entry-script score.py --input 'my images'\n"],
    [['score.ts'], "unknown command 'score.ts'", 'parallelrun run --entry-script score.ts --input PATH\n'],
    [['job.yml'], "unknown command 'job.yml'", 'parallelrun run job.yml\n'],
    [['replay', 'demo', '17'], 'too many arguments', 'next   parallelrun replay demo/17\n'],
    [['test', 'score.py', 'in'], 'too many arguments', 'parallelrun test --entry-script score.py --input in\n'],
    [['run', '--summary-only', '--append-row-to', 'x'], 'cannot be used with', 'parallelrun run --help'],
    [['prune', '--keep', '1', '--older-than', '3d'], 'cannot be used with', 'parallelrun prune --help'],
    [['prune', '--keep', '-1'], '"-1" is no value for --keep', ''],
    [
      ['prune', '--older-than', '30'],
      '"30" is no age for --older-than',
      'parallelrun prune --older-than 30d --dry-run',
    ],
    [['run', '--env', 'A'], 'It needs the form NAME=value.', 'parallelrun run --help'],
    [['replay', 'demo'], '"demo" names no mini-batch', 'parallelrun replay last/17'],
    [['replay', 'demo/x'], '"demo/x" names no mini-batch', 'parallelrun replay last/17'],
    [['serve'], "unknown command 'serve'", ''],
  ])('%j is refused with exit code 2, for people and as NDJSON', async (args, what, next) => {
    expect(await world.main(...args)).toBe(2);
    expect(world.stdout.text).toBe('');
    expect(world.stderr.text).toContain('error PR1901');
    expect(world.stderr.text).toContain(what);
    expect(world.stderr.text).toContain(next);
    const json = new FakeWorld();
    // First, so that an option without its value can't take it.
    const [command = '', ...rest] = args;
    expect(await json.main(command, '--json', ...rest)).toBe(2);
    const [problem, ...others] = json.stdout.json();
    expect(problem).toMatchObject({ type: 'problem', code: 'PR1901', severity: 'error' });
    expect(others).toEqual([]);
  });

  it('tells that options of the script stand after --', async () => {
    await world.main('run', '--entry-script', 's.py', '--my-model', 'x');
    expect(world.stderr.text).toContain('options of the script itself stand after --');
  });

  it('tells that options stand after the command', async () => {
    expect(await world.main('--json', 'list')).toBe(2);
    expect(world.stderr.text).toContain('options stand after the command');
    expect(world.stdout.json()).toMatchObject([{ code: 'PR1901' }]);
  });

  it('keeps standard output NDJSON when help is asked for with --json', async () => {
    expect(await world.main('run', '--json', '--help')).toBe(0);
    expect(world.stdout.text).toBe('');
    expect(world.stderr.text).toContain('Usage: parallelrun run');
  });
});

describe('problems and exit codes', () => {
  const two = new ParallelRunError(
    [
      { code: 'PR1001', severity: 'error', what: 'first', where: { file: 'job.yml', line: 3, column: 1 } },
      { code: 'PR1002', severity: 'warning', what: 'second' },
    ],
    2,
  );

  it('validate tells all problems', async () => {
    world.sdk = { compile: () => Promise.reject(two) };
    expect(await world.main('validate', 'job.yml', '--json')).toBe(2);
    expect(world.stdout.json().map((line) => [line['type'], line['code']])).toEqual([
      ['problem', 'PR1001'],
      ['problem', 'PR1002'],
    ]);
    expect(world.stderr.text).toContain('job.yml:3:1');
  });

  it('validate of a good job says so', async () => {
    const warnings = [{ code: 'PR1002', severity: 'warning', what: 'unknown key' } as const];
    world.sdk = { compile: () => Promise.resolve({ plan: planFor('demo'), warnings }) };
    expect(await world.main('validate', 'job.yml')).toBe(0);
    expect(world.stdout.text).toBe('job.yml is valid: 1 warning, no error\n');
    expect(world.stderr.text).toContain('warning PR1002');
  });

  it('gives the exit code of the error', async () => {
    world.sdk = {
      start: () => Promise.reject(new ParallelRunError([{ code: 'PR4001', severity: 'error', what: 'x' }], 4)),
    };
    expect(await world.main('run', 'job.yml')).toBe(4);
  });

  it('a defect is told with its stack, as NDJSON too', async () => {
    world.sdk = { listRuns: () => Promise.reject(new TypeError('undefined is not a function')) };
    expect(await world.main('list', '--json')).toBe(3);
    expect(world.stdout.json()).toMatchObject([{ type: 'problem', code: 'PR5999' }]);
    expect(world.stderr.text).toContain('undefined is not a function');
    expect(world.stderr.text).toContain('program.test.ts');
  });

  it('nothing is said twice with colours off a terminal', async () => {
    await world.main('status', 'x');
    // eslint-disable-next-line no-control-regex
    expect(world.stderr.text).not.toMatch(/\x1b/);
  });
});

describe('which run is meant', () => {
  beforeEach(() => {
    addRun('demo-1', 20);
    addRun('demo-12', 30);
    addRun('other', 10);
    mkdirSync(join(root, 'temp', 'output'), { recursive: true });
    world.sdk = {
      openRun: (_root, runId) => Promise.resolve(stored({ runId, done: 3, created: 3, ends: 'Completed' })),
    };
  });

  it.each([
    ['demo-1', 'demo-1'],
    ['demo-12', 'demo-12'],
    ['oth', 'other'],
    ['last', 'other'],
  ])('%s is %s', async (text, runId) => {
    expect(await world.main('status', text, '--json')).toBe(0);
    expect(world.stdout.json()).toMatchObject([{ type: 'status', runId, live: false, folder: join(root, runId) }]);
  });

  it.each([
    ['demo', 'PR5901', 'is the start of several runs'],
    ['demo-2', 'PR5002', 'did you mean demo-1?'],
    ['temp', 'PR5002', 'there is no run "temp"'],
    ['../x', 'PR5002', 'there is no run ".."'],
    ['', 'PR5002', 'there is no run ""'],
  ])('%j is refused', async (text, code, said) => {
    expect(await world.main('status', text)).toBe(2);
    expect(world.stderr.text).toContain(code);
    expect(world.stderr.text).toContain(said);
  });

  it('--root wins over the environment', async () => {
    expect(await world.main('status', 'last', '--root', '/nowhere/at/all')).toBe(2);
    expect(world.stderr.text).toContain('/nowhere/at/all');
    expect(world.stderr.text).toContain('there are no runs in this folder');
  });
});

describe('commands on runs', () => {
  beforeEach(() => addRun('demo'));
  const failed: Story = { created: 3, done: 2, failed: 1, ends: 'Failed' };

  it('status shows verdict and cause', async () => {
    world.sdk = { openRun: () => Promise.resolve(stored(failed)) };
    expect(await world.main('status', 'demo')).toBe(0);
    expect(world.stdout.lines()[0]).toBe('Run demo failed');
    expect(world.stdout.text).toContain('parallelrun replay demo/2\n');
  });

  it('commands in texts name a root that is not the default one', async () => {
    world.sdk = { openRun: () => Promise.resolve(stored(failed)) };
    world.env = {};
    expect(await world.main('errors', 'demo', '--root', root)).toBe(0);
    expect(world.stdout.text).toContain(`parallelrun replay demo/2 --root ${root}\n`);
  });

  it('errors as NDJSON: a group a line', async () => {
    world.sdk = { openRun: () => Promise.resolve(stored(failed)) };
    expect(await world.main('errors', 'demo', '--json')).toBe(0);
    expect(world.stdout.json()).toMatchObject([
      {
        type: 'error-group',
        code: 'PR2101',
        title: 'ValueError: bad pixel',
        miniBatches: 1,
        madeGood: 0,
        failedForGood: 1,
        replay: 'parallelrun replay demo/2',
        example: { index: 2, detail: '/data/images/0170.png and 9 more' },
      },
    ]);
  });

  it('list is newest first, a line each', async () => {
    const { miniBatches, items, state, elapsedSeconds } = statusOf(failed);
    const entry = { displayName: 'n', state, elapsedSeconds, miniBatches, items, live: false, folder: '/f' };
    world.sdk = {
      listRuns: (at) => {
        expect(at).toBe(root);
        return Promise.resolve([
          { ...entry, runId: 'old', startedAt: 1 },
          { ...entry, runId: 'new', startedAt: 2 },
        ]);
      },
    };
    expect(await world.main('list', '--json')).toBe(0);
    expect(world.stdout.json().map((line) => [line['type'], line['runId']])).toEqual([
      ['run', 'new'],
      ['run', 'old'],
    ]);
  });

  it('cancel asks a run that is live', async () => {
    const asked: boolean[] = [];
    const requestCancel = (now: boolean) => Promise.resolve(void asked.push(now));
    world.sdk = {
      openRun: () => Promise.resolve(stored({ done: 1 }, { live: () => Promise.resolve(true), requestCancel })),
    };
    expect(await world.main('cancel', 'demo')).toBe(0);
    expect(await world.main('cancel', 'demo', '--now')).toBe(0);
    expect(asked).toEqual([false, true]);
    expect(world.stdout.lines()).toEqual([
      'Run demo was asked to end: running mini-batches finish, none is started',
      'Run demo was asked to end at once',
    ]);
  });

  it('cancel of a run that has ended asks nothing', async () => {
    world.sdk = { openRun: () => Promise.resolve(stored(failed)) };
    expect(await world.main('cancel', 'demo')).toBe(0);
    expect(world.stderr.text).toContain('it ended before: Failed');
  });

  it.each([
    [['--keep', '3'], { keep: 3, dryRun: false }],
    [['--older-than', '12h', '--dry-run'], { olderThanMs: 43_200_000, dryRun: true }],
    [[], { olderThanMs: 2_592_000_000, dryRun: false }],
  ])('prune %j', async (args, options) => {
    const seen: PruneOptions[] = [];
    world.sdk = {
      pruneRuns: (_root, given) => {
        seen.push(given);
        return Promise.resolve([{ runId: 'a', folder: '/r/a', bytes: 2048, why: 'old' }]);
      },
    };
    expect(await world.main('prune', ...args)).toBe(0);
    expect(seen).toEqual([options]);
    expect(world.stdout.text).toContain(options.dryRun ? '1 run, 2 KiB would be removed' : '1 run, 2 KiB removed');
  });
});

describe('one mini-batch in the foreground', () => {
  const report = { index: 17, items: 2, rowsPreview: [], seconds: 1 };

  it('replay says what it does and gives the exit code of the outcome', async () => {
    addRun('demo');
    const seen: ReplayOptions[] = [];
    world.sdk = {
      openRun: () => Promise.resolve(stored({ done: 1 })),
      replay: (at, runId, index, options) => {
        expect([at, runId, index]).toEqual([root, 'demo', 17]);
        seen.push(options);
        options.onDebugWaiting?.({ port: 4000 });
        return Promise.resolve({ ...report, ok: false, failure: badPixel, exitCode: 1 });
      },
    };
    expect(await world.main('replay', 'last/17', '--debug', '--port', '4000', '--item', '1')).toBe(1);
    expect(seen).toMatchObject([{ debug: true, port: 4000, item: 1 }]);
    expect(world.stdout.lines()[0]).toBe('mini-batch 17 of run demo, only item 1 of its 2: /data/b.png');
    expect(world.stdout.text).toContain('A debugger is waited for at 127.0.0.1:4000');
    expect(world.stdout.text).toContain(`"remoteRoot":"${root}/demo/state/code"`);
    expect(world.stdout.lines().at(-1)).toBe('mini-batch 17 failed after 1 s');
  });

  it('test takes a job and an index', async () => {
    const seen: TestOptions[] = [];
    world.sdk = {
      compile: () => Promise.resolve({ plan: planFor('demo'), warnings: [] }),
      testJob: (request, options) => {
        expect(request.jobFile).toBe('job.yml');
        seen.push(options);
        return Promise.resolve({ ...report, ok: true, returned: 2, exitCode: 0 });
      },
    };
    expect(await world.main('test', 'job.yml', '--index', '17', '--debug')).toBe(0);
    expect(seen).toMatchObject([{ index: 17, debugPort: 5678 }]);
    expect(world.stdout.lines().at(-1)).toBe('mini-batch 17 succeeded: run() returned 2 rows for 2 items in 1 s');
  });

  it('Ctrl-C aborts, twice leaves', async () => {
    addRun('demo');
    world.sdk = {
      openRun: () => Promise.resolve(stored({ done: 1 })),
      replay: (_root, _run, _index, options) =>
        new Promise((_resolve, reject) => {
          options.signal?.addEventListener('abort', () => {
            world.signal('SIGINT');
            reject(new Error('aborted'));
          });
          world.signal('SIGINT');
        }),
    };
    expect(await world.main('replay', 'demo/17')).toBe(130);
    expect(world.left).toEqual([130]);
    expect(world.stderr.text).toContain('canceled before the mini-batch ended');
    expect(world.listeners.size).toBe(0);
  });
});
