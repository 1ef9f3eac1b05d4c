/** Models and data that a job names as a workspace registers them. */
import { mkdir, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { assetName } from '../../src/job/assets.ts';
import { addModel } from '../../src/models/index.ts';
import { compiled, JOB, problemsOf, short, workspace } from './workspace.ts';

const created = '2026-11-23T12:00:00Z';

it.each([
  ['azureml:net:3', { name: 'net', version: '3' }],
  ['azureml:net@latest', { name: 'net' }],
  ['azureml:net/versions/3', { name: 'net', version: '3' }],
  ['azureml:net/labels/latest', { name: 'net' }],
  ['azureml://registries/shared/models/net/versions/3', { name: 'net', version: '3' }],
  ['azureml://subscriptions/s/resourcegroups/g/workspaces/w/data/images/versions/2', { name: 'images', version: '2' }],
  ['azureml://subscriptions/s/resourceGroups/g/workspaces/w/models/net/labels/latest', { name: 'net' }],
  ['azureml:net', undefined],
  ['azureml://datastores/lake/paths/data/net/versions/3', undefined],
  ['azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/d/paths/models/net/versions/3', undefined],
  ['./azureml:net:3', undefined],
])('%s', (text, expected) => {
  expect(assetName(text)).toEqual(expected);
});

/** A job with a second input. */
const withInput = (line: string): string => JOB.replace('      images: ', `      net: ${line}\n      images: `);

async function registry(files: Readonly<Record<string, string>>) {
  const cwd = await workspace({ ...files, 'm.pkl': 'm' });
  const env = { PATH: '/usr/bin', PARALLELRUN_MODELS: `${cwd}/registry` };
  for (let i = 0; i < 2; i++) await addModel(`${cwd}/registry`, { name: 'net', path: `${cwd}/m.pkl`, created });
  return { cwd, env };
}
const place = (cwd: string, version: number): string => `${cwd}/registry/net/${version}/files/m.pkl`;

describe('inputs that are models', () => {
  it.each([
    ['{ type: custom_model, path: azureml:net:1 }', 1],
    ['{ type: mlflow_model, path: azureml:net@latest }', 2],
    ['{ type: triton_model, path: azureml:net/versions/1 }', 1],
  ])('%s is that of the registry', async (line, version) => {
    const { cwd, env } = await registry({
      'job.yml': `${withInput(line)}      program_arguments: --net \${{inputs.net}}\n`,
    });
    const { plan } = await compiled(cwd, { jobFile: 'job.yml', env });
    expect(plan.dataInputs?.['net']).toBe(place(cwd, version));
    expect(plan.scriptArguments).toEqual(['--net', place(cwd, version)]);
  });

  it('of the pipeline, bound by a job and through the component that declares it; as a text for a component', async () => {
    const component = `type: parallel
inputs: { images: { type: uri_folder }, net: { type: custom_model }, other: { type: custom_model } }
outputs: { o: { type: uri_file } }
input_data: \${{inputs.images}}
task: { code: ., entry_script: score.py, append_row_to: "\${{outputs.o}}" }
`;
    const job = `type: pipeline
inputs: { net: { type: custom_model, path: "azureml:net:1" }, images: { type: uri_folder, path: ./images } }
jobs:
  score:
    component: ./score.yml
    inputs: { images: "\${{parent.inputs.images}}", net: "\${{parent.inputs.net}}", other: "azureml:net@latest" }
`;
    const { cwd, env } = await registry({ 'job.yml': job, 'score.yml': component });
    const { plan } = await compiled(cwd, { jobFile: 'job.yml', env });
    expect(plan.dataInputs).toEqual({ images: `${cwd}/images`, net: place(cwd, 1), other: place(cwd, 2) });
  });

  it.each([
    ['azureml:nett@latest', 'there is no model nett', 'did you mean net? else: parallelrun models add nett PATH'],
    ['azureml:net:7', 'there is no version 7 of the model net', 'parallelrun models add net PATH'],
    ['azureml:net:v1', 'the model net has no version v1', 'parallelrun models list net'],
  ])('%s is not there', async (text, what, next) => {
    const { cwd, env } = await registry({ 'job.yml': withInput(`{ type: custom_model, path: "${text}" }`) });
    const problems = await problemsOf(cwd, { jobFile: 'job.yml', env });
    expect(problems.map((each) => [each.what, each.next])).toEqual([[`the input net: ${what}`, next]]);
    expect(problems[0]?.where?.line).toBe(8);
    if (text.endsWith(':7')) expect(problems[0]?.why).toBe('there are the versions 1, 2');
  });

  it('a registry that cannot be read is told once a model is asked for', async () => {
    const cwd = await workspace({
      'job.yml': withInput('{ type: custom_model, path: "azureml:net:1" }'),
      registry: '',
    });
    const env = { PATH: '/usr/bin', PARALLELRUN_MODELS: `${cwd}/registry` };
    expect(short(await problemsOf(cwd, { jobFile: 'job.yml', env }))).toEqual(['PR3704:8']);
    expect(
      (await compiled(cwd, { flags: { entryScript: 'score.py', input: 'images' }, env })).plan.inputs,
    ).toHaveLength(1);
  });
});

it('the model of a batch deployment goes by its own name', async () => {
  const { cwd, env } = await registry({
    'deploy.yml': 'model: azureml:net:1\ncode_configuration: { code: ., scoring_script: score.py }\n',
  });
  const { plan } = await compiled(cwd, { jobFile: 'deploy.yml', flags: { input: 'images' }, env });
  expect(plan.models).toEqual({ net: { path: place(cwd, 1), version: 1 } });
});

describe('inputs that are data', () => {
  const profile = `data:
  images: ./images
  "azureml:images:2": /data/second
  far: https://account.blob.core.windows.net/c/far
  stored: azureml://datastores/lake/paths/x
datastores: { lake: ./lake }
`;
  const job = (text: string): string => JOB.replace('path: ./images', `path: "${text}"`);

  it.each([
    ['azureml:images:1', 'images'],
    ['azureml:images@latest', 'images'],
    ['azureml:stored:1', 'lake/x'],
  ])('%s is what the profile says', async (text, below) => {
    const cwd = await workspace({ 'job.yml': job(text), 'parallelrun.config.yml': profile });
    await mkdir(`${cwd}/lake/x`, { recursive: true });
    await writeFile(`${cwd}/lake/x/a`, '');
    expect((await compiled(cwd, { jobFile: 'job.yml' })).plan.inputs).toMatchObject([{ root: `${cwd}/${below}` }]);
  });

  it('a version of its own wins; a URL is fetched', async () => {
    const cwd = await workspace({ 'job.yml': job('azureml:images:2'), 'parallelrun.config.yml': profile });
    const told = await problemsOf(cwd, { jobFile: 'job.yml' });
    expect(told.map(({ code, why }) => [code, why?.startsWith('/data/second: ')])).toEqual([['PR3101', true]]);
    await writeFile(`${cwd}/job.yml`, job('azureml:far:2'));
    const { plan } = await compiled(cwd, { jobFile: 'job.yml', offline: true });
    expect(plan.remote?.inputs.map(({ url }) => url)).toEqual(['https://account.blob.core.windows.net/c/far']);
  });

  it('one that is not known: the line to put into the profile', async () => {
    const { cwd, env } = await registry({ 'job.yml': job('azureml:image:3') });
    const first = await problemsOf(cwd, { jobFile: 'job.yml', env });
    expect(short(first)).toEqual(['PR3102:3']);
    expect(first[0]?.next).toBe(
      'say in parallelrun.config.yml where it is:\ndata:\n  image: /a/folder or https://account.blob.core.windows.net/container/path',
    );
    await writeFile(`${cwd}/parallelrun.config.yml`, profile);
    const [second] = await problemsOf(cwd, { jobFile: 'job.yml', env });
    expect(second?.why).toBe(`the profile ${cwd}/parallelrun.config.yml has images, images:2, far, stored`);
    expect(second?.next).toMatch(
      /^did you mean images\?; or say in .*\/parallelrun\.config\.yml where it is:\ndata:\n/,
    );
    await writeFile(`${cwd}/job.yml`, job('azureml:net:1'));
    const [third] = await problemsOf(cwd, { jobFile: 'job.yml', env });
    expect(third?.next).toMatch(/^the registry has a model of that name: write type: custom_model; or /);
  });
});
