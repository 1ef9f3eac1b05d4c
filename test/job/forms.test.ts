/** Forms of job file beside the v2 pipeline: components, jobs on their own, version 1, batch deployments. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { compilePipeline } from '../../src/job/index.ts';
import type { Problem } from '../../src/domain/problem.ts';
import { compiled, problemsOf, short, SURROUNDINGS, workspace } from './workspace.ts';

const SCORE = `type: parallel
inputs:
  images: { type: uri_folder }
  limit: { type: integer, default: 7 }
  note: { type: string, optional: true }
outputs:
  rows: { type: uri_file }
input_data: \${{inputs.images}}
mini_batch_size: 3
retry_settings: { max_retries: 1, timeout: 9 }
task:
  code: ./code
  entry_script: run.py
  program_arguments: --limit \${{inputs.limit}} $[[--note \${{inputs.note}}]]
  append_row_to: \${{outputs.rows}}
`;
const job = (inputs: string, more = ''): string => `type: pipeline
jobs:
  score:
    component: ./parts/score.yml
    inputs: ${inputs}
${more}`;

async function withComponent(text: string): Promise<string> {
  return workspace({ 'parts/score.yml': SCORE, 'parts/code/run.py': '', 'job.yml': text });
}

describe('a component', () => {
  it('its paths count from its own file, those of the job from the job file', async () => {
    const cwd = await withComponent(job('{ images: { path: ./images } }'));
    const { plan } = await compiled(cwd, { jobFile: 'job.yml' });
    expect(plan.entry.codeFolder).toBe(path.join(cwd, 'parts/code'));
    expect(plan.inputs[0]?.root).toBe(path.join(cwd, 'images'));
    expect(plan.scriptArguments).toEqual(['--limit', '7']);
    expect(plan.stepName).toBe('score');
  });

  it('what the job says wins, key by key', async () => {
    const more = '    mini_batch_size: 5\n    retry_settings: { timeout: 2 }\n';
    const cwd = await withComponent(job('{ images: { path: ./images }, limit: 1, note: hi }', more));
    const { plan } = await compiled(cwd, { jobFile: 'job.yml' });
    expect(plan.cutting).toEqual({ by: 'files', files: 5 });
    expect(plan.tries.maxTries).toBe(2);
    expect(plan.limits.runTimeoutMs).toBe(2000);
    expect(plan.scriptArguments).toEqual(['--limit', '1', '--note', 'hi']);
  });

  it.each([
    ['an input that it has not', '{ imags: { path: ./images } }', 'did you mean images?'],
    ['an input too few', '{ limit: 3 }', 'add images: below inputs: of the job'],
  ])('%s', async (_, inputs, next) => {
    const cwd = await withComponent(job(inputs));
    const problems = await problemsOf(cwd, { jobFile: 'job.yml' });
    expect(problems.filter(({ code }) => code === 'PR1031').map((each) => each.next)).toContain(next);
  });

  it.each([
    ['not there', './parts/scor.yml', ['PR1030:3']],
    ['of a workspace', 'azureml:score@latest', ['PR1030:3']],
    ['a list', './parts/list.yml', ['PR1030:1']],
    ['without a type', './parts/none.yml', ['PR1005']],
  ])('that is %s', async (_, component, expected) => {
    const cwd = await withComponent(`jobs:\n  score:\n    component: ${component}\n`);
    await writeFile(path.join(cwd, 'parts/list.yml'), '- a\n');
    await writeFile(path.join(cwd, 'parts/none.yml'), 'task: {}\n');
    const found = short(await problemsOf(cwd, { jobFile: 'job.yml' }));
    expect(found.map((each) => (expected[0]?.includes(':') === true ? each : each.split(':')[0]))).toEqual(expected);
  });

  it('on its own, its input named on the command line', async () => {
    const cwd = await withComponent('');
    const asked = [{ flags: { input: 'images' } }, { set: [`inputs.images.path=${cwd}/images`] }];
    for (const request of asked) {
      const { plan } = await compiled(cwd, { jobFile: 'parts/score.yml', ...request });
      expect(plan.inputs[0]?.root).toBe(path.join(cwd, 'images'));
      expect(plan.cutting).toEqual({ by: 'files', files: 3 });
    }
  });
});

describe('version 1', () => {
  const CONFIG = `parallel_run_config:
  mini_batch_size: "4"
  error_threshold: 5
  output_action: append_row
  append_row_file_name: rows.csv
  logging_level: DEBUG
  compute_target_name: cpu
  node_count: 1
  process_count_per_node: 2
  entry_script: score.py
  source_directory: .
  description: old
  run_invocation_timeout: 30
  run_max_try: 4
  allowed_failed_count: 6
  allowed_failed_percent: 50
`;
  const of = async (text: string) => {
    const cwd = await workspace({ 'job.yml': text });
    return compiled(cwd, { jobFile: 'job.yml', flags: { input: 'images' } });
  };

  it('every key of a parallel_run_config', async () => {
    const { plan, warnings } = await of(CONFIG);
    expect(warnings).toEqual([]);
    expect(plan).toMatchObject({
      cutting: { by: 'files', files: 4 },
      thresholds: { errorThreshold: 5, miniBatchErrorThreshold: 6, failedPercent: 50 },
      tries: { maxTries: 4 },
      limits: { runTimeoutMs: 30_000 },
      loggingLevel: 'DEBUG',
      processesPerNode: 2,
      nodeCount: 1,
      output: { action: 'append_row', format: 'csv' },
    });
    expect(plan.output.action === 'append_row' && path.basename(plan.output.file)).toBe('rows.csv');
    expect(plan.entry.file).toBe('score.py');
  });

  it('without a name the rows go where they always went, and summary_only keeps none', async () => {
    const plain = (await of(CONFIG.replace(/.*append_row_file_name.*\n/, ''))).plan.output;
    expect(plain.action === 'append_row' && path.basename(plain.file)).toBe('parallel_run_step.txt');
    expect((await of(CONFIG.replace('append_row\n', 'summary_only\n'))).plan.output.action).toBe('summary_only');
  });

  it('a bad value names its own line, an unknown key is told', async () => {
    const cwd = await workspace({ 'job.yml': CONFIG.replace('run_max_try: 4', 'run_max_try: 0\n  node_cont: 2') });
    const problems = await problemsOf(cwd, { jobFile: 'job.yml', flags: { input: 'images' } });
    expect(short(problems)).toEqual(['PR1011:14', 'PR1013:15']);
  });
});

describe('a batch endpoint deployment', () => {
  it('with its own defaults', async () => {
    const text = 'name: d\nendpoint_name: e\ncode_configuration: { code: ., scoring_script: score.py }\n';
    const cwd = await workspace({ 'd.yml': text });
    const { plan, warnings } = await compiled(cwd, { jobFile: 'd.yml', flags: { input: 'images' } });
    expect(warnings).toEqual([]);
    expect(plan).toMatchObject({
      cutting: { by: 'files', files: 10 },
      tries: { maxTries: 4 },
      limits: { runTimeoutMs: 30_000 },
      processesPerNode: 1,
      thresholds: { errorThreshold: -1 },
    });
    expect(plan.output.action === 'append_row' && path.basename(plan.output.file)).toBe('predictions.csv');
  });

  it('settings, also those of older files at the root', async () => {
    const settings = `settings:
  mini_batch_size: 2
  retry_settings: { max_retries: 0, timeout: 5 }
  output_file_name: p.jsonl
  environment_variables: { A: b }
max_concurrency_per_instance: 3
`;
    const cwd = await workspace({ 'd.yml': `code_configuration: { code: ., scoring_script: score.py }\n${settings}` });
    const { plan } = await compiled(cwd, { jobFile: 'd.yml', flags: { input: 'images' } });
    expect(plan).toMatchObject({
      cutting: { by: 'files', files: 2 },
      tries: { maxTries: 1 },
      limits: { runTimeoutMs: 5000 },
      processesPerNode: 3,
      environmentVariables: { A: 'b' },
      output: { format: 'jsonl' },
    });
  });
});

describe('a pipeline of several jobs', () => {
  const PIPE = `inputs:
  images: { type: uri_folder, path: ./images }
outputs:
  all: { type: uri_folder }
jobs:
  score:
    type: parallel
    inputs: { files: "\${{parent.jobs.prep.outputs.files}}" }
    outputs: { rows: "\${{parent.outputs.all}}" }
    input_data: \${{inputs.files}}
    task: { code: ., entry_script: score.py, append_row_to: "\${{outputs.rows}}" }
  prep:
    type: command
    command: cp \${{inputs.from}}/* \${{outputs.files}}
    inputs: { from: "\${{parent.inputs.images}}" }
    outputs: { files: { type: uri_folder } }
`;
  const compilePipe = async (text: string, request = {}): Promise<readonly Problem[] | readonly string[]> => {
    const cwd = await workspace({ 'job.yml': text });
    await mkdir(path.join(cwd, 'runs'), { recursive: true });
    const found = await compilePipeline({ jobFile: 'job.yml', flags: {}, cwd, env: {}, ...request }, SURROUNDINGS);
    return found.ok ? found.value.plan.steps.map(({ name }) => name) : found.error;
  };
  const refused = async (text: string, request = {}): Promise<readonly string[]> =>
    short((await compilePipe(text, request)) as readonly Problem[]);

  it('steps in an order in which they can run', async () => {
    expect(await compilePipe(PIPE)).toEqual(['prep', 'score']);
  });

  it('all mistakes of all steps at once, each with its line', async () => {
    const text = PIPE.replace('score.py', 'scor.py')
      .replace('command: cp', 'comand: cp')
      .replace('outputs.files}}" }', 'outputs.fils}}" }');
    expect(await refused(text)).toEqual(['PR1015:8', 'PR2001:11', 'PR1033:13', 'PR1013:14']);
  });

  it('jobs that wait for each other', async () => {
    const text = PIPE.replace('"${{parent.inputs.images}}"', '"${{parent.jobs.score.outputs.rows}}"');
    expect(await refused(text)).toContain('PR1032:6');
  });

  it('flags that speak of one job', async () => {
    expect(await refused(PIPE, { flags: { miniBatchSize: '3', input: 'x' } })).toEqual(['PR1035', 'PR1035']);
    expect(await refused(PIPE, { scriptArguments: ['--a'] })).toEqual(['PR1035']);
  });
});
