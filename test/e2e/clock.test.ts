/**
 * The wall clock jumps by hours and days in the middle of a run, forth and back: nothing is scheduled otherwise, every
 * limit is kept, and no duration is negative. Faked by libfaketime, which leaves the monotonic clock alone.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { readLedger } from '../../src/ledger/index.ts';
import { COUNT, PacedRun, fileName, nodeScript, pythonScript } from './paced.ts';

const ROW_BYTES = 100;
const DAY_MS = 24 * 3600 * 1000;

const LIBRARY = ['x86_64-linux-gnu/', 'aarch64-linux-gnu/', '']
  .flatMap((place) => [`/usr/lib/${place}faketime`, `/usr/lib64/faketime`, `/usr/local/lib/faketime`])
  .map((folder) => `${folder}/libfaketime.so.1`)
  .find((file) => existsSync(file));

const FAKED: Record<string, string> = {
  LD_PRELOAD: LIBRARY ?? '',
  FAKETIME_NO_CACHE: '1',
  DONT_FAKE_MONOTONIC: '1',
  NO_FAKE_STAT: '1',
};

/** Whether it is there, moves the wall clock, and nothing but the wall clock. */
function canFake(): boolean {
  if (LIBRARY === undefined) return false;
  const look = 'console.log(Date.now(), performance.now() < 60_000)';
  const env = { ...process.env, ...FAKED, FAKETIME: '+10d' };
  const { stdout } = spawnSync(process.execPath, ['-e', look], { env, encoding: 'utf8' });
  const [wall, isMonotonic] = stdout.trim().split(' ');
  return Number(wall) - Date.now() > 9 * DAY_MS && isMonotonic === 'true';
}

let run: PacedRun;
afterEach(async () => {
  await run.dispose();
});

function begin(script: string): void {
  run = new PacedRun(script);
  setClock('+0');
  Object.assign(run.environment, FAKED, { FAKETIME_TIMESTAMP_FILE: join(run.space.folder, 'clock') });
}

/** `+10d`, `-1h`: from now on. */
function setClock(offset: string): void {
  run.space.write('clock.new', `${offset}\n`);
  renameSync(join(run.space.folder, 'clock.new'), join(run.space.folder, 'clock'));
}

/** Each number in a column of durations, of all tables in the logs. */
function durations(): number[] {
  const found: number[] = [];
  for (const name of readdirSync(run.path('logs/job_report'))) {
    const [head = '', ...lines] = readFileSync(run.path(`logs/job_report/${name}`), 'utf8')
      .trimEnd()
      .split('\n');
    const columns = head.split(',').flatMap((column, i) => (column.endsWith('Seconds') ? [i] : []));
    for (const line of lines) found.push(...columns.map((i) => Number(line.split(',')[i])));
  }
  return found;
}

async function expectNoNegativeDuration(): Promise<void> {
  expect(durations().length).toBeGreaterThan(COUNT);
  expect(durations().filter((seconds) => seconds < 0)).toEqual([]);
  for await (const events of readLedger(run.path('state/ledger.journal'))) {
    for (const event of events) {
      if (event.type !== 'try-finished') continue;
      const { runSeconds, elapsedSeconds, start2, end2 } = event.timing;
      expect(Math.min(runSeconds, elapsedSeconds, end2 - start2)).toBeGreaterThanOrEqual(0);
      // Far above what any of them took, far below the smallest jump.
      expect(Math.max(runSeconds, elapsedSeconds)).toBeLessThan(600);
    }
  }
  for (const log of ['overview', 'master']) {
    const text = run.space.read('d', `logs/${log}.txt`);
    expect(text.match(/(elapsed|about|took|after|in) -\d.*/g)).toBeNull();
  }
  const status = await run.space.status('d');
  expect(status.elapsedSeconds).toBeGreaterThanOrEqual(0);
}

const executions = (): string[] => readFileSync(join(run.space.folder, 'executions'), 'utf8').trimEnd().split('\n');

describe.skipIf(!canFake())('the wall clock jumps (skipped where libfaketime is not there)', () => {
  test.each([
    ['Python', pythonScript('print("line")', ROW_BYTES)],
    ['Node', nodeScript("console.log('line');", ROW_BYTES)],
  ])(
    '%s: same order, same workers, no try more, no negative duration',
    async (_, script) => {
      begin(script);
      run.allow(5);
      const jumping = run.start('--timeout', '30', '--processes', '1');
      await run.untilSettled(5);
      for (const [i, offset] of ['+10d', '-10d', '+1h', '-1h', '+0'].entries()) {
        setClock(offset);
        run.allow(5 + 7 * (i + 1));
        await run.untilSettled(Math.min(COUNT, 5 + 7 * (i + 1)));
      }
      await run.endsExactly(jumping, ROW_BYTES);
      expect(executions()).toEqual(Array.from({ length: COUNT }, (__, i) => fileName(i)));
      expect((await run.space.status('d')).workers.ended).toBe(1);
      await expectNoNegativeDuration();
    },
    60_000,
  );

  test.each(['+10d', '-10d'])(
    'by %s while a try hangs: its limit is kept, and its retry comes',
    async (offset) => {
      const hang =
        'hang = SPACE + "/hang-" + names[0]\n    while os.path.exists(hang):\n        select.select([], [], [], 0.1)';
      begin(pythonScript(hang, ROW_BYTES));
      run.space.write('hang-f007', '');
      run.allow(COUNT);
      const jumping = run.start('--timeout', '2');
      await expect
        .poll(() => existsSync(run.path('logs')) && executions().includes('f007'), { timeout: 20_000 })
        .toBe(true);
      setClock(offset);
      await expect.poll(() => executions().filter((name) => name === 'f007').length, { timeout: 20_000 }).toBe(2);
      rmSync(join(run.space.folder, 'hang-f007'));
      await run.endsExactly(jumping, ROW_BYTES, 1);
      await expectNoNegativeDuration();
    },
    60_000,
  );

  test('back by ten days between a kill and the resume: it goes on as ever', async () => {
    begin(pythonScript('pass', ROW_BYTES));
    setClock('+10d');
    await run.begun(15);
    setClock('+0');
    run.allow(COUNT);
    await run.endsExactly(run.resume(), ROW_BYTES);
    await expectNoNegativeDuration();
  }, 60_000);
});
