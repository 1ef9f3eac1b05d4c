/** The profile file: where it is found, what it may say, and what wins. */
import { describe, expect, it } from 'vitest';
import type { JobRequest } from '../../src/job/index.ts';
import { profileSchema } from '../../src/job/reference.ts';
import { readFile } from 'node:fs/promises';
import { compile, compiled, JOB, problemsOf, short, workspace } from './workspace.ts';

const CONFIG = 'parallelrun.config.yml';
const jobFile = { jobFile: 'job.yml' } as const;

async function job(files: Readonly<Record<string, string>>, more = ''): Promise<string> {
  return workspace({ 'job.yml': JOB + more, ...files });
}

async function setting(cwd: string, name: string, request: Partial<JobRequest> = jobFile) {
  const { settings } = await compiled(cwd, request);
  return settings.find((entry) => entry.name === name);
}

describe('where a profile is found', () => {
  const timeout = (seconds: number) => `settings: { retry_settings: { timeout: ${seconds} } }\n`;
  const files = {
    'own.yml': timeout(1),
    'variable.yml': timeout(2),
    'jobs/job.yml': JOB.replace('./images', '../images').replace(
      'entry_script: score.py',
      'entry_script: score.py\n      code: ..',
    ),
    [`jobs/${CONFIG}`]: timeout(3),
    [CONFIG]: timeout(4),
    'home/.config/parallelrun/config.yml': timeout(5),
    'xdg/parallelrun/config.json': '{"settings": {"retry_settings": {"timeout": 6}}}',
  };
  const cases: readonly (readonly [string, readonly string[], (cwd: string) => Partial<JobRequest>, string])[] = [
    ['--config', [], () => ({ config: 'own.yml' }), '1 s'],
    ['PARALLELRUN_CONFIG', [], () => ({ env: { PARALLELRUN_CONFIG: 'variable.yml' } }), '2 s'],
    ['beside the job file', [], () => ({}), '3 s'],
    ['the current folder', [`jobs/${CONFIG}`], () => ({}), '4 s'],
    ["the user's", [`jobs/${CONFIG}`, CONFIG], (cwd) => ({ env: { HOME: `${cwd}/home` } }), '5 s'],
    [
      'XDG_CONFIG_HOME',
      [`jobs/${CONFIG}`, CONFIG],
      (cwd) => ({ env: { HOME: `${cwd}/home`, XDG_CONFIG_HOME: `${cwd}/xdg` } }),
      '6 s',
    ],
    ['none', [`jobs/${CONFIG}`, CONFIG], () => ({ env: {} }), '60 s'],
    ['--no-config', [], () => ({ config: false, env: { PARALLELRUN_CONFIG: 'variable.yml' } }), '60 s'],
  ];
  it.each(cases)('%s', async (_, without, request, expected) => {
    const cwd = await workspace(Object.fromEntries(Object.entries(files).filter(([name]) => !without.includes(name))));
    const found = await setting(cwd, 'retry_settings.timeout', { jobFile: 'jobs/job.yml', ...request(cwd) });
    expect(found?.value).toBe(expected);
  });

  it('one that is named must be there', async () => {
    const cwd = await job({ [CONFIG]: '' });
    expect(short(await problemsOf(cwd, { ...jobFile, config: 'nope.yml' }))).toEqual(['PR1601']);
    expect(short(await problemsOf(cwd, { ...jobFile, config: 'images' }))).toEqual(['PR1601']);
    expect(short(await problemsOf(cwd, { ...jobFile, env: { PARALLELRUN_CONFIG: 'x/y.yml' } }))).toEqual(['PR1601']);
  });

  it('of several in a folder the first is used, with a warning', async () => {
    const cwd = await job({ [CONFIG]: timeout(1), 'parallelrun.config.json': '{}' });
    const { plan, warnings } = await compiled(cwd, jobFile);
    expect(plan.limits.runTimeoutMs).toBe(1000);
    expect(plan.profile).toBe(`${cwd}/${CONFIG}`);
    expect(short(warnings)).toEqual(['PR1603']);
  });

  it('an empty one is as good as none', async () => {
    const cwd = await job({ [CONFIG]: '# nothing yet\n' });
    expect((await compiled(cwd, jobFile)).warnings).toEqual([]);
  });
});

describe('precedence', () => {
  it('command line, profile, runtime flags, job file; plan shows file and key', async () => {
    const cwd = await job(
      { [CONFIG]: 'settings:\n  retry_settings.timeout: 45\n  error_threshold: 7\n  allowed_failed_percent: 5\n' },
      '      program_arguments: --run_invocation_timeout 20 --error_threshold 3 --logging_level DEBUG\n    retry_settings: { timeout: 10, max_retries: 9 }\n    error_threshold: 1\n',
    );
    const { plan, settings } = await compiled(cwd, { ...jobFile, flags: { errorThreshold: '2' } });
    expect(plan).toMatchObject({
      limits: { runTimeoutMs: 45_000 },
      thresholds: { errorThreshold: 2, failedPercent: 5 },
      tries: { maxTries: 10 },
      loggingLevel: 'DEBUG',
    });
    expect(settings.find(({ name }) => name === 'retry_settings.timeout')).toEqual({
      name: 'retry_settings.timeout',
      value: '45 s',
      origin: 'profile',
      place: `${CONFIG}: settings.retry_settings.timeout`,
    });
    expect(settings.find(({ name }) => name === 'error_threshold')).toMatchObject({ origin: 'command line' });
    expect(settings.find(({ name }) => name === 'logging_level')).toMatchObject({ origin: 'program arguments' });
  });

  it('--set is of the command line', async () => {
    const cwd = await job({ [CONFIG]: 'settings: { mini_batch_size: 3 }\n' });
    expect(await setting(cwd, 'mini_batch_size')).toMatchObject({ value: '3 files', origin: 'profile' });
    const set = ['jobs.score.mini_batch_size=4'];
    expect(await setting(cwd, 'mini_batch_size', { ...jobFile, set })).toMatchObject({ value: '4 files' });
  });

  it('environment variables one by one, the root between variable and default', async () => {
    const cwd = await job(
      { [CONFIG]: 'environment_variables: { B: profile, C: profile, N: 0.10 }\nroot: ~/runs\n' },
      '    environment_variables: { A: job, B: job }\n',
    );
    const request = { ...jobFile, env: { HOME: cwd }, flags: { environmentVariables: { C: 'flag' } } };
    const { plan } = await compiled(cwd, request);
    expect(plan.runFolder).toBe(`${cwd}/runs/20260412-093015-k7m2`);
    expect(plan.environmentVariables).toEqual({ A: 'job', B: 'profile', C: 'flag', N: '0.10' });
    expect(plan.origins['root']).toBe('profile');
    const variable = { ...request, env: { HOME: cwd, PARALLELRUN_ROOT: 'elsewhere' } };
    expect((await compiled(cwd, variable)).plan.runFolder).toBe(`${cwd}/elsewhere/20260412-093015-k7m2`);
  });
});

describe('computes', () => {
  const profile =
    'computes:\n  gpu: { processes: 2, memory_limit: 1gb, retry_settings: { timeout: 9 } }\nsettings: { max_concurrency_per_instance: 3, retry_settings.max_retries: 5 }\n';
  it.each([
    ['azureml:gpu', 2, 9000, 6],
    ['gpu', 2, 9000, 6],
    ['azureml:cpu', 3, 60_000, 6],
  ])('%s', async (compute, processes, runTimeoutMs, maxTries) => {
    const cwd = await job({ [CONFIG]: profile }, `    compute: ${compute}\n`);
    const { plan, settings } = await compiled(cwd, jobFile);
    expect(plan).toMatchObject({ processesPerNode: processes, limits: { runTimeoutMs }, tries: { maxTries } });
    if (processes === 2)
      expect(settings.find(({ name }) => name === 'max_concurrency_per_instance')?.place).toBe(
        `${CONFIG}: computes.gpu.processes`,
      );
  });
  it('of the pipeline, also as an expression', async () => {
    const files = { [CONFIG]: profile };
    const pipeline = await workspace({ ...files, 'job.yml': `settings: { default_compute: azureml:gpu }\n${JOB}` });
    expect((await compiled(pipeline, jobFile)).plan.processesPerNode).toBe(2);
  });
  it('a similar name is asked about', async () => {
    const cwd = await job({ [CONFIG]: 'computes: { gpu-cluster: { processes: 1 } }\n' }, '    compute: gpu-clutser\n');
    const [warning] = (await compiled(cwd, jobFile)).warnings;
    expect(warning).toMatchObject({ code: 'PR1604', next: 'did you mean gpu-cluster?' });
  });
});

describe('mistakes in a profile', () => {
  it('unknown and misplaced keys are warnings with what was meant', async () => {
    const cwd = await job({
      [CONFIG]:
        'pin: { a: b }\nmini_batch_size: 3\nsettings:\n  mini_batch_sise: 3\n  process_count_per_node: 2\n  python: python3\ncomputes: { c: { process: 1 } }\n',
    });
    const { warnings } = await compiled(cwd, jobFile);
    expect(warnings.map(({ code, where, next }) => [code, where?.line, where?.column, next])).toEqual([
      ['PR1013', 1, 1, 'did you mean pins?'],
      ['PR1014', 2, 1, 'move it there'],
      ['PR1013', 4, 3, 'did you mean mini_batch_size?'],
      ['PR1014', 5, 3, 'write settings.max_concurrency_per_instance instead'],
      ['PR1014', 6, 3, 'move it there'],
      ['PR1013', 7, 18, 'did you mean processes?'],
    ]);
    expect(warnings[1]?.why).toBe('it belongs under settings in the profile');
    expect(warnings[4]?.why).toBe('it belongs directly at the top of the profile');
  });

  it('bad values are errors with file, line, column and the line itself, all at once', async () => {
    const cwd = await job({
      [CONFIG]: [
        'python: [a]',
        'requirements: 3',
        'pins: { "a b": c, "x==1": "-r f" }',
        'computes: { c: 3 }',
        'datastores: { d: [] }',
        'settings: { mini_batch_size: 0, error_threshold: many }',
        'environment_variables: { A: [] }',
        'root: {}',
        'worker_command: podman',
        'environments: []',
        '',
      ].join('\n'),
    });
    const result = await compile(cwd, jobFile);
    const problems = result.ok ? [] : result.error;
    expect(problems.map(({ code, where }) => `${code}:${where?.line ?? 0}:${where?.column ?? 0}`)).toEqual([
      'PR1010:1:9',
      'PR1010:2:15',
      'PR1011:3:16',
      'PR1011:3:27',
      'PR1010:4:16',
      'PR1010:5:18',
      'PR1011:6:30',
      'PR1010:6:50',
      'PR1010:7:29',
      'PR1010:8:7',
      'PR1010:9:17',
      'PR1010:10:15',
    ]);
    expect(problems[6]?.where).toMatchObject({
      file: CONFIG,
      excerpt: 'settings: { mini_batch_size: 0, error_threshold: many }',
      keyPath: 'settings.mini_batch_size',
    });
  });

  it.each([
    ['- a\n', 'PR1602'],
    ['a: [\n', 'PR1002'],
    ['{"python": "a", "python": "b"}', 'PR1002'],
  ])('%j', async (text, code) => {
    expect(short(await problemsOf(await job({ [CONFIG]: text }), jobFile)).map((s) => s.split(':')[0])).toContain(code);
  });
});

describe('the schema of a profile', () => {
  it('is current, and knows each key', async () => {
    const file = new URL('../../schemas/parallelrun-config.schema.json', import.meta.url);
    expect(await readFile(file, 'utf8')).toBe(`${JSON.stringify(profileSchema(), undefined, 2)}\n`);
    const keys = Object.keys(profileSchema()['properties'] as object);
    expect(keys).toEqual(expect.arrayContaining(['python', 'pins', 'computes', 'datastores', 'worker_command']));
  });
});
