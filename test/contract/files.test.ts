/** Files with all that may stand beside them: side inputs, a model, an output folder of the script, a package. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Workspace } from '../e2e/rig.ts';

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
});
afterEach(() => {
  space.dispose();
});

const MAIN = `import argparse, os
from azureml.core import Run
from azureml.core.model import Model
from pkg.words import shout
import sibling

parser = argparse.ArgumentParser()
parser.add_argument("--labels")
parser.add_argument("--limit", type=float)
parser.add_argument("--extra")
parser.add_argument("--note")
args, _ = parser.parse_known_args()
run_context = Run.get_context()

def init():
    global labels, weight
    with open(args.labels) as file:
        labels = file.read().split()
    with open(os.path.join(Model.get_model_path("net"), "weight")) as file:
        weight = int(file.read())

def run(mini_batch):
    assert isinstance(mini_batch, list) and all(os.path.isabs(path) for path in mini_batch)
    assert mini_batch.task_id == mini_batch.minibatch_index
    rows = []
    for path in mini_batch:
        value = int(open(path).read()) * weight
        with open(os.path.join(args.extra, os.path.basename(path)), "w") as file:
            file.write(str(value))
        label = shout(labels[value % len(labels)])
        rows.append([os.path.basename(path), label, value > args.limit, sibling.NAME, args.note])
    return rows
`;
const JOB = `$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline
inputs:
  images: { type: uri_folder, path: ./in, mode: ro_mount }
  labels: { type: uri_file, path: "./side inputs/labels.txt", mode: download }
  net: { type: custom_model, path: ./net }
outputs:
  extra: { type: uri_folder, path: ./extra, mode: upload }
jobs:
  score:
    type: parallel
    inputs:
      images: \${{parent.inputs.images}}
      labels: \${{parent.inputs.labels}}
      net: \${{parent.inputs.net}}
      limit: 3.5
    outputs:
      rows: { type: uri_file, path: ./rows.txt }
      extra: \${{parent.outputs.extra}}
    input_data: \${{inputs.images}}
    mini_batch_size: "2"
    models: { net: "\${{inputs.net}}" }
    task:
      type: run_function
      code: ./src
      entry_script: pkg/main.py
      program_arguments: >-
        --labels \${{inputs.labels}} --limit \${{inputs.limit}} --extra \${{outputs.extra}}
        $[[--note \${{inputs.note}}]]
      append_row_to: \${{outputs.rows}}
`;

test('files with side inputs, a model and a package', async () => {
  space.files('in', { a: '1', b: '2', c: '3' });
  space.write('side inputs/labels.txt', 'cat dog');
  space.write('net/weight', '2');
  space.files('src', { 'sibling.py': 'NAME = "sib"\n' });
  space.files('src/pkg', {
    '__init__.py': '',
    'words.py': 'def shout(word):\n    return word.upper()\n',
    'main.py': MAIN,
  });
  space.write('job.yml', JOB);
  const { code, stdout, stderr } = await space.cli('run', 'job.yml', '--name', 'f');
  expect(code, stdout + stderr).toBe(0);
  expect(readFileSync(join(space.folder, 'rows.txt'), 'utf8')).toBe(
    "['a', 'CAT', False, 'sib', None]\n['b', 'CAT', True, 'sib', None]\n['c', 'CAT', True, 'sib', None]\n",
  );
  expect(readFileSync(join(space.folder, 'extra/c'), 'utf8')).toBe('6');
});
