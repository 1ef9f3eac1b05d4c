/** Mini-batches without input, the life of a script in its process, and where its prints go. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Workspace } from '../e2e/rig.ts';

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
});
afterEach(() => {
  space.dispose();
});

async function run(script: string, flags: string, more = ''): Promise<string> {
  space.write('src/score.py', script);
  space.write(
    'job.yml',
    `type: pipeline
jobs:
  copies:
    type: parallel
    max_concurrency_per_instance: 2
${more}    outputs: { rows: { type: uri_file } }
    task:
      code: ./src
      entry_script: score.py
      program_arguments: ${flags}
      append_row_to: \${{outputs.rows}}
`,
  );
  const { code, stdout, stderr } = await space.cli('run', 'job.yml', '--name', 'r');
  expect(code, stdout + stderr).toBe(0);
  return space.read('r', 'outputs/rows');
}

test('rank mini-batches get an empty list, each its index', async () => {
  const rows = await run(
    `def run(nothing, mini_batch_context):
    return ["%r %d" % (list(nothing), mini_batch_context.minibatch_index)]
`,
    '--rank_mini_batch_count 4',
  );
  expect(rows).toBe('[] 0\n[] 1\n[] 2\n[] 3\n');
});

test('init, run and shutdown: how often, where, and what stays', async () => {
  const rows = await run(
    `import os
events = []
def init():
    events.append("init")
    with open("mine", "w") as file:
        file.write(str(os.getpid()))
def run(nothing):
    events.append("run")
    assert open("mine").read() == str(os.getpid())
    return ["%s %d" % (" ".join(events), os.getpid())]
def shutdown():
    print("shut down", os.getpid(), events.count("init"), events.count("run"))
`,
    '--rank_mini_batch_count=6 --process_count_per_node 1',
  );
  const lines = rows.trimEnd().split('\n');
  expect(lines.map((line) => line.replace(/ \d+$/, ''))).toEqual(
    Array.from({ length: 6 }, (_, i) => `init${' run'.repeat(i + 1)}`),
  );
  const driver = space.read('r', 'azureml-logs/70_driver_log.txt');
  expect(driver.match(/shut down \d+ 1 6/g)).toHaveLength(1);
});

test('what a script, its children and bare descriptors print reaches the driver log', async () => {
  await run(
    `import os, subprocess, sys
def run(nothing):
    print("by print")
    sys.stderr.write("by stderr\\n")
    os.write(1, b"by descriptor\\n")
    subprocess.run(["sh", "-c", "echo by child; echo by child error >&2"], check=True)
    return [1]
`,
    '--rank_mini_batch_count 1',
  );
  const driver = space.read('r', 'azureml-logs/70_driver_log.txt');
  for (const said of ['by print', 'by stderr', 'by descriptor', 'by child', 'by child error'])
    expect(driver).toMatch(new RegExp(`\\| ${said}$`, 'm'));
});
