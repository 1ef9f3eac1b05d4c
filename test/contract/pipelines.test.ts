/** A pipeline as its users write it: a command prepares an MLTable, a parallel step takes it by partition keys. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TEST_PYTHON, Workspace, hasModule } from '../e2e/rig.ts';

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
});
afterEach(() => {
  space.dispose();
});

const PREPARE = `import argparse, os
parser = argparse.ArgumentParser()
parser.add_argument("--to")
parser.add_argument("--stores", type=int)
parser.add_argument("--unused")
args = parser.parse_args()
assert args.unused is None
for store in range(args.stores):
    folder = os.path.join(args.to, "s%d" % store)
    os.makedirs(folder, exist_ok=True)
    for brand in ("a", "b"):
        with open(os.path.join(folder, brand + ".txt"), "w") as file:
            file.write("week;sold\\n")
            for week in range(3):
                file.write("%d;%d\\n" % (week, store * 100 + week))
with open(os.path.join(args.to, "MLTable"), "w") as file:
    file.write("""paths:
  - pattern: ./*/*.txt
transformations:
  - read_delimited: { delimiter: ";", header: all_files_same_headers, encoding: utf8 }
  - extract_columns_from_partition_format: { partition_format: "/{store}/{brand}.txt" }
""")
`;
const TOTAL = `import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--scale", type=int)
args, _ = parser.parse_known_args()

def run(frame, context):
    assert sorted(frame.columns) == ["brand", "sold", "store", "week"], list(frame.columns)
    keys = context.partition_key_value
    assert set(frame["store"]) == {keys["store"]}, keys
    assert list(keys) == ["store", "brand"], keys
    return ["%s %s %d %d %d" % (keys["store"], keys["brand"], context.minibatch_index, len(frame), frame["sold"].sum() * args.scale)]
`;
const job = (table: string): string => `type: pipeline
display_name: totals
description: sold by store
tags: { team: stores }
settings: { default_compute: azureml:cpu, default_datastore: azureml:store }
inputs:
  stores: 3
outputs:
  totals: { type: uri_folder, mode: rw_mount }
jobs:
  prepare:
    type: command
    code: ./src
    command: >-
      python prepare.py --stores \${{inputs.stores}} --to \${{outputs.table}} $[[--unused \${{inputs.unused}}]]
    inputs: { stores: "\${{parent.inputs.stores}}" }
    outputs: { table: { type: mltable } }
  totals:
    type: parallel
    mini_batch_error_threshold: 0
    partition_keys: [store, brand]
    resources: { instance_count: 1 }
    max_concurrency_per_instance: 2
    inputs: { table: ${table}, scale: 2 }
    outputs: { rows: "\${{parent.outputs.totals}}" }
    input_data: \${{inputs.table}}
    task:
      type: run_function
      code: ./src
      entry_script: total.py
      environment: { python: ${TEST_PYTHON ?? 'python3'} }
      program_arguments: --scale \${{inputs.scale}}
      append_row_to: \${{outputs.rows}}
`;

describe.skipIf(TEST_PYTHON === undefined || !hasModule('pandas'))('a pipeline', () => {
  test('two steps: a command makes an MLTable, a parallel step takes it by its keys', async () => {
    space.files('src', { 'prepare.py': PREPARE, 'total.py': TOTAL });
    space.write('job.yml', job('"${{parent.jobs.prepare.outputs.table}}"'));
    const { code, stdout, stderr } = await space.cli('run', 'job.yml', '--name', 'p');
    expect(code, stdout + stderr).toBe(0);
    // Three weeks for each brand of each store; twice the sum of what was sold.
    expect(space.read('p', 'outputs/totals/parallel_run_step.txt').trimEnd().split('\n')).toEqual([
      's0 a 0 3 6',
      's0 b 1 3 6',
      's1 a 2 3 606',
      's1 b 3 3 606',
      's2 a 4 3 1206',
      's2 b 5 3 1206',
    ]);
  });
});
