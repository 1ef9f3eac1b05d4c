/** Thresholds of a job at their edge, and names of results. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Workspace } from '../e2e/rig.ts';
import { problemsOf, workspace } from '../job/workspace.ts';

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
});
afterEach(() => {
  space.dispose();
});

const SCRIPT = `def run(mini_batch):
    for path in mini_batch:
        if open(path).read() == "bad":
            raise ValueError("bad")
    return mini_batch
`;

/** Two of six files are bad, one to a mini-batch. */
test.each([
  ['error_threshold', 'error_threshold: 2', 'error_threshold: 1', 'PR5101'],
  ['mini_batch_error_threshold', 'mini_batch_error_threshold: 2', 'mini_batch_error_threshold: 1', 'PR5102'],
  ['allowed_failed_percent', '--allowed_failed_percent 34', '--allowed_failed_percent 33', 'PR5103'],
])('exactly as many failures as are allowed complete, one more fails: %s', async (_, fits, exceeded, code) => {
  space.files('in', { a: 'ok', b: 'bad', c: 'ok', d: 'ok', e: 'bad', f: 'ok' });
  space.write('src/score.py', SCRIPT);
  const job = (text: string): string => `jobs:
  score:
    type: parallel
    mini_batch_size: 1
    retry_settings: { max_retries: 0 }
    inputs: { data: { type: uri_folder, path: ./in } }
    outputs: { rows: { type: uri_file } }
    input_data: \${{inputs.data}}
    ${text.startsWith('--') ? 'description: x' : text}
    task: { code: ./src, entry_script: score.py, append_row_to: "\${{outputs.rows}}", program_arguments: "${text.startsWith('--') ? text : ''}" }
`;
  space.write('fits.yml', job(fits));
  space.write('exceeded.yml', job(exceeded));
  const good = await space.cli('run', 'fits.yml', '--name', 'fits');
  expect(good.code, good.stdout + good.stderr).toBe(0);
  const bad = await space.cli('run', 'exceeded.yml', '--name', 'exceeded');
  expect(bad.code).toBe(1);
  expect(bad.stdout).toContain(code);
});

test.each('~ " # % & * : < > ? / \\ { | }'.split(' '))(
  'each character that a result name may not hold is refused: %s',
  async (character) => {
    const name = `a${character}b.txt`;
    const quoted = `'${name}'`;
    const files = {
      'config.yml': `parallel_run_config: { entry_script: score.py, append_row_file_name: ${quoted} }\n`,
      'step.yml': `pipeline:
  data_references: { d: { path: ./images } }
  steps:
    One:
      type: ParallelRunStep
      inputs: { d: { source: d } }
      outputs: { rows: { destination: rows } }
      parallel_run_config: { entry_script: score.py, append_row_file_name: ${quoted} }
`,
      'job.yml': `jobs:
  score:
    type: parallel
    outputs: { rows: { type: uri_folder } }
    task: { entry_script: score.py, append_row_to: "\${{outputs.rows}}", append_row_file_name: ${quoted} }
`,
    };
    const cwd = await workspace(files);
    const input = 'images';
    const asked = [
      { flags: { entryScript: 'score.py', input, appendRowTo: name } },
      { jobFile: 'config.yml', flags: { input } },
      { jobFile: 'step.yml' },
      { jobFile: 'job.yml', flags: { input } },
    ];
    for (const request of asked) expect((await problemsOf(cwd, request)).map(({ code }) => code)).toEqual(['PR5203']);
  },
);
