/** What may differ when a run goes on: the rows of the table in docs/resume.md about input, rows and the end. */
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { COUNT, KilledRun } from './killed.ts';

let run: KilledRun;
beforeEach(() => {
  run = new KilledRun();
});
afterEach(() => {
  run.dispose();
});
const ALL = KilledRun.rows(0, COUNT);
const MINUTE = 60_000;

describe('input of a mini-batch that is not done', () => {
  test(
    'changed: it fails as that, without a try, the others go on; --accept-changed-input takes it',
    async () => {
      await run.start('--error-threshold', '5');
      run.change(5, 'other ');
      const text = await run.completes();
      expect(text).toMatch(/error PR2113\s+input isn't what it was when the run began: \S*\/in\/f5/);
      expect(text).toMatch(/--accept-changed-input/);
      expect(run.rows).toEqual(ALL.filter((row) => !row.startsWith('f5')));
      expect(run.executions.filter((file) => file === 'f5').length).toBeLessThanOrEqual(1);
      await run.completes('--retry-failed', '--accept-changed-input');
      expect(run.rows).toEqual([...KilledRun.rows(0, 5), 'f5 other scored', ...KilledRun.rows(6, COUNT)]);
      expect(run.log('master')).toMatch(/changed since: changed input files of what is left are taken as they are now/);
      expect(run.log('overview')).toMatch(/warning: mini-batch 5 takes \S*\/in\/f5 as it is now/);
    },
    MINUTE,
  );

  test(
    'what was accepted is no change any more',
    async () => {
      await run.start();
      run.change(5, 'other ');
      await run.completes('--accept-changed-input');
      expect((await run.space.cli('resume', 'r')).code).toBe(0);
      run.change(6, 'raise');
      expect(run.log('overview')).not.toMatch(/done has changed since/);
    },
    MINUTE,
  );
});

describe('input of a mini-batch that is done', () => {
  test(
    'changed: a warning with the count; --strict refuses before anything runs',
    async () => {
      await run.start();
      run.change(1, 'other ');
      run.change(2, 'other ');
      expect(await run.refused('--strict')).toMatch(
        /PR5011\s+the input of 2 mini-batches that are done has changed since[\s\S]*\/in\/f1, \S*\/in\/f2: their rows are of what the files held before/,
      );
      const text = await run.completes();
      expect(text).toMatch(/1 warning in/);
      expect(run.log('overview')).toMatch(
        /warning: the input of 2 mini-batches that are done has changed since: \S*f1, \S*f2/,
      );
      expect(run.rows).toEqual(ALL);
    },
    MINUTE,
  );

  test(
    'not changed: --strict goes on',
    async () => {
      await run.start();
      await run.completes('--strict');
      expect(run.rows).toEqual(ALL);
    },
    MINUTE,
  );

  test(
    'of a run of a version that recorded nothing: a line says that it is not known',
    async () => {
      await run.start();
      rmSync(run.state('manifest.stamps'));
      run.change(1, 'other ');
      run.change(5, 'other ');
      await run.completes();
      expect(run.log('overview')).toMatch(/warning: the run was started by a version that did not record/);
      expect(run.rows).toEqual([...KilledRun.rows(0, 5), 'f5 other scored', ...KilledRun.rows(6, COUNT)]);
    },
    MINUTE,
  );
});

describe('files added or removed', () => {
  test(
    'refused with their names; --rescan: new ones behind all others, those that are gone fail or keep their rows',
    async () => {
      await run.start();
      run.space.write('in/f10', '');
      run.space.write('in/f9', '');
      run.remove(2);
      run.remove(6);
      const text = await run.refused();
      expect(text).toMatch(
        /PR5007\s+the input of run r is not the one that it began with: 2 files were added, 2 files were removed/,
      );
      expect(text).toMatch(/added: \S*f10, \S*f9; removed: \S*f2, \S*f6[\s\S]*parallelrun resume r --rescan/);
      const rescanned = await run.completes('--rescan');
      expect(rescanned).toMatch(/error PR2113\s+input is gone: \S*f6/);
      expect(run.rows).toEqual([...ALL.filter((row) => !row.startsWith('f6')), 'f10 scored', 'f9 scored']);
      expect(run.log('overview')).toMatch(
        /the input was listed again: 2 files more than before \(\S*f10, \S*f9\), in mini-batches behind all others; 2 files less/,
      );
      const verified = await run.space.cli('verify', 'r');
      expect(verified.stdout).toMatch(/10 items: 9 in rows 1 to 9/);
      expect(verified.code).toBe(0);
    },
    MINUTE,
  );

  test(
    'ids are never used again: a rescan that is ended goes on as one',
    async () => {
      await run.start();
      for (let i = 0; i < 6; i++) run.space.write(`in/f${20 + i}`, '');
      rmSync(join(run.space.folder, 'go'));
      // Waits at f4: the new ones are listed by then, and reserved.
      await run.endedAgain('--rescan');
      await run.completes();
      expect(run.rows).toEqual([...ALL, ...Array.from({ length: 6 }, (_, i) => `f${20 + i} scored`)]);
      await expect(run.completes()).rejects.toThrow();
    },
    MINUTE,
  );

  test(
    'more than can be looked at in a moment: looked at beside the run, which stops and can be gone on with',
    async () => {
      const many = Object.fromEntries(
        Array.from({ length: 10_050 }, (_, i) => [`z/z${String(i).padStart(6, '0')}`, '']),
      );
      run.space.files('in', many);
      await run.start();
      run.space.write('in/a', '');
      rmSync(join(run.space.folder, 'go'));
      const { code, stdout, stderr } = await run.resume();
      expect([code, stdout + stderr]).toEqual([4, expect.stringMatching(/Run r goes on[\s\S]*PR5007/)]);
      expect(stdout).toMatch(/Run r failed: the input is not the one that the run began with: 1 file was added/);
      expect(stdout).toMatch(/added: \S*\/in\/a[\s\S]*parallelrun resume r --rescan/);
      rmSync(join(run.space.folder, 'in/a'));
      run.space.write('go', '');
      await run.completes('--processes', '2', '--timeout', '60');
      expect(run.rows).toHaveLength(10_058);
    },
    3 * MINUTE,
  );

  test(
    'an input that is gone altogether',
    async () => {
      await run.start();
      rmSync(join(run.space.folder, 'in'), { recursive: true });
      expect(await run.refused()).toMatch(/PR3002\s+the input does not exist/);
    },
    MINUTE,
  );
});

describe('committed rows are lost', () => {
  test.each<[string, () => void, RegExp]>([
    ['cut off', () => truncateSync(run.state('rows.spool'), 15), /the spool has 15 bytes, 40 are committed/],
    ['damaged at the end', () => damage(39), /wrong checksum/],
    ['gone', () => rmSync(run.state('rows.spool')), /the file is gone/],
  ])(
    '%s: refused with what is missing; --rebuild runs those mini-batches again',
    async (_, spoil, message) => {
      await run.start();
      spoil();
      const text = await run.refused();
      expect(text).toMatch(/PR5005\s+the stored state of the run is damaged/);
      expect(text).toMatch(message);
      expect(text).toMatch(/parallelrun resume r --rebuild runs the mini-batches again whose rows are lost/);
      rmSync(join(run.space.folder, 'executions'));
      await run.completes('--rebuild');
      expect(run.rows).toEqual(ALL);
      expect(run.executions.filter((file) => file < 'f4').length).toBeGreaterThan(0);
      expect((await run.space.cli('verify', 'r')).code).toBe(0);
    },
    MINUTE,
  );

  test(
    'in the middle, which only a look at every row finds: only those run again, also after another end',
    async () => {
      await run.start();
      damage(12);
      rmSync(join(run.space.folder, 'executions'));
      rmSync(join(run.space.folder, 'go'));
      await run.endedAgain('--rebuild');
      await run.completes();
      expect(run.rows).toEqual(ALL);
      expect(run.executions.filter((file) => file < 'f4')).toHaveLength(1);
      expect((await run.space.cli('verify', 'r')).code).toBe(0);
      expect(run.log('master')).toMatch(/1 mini-batch whose rows were lost run again/);
    },
    MINUTE,
  );

  test(
    'nothing is lost: --rebuild goes on',
    async () => {
      await run.start();
      rmSync(join(run.space.folder, 'executions'));
      await run.completes('--rebuild');
      expect(run.rows).toEqual(ALL);
      expect(run.executions.filter((file) => file < 'f4')).toEqual([]);
    },
    MINUTE,
  );

  /** Changes a byte of the committed rows. */
  function damage(at: number): void {
    const bytes = readFileSync(run.state('rows.spool'));
    bytes[at] = (bytes[at] ?? 0) ^ 0x20;
    writeFileSync(run.state('rows.spool'), bytes);
  }
});

describe('the run has ended', () => {
  test(
    'completed: nothing to do, its own code, whatever has changed',
    async () => {
      await run.start();
      await run.completes();
      run.space.write('code/score.py', '');
      run.space.write('in/f9', '');
      const { code, stdout } = await run.resume('--rescan');
      expect([code, stdout]).toEqual([
        0,
        expect.stringMatching(/Run r has ended: Completed\. There is nothing to resume/),
      ]);
    },
    MINUTE,
  );

  test(
    'failed: its own code; --retry-failed opens what failed',
    async () => {
      writeFileSync(run.input(5), 'raise');
      await run.start('--max-retries', '0', '--mini-batch-error-threshold', '0');
      expect((await run.resume()).code).toBe(1);
      const again = await run.resume();
      expect([again.code, again.stdout]).toEqual([1, expect.stringMatching(/has ended: Failed.*--retry-failed tries/)]);
      run.change(5, '');
      await run.completes('--retry-failed', '--accept-changed-input');
      expect(run.rows).toEqual(ALL);
    },
    MINUTE,
  );
});
