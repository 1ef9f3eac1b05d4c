/** What may differ when a run goes on: the rows of the table in docs/resume.md about code and settings, both ways, with what a user sees. */
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
      await run.endedAgain('--allow-code-change');
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
