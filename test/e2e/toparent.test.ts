/** What a pipeline has of its steps where their flags say so: logs and metrics. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Workspace } from './rig.ts';

const SCORE = `import os
from azureml.core import Run
def run(mini_batch):
    own = Run.get_context(allow_offline=False)
    for path in mini_batch:
        own.log("size", int(open(path).read()))
        print("scored", os.path.basename(path))
    own.parent.log("seen", len(mini_batch))
    with own.child_run("child") as child:
        child.log("of the child", 1)
    if os.path.exists(os.path.join(os.path.dirname(mini_batch[0]), "broken")):
        raise RuntimeError("broken")
    return mini_batch
`;
const step = (name: string, input: string, flags: string, more = ''): string => `  ${name}:
    type: parallel
    mini_batch_size: 2
    max_concurrency_per_instance: 1
    error_threshold: 0
    retry_settings: { max_retries: 0 }
${more}    inputs: { files: { type: uri_folder, path: ./${input} } }
    outputs: { rows: { type: uri_file } }
    input_data: \${{inputs.files}}
    task: { code: ./code, entry_script: score.py, append_row_to: "\${{outputs.rows}}", program_arguments: "${flags}" }
`;

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
  space.write('code/score.py', SCORE);
  space.files('in', { a: '1', b: '2', c: '6' });
  space.files('bad', { broken: '7' });
});
afterEach(() => {
  space.dispose();
});

interface Line {
  readonly type: string;
  readonly run: string;
  readonly name?: string;
}

async function metrics(run: string): Promise<readonly Line[]> {
  const { stdout, code } = await space.cli('metrics', run, '--json');
  expect(code).toBe(0);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

describe('flags of a step', () => {
  it('its logs are also those of the pipeline, its metrics with a prefix; what failed as well, what is reused too', async () => {
    const pushed = '--copy_logs_to_parent True --push_metrics_to_parent True --metrics_name_prefix good.';
    const steps = [
      step('good', 'in', pushed, '    is_deterministic: true\n'),
      step('alone', 'in', '--metrics_name_prefix none.'),
      step('bad', 'bad', '--copy_logs_to_parent True'),
    ];
    space.write('job.yml', `type: pipeline\nsettings: { continue_on_step_failure: true }\njobs:\n${steps.join('')}`);
    expect((await space.cli('run', 'job.yml', '--name', 'pipe')).code).toBe(1);
    const logs = join(space.root, 'pipe/logs');
    expect(readFileSync(join(logs, 'good/70_driver_log.txt'), 'utf8')).toContain('scored a');
    expect(readFileSync(join(logs, 'good/job_result.txt'), 'utf8')).not.toBe('');
    expect(readFileSync(join(logs, 'bad/overview.txt'), 'utf8')).toContain('RuntimeError: broken');
    expect(existsSync(join(logs, 'alone'))).toBe(false);
    const shown = await metrics('pipe');
    expect(shown).toMatchObject([
      { type: 'metric', run: 'pipe', name: 'good.size', last: 6, count: 3, min: 1, max: 6, mean: 3 },
      // to the parent itself: of all three, without a prefix
      { type: 'metric', run: 'pipe', name: 'seen', count: 5 },
      { type: 'records', run: 'pipe', children: 0 },
    ]);
    expect((await space.cli('metrics', 'pipe')).stdout).toMatch(/good\.size +6 +3 +1 +6 +3\n/);
    // those of the step are its own, without the prefix
    expect((await metrics('pipe/good')).map(({ run, name }) => `${run} ${name ?? ''}`)).toContain('pipe.good size');

    // a step that goes on replaces its copy; a pipeline that takes the result has its metrics
    expect((await space.cli('resume', 'pipe')).code).toBe(1);
    expect(existsSync(join(logs, 'bad.new'))).toBe(false);
    const now = readFileSync(join(space.root, 'pipe/steps/pipe.bad/logs/overview.txt'), 'utf8');
    expect(now.split('RuntimeError: broken\n').length).toBeGreaterThan(3);
    expect(readFileSync(join(logs, 'bad/overview.txt'), 'utf8')).toBe(now);
    await space.cli('run', 'job.yml', '--name', 'again');
    expect((await metrics('again')).map(({ name }) => name)).toContain('good.size');
  });

  it('of a run without a pipeline have no effect, which is said once', async () => {
    space.write('job.yml', `type: pipeline\njobs:\n${step('good', 'in', '--copy_logs_to_parent True --push_metrics_to_parent True')}`); // prettier-ignore
    const { stdout, stderr, code } = await space.cli('run', 'job.yml', '--name', 'one');
    expect(code).toBe(0);
    const told = (stdout + stderr).match(/^.*PR1018.*$/gm);
    expect(told).toEqual([
      expect.stringContaining('--copy_logs_to_parent and --push_metrics_to_parent have no effect'),
    ]);
  });

  it('a pipeline for which nothing was recorded says how to get there', async () => {
    space.write('code/score.py', 'def run(mini_batch):\n    return mini_batch\n');
    space.write('job.yml', `type: pipeline\njobs:\n${step('one', 'in', '')}${step('two', 'in', '')}`);
    expect((await space.cli('run', 'job.yml', '--name', 'pipe')).code).toBe(0);
    expect((await space.cli('metrics', 'pipe')).stdout).toContain('parallelrun metrics pipe/STEP');
  });
});
