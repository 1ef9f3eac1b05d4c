/** The pipeline YAML of version 1: what its steps become, and what is said of one that can't be run. */
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { compilePipeline } from '../../src/job/index.ts';
import type { Problem } from '../../src/domain/problem.ts';
import { compiled, problemsOf, short, SURROUNDINGS, workspace } from './workspace.ts';

/** A file with one step; lines of the step are at 6 blanks. */
const one = (step: string, more = ''): string => `pipeline:
  name: p
  data_references:
    Raw: { path: ./images }
${more}  steps:
    Score:
      type: "ParallelRunStep"
${step}`;
const CONFIG = '      parallel_run_config: { entry_script: score.py, mini_batch_size: 2 }\n';
const INPUT = '      inputs: { images: { source: Raw } }\n';
const ask = { jobFile: 'job.yml' };

describe('a ParallelRunStep', () => {
  it('its settings, inputs, side inputs, arguments and output', async () => {
    const text = one(
      `${CONFIG.replace(' }', ', append_row_file_name: rows.csv }')}${INPUT}      name: parallel-step
      side_inputs: { model: { source: Model } }
      arguments: [--run_max_try, "parameter:tries", --model, "side_input:model", --where, "output:out", plain text]
      parameters: { tries: { source: Tries } }
      outputs: { out: { destination: scores, datastore: blob } }
`,
      '    Model: { datastore: blob, path_on_datastore: /m/net.pkl }\n  parameters: { Tries: { type: int, default: 2 } }\n',
    );
    const profile = 'datastores: { blob: ./store }\n';
    const cwd = await workspace({ 'job.yml': text, 'store/m/net.pkl': '', 'parallelrun.config.yml': profile });
    const { plan, warnings } = await compiled(cwd, ask);
    expect(short(warnings)).toEqual([]);
    const out = path.join(plan.runFolder, 'outputs/out');
    expect(plan).toMatchObject({
      stepName: 'Score',
      displayName: 'p',
      tries: { maxTries: 2 },
      cutting: { by: 'files', files: 2 },
      output: { action: 'append_row', file: path.join(out, 'rows.csv'), format: 'csv' },
      scriptArguments: [
        '--run_max_try',
        '2',
        '--model',
        path.join(cwd, 'store/m/net.pkl'),
        '--where',
        out,
        'plain text',
      ],
    });
    expect(plan.inputs.map(({ name, root }) => [name, root])).toEqual([['images', path.join(cwd, 'images')]]);
  });

  it('several inputs are split one after the other, in listed order', async () => {
    const text = one(
      `${CONFIG}      inputs: { b: { source: Raw }, a: { source: More } }\n`,
      '    More: { path: ./more }\n',
    );
    const cwd = await workspace({ 'job.yml': text, 'more/x.png': '' });
    const { plan } = await compiled(cwd, ask);
    expect(plan.inputs.map(({ name, root }) => [name, path.basename(root)])).toEqual([['b', 'images'], ['a', 'more']]); // prettier-ignore
  });

  it.each([
    ['beside it', 'yaml/c.yml', { 'yaml/c.yml': 'entry_script: own.py\n', 'yaml/own.py': '' }, 'yaml'],
    ['beside the pipeline', 'yaml\\c.yml', { 'yaml/c.yml': 'parallel_run_config: { entry_script: score.py }\n' }, '.'],
    ['where the step says', 'yaml/c.yml', { 'yaml/c.yml': 'entry_script: own.py\n', 'src/own.py': '' }, 'src'],
  ])('whose configuration is a file, with its script %s', async (_, file, files, folder) => {
    const source = folder === 'src' ? '      source_directory: ./src\n' : '';
    const text = one(`      parallel_run_config: ${file}\n${INPUT}${source}`);
    const { plan } = await compiled(await workspace({ 'job.yml': text, ...files }), ask);
    expect(plan.entry.codeFolder).toBe(path.join(path.dirname(plan.jobFile ?? ''), folder));
  });

  it.each([
    ['a', false],
    ['ab', false],
    ['abc', true],
    ['a-1', true],
    ['Abc', false],
    ['1abc', false],
    ['abc-', false],
    ['a_bc', false],
    ['a'.repeat(32), true],
    ['a'.repeat(33), false],
  ])('called %s', async (name, allowed) => {
    const cwd = await workspace({ 'job.yml': one(`${CONFIG}${INPUT}      name: "${name}"\n`) });
    const problems = await problemsOf(cwd, ask);
    expect(problems.map(({ code, where }) => [code, where?.keyPath])).toEqual(
      allowed ? [] : [['PR1011', 'pipeline.steps.Score.name']],
    );
  });

  it('keys and a size together are an error, in a configuration on its own as well', async () => {
    const both = '{ entry_script: score.py, mini_batch_size: 2, partition_keys: [store] }';
    const cwd = await workspace({
      'job.yml': one(`      parallel_run_config: ${both}\n${INPUT}`),
      'config.yml': `parallel_run_config: ${both}\n`,
    });
    expect((await problemsOf(cwd, ask)).map(({ code }) => code)).toContain('PR1012');
    const alone = await problemsOf(cwd, { jobFile: 'config.yml', flags: { input: 'images' } });
    expect(alone.map(({ code }) => code)).toContain('PR1012');
  });

  it.each([
    ['mini_batch_size', '7', {}],
    ['error_threshold', '7', { thresholds: { errorThreshold: 7 } }],
    ['allowed_failed_count', '7', { thresholds: { miniBatchErrorThreshold: 7 } }],
    ['allowed_failed_percent', '7', { thresholds: { failedPercent: 7 } }],
    ['output', 'x', {}],
    ['output_action', 'x', {}],
    ['logging_level', 'DEBUG', { loggingLevel: 'DEBUG' }],
    ['process_count_per_node', '7', { processesPerNode: 7 }],
    ['run_invocation_timeout', '7', { limits: { runTimeoutMs: 7000 } }],
    ['run_max_try', '7', { tries: { maxTries: 7 } }],
    ['append_row_file_name', 'x', { output: { file: expect.stringMatching(/parallel_run_step.txt$/) as unknown } }],
  ])('arguments that version 1 refuses are taken: %s', async (name, value, expected) => {
    const text = one(`${CONFIG}${INPUT}      arguments: [--${name}, "${value}"]\n`);
    const { plan, warnings } = await compiled(await workspace({ 'job.yml': text }), ask);
    expect(plan).toMatchObject({ ...expected, scriptArguments: [`--${name}`, value] });
    expect([plan.cutting, short(warnings)]).toEqual([{ by: 'files', files: 2 }, []]);
  });

  it('a dataset of a workspace is named with what to set', async () => {
    const text = one(`${CONFIG}${INPUT}`).replace('path: ./images', 'dataset_name: mnist');
    const cwd = await workspace({ 'job.yml': text });
    const [problem] = await problemsOf(cwd, ask);
    expect([problem?.code, problem?.where?.line]).toEqual(['PR3102', 4]);
    const path = 'pipeline.data_references.Raw.path';
    expect(problem?.next).toContain(`--set ${path}=PATH`);
    const { plan } = await compiled(cwd, { ...ask, set: [`${path}=images`] });
    expect(plan.inputs).toHaveLength(1);
  });
});

describe('a PythonScriptStep', () => {
  it('is a command: arguments as single words, parameters as variables, environment of its runconfig', async () => {
    const text = `pipeline:
  data_references: { Raw: { path: ./images } }
  parameters: { Note: { default: "a 'b' $c" } }
  steps:
    Prep:
      type: PythonScriptStep
      script_name: prep.py
      runconfig: ./run.yml
      arguments: [--in, "input:raw", --out, "output:made", --note, "parameter:note", 0.10]
      parameters: { note: { source: Note } }
      inputs: { raw: { source: Raw } }
      outputs: { made: { destination: made } }
      allow_reuse: false
`;
    const runconfig = 'environment: { python: { userManagedDependencies: true }, environmentVariables: { A: "1" } }\n';
    const cwd = await workspace({ 'job.yml': text, 'run.yml': runconfig, 'prep.py': '' });
    const request = { flags: {}, env: { PATH: '/usr/bin' }, cwd, ...ask };
    const result = await compilePipeline(request, SURROUNDINGS);
    if (!result.ok) throw new Error(short(result.error).join(' '));
    const [step] = result.value.steps;
    expect(step?.runs.replaceAll(cwd, '<>')).toMatch(
      /^python prep\.py --in <>\/images --out <>\/runs\/[^ ]+\/outputs\/made --note 'a '\\''b'\\'' \$c' 0\.10$/,
    );
    expect([step?.type, step?.reusable, short(result.value.warnings)]).toEqual(['command', false, []]);
  });

  it('waits for the steps whose destinations it reads; reuse is on unless it is switched off', async () => {
    const text = `pipeline:
  continue_on_step_failure: true
  steps:
    Last: { type: PythonScriptStep, script_name: a.py, inputs: { x: { source: csv } } }
    First: { type: PythonScriptStep, script_name: b.py, outputs: { y: { destination: csv } } }
`;
    const cwd = await workspace({ 'job.yml': text });
    const result = await compilePipeline({ flags: {}, env: {}, cwd, ...ask }, SURROUNDINGS);
    if (!result.ok) throw new Error(short(result.error).join(' '));
    expect(result.value.plan.steps.map(({ name, needs }) => [name, needs])).toEqual([['First', []], ['Last', ['First']]]); // prettier-ignore
    expect(result.value.steps.map(({ reusable }) => reusable)).toEqual([true, true]);
    expect(result.value.plan.continueOnFailure).toBe(true);
  });
});

describe('what is wrong', () => {
  const found = async (text: string): Promise<readonly Problem[]> =>
    problemsOf(await workspace({ 'job.yml': text }), ask);
  it.each([
    ['a source of nobody', `${CONFIG}      inputs: { images: { source: Rw } }\n`, 'PR1015', 'did you mean Raw?'],
    ['a parameter of nobody', `${CONFIG}${INPUT}      arguments: ["parameter:x"]\n`, 'PR1015', undefined],
    ['a parameter of the pipeline that is not there', `${CONFIG}${INPUT}      parameters: { x: { source: y } }\n      arguments: ["parameter:x"]\n`, 'PR1015', undefined],
    ['an argument that is a map', `${CONFIG}${INPUT}      arguments: [{ a: 1 }]\n`, 'PR1010', undefined],
    ['no configuration', INPUT, 'PR1009', 'add parallel_run_config: with entry_script and the other settings, or the path of a file with them'],
    ['a configuration that is not there', `      parallel_run_config: ./none.yml\n${INPUT}`, 'PR1030', 'check the path; it counts from the folder of the job file'],
    ['an output action', `      parallel_run_config: { entry_script: score.py, output_action: append }\n${INPUT}`, 'PR1011', undefined],
    ['a misspelt key', `${CONFIG}${INPUT}      side_input: {}\n`, 'PR1013', 'did you mean side_inputs?'],
  ])('%s is told, and nothing else', async (_, step, code, next) => {
    const problems = await found(one(step));
    expect(problems.map((each) => each.code)).toEqual([code]);
    expect(problems[0]?.where?.line).toBeGreaterThan(6);
    if (next !== undefined) expect(problems[0]?.next).toBe(next);
  }); // prettier-ignore

  it.each([
    ['no steps', 'pipeline: { name: p }\n', 'PR1005'],
    ['a step of another type', 'pipeline: { steps: { A: { type: AdlaStep } } }\n', 'PR1006'],
    ['a step without a type', 'pipeline: { steps: { A: { name: x } } }\n', 'PR1006'],
    ['no script', 'pipeline: { steps: { A: { type: PythonScriptStep }, B: { type: PythonScriptStep, script_name: x } } }\n', 'PR1033'],
    ['data without a place', one(CONFIG + INPUT, '    More: { bind_mode: mount }\n'), 'PR1009'],
    ['a parameter without a value', one(`${CONFIG}${INPUT}      parameters: { x: { source: y } }\n      arguments: ["parameter:x"]\n`, '  parameters: { y: { type: int } }\n'), 'PR1009'],
    ['one destination of two steps', 'pipeline: { steps: { A: { type: PythonScriptStep, script_name: x, outputs: { o: { destination: d } } }, B: { type: PythonScriptStep, script_name: x, outputs: { o: { destination: d } } } } }\n', 'PR1012'],
  ])('%s is told', async (_, text, code) => {
    expect((await found(text)).map((each) => each.code)).toContain(code);
  }); // prettier-ignore
});
