/** What the command line shows of mini-batches that are narrowed down, and of dead letters. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plainLine, windowLines } from '../../src/cli/render/progress.ts';
import { paintFor, type Screen } from '../../src/cli/render/screen.ts';
import { accountLines, verificationLines } from '../../src/cli/render/verify.ts';
import type { StoredRun } from '../../src/cli/deps.ts';
import type { RunEvent } from '../../src/domain/event.ts';
import type { MiniBatchSource } from '../../src/domain/minibatch.ts';
import type { Verification } from '../../src/sdk/index.ts';
import { StatusFold } from '../../src/views/status.ts';
import type { RunStatus } from '../../src/views/status.ts';
import { at, begun, exception, failedTry, finished, oneCulprit, opening, partialEnd, T0 } from '../views/support.ts';
import { FakeWorld, planFor } from './fakes.ts';

const screen: Screen = { columns: 120, paint: paintFor(false), unicode: true };

function statusOf(events: readonly RunEvent[]): RunStatus {
  const fold = new StatusFold();
  for (const event of [...opening(10), ...events]) fold.apply(event);
  return fold.status(T0 + 2000);
}

const source: MiniBatchSource = {
  kind: 'files',
  root: '/data/images',
  files: Array.from({ length: 10 }, (_, n) => `a/${n}.png`),
};

let root = '';
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'cli-letters-'));
  mkdirSync(join(root, '01JX4/state'), { recursive: true });
  writeFileSync(join(root, '01JX4/state/plan.json'), '{}');
});
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

/** A stored run with these events; counts how often a mini-batch is looked up. */
function worldOf(events: readonly RunEvent[]): { world: FakeWorld; looks: () => number } {
  const world = new FakeWorld();
  world.cwd = '/';
  world.env = { PARALLELRUN_ROOT: root };
  let looks = 0;
  const run: StoredRun = {
    plan: planFor('01JX4'),
    status: () => Promise.resolve(statusOf(events)),
    events: () => {
      throw new Error('not expected');
    },
    live: () => Promise.resolve(false),
    requestCancel: () => Promise.resolve(),
    manifestEntry: () => {
      looks += 1;
      return Promise.resolve({ source, items: 10 });
    },
  };
  world.sdk = { openRun: () => Promise.resolve(run) };
  return { world, looks: () => looks };
}

describe('the progress of a run', () => {
  const events = [
    finished(0, 100),
    ...oneCulprit(3, 200).slice(0, 3),
    { ...begun(3, 900, 1, 3, 4), part: { from: 0, to: 5 } } as RunEvent,
  ];

  it('says how many mini-batches are being narrowed down, and which part is running', () => {
    const lines = windowLines(statusOf(events), screen, T0 + 2000);
    expect(lines[2]).toBe('10 mini-batches: 1 done, 0 failed, 1 running, 1 being narrowed down');
    expect(lines[4]).toBe('  1.1 s  mini-batch 3 items 0 to 4  try 3  10.0.0.5  Process-1');
    expect(plainLine(statusOf(events), T0 + 2000)).toContain(', 1 running, 1 being narrowed down, ');
  });

  it('says nothing of it where there is nothing', () => {
    expect(plainLine(statusOf([finished(0, 100)]), T0 + 2000)).not.toContain('narrowed');
  });
});

describe('errors and status', () => {
  it('name each dead letter by its path', async () => {
    const { world, looks } = worldOf([
      failedTry(3, 100, exception(), { settles: 'narrow' }),
      partialEnd(
        3,
        200,
        4,
        [9, 10],
        [
          [7, 8, 1],
          [9, 10, 4],
        ],
        { failure: exception() },
      ),
    ]);
    await world.main('errors', '01JX4');
    const lines = world.stdout.lines();
    expect(lines).toContain('  hit    2 dead letters in 1 mini-batch (1 try)');
    expect(lines).toContain('         dead letter: mini-batch 3 item 7 (/data/images/a/7.png)');
    expect(lines).toContain('         dead letter: mini-batch 3 item 9 (/data/images/a/9.png)');
    expect(lines).toContain('  next   parallelrun replay 01JX4/3 --item 9');
    expect(looks()).toBe(1);
  });

  it('say as JSON where all dead letters are', async () => {
    const { world } = worldOf(oneCulprit(3, 200));
    await world.main('errors', '01JX4', '--json');
    const [group, ...others] = world.stdout.json();
    expect(others).toEqual([]);
    expect(group).toMatchObject({
      type: 'error-group',
      deadLetters: 1,
      deadItems: [{ index: 3, item: 7 }],
      deadLettersFile: `${root}/01JX4/outputs/dead_letters.jsonl`,
      replay: 'parallelrun replay 01JX4/3 --item 7',
    });
  });

  it('look nothing up where nothing is dead', async () => {
    const { world, looks } = worldOf([failedTry(3, 100, exception(), { settles: 'failed' })]);
    await world.main('status', '01JX4');
    expect(looks()).toBe(0);
    expect(world.stdout.text).not.toContain('dead');
  });

  it('status shows the first ones, and the file', async () => {
    const ended: RunEvent = { type: 'run-ended', at: at(3000), state: 'Completed', exitCode: 0 };
    const { world } = worldOf([...oneCulprit(3, 200), ended]);
    await world.main('status', '01JX4');
    expect(world.stdout.lines()).toEqual(
      expect.arrayContaining([
        'dead      mini-batch 3: 9 of 10 items done, 1 dead letter: 7.png: ValueError: cannot read pixel 9 (Process-2, try 3)',
        `          all in ${root}/01JX4/outputs/dead_letters.jsonl`,
      ]),
    );
  });
});

describe('verify', () => {
  const found: Omit<Verification, 'accounts'> = {
    runId: 'demo',
    state: 'Completed',
    ok: true,
    items: { total: 100, complete: true, succeeded: 87, failed: 13, deadLetters: 2, pending: 0 },
    leftOut: { rows: 0, files: 0, first: [] },
    shortItems: 1,
    miniBatches: { total: 10, done: 7, partial: 1, failed: 2, allDead: 1, pending: 0 },
    rows: 87,
    checked: { what: 'result', path: '/out/result.txt', bytes: 870, headerBytes: 0 },
    differences: [],
  };

  it('counts dead letters apart from what failed whole', () => {
    expect(verificationLines(found)).toEqual([
      '100 items: 87 in rows 1 to 87 of result.txt, 1 failed without a row in mini-batches that returned too few, ' +
        '2 dead letters, 10 failed in 1 mini-batch; every byte of the result is accounted for',
    ]);
  });

  it('shows a partial mini-batch with its rows and its dead items', () => {
    const lines = [
      accountLines({
        index: 3,
        items: 10,
        state: 'partial',
        rows: { from: 31, to: 37 },
        failedItems: 3,
        dead: [
          { from: 3, to: 4, reason: 'ValueError: bad', item: '/data/a\u001b.png' },
          { from: 7, to: 9, reason: 'killed' },
        ],
      }),
      accountLines({
        index: 4,
        items: 1,
        state: 'failed',
        failedItems: 1,
        reason: 'E',
        dead: [{ from: 0, to: 1, reason: 'E' }],
      }),
      accountLines({ index: 5, items: 2, state: 'failed', failedItems: 2, reason: 'E' }),
      accountLines({ index: 6, items: 2, state: 'rows', rows: { from: 38, to: 38 }, failedItems: 1 }),
    ];
    expect(lines).toEqual([
      [
        'mini-batch 3 (10 items): rows 31 to 37, 3 dead letters',
        '  item 3 (/data/a\\x1b.png): ValueError: bad',
        '  items 7 to 8: killed',
      ],
      ['mini-batch 4 (1 item): failed, 1 dead letter', '  item 0: E'],
      ['mini-batch 5 (2 items): failed: E'],
      ['mini-batch 6 (2 items): row 38, 1 item without a row'],
    ]);
  });
});
