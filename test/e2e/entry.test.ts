/** What a script does through the Azure SDK's names, and where it ends up: whole runs. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Workspace, runCommand, CLI } from './rig.ts';

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
});
afterEach(() => {
  space.dispose();
});

/** With a registry of its own. */
const cli = (...args: readonly string[]) =>
  runCommand(process.execPath, [CLI, ...args], space.folder, {
    PARALLELRUN_ROOT: space.root,
    PARALLELRUN_MODELS: 'registry',
    NO_COLOR: '1',
  });

async function run(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cli(...args);
  expect(code, stdout + stderr).toBe(0);
  return stdout;
}

type Line = Record<string, unknown>;
const metrics = async (runId: string): Promise<Line[]> =>
  (await run('metrics', runId, '--json'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

const SCRIPT = `
import os
from azureml.core import Run, Model, Dataset
from azureml.core.model import Model as Same

run_ = Run.get_context()

def init():
    global weight
    with open(Model.get_model_path("weights")) as file:
        weight = int(file.read())
    assert Model(None, "digits", version=1).tags == {"stage": "old"}
    found = [os.path.join(b, n) for b, _, names in os.walk(os.environ["AZUREML_MODEL_DIR"]) for n in names]
    assert len(found) == 1 and open(found[0]).read() == str(weight), found
    run_.log("loaded", weight)

def run(mini_batch):
    lookup = Dataset.get_by_name(run_.experiment.workspace, "lookup")
    with open(os.path.join(lookup, "factor")) as file:
        factor = int(file.read())
    rows = []
    for path in mini_batch:
        name = os.path.basename(path)
        value = int(open(path).read()) * weight * factor
        run_.log("value", value)
        run_.log_row("table", file=name, value=value)
        with run_.child_run(name) as child:
            child.log("inner", value)
            with open("artefact", "w") as file:
                file.write(name)
            child.upload_file("a/" + name, "artefact")
        rows.append("%s %d" % (name, value))
    run_.upload_file("last.txt", "artefact")
    run_.tag("state", "scored")
    return rows
`;

const JOB = `type: pipeline
experiment_name: an experiment
jobs:
  score:
    type: parallel
    inputs:
      numbers: { type: uri_folder, path: ./in }
      lookup: { type: uri_folder, path: ./lookup }
    outputs:
      scores: { type: uri_file, path: ./scores.txt }
    input_data: \${{inputs.numbers}}
    mini_batch_size: 2
    max_concurrency_per_instance: 2
    models:
      weights: azureml:digits@latest
    task:
      type: run_function
      code: ./src
      entry_script: score.py
      append_row_to: \${{outputs.scores}}
`;

function job(): void {
  space.files('in', { a: '1', b: '2', c: '3', d: '4' });
  space.files('lookup', { factor: '10' });
  space.write('src/score.py', SCRIPT);
  space.write('job.yml', JOB);
  space.write('w1', '2');
  space.write('w2', '3');
}

test('models, side inputs, metrics, files and child runs of a job', async () => {
  job();
  expect(await run('models', 'add', 'digits', 'w1', '--tag', 'stage=old')).toContain('azureml:digits:1');
  await run('models', 'add', 'digits', 'w2');
  expect(await run('models', 'list')).toMatch(/digits +1 .*stage=old/);
  await run('run', 'job.yml', '--name', 'r');
  expect(readFileSync(join(space.folder, 'scores.txt'), 'utf8')).toBe('a 30\nb 60\nc 90\nd 120\n');

  const lines = await metrics('r');
  const of = (type: string, run_?: string): Line[] =>
    lines.filter((line) => line['type'] === type && (run_ === undefined || line['run'] === run_));
  expect(of('metric', 'r').find(({ name }) => name === 'value')).toMatchObject({
    count: 4,
    min: 30,
    max: 120,
    mean: 75,
  });
  expect(of('metric', 'r').find(({ name }) => name === 'table')).toMatchObject({ form: 'row', count: 4 });
  expect(of('tag')).toEqual([{ type: 'tag', run: 'r', name: 'state', value: 'scored' }]);
  expect(of('file', 'r')).toMatchObject([{ name: 'last.txt', bytes: 1 }]);
  const children = of('child');
  expect(children.map(({ name, state }) => `${String(name)} ${String(state)}`).sort()).toEqual(
    ['a', 'b', 'c', 'd'].map((name) => `${name} Completed`),
  );
  for (const { id, name } of children) {
    expect(space.read('r', `children/${String(id)}/files/a/${String(name)}`)).toBe(name);
    expect(of('metric', String(id))).toMatchObject([{ name: 'inner', count: 1 }]);
  }
  expect(of('records')).toMatchObject([{ unreadable: 0, children: 4 }]);
  expect(await run('metrics', 'r')).toMatch(/value +\d+ +4 +30 +120 +75/);
  // A fact says which mini-batch it is of.
  const [node = ''] = space.list('r', 'records');
  const facts = space.list('r', `records/${node}`).flatMap((file) =>
    space
      .read('r', `records/${node}/${file}`)
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Line),
  );
  const values = facts.filter(({ name }) => name === 'value').map(({ value, miniBatch }) => [value, miniBatch]);
  expect(values.sort(([a], [b]) => Number(a) - Number(b))).toEqual([
    [30, 0],
    [60, 0],
    [90, 1],
    [120, 1],
  ]);
  expect(facts.find(({ name }) => name === 'loaded')).not.toHaveProperty('miniBatch');

  // Run again it is another's: what the run has kept stays as it is, and the model is the one that it began with.
  space.write('w3', '7');
  await run('models', 'add', 'digits', 'w3');
  expect(await run('replay', 'r/0')).toContain('a 30');
  expect(await metrics('r')).toEqual(lines);
}, 60_000);

test('a model that the job file changes needs leave when a run goes on', async () => {
  space.files('in', { a: '1', b: '2' });
  space.write('w1', '1');
  space.write('w2', '2');
  space.write(
    'src/score.py',
    `from azureml.core import Model
def run(mini_batch):
    with open(Model.get_model_path("weights")) as file:
        weight = file.read()
    assert weight == "2" or mini_batch[0].endswith("a"), "not with this one"
    return [weight]
`,
  );
  const file = (weights: string): string =>
    [
      'type: pipeline',
      'jobs:',
      '  score:',
      '    type: parallel',
      '    inputs: { data: { type: uri_folder, path: ./in } }',
      '    input_data: ${{inputs.data}}',
      '    mini_batch_size: 1',
      '    mini_batch_error_threshold: 0',
      '    retry_settings: { max_retries: 0 }',
      `    models: { weights: ${weights} }`,
      '    task: { type: run_function, code: ./src, entry_script: score.py }',
      '',
    ].join('\n');
  space.write('job.yml', file('./w1'));
  expect((await cli('run', 'job.yml', '--name', 'c', '--processes', '1')).code).toBe(1);
  space.write('job.yml', file('./w2'));
  const refused = await cli('resume', 'c', '--retry-failed');
  expect(refused.code).toBe(4);
  expect(refused.stderr).toMatch(/models: weights=.*w1 before, weights=.*w2 now/);
  // Fails with the old one.
  await run('resume', 'c', '--retry-failed', '--allow-code-change');
}, 60_000);

test('a worker that is killed has kept what it said, and its child run is not finished', async () => {
  space.files('in', { a: '1' });
  space.write(
    'score.py',
    `import os, signal
from azureml.core import Run
def run(mini_batch):
    Run.get_context().log("before", 1)
    Run.get_context().child_run("open").log("x", 1)
    os.kill(os.getpid(), signal.SIGKILL)
`,
  );
  const ended = await cli(
    ...['run', '--entry-script', 'score.py', '--input', 'in', '--name', 'k', '--max-retries', '1', '--processes', '1'],
    ...['--mini-batch-error-threshold', '0'],
  );
  expect(ended.code).toBe(1);
  const lines = await metrics('k');
  expect(lines.find(({ name }) => name === 'before')).toMatchObject({ count: 2 });
  expect(lines.filter(({ type }) => type === 'child').map(({ state }) => state)).toEqual(['Unfinished', 'Unfinished']);
}, 60_000);

test('a model that is not there is told before anything starts; one that goes away, when the run goes on', async () => {
  job();
  const missing = await cli('run', 'job.yml', '--name', 'm');
  expect(missing.code).toBe(2);
  expect(missing.stderr).toMatch(/PR3701 +there is no model digits/);
  expect(existsSync(join(space.root, 'm'))).toBe(false);

  space.write(
    'fails/score.py',
    `from azureml.core import Model
def run(mini_batch):
    assert open(Model.get_model_path("weights")).read() == "3"
    return mini_batch
`,
  );
  const flags = [
    '--entry-script',
    'fails/score.py',
    '--input',
    'in',
    '--name',
    'f',
    '--max-retries',
    '0',
    '--isolate',
    'false',
  ];
  const failed = await cli('run', ...flags, '--model', 'weights=w1', '--mini-batch-error-threshold', '0');
  expect(failed.code, failed.stdout + failed.stderr).toBe(1);
  rmSync(join(space.folder, 'w1'));
  const gone = await cli('resume', 'f', '--retry-failed');
  expect(gone.code, gone.stdout + gone.stderr).toBe(2);
  expect(gone.stderr).toMatch(/PR3701 +the model weights can't be read/);
  space.write('w1', '3');
  await run('resume', 'f', '--retry-failed');
}, 60_000);
