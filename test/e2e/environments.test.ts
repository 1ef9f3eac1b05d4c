/** Environments and profiles as people meet them: a pin that can't be had, the override, the cache, a container. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeWheel } from '../environment/wheel.ts';
import { runCommand, CLI, Workspace } from './rig.ts';
import type { Ended } from './rig.ts';

const BUILD_TIMEOUT_MS = 180_000;

let work: Workspace;
beforeEach(() => {
  work = new Workspace();
});
afterEach(() => {
  work.dispose();
});

const JOB = `type: pipeline
jobs:
  score:
    type: parallel
    inputs:
      data: { type: uri_folder, path: ./data }
    outputs:
      scores: { type: uri_file, path: ./scores.txt }
    input_data: \${{inputs.data}}
    mini_batch_size: 1
    task:
      type: run_function
      entry_script: score.py
      environment: { image: reg/image:1, conda_file: conda.yml }
      append_row_to: \${{outputs.scores}}
`;

async function cli(...args: readonly string[]): Promise<Ended> {
  return runCommand(process.execPath, [CLI, ...args], work.folder, {
    PARALLELRUN_ROOT: work.root,
    PARALLELRUN_CACHE: join(work.folder, 'cache'),
    NO_COLOR: '1',
  });
}

function job(script: string, conda: string): void {
  work.write('job.yml', JOB);
  work.write('score.py', script);
  work.write('conda.yml', conda);
  work.files('data', { a: '', b: '' });
}

const rows = (): string[] => readFileSync(join(work.folder, 'scores.txt'), 'utf8').split('\n').slice(0, -1);

describe('a pin that can not be had', () => {
  it(
    'is named with its line, why, and the override; that works; the next run starts from the cache',
    async () => {
      work.files('wheels', {});
      writeWheel(join(work.folder, 'wheels'), 'tinypkg', '1.2.0', 'ANSWER = 12\n');
      writeWheel(join(work.folder, 'wheels'), 'tinypkg', '2.0.0', 'ANSWER = 20\n');
      const conda =
        'dependencies:\n  - cudatoolkit=11.3\n  - pip:\n    - --no-index\n    - --find-links ./wheels\n    - tinypkg==1.2.9\n';
      job('import tinypkg\ndef run(b):\n    return [tinypkg.ANSWER for _ in b]\n', conda);
      const refused = await cli('run', 'job.yml');
      expect(refused.code).toBe(2);
      expect(refused.stderr).toMatch(
        /error PR4005 {2}the requirement tinypkg==1\.2\.9 can't be installed for Python 3\./,
      );
      expect(refused.stderr).toContain(`${work.folder}/conda.yml:6\n         6 |     - tinypkg==1.2.9\n`);
      expect(refused.stderr).toMatch(
        /why {4}the index has no tinypkg 1\.2\.9 for Python \S+; the nearest are 1\.2\.0 below and 2\.0\.0 above\n/,
      );
      expect(existsSync(work.root)).toBe(false);

      const flag = /--replace-pin '([^']+)'/.exec(refused.stderr)?.[1] ?? '';
      expect(flag).toBe('tinypkg==1.2.*');
      const mended = await cli('run', 'job.yml', '--replace-pin', flag);
      expect([mended.code, rows()]).toEqual([0, ['12', '12']]);
      expect(mended.stderr + mended.stdout).toContain('Building the environment');
      expect(mended.stderr).toContain('PR4110  replaced: tinypkg==1.2.9 by tinypkg==1.2.*');

      const lines = refused.stderr.split('\n');
      const from = lines.findIndex((line) => line.trim() === 'pins:');
      work.write(
        'parallelrun.config.yml',
        lines
          .slice(from, from + 2)
          .map((line) => line.slice(9))
          .join('\n'),
      );
      const cached = await cli('run', 'job.yml', '--overwrite');
      expect([cached.code, rows()]).toEqual([0, ['12', '12']]);
      expect(cached.stderr + cached.stdout).not.toContain('Building the environment');
    },
    BUILD_TIMEOUT_MS,
  );
});

describe('worker_command', () => {
  const NO_PACKAGES = 'dependencies: []\n';

  function container(text: string): void {
    chmodSync(work.write('container.sh', text), 0o755);
  }

  it('starts each worker through the command, with the image, in run, replay and test', async () => {
    job(
      'import os\ndef run(b):\n    return [os.environ.get("IMAGE", "none") + os.environ.get("MODE", "") for _ in b]\n',
      NO_PACKAGES,
    );
    container('#!/bin/sh\nimage=$1; shift\necho "$image" >> "$LOG"\nexec env IMAGE="$image" "$@"\n');
    const log = join(work.folder, 'used.log');
    work.write(
      'parallelrun.config.yml',
      `worker_command: [env, 'LOG=${log}', '${work.folder}/container.sh', '{image}']\nworker_python: python3\nenvironment_variables: { MODE: '!' }\n`,
    );
    const { code, stderr } = await cli('run', 'job.yml', '--name', 'one');
    expect([code, stderr.includes('PR4106')]).toEqual([0, false]);
    expect(rows()).toEqual(['reg/image:1!', 'reg/image:1!']);
    const used = (): number => readFileSync(log, 'utf8').split('\n').length - 1;
    const after = used();
    expect(after).toBeGreaterThan(1);
    const replayed = await cli('replay', 'one/0');
    expect([replayed.code, replayed.stdout + replayed.stderr]).toEqual([0, expect.stringContaining('reg/image:1!')]);
    expect(used()).toBeGreaterThan(after);
  });

  it('that does not exec: the stacks of a worker that hangs are there, and nothing of it stays behind', async () => {
    job('import time\ndef run(b):\n    time.sleep(600)\n', NO_PACKAGES);
    container('#!/bin/sh\n"$@"\necho the container ends\n');
    work.write('parallelrun.config.yml', 'worker_command: [./container.sh]\nworker_python: python3\n');
    const ended = await cli('run', 'job.yml', '--timeout', '1', '--max-retries', '0', '--isolate', 'false');
    expect(ended.code).toBe(1);
    expect(ended.stderr + ended.stdout).toMatch(/score\.py:3 run\(\)/);
    // `dispose` fails where a process is left.
  });

  it('in a process namespace of its own', async (context) => {
    const unshare = ['unshare', '--user', '--map-root-user', '--pid', '--fork', '--mount-proc', '--kill-child'];
    try {
      execFileSync('unshare', [...unshare.slice(1), 'true'], { stdio: 'ignore' });
    } catch {
      return context.skip('unshare can not make namespaces here');
    }
    job('import os\ndef run(b):\n    return [os.getpid() for _ in b]\n', NO_PACKAGES);
    work.write('parallelrun.config.yml', `worker_command: [${unshare.join(', ')}]\nworker_python: python3\n`);
    const { code } = await cli('run', 'job.yml');
    expect([code, rows()]).toEqual([0, ['1', '1']]);
  });

  it('that does not work is told before anything is started', async () => {
    job('def run(b):\n    return b\n', NO_PACKAGES);
    container('#!/bin/sh\necho "no such image: $1" >&2\nexit 125\n');
    work.write('parallelrun.config.yml', "worker_command: [./container.sh, '{image}']\nworker_python: python3\n");
    const { code, stderr } = await cli('run', 'job.yml', '--name', 'never');
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /error PR4013 .*\n {2}why .*container\.sh reg\/image:1 python3: exit code 125: no such image: reg\/image:1/,
    );
    expect(existsSync(join(work.root, 'never'))).toBe(false);
  });

  it('starts workers of TypeScript too', async () => {
    work.write('score.ts', 'export const run = (b: string[]) => b.map(() => process.env.IMAGE ?? "none");\n');
    work.files('data', { a: '' });
    container('#!/bin/sh\nexec env IMAGE=here "$@"\n');
    work.write('parallelrun.config.yml', 'worker_command: [./container.sh]\n');
    const { code } = await cli('run', '--entry-script', 'score.ts', '--input', 'data', '--name', 'ts');
    expect([code, work.rows('ts')]).toEqual([0, ['here']]);
  });
});

describe('the root of a profile', () => {
  it('is where runs go, and where the other commands look for them', async () => {
    work.write('parallelrun.config.yml', 'root: ./elsewhere\n');
    work.write('score.py', 'def run(b):\n    return b\n');
    work.files('data', { a: '' });
    const alone = async (...args: readonly string[]) =>
      runCommand('env', ['-u', 'PARALLELRUN_ROOT', process.execPath, CLI, ...args], work.folder, { NO_COLOR: '1' });
    const ran = await alone('run', '--entry-script', 'score.py', '--input', 'data', '--name', 'one');
    expect(ran.code).toBe(0);
    expect(existsSync(join(work.folder, 'elsewhere', 'one', 'logs'))).toBe(true);
    expect((await alone('status', 'one')).code).toBe(0);
    expect((await alone('list')).stdout).toContain('one');
    expect((await alone('status', 'one', '--root', 'runs')).code).toBe(2);
    work.write('parallelrun.config.yml', 'root: [broken\n');
    expect((await alone('list', '--root', 'elsewhere')).stdout).toContain('one');
    expect((await alone('list')).code).toBe(0);
  });
});
