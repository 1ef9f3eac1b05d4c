import fc from 'fast-check';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { debugLines, launchConfiguration, reportLines } from '../../src/cli/render/foreground.ts';
import { errorsLines } from '../../src/cli/render/errors.ts';
import { frame, rowsTaken } from '../../src/cli/render/frame.ts';
import { parseAge, rate } from '../../src/cli/render/format.ts';
import { listLines, stateText } from '../../src/cli/render/list.ts';
import { logTreeLines, type LogEntry } from '../../src/cli/render/logtree.ts';
import { planLines } from '../../src/cli/render/plan.ts';
import { plainDue, plainLine, shares, windowLines, WINDOW_LINES_MAX } from '../../src/cli/render/progress.ts';
import { paintFor, type Screen } from '../../src/cli/render/screen.ts';
import { statusLines } from '../../src/cli/render/status.ts';
import { displayWidth } from '../../src/cli/render/width.ts';
import type { PlanPreview, RunListEntry } from '../../src/sdk/index.ts';
import { badPixel, NOW, planFor, statusOf, type Story } from './fakes.ts';

const wide: Screen = { columns: 100, paint: paintFor(false), unicode: true };
const narrow: Screen = { ...wide, columns: 40 };
const colored: Screen = { ...wide, paint: paintFor(true) };
const ascii: Screen = { ...wide, unicode: false };
const context = { runId: 'demo', folder: '/runs/demo', maxTries: 3 };
/** Local times would make snapshots depend on the machine. */
const timeless = (lines: readonly string[]): string =>
  lines.join('\n').replace(/(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d/g, 'TIME');

const going: Story = { done: 60, failed: 2, running: [20, 50] };
const hostile = '/data/\x1b[2J漢字\n"; rm -rf ~\u202eevil and 9 more';

describe('the window of a terminal', () => {
  it('wide', () => {
    const describeIt = (index: number) => (index === 62 ? '/data/images/0620.png and 9 more' : undefined);
    expect(timeless(windowLines(statusOf(going), wide, NOW, describeIt))).toMatchInlineSnapshot(`
      "demo  running, 1 min 00 s  2 workers
      [██████████████████████████████x▒··················] 62 %
      100 mini-batches: 60 done, 2 failed, 2 running, 20 failed items
      5.4 items/s, 1 min 10 s left (TIME)
        40 s  mini-batch 62 (/data/images/0620.png and 9 more)  try 1  10.0.0.5  Process-1
        10 s  mini-batch 63  try 1  10.0.0.5  Process-2
      last error 2x ValueError: bad pixel  score.py:41"
    `);
  });
  it('narrow', () => {
    expect(timeless(windowLines(statusOf(going), narrow, NOW))).toMatchInlineSnapshot(`
      "demo  running, 1 min 00 s  2 workers
      [███████████████████x▒···········] 62 %
      100 mini-batches: 60 done, 2 failed, 2 …
      5.4 items/s, 1 min 10 s left (TIME)
        40 s  mini-batch 62  try 1  10.0.0.5 …
        10 s  mini-batch 63  try 1  10.0.0.5 …
      last error 2x ValueError: bad pixel  sc…"
    `);
  });
  it('while mini-batches are created, ASCII only', () => {
    expect(timeless(windowLines(statusOf({ created: 5, creationFinished: false, done: 1 }), ascii, NOW)))
      .toMatchInlineSnapshot(`
        "demo  running while mini-batches are created, 1 min 00 s  2 workers
        [##########........................................] creating
        5 mini-batches so far: 1 done, 0 failed, 0 running
        0.17 items/s, time left not known yet"
      `);
  });
  it('colour changes nothing but colour', () => {
    const withColor = windowLines(statusOf(going), colored, NOW);
    expect(withColor.join('\n')).toContain('\x1b[31m');
    expect(withColor.map((line) => stripVTControlCharacters(line))).toEqual(windowLines(statusOf(going), wide, NOW));
  });
  it('never has more lines nor columns than it may, whatever names hold', () => {
    const failure = { ...badPixel, message: `${hostile}${'漢'.repeat(200)}` };
    const status = statusOf({ ...going, running: [1, 2, 3, 4, 5], failure });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.string({ unit: 'binary' }), (columns, name) => {
        const lines = windowLines(status, { ...wide, columns }, NOW, () => name);
        expect(lines.length).toBeLessThanOrEqual(WINDOW_LINES_MAX);
        for (const line of lines) {
          expect(displayWidth(line)).toBeLessThanOrEqual(columns);
          // eslint-disable-next-line no-control-regex
          expect(line).not.toMatch(/[\u0000-\u001f\u007f\u202e]/);
        }
      }),
    );
  });
});

describe('shares of the bar', () => {
  it('shows the smallest amount and fills up only at the end', () => {
    expect(shares([999_999, 1, 0], 1_000_001, 50)).toEqual([49, 1, 0]);
    expect(shares([1, 0, 0], 1_000_000, 50)).toEqual([1, 0, 0]);
    expect(shares([100, 0, 0], 100, 50)).toEqual([50, 0, 0]);
    expect(shares([0, 0, 0], 1, 50)).toEqual([0, 0, 0]);
  });
  it('never exceeds the bar', () => {
    const amount = fc.integer({ min: 0, max: 1_000_000 });
    fc.assert(
      fc.property(
        fc.array(amount, { maxLength: 4 }),
        amount,
        fc.integer({ min: 5, max: 60 }),
        (amounts, more, columns) => {
          const total = Math.max(1, amounts.reduce((sum, n) => sum + n, 0) + more);
          const given = shares(amounts, total, columns);
          expect(given.reduce((sum, n) => sum + n, 0)).toBeLessThanOrEqual(columns);
          given.forEach((n, place) => expect(n > 0).toBe((amounts[place] ?? 0) > 0));
        },
      ),
    );
  });
});

describe('plain progress', () => {
  it('is one line without escapes', () => {
    expect(timeless([plainLine(statusOf(going), NOW)])).toMatchInlineSnapshot(
      `"TIME  running, 62 of 100 mini-batches (62 %), 2 failed, 20 failed items, 2 running, 5.4 items/s, 1 min 10 s left (TIME)"`,
    );
  });
  it('is due each 10 s or 5 %', () => {
    const at = (done: number) => statusOf({ created: 100, done });
    const start = { atMs: 0, step: 0 };
    expect(plainDue(start, at(4), 9999)).toBeUndefined();
    expect(plainDue(start, at(4), 10_000)).toEqual({ atMs: 10_000, step: 0 });
    expect(plainDue(start, at(5), 500)).toEqual({ atMs: 500, step: 1 });
    expect(plainDue({ atMs: 500, step: 1 }, at(9), 1000)).toBeUndefined();
  });
});

describe('frames', () => {
  it('draws first below, then over what stood there', () => {
    expect(frame([], ['a', 'b'], 80)).toBe('a\nb\n');
    expect(frame(['a', 'b'], ['c'], 80)).toBe('\r\x1b[2A\x1b[0Jc\n');
    expect(frame(['a'], [], 80)).toBe('\r\x1b[1A\x1b[0J');
  });
  it('counts rows that a narrower terminal wraps', () => {
    expect(rowsTaken(['x'.repeat(100), '\x1b[31mred\x1b[39m', ''], 40)).toBe(5);
  });
  it('holds no switch of screen and never hides the cursor', () => {
    const text = frame(['a'], ['b'], 80);
    expect(text).not.toContain('?25l');
    expect(text).not.toContain('?1049');
  });
});

describe('status page', () => {
  it('of a run that goes on', () => {
    const lines = statusLines({ status: statusOf(going), context, live: true }, wide, NOW);
    expect(timeless(lines)).toMatchInlineSnapshot(`
      "Run demo: running
      demo  running, 1 min 00 s  2 workers
      [██████████████████████████████x▒··················] 62 %
      100 mini-batches: 60 done, 2 failed, 2 running, 20 failed items
      5.4 items/s, 1 min 10 s left (TIME)
        40 s  mini-batch 62  try 1  10.0.0.5  Process-1
        10 s  mini-batch 63  try 1  10.0.0.5  Process-2
      last error 2x ValueError: bad pixel  score.py:41

        ValueError: bad pixel: 2 mini-batches (2 tries)
        parallelrun errors demo shows them all

      started   TIME
      nodes     10.0.0.5 (2 slots, joined)
      logs      /runs/demo/logs"
    `);
  });
  it('of a run that failed', () => {
    const status = statusOf({ created: 3, done: 2, failed: 1, ends: 'Failed' });
    expect(timeless(statusLines({ status, context, live: false }, wide, NOW))).toMatchInlineSnapshot(`
      "Run demo failed
        2 of 3 mini-batches succeeded, 1 failed; 20 of 30 items succeeded, 10 failed; 1 min 00 s

      error PR2101  ValueError: bad pixel
        hit    1 mini-batch (1 try)
        where  score.py:41 run()   mini-batch 2 (/data/images/0170.png and 9 more)   try 3 of 3   node 10.0.0.5  Process-1   pid 11
               | File "score.py", line 41, in run
               |     x = decode(f)
               | ValueError: bad pixel
        open   /runs/demo/logs/user/error/10.0.0.5/Process-1.txt
        next   parallelrun replay demo/2

      started   TIME
      ended     TIME
      nodes     10.0.0.5 (2 slots, joined)
      logs      /runs/demo/logs"
    `);
  });
  it('of a run whose process is gone', () => {
    const lines = statusLines({ status: statusOf(going), context, live: false }, wide, NOW);
    expect(lines[0]).toBe('Run demo was interrupted: no process works on it, and it has no verdict');
  });
});

describe('list', () => {
  const { miniBatches, items } = statusOf({ created: 1200, done: 40, failed: 1 });
  const entry: RunListEntry = {
    runId: 'demo',
    folder: '/runs/demo',
    displayName: 'score digits',
    state: 'Completed',
    live: false,
    startedAt: NOW,
    elapsedSeconds: 75,
    miniBatches,
    items,
  };
  it('shows runs under titles', () => {
    const broken = { ...entry, runId: 'b\x1b[2J', displayName: 'b', problem: 'plan.json\nis cut' };
    const killed = { ...entry, runId: 'killed', displayName: 'killed', state: 'Running' as const };
    expect(timeless(listLines([entry, killed, broken], '/runs', wide))).toMatchInlineSnapshot(`
      "RUN       STATE        STARTED                    TOOK  MINI-BATCHES  FAILED  NAME
      demo      Completed    TIME  1 min 15 s      41/1,200       1  score digits
      killed    Interrupted  TIME  1 min 15 s      41/1,200       1
      b\\x1b[2J  unreadable   TIME                                    plan.json\\nis cut"
    `);
  });
  it('says where there is nothing', () => {
    expect(listLines([], '/runs', wide)).toEqual(['No runs in /runs']);
  });
  it('calls a run interrupted only when nobody works on it', () => {
    expect(stateText({ state: 'Running', live: true })).toBe('Running');
    expect(stateText({ state: 'Finalizing', live: false })).toBe('Interrupted');
    expect(stateText({ state: 'Canceled', live: false })).toBe('Canceled');
  });
});

describe('errors', () => {
  it('shows each kind with example, whole traceback and replay command', () => {
    const long = `Traceback\n${'  File "lib.py", line 1, in f\n'.repeat(12)}ValueError: bad pixel`;
    const status = statusOf({ done: 1, failed: 2, failure: { ...badPixel, traceback: long } });
    const text = timeless(errorsLines(status, { ...context, root: '/my runs' }, wide));
    expect(text).toContain('1 kind of error');
    expect(text).toContain("  next   parallelrun replay demo/1 --root '/my runs'");
    expect(text).toContain('         mini-batches 1, 2');
    expect(text.endsWith('    ValueError: bad pixel')).toBe(true);
  });
  it('says that there are none', () => {
    expect(errorsLines(statusOf({ done: 3 }), context, wide)).toEqual(['Run demo has no errors so far']);
  });
});

describe('plan', () => {
  const preview: PlanPreview = {
    plan: planFor('demo'),
    settings: [
      { name: 'mini_batch_size', value: '10', origin: 'default' },
      { name: 'environment_variables', value: JSON.stringify({ A: 'x'.repeat(200) }), origin: 'job file' },
      { name: 'requirements', value: '', origin: 'default' },
    ],
    warnings: [],
    miniBatches: 1234,
    items: 12_331,
    sizes: { min: 1, median: 10, max: 10 },
    first: [{ index: 0, items: 10, description: hostile }],
  };
  it('wide', () => {
    expect(timeless(planLines(preview, { ...wide, columns: 72 }))).toMatchInlineSnapshot(`
      "demo
        run     demo
        script  /code/score.py
        output  /runs/demo/outputs/parallel_run_step.txt
        logs    /runs/demo/logs

      Settings
        SETTING                VALUE                              FROM
        mini_batch_size        10                                 default
        environment_variables  {"A":"xxxxxx…xxxxxxxxxxxxxxxxxx"}  job file
        requirements           -                                  default

      Mini-batches
        1,234 mini-batches of 12,331 items, 1 to 10 items each, median 10
             0  10 items   /data/\\x1b[2J漢字\\n"; rm -rf ~\\u202eevil and 9 more
        and 1,233 more"
    `);
  });
  it('fits a narrow screen', () => {
    const tooWide = planLines(preview, narrow).filter((line) => displayWidth(line) > 40);
    // The sentence that counts is never cut; a terminal wraps it.
    expect(tooWide).toEqual(['  1,234 mini-batches of 12,331 items, 1 to 10 items each, median 10']);
  });
});

describe('log tree', () => {
  it('shows sizes and meanings', () => {
    const entries: LogEntry[] = [
      { path: 'logs', kind: 'folder', size: 0, depth: 0, hidden: 7 },
      { path: 'logs/overview.txt', kind: 'file', size: 2048, depth: 1 },
      { path: 'logs/user', kind: 'folder', size: 0, depth: 1 },
      { path: 'logs/user/mine\x1b[0m.txt', kind: 'file', size: 3, depth: 2 },
      { path: 'logs/pipe', kind: 'other', size: 0, depth: 1 },
    ];
    expect(logTreeLines(entries, wide).join('\n')).toMatchInlineSnapshot(`
      "logs/
        and 7 more
        overview.txt           2 KiB  start here: progress, result, and the cause of a failure
        user/                         from the scripts themselves
          mine\\x1b[0m.txt    3 bytes
        pipe                 special"
    `);
  });
});

describe('foreground', () => {
  const report = {
    index: 17,
    ok: true,
    returned: 7,
    items: 8,
    rowsPreview: ['a\x1b[0m', 'b'],
    seconds: 1.5,
    exitCode: 0,
  };
  it('success', () => {
    expect(reportLines({ ...report, exitCode: 0 }, wide)).toEqual([
      'mini-batch 17 succeeded: run() returned 7 rows for 8 items in 1.5 s; 1 item count as failed',
      '  a\\x1b[0m',
      '  b',
      '  and 2 more rows',
    ]);
  });
  it('failure ends with the cause', () => {
    const failed = {
      index: 17,
      ok: false,
      items: 8,
      rowsPreview: [],
      seconds: 1.5,
      exitCode: 1,
      failure: badPixel,
    } as const;
    expect(reportLines(failed, wide).slice(-2)).toEqual([
      'error PR2101  ValueError: bad pixel',
      'mini-batch 17 failed after 1.5 s',
    ]);
  });
  it('says where a debugger attaches', () => {
    expect(debugLines({ port: 5678 }, planFor('demo'), wide)).toEqual([
      'A debugger is waited for at 127.0.0.1:5678; time limits are off. Ctrl-C ends it.',
      '  any DAP client: 127.0.0.1:5678',
      '  VS Code, launch.json: {"name":"Attach to demo","type":"debugpy","request":"attach","connect":{"host":"127.0.0.1","port":5678},"justMyCode":false,"pathMappings":[{"localRoot":"/code","remoteRoot":"/runs/demo/state/code"}]}',
    ]);
    const node = {
      ...planFor('demo'),
      entry: { language: 'node', codeFolder: '/code', file: 's.ts', moduleName: 's' } as const,
    };
    expect(JSON.parse(launchConfiguration({ port: 9229 }, node))).toMatchObject({ type: 'node', port: 9229 });
  });
});

describe('numbers', () => {
  it.each([
    ['30d', 2_592_000_000],
    ['12h', 43_200_000],
    ['90 s', 90_000],
    ['2W', 1_209_600_000],
    ['30', undefined],
    ['-1d', undefined],
    ['1.5d', undefined],
    ['', undefined],
    ['d', undefined],
  ])('age %j is %s ms', (text, ms) => {
    expect(parseAge(text)).toBe(ms);
  });
  it('rates keep two digits that matter', () => {
    expect([0.0349, 1.25, 9.99, 12.6, 12_345.6].map(rate)).toEqual(['0.03', '1.3', '10.0', '13', '12,346']);
  });
});
