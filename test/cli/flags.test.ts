import { describe, expect, it } from 'vitest';
import type { CliSdk } from '../../src/cli/deps.ts';
import { FLAG_KEYS } from '../../src/cli/flags.ts';
import { ParallelRunError } from '../../src/domain/problem.ts';
import type { JobRequest } from '../../src/job/request.ts';
import { OPTION_KEYS, optionSpec } from '../../src/job/options.ts';
import { FakeWorld } from './fakes.ts';

const STOP = new ParallelRunError([{ code: 'PR1000', severity: 'error', what: 'stopped here' }], 4);

/** The request that a command line leads to; all that take one end there. */
async function requestOf(...args: string[]): Promise<JobRequest> {
  const world = new FakeWorld();
  const seen: JobRequest[] = [];
  const take = (request: JobRequest): never => {
    seen.push(request);
    throw STOP;
  };
  const sdk: Partial<CliSdk> = { start: take, compile: take, previewPlan: take };
  world.sdk = sdk;
  expect(await world.main(...args)).toBe(4);
  const [request] = seen;
  if (request === undefined) throw new Error(world.stderr.text);
  return request;
}

const base = { cwd: '/somewhere', env: {} };

describe('fixed forms of run', () => {
  it('with a job file', async () => {
    const line = 'run JOB.yml --set a.b=1 --set c=x=y --name r1 --root /r --json --python /py';
    expect(await requestOf(...line.split(' '))).toEqual({
      ...base,
      jobFile: 'JOB.yml',
      set: ['a.b=1', 'c=x=y'],
      flags: { name: 'r1', root: '/r', python: '/py' },
    });
  });

  it('without a job file, every option', async () => {
    const line =
      'run --entry-script s.py --input in --mini-batch-size 10kb --mini-batch-rows 5 --processes 3 --output out ' +
      '--append-row-to rows.csv --error-threshold -1 --mini-batch-error-threshold 7 --max-retries 0 --timeout 5m ' +
      '--name r1 --root /r --json --python /py -- --model m.pkl --json -- x';
    expect(await requestOf(...line.split(' '))).toEqual({
      ...base,
      flags: {
        entryScript: 's.py',
        input: 'in',
        miniBatchSize: '10kb',
        miniBatchRows: '5',
        processes: '3',
        output: 'out',
        appendRowTo: 'rows.csv',
        errorThreshold: '-1',
        miniBatchErrorThreshold: '7',
        maxRetries: '0',
        timeout: '5m',
        name: 'r1',
        root: '/r',
        python: '/py',
      },
      scriptArguments: ['--model', 'm.pkl', '--json', '--', 'x'],
    });
  });

  it('switches, lists and pairs', async () => {
    const line =
      'run --entry-script s.ts --input a --input b --summary-only --overwrite --allow-empty --advertise 10.0.0.9';
    expect((await requestOf(...line.split(' '), '--env', 'A=1', '--env', 'B=x=y')).flags).toEqual({
      entryScript: 's.ts',
      input: ['a', 'b'],
      summaryOnly: true,
      overwrite: true,
      allowEmpty: true,
      advertise: '10.0.0.9',
      environmentVariables: { A: '1', B: 'x=y' },
    });
  });

  it('takes hostile values as they are', async () => {
    const { flags } = await requestOf(
      'run',
      '--entry-script',
      '-x.py',
      '--input',
      "a b'\n*",
      '--output=',
      '--name',
      '--json',
    );
    expect(flags).toEqual({ entryScript: '-x.py', input: "a b'\n*", output: '', name: '--json' });
  });

  it('an empty rest after -- is a rest', async () => {
    expect((await requestOf('run', 'j.yml', '--')).scriptArguments).toEqual([]);
    expect((await requestOf('run', 'j.yml')).scriptArguments).toBeUndefined();
  });

  it.each(['validate', 'plan', 'test'])('%s takes the same', async (command) => {
    expect(await requestOf(command, 'JOB.yml', '--set', 'a=1', '--', 'x')).toEqual({
      ...base,
      jobFile: 'JOB.yml',
      set: ['a=1'],
      flags: {},
      scriptArguments: ['x'],
    });
  });
});

describe('the table of options', () => {
  it('gives every option with a flag to the command line, under its own name', async () => {
    const withFlag = OPTION_KEYS.filter((key) => optionSpec(key).cli !== undefined);
    expect([...FLAG_KEYS].sort()).toEqual([...withFlag].sort());
    for (const key of withFlag) {
      if (key === 'appendRowTo' || key === 'environmentVariables' || key === 'models') continue;
      const cli = optionSpec(key).cli;
      const args = cli === undefined ? [] : cli.argument === undefined ? [cli.flag] : [cli.flag, 'v'];
      const { flags } = await requestOf('run', ...args);
      expect(flags).toEqual({ [key]: cli?.argument === undefined ? true : 'v' });
    }
  });
});
