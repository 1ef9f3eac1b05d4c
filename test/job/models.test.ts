/** `models:` of a job. */
import { expect, it } from 'vitest';
import { addModel } from '../../src/models/index.ts';
import { compile, compiled, JOB, problemsOf, short, workspace } from './workspace.ts';

const models = (...lines: string[]): string => `${JOB}    models:\n${lines.map((line) => `      ${line}\n`).join('')}`;
const created = '2026-11-23T12:00:00Z';

it('paths count from the job file, models of the registry are settled at once', async () => {
  const cwd = await workspace({
    'sub/job.yml': models(
      'local: ../m.pkl',
      'folder: file:../net',
      'third: azureml:digits:1',
      'newest: azureml:digits@latest',
    )
      .replace('path: ./images', 'path: ../images')
      .replace('entry_script: score.py', 'code: ..\n      entry_script: score.py'),
    'm.pkl': 'm',
    'net/w': 'w',
  });
  const env = { PATH: '/usr/bin', PARALLELRUN_MODELS: `${cwd}/registry` };
  for (let i = 0; i < 2; i++) await addModel(`${cwd}/registry`, { name: 'digits', path: `${cwd}/m.pkl`, created });
  const { plan, settings } = await compiled(cwd, { jobFile: 'sub/job.yml', env });
  expect(plan.models).toEqual({
    local: { path: `${cwd}/m.pkl` },
    folder: { path: `${cwd}/net` },
    third: { path: `${cwd}/registry/digits/1/files/m.pkl`, version: 1 },
    newest: { path: `${cwd}/registry/digits/2/files/m.pkl`, version: 2 },
  });
  expect(plan.origins['models']).toBe('job file');
  const flags = { models: { local: 'images' } };
  const { plan: other } = await compiled(cwd, { jobFile: 'sub/job.yml', env, flags });
  expect(other.models?.['local']).toEqual({ path: `${cwd}/images` });
  expect(settings.find(({ name }) => name === 'models')?.value).toContain(
    `newest=${cwd}/registry/digits/2/files/m.pkl`,
  );
});

it('inputs may be named in them, flags win one by one and count from the current folder', async () => {
  const cwd = await workspace({
    'job.yml': models('a: ${{inputs.weights}}', 'b: ./m.pkl').replace(
      '      images: ',
      '      weights: { type: uri_file, path: ./m.pkl }\n      images: ',
    ),
    'm.pkl': 'm',
    'n.pkl': 'n',
  });
  const { plan } = await compiled(cwd, { jobFile: 'job.yml', flags: { models: { b: 'n.pkl', c: 'm.pkl' } } });
  expect(plan.models).toEqual({
    a: { path: `${cwd}/m.pkl` },
    b: { path: `${cwd}/n.pkl` },
    c: { path: `${cwd}/m.pkl` },
  });
  expect(plan.origins['models']).toBe('command line');
  const flags = { entryScript: 'score.py', input: 'images', models: { m: 'm.pkl' } };
  expect((await compiled(cwd, { flags })).plan.models).toEqual({ m: { path: `${cwd}/m.pkl` } });
  expect(plan.dataInputs).toEqual({ weights: `${cwd}/m.pkl`, images: `${cwd}/images` });
});

it('a job without models has none in its plan', async () => {
  const cwd = await workspace({ 'job.yml': JOB });
  expect((await compiled(cwd, { jobFile: 'job.yml' })).plan).not.toHaveProperty('models');
});

it.each([
  ['none: ./none.pkl', 'PR3701:17'],
  ['none: azureml:none:1', 'PR3701:17'],
  ['none: azureml:none@latest', 'PR3701:17'],
  ['m: azureml:m', 'PR3702:17'],
  ['m: azureml:m:v1', 'PR3702:17'],
  ['m: https://example.org/m.pkl', 'PR3702:17'],
  ['m: azureml://registries/r/models/m/versions/1', 'PR3701:17'],
  ['m: azureml:m/versions/v1', 'PR3702:17'],
  ['"../m": ./images', 'PR3702:17'],
  ['m: [1]', 'PR1010:17'],
  ['m: ""', 'PR1010:17'],
  ['m: ${{inputs.nothing}}', 'PR1015:17'],
])('%s is a mistake: %s', async (line, expected) => {
  const cwd = await workspace({ 'job.yml': models(line) });
  const env = { PATH: '/usr/bin', PARALLELRUN_MODELS: `${cwd}/registry` };
  expect(short(await problemsOf(cwd, { jobFile: 'job.yml', env }))).toEqual([expected]);
});

it('says what would do', async () => {
  const cwd = await workspace({ 'job.yml': models('digits: azureml:digts@latest', 'b: azureml:digits') });
  const env = { PATH: '/usr/bin', PARALLELRUN_MODELS: `${cwd}/registry` };
  await addModel(`${cwd}/registry`, { name: 'digits', path: `${cwd}/score.py`, created });
  const told = await problemsOf(cwd, { jobFile: 'job.yml', env });
  expect(told.map(({ next }) => next)).toEqual([
    'did you mean digits? else: parallelrun models add digts PATH',
    'write azureml:digits@latest',
  ]);
});

it('models of another kind than a map, and an unreadable registry', async () => {
  const cwd = await workspace({
    'job.yml': `${JOB}    models: ./m.pkl\n`,
    'b.yml': models('m: azureml:m:1'),
    registry: '',
  });
  expect(short(await problemsOf(cwd, { jobFile: 'job.yml' }))).toEqual(['PR1010:16']);
  const result = await compile(cwd, { jobFile: 'b.yml', env: { PARALLELRUN_MODELS: `${cwd}/registry` } });
  expect(result.ok ? [] : short(result.error)).toEqual(['PR3704:17']);
});
