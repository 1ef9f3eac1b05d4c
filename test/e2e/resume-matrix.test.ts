/** What may differ when a run goes on: every row of the table in docs/resume.md, both ways, with what a user sees. */
import { chmodSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { COUNT, DONE, KilledRun, SCRIPT } from './killed.ts';
import { TEST_PYTHON } from './rig.ts';

let run: KilledRun;
beforeEach(() => {
  run = new KilledRun();
});
afterEach(() => {
  run.dispose();
});
const ALL = KilledRun.rows(0, COUNT);
const MINUTE = 60_000;

describe('nothing has changed', () => {
  test(
    'the run goes on',
    async () => {
      await run.start();
      const text = await run.completes();
      expect(text).toMatch(/4 mini-batches are settled and are not run again/);
      expect(text).not.toMatch(/warning/);
      expect(run.rows).toEqual(ALL);
      expect(run.log('master')).not.toMatch(/changed since/);
    },
    MINUTE,
  );
});

describe('thresholds, limits, tries, worker count, log level', () => {
  test(
    'go on, and each is told',
    async () => {
      await run.start();
      const flags =
        '--error-threshold 5 --mini-batch-error-threshold 6 --allowed-failed-percent 50 --max-retries 7 --timeout 2m ' +
        '--init-timeout 400 --task-overhead-timeout 40 --progress-update-timeout 900 --first-task-creation-timeout 700 ' +
        '--processes 1 --logging-level DEBUG --memory-limit 900mb --recycle-after 50 --isolate false';
      await run.completes(...flags.split(' '));
      expect(run.rows).toEqual(ALL);
      const changes = [...run.log('master').matchAll(/changed since: (.*)/g)].map(([, line]) => line);
      expect(changes).toEqual([
        'error_threshold: -1 before, 5 now',
        'mini_batch_error_threshold: -1 before, 6 now',
        'allowed_failed_percent: 100 before, 50 now',
        'retry_settings.max_retries: 2 before, 7 now',
        'retry_settings.timeout (ms): 60000 before, 120000 now',
        'init_timeout (ms): 300000 before, 400000 now',
        'task_overhead_timeout (ms): 30000 before, 40000 now',
        'progress_update_timeout (ms): 270000 before, 900000 now',
        'first_task_creation_timeout (ms): 600000 before, 700000 now',
        'max_concurrency_per_instance: 2 before, 1 now',
        'logging_level: INFO before, DEBUG now',
        'isolate: auto before, off now',
        'memory_limit (bytes): none before, 943718400 now',
        'recycle: none before, {"afterMiniBatches":50} now',
      ]);
    },
    MINUTE,
  );

  test(
    'a limit that was never given follows the others',
    async () => {
      await run.start();
      await run.completes('--timeout', '10m');
      expect(run.log('master')).toMatch(/progress_update_timeout \(ms\): 270000 before, 1890000 now/);
    },
    MINUTE,
  );
});

describe('the script', () => {
  test(
    'changed: refused with the files; --allow-code-change takes it, once and for all',
    async () => {
      await run.start();
      run.space.write('code/score.py', SCRIPT.replace('text + WORD', 'text + "new"'));
      run.space.write('code/helper.py', '');
      expect(await run.refused()).toMatch(
        /PR5006\s+the code has changed since run r was started[\s\S]*why\s+helper\.py \(new\), score\.py: rows of the old and of the new code[\s\S]*next\s+parallelrun resume r --allow-code-change/,
      );
      await run.completes('--allow-code-change');
      expect(run.rows).toEqual([...KilledRun.rows(0, DONE), ...KilledRun.rows(DONE, COUNT, ' new')]);
      expect(run.log('master')).toMatch(
        /changed since: code: helper\.py \(new\)\n[\s\S]*changed since: code: score\.py\n/,
      );
    },
    MINUTE,
  );

  test(
    'allowed, then ended again: the new code is now that of the run',
    async () => {
      await run.start();
      run.space.write('code/score.py', SCRIPT.replace('text + WORD', 'text + "new"'));
      rmSync(join(run.space.folder, 'go'));
      await endedAgain('--allow-code-change');
      await run.completes();
      expect(run.rows).toEqual([...KilledRun.rows(0, DONE), ...KilledRun.rows(DONE, COUNT, ' new')]);
      run.space.write('code/score.py', SCRIPT);
      expect((await run.resume('--retry-failed')).code).toBe(0);
    },
    MINUTE,
  );

  test(
    "the run's own copy was damaged: made anew, since the code folder is what it was",
    async () => {
      await run.start();
      writeFileSync(run.state('code/score.py'), '');
      await run.completes();
      expect(run.rows).toEqual(ALL);
    },
    MINUTE,
  );

  test(
    'the code folder is gone: the copy that the run has goes on',
    async () => {
      await run.start();
      rmSync(join(run.space.folder, 'code'), { recursive: true });
      await run.completes();
      expect(run.rows).toEqual(ALL);
    },
    MINUTE,
  );
});

/** Resumes, waits until something is under way that waits, and lets it end orderly: the run is canceled. */
async function endedAgain(...flags: string[]): Promise<void> {
  const before = waiting();
  const child = run.space.spawnCli('resume', 'r', ...flags);
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
  await expect.poll(waiting, { timeout: 20_000 }).toBeGreaterThan(before);
  child.kill('SIGINT');
  await expect.poll(() => run.log('master'), { timeout: 20_000 }).toMatch(/cancel/i);
  run.space.write('go', '');
  expect(await closed).toBe(130);
}

const waiting = (): number => run.executions.filter((file) => file >= 'f4').length;

const JOB = `
type: pipeline
experiment_name: e
jobs:
  score:
    type: parallel
    mini_batch_size: "1"
    max_concurrency_per_instance: 2
    error_threshold: 3
    inputs: { data: { type: uri_folder, path: ./in } }
    input_data: \${{inputs.data}}
    outputs: { scores: { type: uri_file } }
    task:
      type: run_function
      code: ./code
      entry_script: score.py
      append_row_to: \${{outputs.scores}}
      program_arguments: --word first
`;

describe('the job file', () => {
  test(
    'a comment, or a change that the run takes over: it goes on',
    async () => {
      await run.startJob(JOB);
      run.space.write('job.yml', `# for the night shift\n${JOB.replace('error_threshold: 3', 'error_threshold: 4')}`);
      await run.completes();
      expect(run.log('master')).toMatch(
        /changed since: the job file has changed\n[\s\S]*changed since: error_threshold: 3 before, 4 now\n/,
      );
    },
    MINUTE,
  );

  test(
    'arguments and variables: refused; --allow-code-change takes them',
    async () => {
      await run.startJob(JOB);
      run.space.write(
        'job.yml',
        `${JOB.replace('--word first', '--word second')}    environment_variables: { MARK: "!" }\n`,
      );
      expect(await run.refused()).toMatch(
        /PR5006[\s\S]*task\.program_arguments: --word first before, --word second now, environment_variables: MARK: rows/,
      );
      await run.completes('--allow-code-change');
      expect(resultRows()).toEqual([...KilledRun.rows(0, DONE, ' first'), ...KilledRun.rows(DONE, COUNT, ' second!')]);
    },
    MINUTE,
  );

  test(
    'a value that the run has from a flag does not matter',
    async () => {
      await run.startJob(JOB, '--error-threshold', '9', '--set', 'jobs.score.task.program_arguments=--word set');
      run.space.write('job.yml', JOB.replace('error_threshold: 3', 'error_threshold: 4').replace('first', 'second'));
      await run.completes();
      expect(resultRows()).toEqual(KilledRun.rows(0, COUNT, ' set'));
      expect(run.log('master')).not.toMatch(/error_threshold: . before/);
    },
    MINUTE,
  );

  test.each([
    ['mini-batch rule', 'mini_batch_size: "1"', 'mini_batch_size: "2"', /mini_batch_size: 1 file before, 2 files now/],
    ['output', 'outputs.scores}}\n      program', 'outputs.scores}}\n      # renamed\n      program', undefined],
    ['input', 'path: ./in', 'path: ./code', /input_data: \.\/in before, \.\/code now/],
  ])(
    '%s: refused, whatever is said',
    async (_, before, after, message) => {
      await run.startJob(JOB);
      run.space.write('job.yml', JOB.replace(before, after));
      if (message === undefined) {
        await run.completes();
        return;
      }
      for (const flags of [[], ['--allow-code-change', '--rescan', '--accept-changed-input']]) {
        const text = await run.refused(...flags);
        expect(text).toMatch(/PR5009\s+the job file of run r has changed in what can't change any more/);
        expect(text).toMatch(message);
        expect(text).toMatch(/start a new run; or put the file back \(state\/job\.yml/);
      }
      run.space.write('job.yml', readFileSync(run.state('job.yml'), 'utf8'));
      await run.completes();
    },
    MINUTE,
  );

  test(
    'gone: the run goes on as it was started',
    async () => {
      await run.startJob(JOB);
      rmSync(join(run.space.folder, 'job.yml'));
      await run.completes();
      expect(run.log('master')).toMatch(/changed since: the job file is gone/);
    },
    MINUTE,
  );
});

function resultRows(): string[] {
  const [file = ''] = run.space.list('r', 'outputs').filter((entry) => entry.includes('scores'));
  return run.space.read('r', `outputs/${file}`).trimEnd().split('\n');
}

describe('mini-batch rule, output, script: given to resume', () => {
  test.each([
    ['--mini-batch-size', '3', /mini-batches are cut already/],
    ['--append-row-to', 'other.csv', /rows are committed already/],
    ['--input', 'elsewhere', /taken with --rescan/],
    ['--entry-script', 'other.py', /taken with --allow-code-change/],
    ['--name', 'other', /decided when the run was started/],
  ])(
    '%s is refused with the reason',
    async (flag, value, reason) => {
      await run.start();
      const text = await run.refused(flag, value);
      expect(text).toContain(`${flag} can not be changed when a run goes on`);
      expect(text).toMatch(reason);
    },
    MINUTE,
  );
});

describe('the interpreter', () => {
  test(
    'of another version: refused; --allow-code-change takes it',
    async () => {
      await run.start('--python', interpreter('3.98.0'));
      interpreter('3.99.0');
      expect(await run.refused()).toMatch(
        /PR5010\s+run r was started with Python 3\.98\.0, now it would be 3\.99\.0[\s\S]*--allow-code-change/,
      );
      await run.completes('--allow-code-change');
      expect(run.rows).toEqual(ALL);
      expect(run.log('master')).toMatch(/changed since: interpreter: 3\.98\.0 before, 3\.99\.0 now/);
    },
    MINUTE,
  );

  /** A Python that says it is of another version than it is. */
  function interpreter(version: string): string {
    const asked = `*parallelrun-interpreter*) echo 'parallelrun-interpreter|${version}|';;`;
    const path = run.space.write(
      'bin/python',
      `#!/bin/sh\ncase "$*" in ${asked} *) exec "${TEST_PYTHON ?? 'python3'}" "$@";; esac\n`,
    );
    chmodSync(path, 0o755);
    return path;
  }
});

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
      await endedAgain('--rescan');
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
      await endedAgain('--rebuild');
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
