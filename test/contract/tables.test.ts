/** A table by bytes, with thresholds, and all that can stand in `program_arguments`. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TEST_PYTHON, Workspace, hasModule } from '../e2e/rig.ts';

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
});
afterEach(() => {
  space.dispose();
});

/** Flag, value, and what `plan --json` shows for its setting. */
const FLAGS = [
  ['error_threshold', '7', 'error_threshold', '7'],
  ['allowed_failed_count', '5', 'mini_batch_error_threshold', '5'],
  ['allowed_failed_percent', '90', 'allowed_failed_percent', '90'],
  ['run_invocation_timeout', '45', 'retry_settings.timeout', '45'],
  ['run_max_try', '2', 'retry_settings.max_retries', '1'],
  ['process_count_per_node', '2', 'max_concurrency_per_instance', '2'],
  ['logging_level', 'DEBUG', 'logging_level', 'DEBUG'],
  ['task_overhead_timeout', '20', 'task_overhead_timeout', '20'],
  ['progress_update_timeout', '500', 'progress_update_timeout', '500'],
  ['first_task_creation_timeout', '100', 'first_task_creation_timeout', '100'],
  ['resource_monitor_interval', '20', 'resource_monitor_interval', '20'],
  ['profiling_module', 'cProfile', 'profiling_module', 'cProfile'],
  ['copy_logs_to_parent', 'True', 'copy_logs_to_parent', 'true'],
  ['push_metrics_to_parent', 'True', 'push_metrics_to_parent', 'true'],
  ['metrics_name_prefix', 'score', 'metrics_name_prefix', 'score'],
  ['append_row_safe_output', 'True', 'append_row_safe_output', 'true'],
  ['amlbi_dataframe_mixed_types', 'False', 'amlbi_dataframe_mixed_types', 'false'],
] as const;
const OWN = ['--top', '3', '--error_thresholds', '--output', 'there', '--mini_batch_size', 'none', '-v', 'two words'];

const SCRIPT = `import sys
ARGUMENTS = sys.argv[1:]

def run(frame, context):
    if context.minibatch_index == 0 and context.try_number == 1:
        raise RuntimeError("the first try of the first one fails")
    rows = ["%d %r" % (row.id, row.name) for row in frame.itertuples(index=False)]
    return rows + (ARGUMENTS if context.minibatch_index == 0 else [])
`;

describe.skipIf(TEST_PYTHON === undefined || !hasModule('pandas'))('a table', () => {
  test('--amlbi_dataframe_mixed_types: each value keeps its own type, the same in every mini-batch', async () => {
    space.files('in', { 'a.csv': 'v,t\n1,x\na,y\n2.5,z\n7,1\n' });
    space.write('score.py', 'def run(mini_batch):\n    return [[type(row["v"]).__name__, row["v"], type(row["t"]).__name__] for row in mini_batch]\n'); // prettier-ignore
    const common = ['--entry-script', 'score.py', '--input', 'in', '--mini-batch-rows', '1', '--mini-batch-format', 'list', '--append-row-to', 'o.csv']; // prettier-ignore
    for (const [name, flags] of [
      ['texts', []],
      ['mixed', ['--', '--amlbi_dataframe_mixed_types', 'True']],
    ] as const) {
      const ended = await space.cli('run', ...common, '--name', name, ...flags);
      expect(ended.code, ended.stdout + ended.stderr).toBe(0);
    }
    expect(space.rows('texts', 'o.csv')).toEqual(['str,1,str', 'str,a,str', 'str,2.5,str', 'str,7,str']);
    expect(space.rows('mixed', 'o.csv')).toEqual(['int,1,str', 'str,a,str', 'float,2.5,str', 'int,7,int']);
  });

  test('a table by bytes, with every runtime flag and some of the script', async () => {
    const lines = Array.from({ length: 400 }, (_, i) => `${i},n${i}`);
    space.files('in', { 'a.csv': ['id,name', ...lines.slice(0, 250)].join('\n'), 'b.csv': ['id,name', ...lines.slice(250)].join('\n') }); // prettier-ignore
    space.write('src/score.py', SCRIPT);
    const flags = FLAGS.flatMap(([flag, value], i) => (i % 2 === 0 ? [`--${flag}`, value] : [`--${flag}=${value}`]));
    const quoted = [...OWN, ...flags].map((word) => (word.includes(' ') ? `'${word}'` : word));
    space.write(
      'job.yml',
      `type: pipeline
jobs:
  score:
    type: parallel
    mini_batch_size: "1kb"
    error_threshold: 1
    mini_batch_error_threshold: 1
    logging_level: WARNING
    retry_settings: { max_retries: 0, timeout: 10 }
    inputs: { rows: { type: uri_folder, path: ./in, mode: eval_mount } }
    outputs: { scores: { type: uri_file } }
    input_data: \${{inputs.rows}}
    task:
      type: run_function
      code: ./src
      entry_script: score.py
      environment: { python: ${TEST_PYTHON ?? 'python3'} }
      program_arguments: >-
        ${quoted.join(' ')}
      append_row_to: \${{outputs.scores}}
`,
    );
    const plan = await space.cli('plan', 'job.yml', '--json');
    expect(plan.code, plan.stdout + plan.stderr).toBe(0);
    const { settings } = JSON.parse(plan.stdout.trim().split('\n').at(-1) ?? '') as {
      settings: { name: string; value: string; origin: string }[];
    };
    const shown = new Map(settings.map(({ name, value, origin }) => [name, [value.replace(/ s$| %$/, ''), origin]]));
    expect(FLAGS.map(([, , name]) => [name, ...(shown.get(name) ?? [])])).toEqual(
      FLAGS.map(([, , name, value]) => [name, value, 'program arguments']),
    );

    const { code, stdout, stderr } = await space.cli('run', 'job.yml', '--name', 'r');
    expect(code, stdout + stderr).toBe(0);
    const rows = space.rows('r', 'scores');
    const first = rows.indexOf('--top');
    expect(rows.slice(first, first + OWN.length + flags.length)).toEqual([...OWN, ...flags]);
    rows.splice(first, OWN.length + flags.length);
    expect(rows).toEqual(Array.from({ length: 400 }, (_, i) => `${i} 'n${i}'`));
    const { miniBatches } = await space.status('r');
    // 2 KB and 1.3 KB: none spans both files.
    expect(miniBatches.created).toBe(4);
  });
});
