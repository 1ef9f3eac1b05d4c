/** Forms of job file that people have beside a pipeline with one parallel job, and the kinds of inputs and outputs. */
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Workspace } from '../e2e/rig.ts';
import { compiled, problemsOf, short, workspace } from '../job/workspace.ts';

describe('whole runs', () => {
  let space: Workspace;
  beforeEach(() => {
    space = new Workspace();
    space.files('in', { a: '1', b: '2', c: '3' });
  });
  afterEach(() => {
    space.dispose();
  });

  it('a configuration of version 1 runs', async () => {
    space.write(
      'src/score.py',
      `import os, sys
def run(mini_batch):
    if any(os.path.basename(path) == "c" for path in mini_batch):
        raise ValueError("c is never good")
    return ["%s %s" % (os.path.basename(path), sys.argv[1:3]) for path in mini_batch]
`,
    );
    space.write(
      'config.yml',
      `parallel_run_config:
  environment: { python: python3 }
  entry_script: score.py
  source_directory: ./src
  mini_batch_size: "1"
  run_invocation_timeout: 20
  run_max_try: 3
  error_threshold: 1
  allowed_failed_count: 1
  output_action: append_row
  append_row_file_name: result.csv
  compute_target_name: cluster
  node_count: 1
  process_count_per_node: 1
  logging_level: INFO
`,
    );
    const ended = await space.cli('run', 'config.yml', '--input', 'in', '--name', 'v1', '--', '--flag', 'x');
    expect(ended.code, ended.stdout + ended.stderr).toBe(0);
    expect(space.rows('v1', 'result.csv')).toEqual([`"a ['--flag', 'x']"`, `"b ['--flag', 'x']"`]);
    const { miniBatches, items } = await space.status('v1');
    expect([miniBatches.created, items.failed]).toEqual([3, 1]);
  });

  it('the pipeline YAML of version 1 runs: two steps, data references, parameters, configuration in a file', async () => {
    space.write(
      'scripts/prep.py',
      `import os, sys
args = dict(zip(sys.argv[1::2], sys.argv[2::2]))
for name in os.listdir(args["--in"]):
    with open(os.path.join(args["--out"], name + ".txt"), "w") as file:
        file.write(args["--note"] + os.environ["AML_PARAMETER_COUNT"])
`,
    );
    space.write(
      'scripts/score.py',
      `import os, sys
def run(mini_batch):
    side = sorted(os.listdir(sys.argv[2]))
    return [[os.path.basename(path), open(path).read(), len(mini_batch), len(side), sys.argv[4]] for path in mini_batch]
`,
    );
    space.write(
      'yaml/config.yml',
      `parallel_run_config:
  entry_script: score.py
  source_directory: scripts
  mini_batch_size: 2
  output_action: append_row
  append_row_file_name: rows.csv
  error_threshold: 0
  node_count: 1
  process_count_per_node: 1
  environment: { python: python3 }
`,
    );
    space.write('parallelrun.config.yml', `datastores: { blob: ${space.folder} }\n`);
    space.write(
      'pipe.yml',
      `pipeline:
  name: Two steps
  default_compute: cpu-cluster
  parameters:
    Note: { type: string, default: "it's a note" }
    Limit: { type: int, default: 600 }
  data_references:
    Raw: { datastore: blob, path_on_datastore: in }
  steps:
    Score:
      type: "ParallelRunStep"
      name: parallel-run-step-1
      parallel_run_config: yaml/config.yml
      allow_reuse: True
      arguments: ["--side", "side_input:extra", "--progress_update_timeout", "parameter:limit"]
      parameters: { limit: { source: Limit } }
      inputs: { images: { source: pictures, bind_mode: mount } }
      side_inputs: { extra: { source: Raw, bind_mode: mount } }
      outputs: { scores: { destination: scores_out, datastore: blob, bind_mode: mount } }
    Prep:
      type: "PythonScriptStep"
      name: Data Prep
      script_name: prep.py
      source_directory: .\\scripts
      arguments: ["--in", "input:raw", "--out", "output:made", "--note", "parameter:note"]
      parameters: { note: { source: Note }, COUNT: 7 }
      inputs: { raw: { source: Raw } }
      outputs: { made: { destination: pictures, datastore: blob } }
`,
    );
    const ended = await space.cli('run', 'pipe.yml', '--name', 'p');
    expect(ended.code, ended.stdout + ended.stderr).toBe(0);
    const result = readFileSync(path.join(space.root, 'p/steps/p.Score/outputs/scores/rows.csv'), 'utf8');
    const expected = [['a', 2], ['b', 2], ['c', 1]].map(([name, size]) => `${name}.txt,it's a note7,${size},3,600\n`); // prettier-ignore
    expect(result).toBe(expected.join(''));
    const again = await space.cli('run', 'pipe.yml', '--name', 'q');
    expect(again.stdout).toContain('Score: reused from p, nothing of it has changed');
  });

  it('a deployment with a model: AZUREML_MODEL_DIR and AZUREML_BI_OUTPUT_PATH', async () => {
    space.write('models/net/weights.txt', '7');
    space.write(
      'scoring/driver.py',
      `import os
def init():
    global weight
    found = [os.path.join(b, n) for b, _, names in os.walk(os.environ["AZUREML_MODEL_DIR"], followlinks=True) for n in names]
    assert [os.path.basename(path) for path in found] == ["weights.txt"], found
    weight = int(open(found[0]).read())
def run(mini_batch):
    for path in mini_batch:
        with open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], os.path.basename(path) + ".own"), "w") as file:
            file.write("own")
    return [[os.path.basename(path), int(open(path).read()) * weight, os.environ["SET"]] for path in mini_batch]
`,
    );
    space.write(
      'deployment.yml',
      `$schema: https://azuremlschemas.azureedge.net/latest/batchDeployment.schema.json
name: net
description: a batch deployment
endpoint_name: digits
type: model
model: { path: ./models/net }
code_configuration: { code: ./scoring, scoring_script: driver.py }
environment: { python: python3 }
compute: azureml:cluster
resources: { instance_count: 1 }
settings:
  max_concurrency_per_instance: 2
  mini_batch_size: 2
  output_action: append_row
  output_file_name: out.csv
  retry_settings: { max_retries: 1, timeout: 30 }
  error_threshold: 0
  logging_level: info
  environment_variables: { SET: "yes" }
`,
    );
    const ended = await space.cli('run', 'deployment.yml', '--input', 'in', '--name', 'd');
    expect(ended.code, ended.stdout + ended.stderr).toBe(0);
    const outputs = space.list('d', 'outputs');
    expect(outputs).toEqual(expect.arrayContaining(['a.own', 'b.own', 'c.own', 'out.csv']));
    expect(readFileSync(path.join(space.root, 'd/outputs/out.csv'), 'utf8')).toBe('a,7,yes\nb,14,yes\nc,21,yes\n');
  });
});

const job = (inputs: string, outputs: string, program: string): string => `type: pipeline
jobs:
  score:
    type: parallel
    inputs: { images: { type: uri_folder, path: ./images }, ${inputs} }
    outputs: { ${outputs} }
    input_data: \${{inputs.images}}
    task: { code: ., entry_script: score.py, program_arguments: "${program}" }
`;

describe('inputs and outputs', () => {
  it.each([
    ['{ type: mlflow_model, path: ./folder }', '<>/folder'],
    ['{ type: custom_model, path: ./folder/x.pkl }', '<>/folder/x.pkl'],
    ['{ type: uri_file, path: ./folder/x.pkl, mode: ro_mount }', '<>/folder/x.pkl'],
    ['{ type: uri_folder, path: ./folder, mode: download }', '<>/folder'],
    ['{ type: uri_folder, path: ./folder, mode: direct }', '<>/folder'],
    ['{ type: uri_folder, path: ./folder, mode: eval_mount }', '<>/folder'],
    ['{ type: uri_folder, path: ./folder, mode: eval_download }', '<>/folder'],
    ['{ type: string, default: two words }', 'two words'],
    ['{ type: number, default: 0.10 }', '0.10'],
    ['{ type: integer, default: 7 }', '7'],
    ['{ type: boolean, default: true }', 'true'],
    ['3', '3'],
    ['false', 'false'],
  ])('inputs of every type and mode reach the arguments: %s', async (input, expected) => {
    const text = job(`side: ${input}`, '', '--side ${{inputs.side}}');
    const cwd = await workspace({ 'job.yml': text, 'folder/x.pkl': '' });
    const { plan, warnings } = await compiled(cwd, { jobFile: 'job.yml' });
    expect(warnings).toEqual([]);
    expect(plan.scriptArguments.map((word) => word.replace(cwd, '<>'))).toEqual(['--side', expected]);
  });

  it.each([
    ['{ type: uri_folder, mode: rw_mount }', 'outputs/out', []],
    ['{ type: uri_folder, mode: upload }', 'outputs/out', []],
    ['{ type: uri_file }', 'outputs/out', ['out']],
    ['{ type: mltable, mode: rw_mount }', 'outputs/out', []],
  ])('outputs of every type and mode have a place: %s', async (output, place, files) => {
    const cwd = await workspace({ 'job.yml': job('', `out: ${output}`, '${{outputs.out}}') });
    const { plan, warnings } = await compiled(cwd, { jobFile: 'job.yml' });
    expect(warnings).toEqual([]);
    expect(plan.scriptArguments).toEqual([path.join(plan.runFolder, place)]);
    expect([plan.sideOutputs, plan.sideOutputFiles]).toEqual([{ out: path.join(plan.runFolder, place) }, files]);
  });
});

describe('the default datastore', () => {
  const OUT = 'out: { path: "azureml://datastores/${{default_datastore}}/paths/results/${{name}}" }';
  const named = (text: string, name: string): string =>
    text.replace('type: pipeline\n', `type: pipeline\nsettings: { default_datastore: ${name} }\n`);

  it.each([
    ['that of every workspace', job('', OUT, '${{outputs.out}}'), 'workspaceblobstore'],
    ['named by the job', named(job('', OUT, '${{outputs.out}}'), 'azureml:blobs'), 'blobs'],
  ])('%s: without a profile a folder stands for it, and it is said once', async (_, text, name) => {
    const cwd = await workspace({ 'job.yml': text });
    const { plan, warnings } = await compiled(cwd, { jobFile: 'job.yml', flags: { name: 'r1' } });
    const store = path.join(path.dirname(plan.runFolder), 'datastores', name);
    expect(plan.sideOutputs).toEqual({ out: path.join(store, 'results/r1') });
    expect(plan.scriptArguments).toEqual([path.join(store, 'results/r1')]);
    expect(short(warnings).map((each) => each.split(':')[0])).toEqual(['PR3609']);
    expect(warnings[0]?.what).toContain(store);
    expect(warnings[0]?.next).toContain(`  ${name}: `);
  });

  it('is what the profile says', async () => {
    const files = { 'job.yml': job('', OUT, '${{outputs.out}}'), 'parallelrun.config.yml': 'datastores: { workspaceblobstore: ./store }\n' }; // prettier-ignore
    const cwd = await workspace(files);
    const { plan, warnings } = await compiled(cwd, { jobFile: 'job.yml', flags: { name: 'r1' } });
    expect(plan.sideOutputs).toEqual({ out: path.join(cwd, 'store/results/r1') });
    expect(warnings).toEqual([]);
  });

  it('inputs come from the folder only where it has them', async () => {
    const text = job('', '', '').replace('path: ./images', 'path: "azureml://datastores/workspaceblobstore/paths/in"');
    const cwd = await workspace({ 'job.yml': text });
    const request = { jobFile: 'job.yml' };
    expect((await problemsOf(cwd, request)).map(({ code }) => code)).toContain('PR3609');
    await mkdir(path.join(cwd, 'runs/datastores/workspaceblobstore/in'), { recursive: true });
    await writeFile(path.join(cwd, 'runs/datastores/workspaceblobstore/in/a.txt'), 'x');
    const { plan } = await compiled(cwd, request);
    expect(plan.inputs[0]?.root).toBe(path.join(cwd, 'runs/datastores/workspaceblobstore/in'));
  });
});

it.each([
  ['drop_columns: [y]', 'drop'],
  ['keep_columns: x', 'keep'],
  ['convert_column_types: [{ columns: x, column_type: int }]', 'convert'],
  ['filter: \'col("x") > 1\'', 'filter'],
  ['skip: 1', 'skip'],
  ['take: 2', 'take'],
  ['filter: "col(x) > 1"', undefined],
  ['take: many', undefined],
])('a transformation is taken, or refused with its place: %s', async (step, taken) => {
  const table = `paths: [ { file: ./a.csv } ]\ntransformations:\n  - read_delimited: {}\n  - ${step}\n`;
  const text = job('', '', '').replace('type: uri_folder, path: ./images', 'type: mltable, path: ./table');
  const cwd = await workspace({ 'job.yml': text, 'table/MLTable': table, 'table/a.csv': 'x\n1\n' });
  if (taken !== undefined) {
    const [input] = (await compiled(cwd, { jobFile: 'job.yml' })).plan.inputs;
    expect(input).toMatchObject({ kind: 'table', steps: [{ step: taken, at: { line: 4 } }] });
    return;
  }
  const [problem] = await problemsOf(cwd, { jobFile: 'job.yml' });
  expect([problem?.code, problem?.where?.line]).toEqual(['PR1036', 4]);
  expect(problem?.what).toContain(step.split(':')[0]);
});

it('the environment of a configuration of version 1 is that of the run', async () => {
  const text = 'parallel_run_config:\n  entry_script: score.py\n  environment: { conda_file: c.yml }\n';
  const files = { 'job.yml': text, 'c.yml': 'dependencies: [python=3.9, pip: [tqdm==4]]\n' };
  const { plan } = await compiled(await workspace(files), { jobFile: 'job.yml', flags: { input: 'images' } });
  expect(plan.environment).toMatchObject({ kind: 'requirements', pythonVersion: '3.9', pip: ['tqdm==4'] });
});

it.each([
  ['error_threshold: 3', { thresholds: { errorThreshold: 3 } }, []],
  ['logging_level: debug', { loggingLevel: 'DEBUG' }, []],
  ['output_action: summary_only', { output: { action: 'summary_only' } }, []],
  ['mini_batch_size: 0', undefined, ['PR1011:3']],
  ['output_file_nam: x', { cutting: { files: 10 } }, ['PR1013:3']],
])('settings of a deployment: %s', async (line, expected, codes) => {
  const text = `code_configuration: { code: ., scoring_script: score.py }\nsettings:\n  ${line}\n`;
  const request = { jobFile: 'd.yml', flags: { input: 'images' } };
  const cwd = await workspace({ 'd.yml': text });
  if (expected === undefined) {
    expect(short(await problemsOf(cwd, request))).toEqual(codes);
    return;
  }
  const { plan, warnings } = await compiled(cwd, request);
  expect(plan).toMatchObject(expected);
  expect(short(warnings)).toEqual(codes);
});

it('misspelt keys of a deployment and of a configuration name what was meant', async () => {
  const deployment = `code_configuration: { code: ., scoring_script: score.py, cod: . }
settings: { retry_settings: { timeot: 3 }, mini_batch_sise: 3, wombat: 1 }
endpoint_nam: e
`;
  const config = 'parallel_run_config:\n  entry_script: score.py\n  node_cont: 2\n';
  const cwd = await workspace({ 'd.yml': deployment, 'c.yml': config });
  const hints = async (jobFile: string): Promise<unknown> =>
    (await compiled(cwd, { jobFile, flags: { input: 'images' } })).warnings.map(({ where, next }) => [
      where?.line,
      next,
    ]);
  expect(await hints('d.yml')).toEqual([
    [1, 'did you mean code?'],
    [2, 'did you mean timeout?'],
    [2, 'did you mean mini_batch_size?'],
    [2, 'remove it, or look it up in docs/reference/settings.md'],
    [3, 'did you mean endpoint_name?'],
  ]);
  expect(await hints('c.yml')).toEqual([[3, 'did you mean node_count?']]);
});

describe('what is not there yet is told', () => {
  const model = job('', '', '').replace(
    /task: .*/,
    'task: { type: model, model: { path: ./m }, append_row_to: "${{outputs.o}}" }',
  );
  it.each([['a job of a model', model, ['PR1009', 'PR1007', 'PR1015']]])('%s', async (_, text, codes) => {
    const cwd = await workspace({ 'job.yml': text });
    expect((await problemsOf(cwd, { jobFile: 'job.yml' })).map(({ code }) => code)).toEqual(codes);
  });
});

it('a deployment on several nodes: one is used, and it is said', async () => {
  const text = 'code_configuration: { code: ., scoring_script: score.py }\nresources: { instance_count: 2 }\n';
  const cwd = await workspace({ 'd.yml': text });
  const { plan, warnings } = await compiled(cwd, { jobFile: 'd.yml', flags: { input: 'images' } });
  expect([plan.nodeCount, short(warnings)]).toEqual([1, ['PR1018:2']]);
});

it.each([
  ['', '', undefined, []],
  ['--amlbi_dataframe_mixed_types True', '', true, []],
  ['--amlbi_dataframe_mixed_types True', '    mini_batch_format: list\n', true, []],
  ['--amlbi_dataframe_mixed_types True', '    mini_batch_format: polars\n', undefined, ['PR1018']],
])('mixed types: %j %j', async (flags, more, mixed, codes) => {
  const cwd = await workspace({ 'job.yml': `${job('', '', flags)}${more}` });
  const { plan, warnings } = await compiled(cwd, { jobFile: 'job.yml' });
  expect([plan.mixedTypes, warnings.map(({ code }) => code)]).toEqual([mixed, codes]);
});
