import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FLAG_KEYS } from '../../src/cli/flags.ts';
import { epochMs } from '../../src/domain/ids.ts';
import { ParallelRunError } from '../../src/domain/problem.ts';
import { optionSpec } from '../../src/job/options.ts';
import type { ResumeOptions } from '../../src/sdk/index.ts';
import { FakeWorld } from './fakes.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'cli-resume-'));
  mkdirSync(join(root, 'r/state'), { recursive: true });
  writeFileSync(join(root, 'r/state/plan.json'), '{}');
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

const STOP = new ParallelRunError([{ code: 'PR1000', severity: 'error', what: 'stopped here' }], 4);

interface Told {
  readonly code: number;
  readonly options: ResumeOptions | undefined;
  readonly text: string;
}

async function resume(...flags: string[]): Promise<Told> {
  const world = new FakeWorld();
  let options: ResumeOptions | undefined;
  world.sdk = {
    resume: (_root, _runId, given) => {
      options = given;
      return Promise.reject(STOP);
    },
  };
  const code = await world.main('resume', 'r', '--root', root, ...flags);
  return { code, options, text: world.stdout.text + world.stderr.text };
}

describe('resume', () => {
  it('without options says nothing about anything', async () => {
    const { options } = await resume();
    expect(options).toMatchObject({
      allowCodeChange: false,
      acceptChangedInput: false,
      rescan: false,
      strict: false,
      rebuild: false,
      retryFailed: false,
      changes: {},
    });
  });

  it('takes each switch', async () => {
    const { options } = await resume(
      ...['--allow-code-change', '--accept-changed-input', '--rescan', '--strict', '--rebuild', '--retry-failed'],
    );
    expect(options).toMatchObject({
      allowCodeChange: true,
      acceptChangedInput: true,
      rescan: true,
      strict: true,
      rebuild: true,
      retryFailed: true,
    });
  });

  it('takes every setting that may change, in the units of a job', async () => {
    const flags =
      '--error-threshold -1 --mini-batch-error-threshold 7 --allowed-failed-percent 12.5 --max-retries 0 --timeout 5m ' +
      '--init-timeout 600 --task-overhead-timeout 500ms --progress-update-timeout 2h --first-task-creation-timeout 90s ' +
      '--processes 3 --logging-level DEBUG --isolate true --memory-limit 2gb --recycle-after 100 --recycle-after-growth 64mb';
    expect((await resume(...flags.split(' '))).options?.changes).toEqual({
      errorThreshold: -1,
      miniBatchErrorThreshold: 7,
      allowedFailedPercent: 12.5,
      maxRetries: 0,
      runTimeoutMs: 300_000,
      initTimeoutMs: 600_000,
      taskOverheadTimeoutMs: 500,
      progressUpdateTimeoutMs: 7_200_000,
      firstTaskCreationTimeoutMs: 90_000,
      processes: 3,
      loggingLevel: 'DEBUG',
      isolate: true,
      memoryLimitBytes: 2 * 1024 ** 3,
      recycleAfterMiniBatches: 100,
      recycleAfterGrowthBytes: 64 * 1024 ** 2,
    });
  });

  it.each([
    ['--processes', '0', /"0" is no value for --processes/],
    ['--timeout', 'soon', /"soon" is no value for --timeout[\s\S]*500ms, 90s, 5m or 2h/],
    ['--logging-level', 'LOUD', /"LOUD" is no value for --logging-level[\s\S]*one of WARNING, INFO, DEBUG/],
    ['--error-threshold', '-2', /"-2" is no value for --error-threshold/],
    ['--allowed-failed-percent', '101', /a number from 0 to 100/],
  ])('%s %s is a slip: exit code 2', async (flag, value, message) => {
    const told = await resume(flag, value);
    expect(told.code).toBe(2);
    expect(told.options).toBeUndefined();
    expect(told.text).toMatch(message);
  });

  it('every other option of a job is refused with the reason: exit code 4', async () => {
    const { options } = await resume(...'--processes 1 --timeout 1'.split(' '));
    expect(options).toBeDefined();
    const changeable =
      /^--(error-threshold|mini-batch-error|allowed-failed|max-ret|isolate|memory|recycle|timeout|init-|task-|progress-|first-|processes|logging)/;
    for (const key of FLAG_KEYS) {
      const { cli } = optionSpec(key);
      const flag = cli?.flag ?? '';
      if (flag === '--root' || changeable.test(flag)) continue;
      const value = cli?.argument === undefined ? [] : [key === 'environmentVariables' ? 'A=b' : 'x'];
      const told = await resume(flag, ...value);
      expect([flag, told.code, told.options]).toEqual([flag, 4, undefined]);
      expect(told.text).toMatch(
        /error PR5009\s+--\S+ can not be changed when a run goes on\n[\s\S]*why\s+\S[\s\S]*next\s+start a new run/,
      );
    }
  });

  it('several of them are told at once', async () => {
    const told = await resume('--mini-batch-size', '3', '--append-row-to', 'x');
    expect(told.text.match(/error PR5009/g)).toHaveLength(2);
  });

  it('help lists what may change and not what is refused', async () => {
    const { text } = await resume('--help');
    expect(text).toMatch(/--accept-changed-input[\s\S]*--rescan[\s\S]*--strict[\s\S]*--rebuild/);
    expect(text).toMatch(/Instead of what the run has:[\s\S]*--processes <n>[\s\S]*--error-threshold <n>/);
    expect(text).not.toMatch(/--mini-batch-size|--append-row-to|--entry-script/);
  });

  it.each([
    ['Completed', 0, 'There is nothing to resume.'],
    ['Failed', 1, 'There is nothing to resume; --retry-failed tries its failed mini-batches again.'],
  ] as const)('a run that has ended as %s: said, and its own exit code', async (state, exitCode, text) => {
    const world = new FakeWorld();
    const ended = { type: 'run-ended', at: epochMs(0), state, exitCode } as const;
    world.sdk = { resume: () => Promise.resolve({ kind: 'ended', ended }) };
    expect(await world.main('resume', 'r', '--root', root)).toBe(exitCode);
    expect(world.stdout.text).toBe(`Run r has ended: ${state}. ${text}\n`);
  });
});
