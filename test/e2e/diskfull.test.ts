/**
 * The disk fills up in the middle of a run, each folder apart: what is needed for the result is waited for, what is not
 * never stops it. When there is space again the run ends exactly, nothing is lost, and no try was used up.
 */
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { SmallDisk, WHY_NO_MOUNT } from './fulldisk.ts';
import { COUNT, PacedRun, nodeScript, pythonScript } from './paced.ts';

const ROW_BYTES = 20_000;
/** More than travels in a message. */
const LARGE_ROW_BYTES = 200_000;

let run: PacedRun;
let disk: SmallDisk | undefined;
afterEach(async () => {
  disk?.dispose();
  disk = undefined;
  await run.dispose();
});

async function begun(script: string, files: readonly string[], sizeKiB: number): Promise<SmallDisk> {
  run = new PacedRun(script);
  await run.begun();
  disk = new SmallDisk(
    files.map((file) => run.path(file)),
    sizeKiB,
  );
  return disk;
}

const readMaster = (): string => run.space.read('d', 'logs/master.txt');

describe.skipIf(WHY_NO_MOUNT !== undefined)('a full disk', () => {
  test.each([
    ['spool', ['state/rows.spool'], 2_000],
    ['ledger', ['state/ledger.journal'], 300],
    ['all of the run', ['.'], 8_000],
  ])(
    '%s: the run waits for space, says so, and ends exactly',
    async (what, files, sizeKiB) => {
      const full = await begun(pythonScript('pass', ROW_BYTES), files, sizeKiB);
      const resumed = run.resume();
      run.allow(15);
      await run.untilSettled(15);
      full.fill();
      run.allow(COUNT);
      await run.untilSaid(resumed, /waiting for disk space/);
      expect(existsSync(run.path('outputs/parallel_run_step.txt'))).toBe(false);
      // what is left of the last block of the ledger may take the few bytes of all mini-batches, and not the end of the run
      if (what !== 'ledger') expect(await run.settled()).toBeLessThan(COUNT);
      full.free();
      await run.endsExactly(resumed, ROW_BYTES);
      expect(readMaster()).toMatch(/there is space again/);
    },
    60_000,
  );

  test.each([
    ['logs', ['logs', 'azureml-logs'], pythonScript('print("line of", names[0])', ROW_BYTES), ROW_BYTES],
    ['prints', ['state/capture'], pythonScript('print("y" * 9000); os.system("echo child")', ROW_BYTES), ROW_BYTES],
    ['prints (Node)', ['state/capture'], nodeScript("process.stdout.write('y'.repeat(9000));", ROW_BYTES), ROW_BYTES],
    ['part files', ['state/parts'], pythonScript('pass', LARGE_ROW_BYTES), LARGE_ROW_BYTES],
    ['part files (Node)', ['state/parts'], nodeScript('', LARGE_ROW_BYTES), LARGE_ROW_BYTES],
    ['temporary and working folders', ['state/temp', 'state/work'], pythonScript('pass', ROW_BYTES), ROW_BYTES],
  ])(
    '%s: the run goes on, and ends exactly',
    async (_, files, script, bytes) => {
      const full = await begun(script, files, 4_000);
      const resumed = run.resume();
      run.allow(15);
      await run.untilSettled(15);
      full.fill();
      run.allow(30);
      await run.untilSettled(30);
      expect(resumed.output()).not.toMatch(/waiting for disk space/);
      full.free();
      run.allow(COUNT);
      await run.endsExactly(resumed, bytes);
    },
    60_000,
  );

  test.each([
    [
      'Python',
      pythonScript('open(os.environ["AZ_BATCHAI_JOB_TEMP"] + "/" + names[0], "w").write("y" * 50000)', ROW_BYTES),
    ],
    [
      'Node',
      nodeScript("appendFileSync(process.env['AZ_BATCHAI_JOB_TEMP'] + '/' + names[0], 'y'.repeat(50000));", ROW_BYTES),
    ],
  ])(
    'a script that needs the temporary folder (%s): its mini-batches wait, and no try is used up',
    async (_, script) => {
      const full = await begun(script, ['state/temp'], 4_000);
      const resumed = run.resume();
      run.allow(15);
      await run.untilSettled(15);
      full.fill();
      run.allow(COUNT);
      await expect.poll(readMaster, { timeout: 20_000 }).toMatch(/the disk of .*state\/temp is full/);
      expect((await run.space.status('d')).state).toBe('Running');
      expect(await run.settled()).toBeLessThan(COUNT);
      full.free();
      await run.endsExactly(resumed, ROW_BYTES);
      expect(readMaster()).toMatch(/there is space again on the disk of .*state\/temp/);
    },
    60_000,
  );

  test('all full, and a worker dies: the next one starts when there is space', async () => {
    const die =
      'die = SPACE + "/die-" + names[0]\n    if os.path.exists(die):\n        os.remove(die)\n        os._exit(3)';
    const full = await begun(pythonScript(die, 100), ['.'], 8_000);
    const resumed = run.resume();
    run.allow(15);
    await run.untilSettled(15);
    run.space.write('die-f016', '');
    full.fill();
    run.allow(COUNT);
    await run.untilSaid(resumed, /waiting for disk space/);
    full.free();
    await run.endsExactly(resumed, 100, 1);
    expect(readMaster()).not.toMatch(/failed to start/);
  }, 60_000);

  test('full before it is resumed: no worker is started, none fails; then it goes on', async () => {
    const full = await begun(pythonScript('pass', 100), ['.'], 8_000);
    full.fill();
    run.allow(COUNT);
    const resumed = run.resume();
    await run.untilSaid(resumed, /waiting for disk space/);
    full.free();
    await run.endsExactly(resumed, 100);
    expect(readMaster()).not.toMatch(/failed to start/);
  }, 60_000);

  test('full where the result is to be written: it is waited for, and written', async () => {
    const full = await begun(pythonScript('pass', ROW_BYTES), ['outputs'], 2_000);
    full.fill();
    run.allow(COUNT);
    const resumed = run.resume();
    await run.untilSaid(resumed, /waiting for disk space/);
    expect(await run.settled()).toBe(COUNT);
    full.free();
    await run.endsExactly(resumed, ROW_BYTES);
  }, 60_000);

  test('full where the result is to be written, and nobody wants to wait: stopped, resumable; then exact', async () => {
    const full = await begun(pythonScript('pass', ROW_BYTES), ['outputs'], 2_000);
    full.fill();
    run.allow(COUNT);
    const resumed = run.resume();
    await run.untilSaid(resumed, /waiting for disk space/);
    resumed.signal('SIGINT');
    expect(await resumed.ended(), resumed.output()).toBe(3);
    expect(resumed.output()).toMatch(/PR5113/);
    full.free();
    await run.endsExactly(run.resume(), ROW_BYTES);
  }, 60_000);

  test('full while the input is still being listed: the rest is listed when there is space', async () => {
    const ROWS = 400_000;
    const lines = Array.from({ length: ROWS }, (_, i) => `${i},${'x'.repeat(30)}`);
    run = new PacedRun(
      'export const run = (table: { numRows: number }): string[] => new Array(table.numRows).fill("x");',
    );
    run.space.write('rows.csv', `number,text\n${lines.join('\n')}\n`);
    run.space.write('runs/other', '');
    disk = new SmallDisk([run.space.root], 1_000);
    const listing = run.start('--input', 'rows.csv', '--mini-batch-size', '1kb');
    await run.untilSaid(listing, /waiting for disk space/);
    const { creationFinished } = (await run.space.status('d')).miniBatches;
    expect(creationFinished).toBe(false);
    disk.grow(100_000);
    expect(await listing.ended(), listing.output()).toBe(0);
    const { items, retries } = await run.space.status('d');
    expect([items.succeeded, items.failed, retries]).toEqual([ROWS, 0, 0]);
    const verified = await run.space.cli('verify', 'd');
    expect(verified.stdout + verified.stderr).toMatch(/every byte/);
  }, 120_000);

  test('full at the start: refused, and nothing is left behind', async () => {
    run = new PacedRun(pythonScript('pass', 100));
    run.space.write('runs/other', '');
    disk = new SmallDisk([run.space.root], 700);
    disk.fill();
    const refused = run.start();
    expect(await refused.ended()).toBe(2);
    expect(refused.output()).toMatch(/ENOSPC/);
    disk.free();
    run.allow(COUNT);
    await run.endsExactly(run.start(), 100);
  }, 60_000);
});
