/** A script that trains: a child run for each item, files kept with it, a model registered by it. */
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CLI, Workspace, runCommand } from '../e2e/rig.ts';

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
});
afterEach(() => {
  space.dispose();
});

const TRAIN = `import os
from azureml.core.run import Run
from azureml.core import Model, Workspace

parent = Run.get_context(allow_offline=False)

def run(mini_batch):
    rows = []
    for path in mini_batch:
        name = os.path.basename(path)
        child = parent.child_run(name)
        with child:
            child.log("length", os.path.getsize(path))
            os.makedirs("outputs", exist_ok=True)
            with open("outputs/model.txt", "w") as file:
                file.write("trained on " + open(path).read())
            child.upload_file("model.txt", "outputs/model.txt")
            child.register_model("net-" + name, "model.txt")
        found = Model(parent.experiment.workspace, "net-" + name).download("back", exist_ok=True)
        listed = [m.name for m in Model.list(parent.experiment.workspace, latest=True) if m.name == "net-" + name]
        rows.append("%s %s %s %s" % (name, child.get_status(), open(found).read(), listed))
        failing = parent.child_run("fails")
        failing.fail("on purpose")
        assert failing.get_status() == "Failed" and failing.id != child.id
    Model.register(workspace=parent.experiment.workspace, model_path="outputs/model.txt", model_name="last")
    return rows
`;

test('child runs with files, and models that a script registers', async () => {
  const cli = (...args: readonly string[]) =>
    runCommand(process.execPath, [CLI, ...args], space.folder, {
      PARALLELRUN_ROOT: space.root,
      PARALLELRUN_MODELS: join(space.folder, 'registry'),
      NO_COLOR: '1',
    });
  space.files('in', { a: 'one', b: 'two' });
  space.write('src/train.py', TRAIN);
  space.write(
    'job.yml',
    `type: pipeline
jobs:
  train:
    type: parallel
    inputs: { data: { type: uri_folder, path: ./in } }
    outputs: { rows: { type: uri_file } }
    input_data: \${{inputs.data}}
    mini_batch_size: 1
    max_concurrency_per_instance: 2
    task: { type: run_function, code: ./src, entry_script: train.py, append_row_to: "\${{outputs.rows}}" }
`,
  );
  const { code, stdout, stderr } = await cli('run', 'job.yml', '--name', 't');
  expect(code, stdout + stderr).toBe(0);
  expect(space.rows('t', 'rows')).toEqual([
    "a Completed trained on one ['net-a']",
    "b Completed trained on two ['net-b']",
  ]);
  const models = (await cli('models', 'list', '--json')).stdout.trim().split('\n');
  const versions = models.map((line) => JSON.parse(line) as { name: string; version: number | string });
  expect(versions.map(({ name, version }) => `${name}:${version}`).sort()).toEqual(['last:1', 'last:2', 'net-a:1', 'net-b:1']); // prettier-ignore
  const lines = (await cli('metrics', 't', '--json')).stdout.trim().split('\n');
  const children = lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ type }) => type === 'child'); // prettier-ignore
  expect(children.map(({ name, state }) => `${String(name)} ${String(state)}`).sort()).toEqual([
    'a Completed',
    'b Completed',
    'fails Failed',
    'fails Failed',
  ]);
});
