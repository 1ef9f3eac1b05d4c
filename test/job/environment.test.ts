/** What command line and profile make of the environment that a job asks for. */
import { chmod } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { EnvironmentSpec } from '../../src/domain/plan.ts';
import type { JobRequest } from '../../src/job/index.ts';
import { applyPins, makePin, readReplacement } from '../../src/job/overrides.ts';
import type { Pin } from '../../src/job/overrides.ts';
import { compiled, JOB, problemsOf, short, workspace } from './workspace.ts';

const CONFIG = 'parallelrun.config.yml';
const at = { file: 'x' };
const jobFile = { jobFile: 'job.yml' } as const;

async function folder(environment: string, files: Readonly<Record<string, string>> = {}): Promise<string> {
  const cwd = await workspace({
    'job.yml': `${JOB}      environment: ${environment}\n`,
    'conda.yml':
      'dependencies:\n  - python=3.8\n  - tensorflow=1.15.0\n  - cudatoolkit=11.3\n  - pip:\n    - pandas[excel]==1.0.0 ; python_version < "4"\n    - six\n',
    'bin/python': '#!/bin/sh\n',
    ...files,
  });
  await chmod(`${cwd}/bin/python`, 0o755);
  return cwd;
}

async function environment(cwd: string, request: Partial<JobRequest> = {}) {
  const { plan, warnings, settings } = await compiled(cwd, { ...jobFile, ...request });
  return { spec: plan.environment, plan, settings, codes: short(warnings), warnings };
}

const pip = (spec: EnvironmentSpec): readonly string[] => (spec.kind === 'requirements' ? spec.pip : [spec.kind]);

describe('pins', () => {
  const CASES: readonly (readonly [string, string | undefined, string, string | undefined])[] = [
    ['tensorflow==1.15.0', 'tensorflow==2.15.*', 'tensorflow==1.15.0', 'tensorflow==2.15.*'],
    ['tensorflow==1.15.0', '2.15.*', 'tensorflow==1.15.0', 'tensorflow==2.15.*'],
    ['tensorflow=1.15.0', '>=2.15', 'tensorflow==1.15.0.*', 'tensorflow>=2.15'],
    ['tensorflow == 1.15.0', '=2.15', 'tensorflow==1.15.0', 'tensorflow==2.15.*'],
    ['Scikit_Learn', '1.5', 'scikit-learn>=1,<2', 'scikit-learn==1.5'],
    ['a>=1,<2', 'a==3', 'a<2, >=1', 'a==3'],
    ['sklearn', 'scikit-learn', 'sklearn==0.0 ; python_version < "4"', 'scikit-learn ; python_version < "4"'],
    ['pandas', 'pandas==2.0', 'pandas[excel]==1.0', 'pandas[excel]==2.0'],
    ['pandas', 'pandas[x]==2.0', 'pandas[excel]==1.0', 'pandas[x]==2.0'],
    ['a', 'a @ https://h.example/a.whl', 'a==1', 'a @ https://h.example/a.whl'],
    ['a', undefined, 'a==1', undefined],
  ];
  it.each(CASES)('%s: %s makes of %s %s', (key, replacement, line, expected) => {
    const pin = makePin(key, replacement, at) as Pin;
    const { lines, replaced } = applyPins(['other==1', line], [pin]);
    expect(replaced).toHaveLength(1);
    expect(lines.map((l) => l.replace('Scikit_Learn', 'scikit-learn'))).toEqual([
      'other==1',
      ...(expected === undefined ? [] : [expected]),
    ]);
  });
  it.each([
    ['tensorflow==1.15.0', 'tensorflow==1.15.5'],
    ['tensorflow', 'tensorflow-hub==1'],
    ['tensorflow', './tensorflow'],
    ['tensorflow', '-e tensorflow'],
    ['tensorflow', 'https://h.example/tensorflow.whl'],
  ])('%s leaves %s alone', (key, line) => {
    expect(applyPins([line], [makePin(key, '9', at) as Pin]).lines).toEqual([line]);
  });
  it('says which pin missed its version', () => {
    const pin = makePin('a==1', 'a==3', at) as Pin;
    expect(applyPins(['a==2'], [pin])).toMatchObject({ missed: [{ pin, line: 'a==2' }], idle: [] });
    expect(applyPins(['b==2'], [pin])).toMatchObject({ missed: [], idle: [pin] });
  });
  it.each([
    ['a==1=a==2', { name: 'a', version: '==1', replacement: 'a==2' }],
    ['a==1=2.*', { name: 'a', version: '==1', replacement: 'a==2.*' }],
    ['a>=1,<2=a==3', { name: 'a', version: '>=1,<2', replacement: 'a==3' }],
    ['a==2.*', { name: 'a', replacement: 'a==2.*' }],
    ['a>=2', { name: 'a', replacement: 'a>=2' }],
    ['a=', { name: 'a' }],
    ['a==1=', { name: 'a', version: '==1' }],
    ['a=b', { name: 'a', replacement: 'b' }],
  ])('--replace-pin %s', (text, expected) => {
    const { written: _, at: __, ...pin } = readReplacement(text, at) as Pin;
    expect(pin).toEqual(expected);
  });
  it.each(['a', '', '=b', '-r x=b', 'a b=c', 'a==1=-r other.txt'])('--replace-pin %j is refused', (text) => {
    expect(readReplacement(text, at)).toEqual(expect.stringMatching(/no requirement|replaces nothing/));
  });
});

describe('a conda file with overrides', () => {
  it('of the profile: replaced, left out, another Python, instead of what only conda has', async () => {
    const cwd = await folder('{ conda_file: conda.yml }', {
      [CONFIG]:
        'pins:\n  tensorflow==1.15.0: tensorflow==2.15.*\n  six: null\n  python: 3.11\n  cudatoolkit: nvidia-cuda-runtime-cu12\nrequirements: [scipy==1.11, more.txt]\n',
      'more.txt': 'tqdm\npandas==2.0\n',
    });
    const { spec, codes, settings, warnings } = await environment(cwd);
    expect(spec).toMatchObject({
      kind: 'requirements',
      pip: ['tensorflow==2.15.*', 'nvidia-cuda-runtime-cu12', 'scipy==1.11', 'tqdm', 'pandas==2.0'],
      pythonVersion: '3.11',
      condaOnly: [],
      source: `${cwd}/conda.yml`,
      places: {
        'tensorflow==2.15.*': { file: CONFIG, line: 2, added: true },
        'scipy==1.11': { file: CONFIG, line: 6, added: true },
        tqdm: { file: `${cwd}/more.txt`, line: 1, added: true },
      },
    });
    expect(codes).toEqual(['PR4110:2']);
    expect(warnings[0]?.what).toBe(
      'replaced: tensorflow==1.15.0.* by tensorflow==2.15.*, six (left out) and cudatoolkit=11.3 by nvidia-cuda-runtime-cu12',
    );
    expect(settings.find(({ name }) => name === 'replace_pin')).toMatchObject({ origin: 'profile' });
    expect(settings.find(({ name }) => name === 'extra_requirements')?.value).toBe('scipy==1.11 tqdm pandas==2.0');
  });
  it('of the command line, which win over those of the profile', async () => {
    const cwd = await folder('{ conda_file: conda.yml }', { [CONFIG]: 'pins: { tensorflow: 2.15.* }\n' });
    const flags = { replacePin: ['tensorflow==2.16.*', 'six='], extraRequirements: 'scipy' };
    const { spec, settings } = await environment(cwd, { flags });
    expect(pip(spec)).toEqual(['tensorflow==2.16.*', 'pandas[excel]==1.0.0 ; python_version < "4"', 'scipy']);
    expect(settings.find(({ name }) => name === 'replace_pin')).toMatchObject({ origin: 'command line' });
  });
  it('a pin that replaces nothing is told where it was meant for this job', async () => {
    const cwd = await folder('{ conda_file: conda.yml }', { [CONFIG]: 'pins: { tensorflow==1.14: "2", other: 1 }\n' });
    const { warnings } = await environment(cwd, { flags: { replacePin: 'numpy==2' } });
    expect(warnings.filter(({ code }) => code === 'PR4111').map(({ what, next }) => [what, next])).toEqual([
      ['the pin tensorflow==1.14 replaces nothing', 'name that one, or tensorflow without a version'],
      ['the pin numpy==2 replaces nothing', 'to install a package beside those of the job: --extra-requirements'],
    ]);
  });
  it('bad ones are refused', async () => {
    const cwd = await folder('{ conda_file: conda.yml }');
    const flags = { replacePin: ['x', 'y y=z'], extraRequirements: 'none.txt' };
    expect(short(await problemsOf(cwd, { ...jobFile, flags })).slice(0, 3)).toEqual(['PR1011', 'PR1011', 'PR4102']);
  });
});

describe('an interpreter', () => {
  it('of the profile wins over the job, that of the command line over both', async () => {
    const cwd = await folder('{ conda_file: conda.yml }', {
      [CONFIG]: 'python: ./bin/python\n',
      'other/python': '#!/bin/sh\n',
    });
    const { spec, settings } = await environment(cwd);
    expect(spec).toEqual({ kind: 'interpreter', path: `${cwd}/bin/python` });
    expect(settings.find(({ name }) => name === 'task.environment')).toMatchObject({
      origin: 'profile',
      place: `${CONFIG}: python`,
    });
    const own = await environment(cwd, { flags: { python: 'other/python' } });
    expect(own.spec).toEqual({ kind: 'interpreter', path: `${cwd}/other/python` });
    const built = await environment(cwd, { flags: { requirements: 'r.txt' } }).catch((error: unknown) => String(error));
    expect(built).toContain('PR4102');
  });
  it('gets further requirements on top', async () => {
    const cwd = await folder('{}');
    const extra = { extraRequirements: 'six==1.16' };
    expect((await environment(cwd, { flags: { python: 'bin/python', ...extra } })).spec).toMatchObject({
      kind: 'requirements',
      pip: ['six==1.16'],
      onTop: true,
      base: `${cwd}/bin/python`,
      source: 'the command line',
    });
    const { spec } = await environment(cwd, { flags: extra });
    expect(spec).toMatchObject({ kind: 'requirements', onTop: true });
    expect(spec).not.toHaveProperty('base');
  });
});

describe('the name of an environment', () => {
  const profile = [
    'environments:',
    '  AzureML-sklearn-1.0: { conda_file: conda.yml, image: reg/image:1 }',
    '  azureml:named:3: ./bin/python',
    '  named: { requirements: [a==1, "./local"] }',
    '  listed: r.txt',
    '',
  ].join('\n');
  const files = {
    [`sub/${CONFIG}`]: profile,
    'sub/r.txt': 'b==2\n',
    'sub/bin/python': '',
    'sub/conda.yml': 'dependencies: [numpy]\n',
  };
  const CASES: readonly (readonly [string, (cwd: string) => unknown])[] = [
    ['azureml:AzureML-sklearn-1.0@latest', () => ({ pip: ['numpy'] })],
    ['azureml:AzureML-sklearn-1.0:4', () => ({ pip: ['numpy'] })],
    ['azureml://registries/azureml/environments/AzureML-sklearn-1.0/versions/4', () => ({ pip: ['numpy'] })],
    ['AzureML-sklearn-1.0', () => ({ pip: ['numpy'] })],
    ['{ name: AzureML-sklearn-1.0, version: 2 }', () => ({ pip: ['numpy'] })],
    ['azureml:named:3', (cwd) => ({ kind: 'interpreter', path: `${cwd}/sub/bin/python` })],
    ['azureml:named:4', (cwd) => ({ pip: ['a==1', `${cwd}/sub/local`] })],
    ['azureml:listed@latest', () => ({ pip: ['b==2'] })],
  ];
  it.each(CASES)('%s', async (name, expected) => {
    const cwd = await folder(name, files);
    const { spec, codes, plan } = await environment(cwd, { config: `sub/${CONFIG}` });
    expect(spec).toMatchObject(expected(cwd) as object);
    expect(plan.origins['task.environment']).toBe('profile');
    expect(codes.filter((code) => code.startsWith('PR4104'))).toEqual([]);
  });
  it('that is not in the profile is a warning with the similar one', async () => {
    const cwd = await folder('azureml:nmaed:1', files);
    const { warnings, spec } = await environment(cwd, { config: `sub/${CONFIG}` });
    expect(spec).toEqual({ kind: 'path' });
    expect(warnings).toMatchObject([
      { code: 'PR4104', next: 'environments of the profile has named:3: did you mean that?' },
    ]);
  });
});

describe('environments of version 1', () => {
  it.each([
    ['{ name: e, python: { userManagedDependencies: true, interpreterPath: bin/python } }', 'interpreter'],
    ['{ name: e, python: { userManagedDependencies: true, interpreterPath: python } }', 'path'],
    ['{ name: e, python: { condaDependenciesFile: conda.yml }, docker: { baseImage: some/image } }', 'requirements'],
    ['{ python: { condaDependencies: { dependencies: [numpy=1.24, pip: [six]] } } }', 'requirements'],
    ['{ python: { user_managed_dependencies: false, conda_dependencies: { dependencies: [numpy] } } }', 'requirements'],
    ['{ python: {} }', 'path'],
  ])('%s', async (text, kind) => {
    const cwd = await folder(text);
    const { spec, codes } = await environment(cwd);
    expect(spec.kind).toBe(kind);
    expect(codes.includes('PR4106:16')).toBe(text.includes('baseImage'));
  });
  it('set variables, which those of the job overrule', async () => {
    const cwd = await folder(
      '{ environmentVariables: { A: env, N: 1 }, python: {} }\n    environment_variables: { A: job }',
    );
    expect((await environment(cwd)).plan.environmentVariables).toEqual({ A: 'job', N: '1' });
  });
});

describe('worker_command', () => {
  const image = '{ image: reg/image:1, conda_file: conda.yml }';
  it('takes the image of the job, and the interpreter inside', async () => {
    const cwd = await folder(image, {
      [CONFIG]: 'worker_command: [./start, "-v", "{root}:{root}", "{{x}}", "{image}"]\nworker_python: python3\n',
    });
    const { plan, codes } = await environment(cwd);
    expect(plan.workerCommand).toEqual({
      words: [`${cwd}/start`, '-v', '{root}:{root}', '{{x}}', 'reg/image:1'],
      python: 'python3',
    });
    expect(codes).toContain('PR4107:2');
    expect(codes).not.toContain('PR4106:16');
  });
  it('keeps the image where an interpreter wins over the environment', async () => {
    const cwd = await folder(image, { [CONFIG]: 'worker_command: [run, "{image}"]\npython: bin/python\n' });
    expect((await environment(cwd)).plan.workerCommand).toEqual({ words: ['run', 'reg/image:1'] });
  });
  it('takes the image that the profile has for the name of an environment', async () => {
    const cwd = await folder('azureml:x@latest', {
      [CONFIG]: 'worker_command: [run, "{image}"]\nenvironments: { x: { image: "mine:2" } }\n',
    });
    expect((await environment(cwd)).plan.workerCommand).toEqual({ words: ['run', 'mine:2'] });
  });
  it.each(['{ conda_file: conda.yml }', '{ build: { path: . } }'])('is left out without an image: %s', async (text) => {
    const cwd = await folder(text, { [CONFIG]: 'worker_command: [run, "{image}"]\n' });
    const { plan, codes } = await environment(cwd);
    expect(plan.workerCommand).toBeUndefined();
    expect(codes).toContain('PR4112:1');
  });
  it('stays without an image where it names none', async () => {
    const cwd = await folder('{}', { [CONFIG]: 'worker_command: [nice]\n' });
    expect((await environment(cwd)).plan.workerCommand).toEqual({ words: ['nice'] });
  });
  it('refuses placeholders that it does not know', async () => {
    const cwd = await folder(image, { [CONFIG]: 'worker_command: [run, "{imgae}"]\n' });
    expect(await problemsOf(cwd, jobFile)).toMatchObject([
      { code: 'PR1011', next: 'did you mean {image}?' },
      expect.anything(),
    ]);
  });
});

describe('datastores', () => {
  it('are paths relative to the profile, or URLs', async () => {
    const cwd = await folder('{}', {
      [CONFIG]: 'datastores: { a: ./data, b: "https://h.example/c", c: /x, d: ~/y }\n',
    });
    const { readProfile } = await import('../../src/job/profile.ts');
    const { Problems } = await import('../../src/job/problems.ts');
    const problems = new Problems();
    const profile = await readProfile({}, undefined, cwd, { HOME: '/home/me' }, problems);
    expect(Object.fromEntries(profile?.datastores ?? [])).toEqual({
      a: `${cwd}/data`,
      b: 'https://h.example/c',
      c: '/x',
      d: '/home/me/y',
    });
    expect(problems.all()).toEqual([]);
  });
});
