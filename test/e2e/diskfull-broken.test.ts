/** What no waiting helps: a disk that turns read-only. And what other work takes away: file descriptors. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { BreakingDisk, WHY_NO_BREAKING_DISK } from './fulldisk.ts';
import { COUNT, PacedRun, pythonScript } from './paced.ts';

const HAVE_PRLIMIT = spawnSync('prlimit', ['--nofile=64', 'true']).status === 0;
const ROW_BYTES = 1_000;
const LARGE_ROW_BYTES = 200_000;

let run: PacedRun;
let disk: BreakingDisk | undefined;
afterEach(async () => {
  await run.gone();
  disk?.dispose();
  disk = undefined;
  await run.dispose();
});

describe.skipIf(WHY_NO_BREAKING_DISK !== undefined)('a disk that turns read-only', () => {
  test('in the middle: stopped, resumable, no process left; refused while it stays so; then exact', async () => {
    run = new PacedRun(pythonScript('pass', ROW_BYTES));
    await run.begun();
    disk = new BreakingDisk(run.path('.'));
    const resumed = run.resume();
    run.allow(15);
    await run.untilSettled(15);
    disk.break();
    run.allow(COUNT);
    expect(await resumed.ended(), resumed.output()).toBe(3);
    expect(resumed.output()).toMatch(/EROFS[\s\S]*PR5112|PR5112[\s\S]*EROFS/);
    await run.gone();
    const again = run.resume();
    expect(await again.ended()).not.toBe(0);
    expect(again.output()).toMatch(/EROFS/);
    disk.mend();
    await run.endsExactly(run.resume(), ROW_BYTES);
  }, 60_000);
});

describe.skipIf(!HAVE_PRLIMIT)('no file descriptors left', () => {
  test('for the orchestrator: stopped, resumable, what is done is kept; then exact', async () => {
    run = new PacedRun(pythonScript('pass', LARGE_ROW_BYTES));
    await run.begun();
    const resumed = run.resume();
    run.allow(15);
    await run.untilSettled(15);
    const open = readdirSync(`/proc/${resumed.pid}/fd`).length;
    execFileSync('prlimit', ['--pid', String(resumed.pid), `--nofile=${open - 5}:`]);
    run.allow(COUNT);
    expect(await resumed.ended(), resumed.output()).toBe(3);
    expect(resumed.output()).toMatch(/EMFILE[\s\S]*parallelrun resume d/);
    await run.endsExactly(run.resume(), LARGE_ROW_BYTES);
  }, 60_000);
});
