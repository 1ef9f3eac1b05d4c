/** Pipelines through the command line: order, failure of a step, resume, reuse, kill, cancel. */
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PipelineStatus } from '../../src/views/pipeline.ts';
import { Workspace } from './rig.ts';

const PREP = `import os, sys
for i in range(int(sys.argv[1])):
    with open(os.path.join(sys.argv[2], "%03d.txt" % i), "w") as f:
        f.write(str(i))
print("made", sys.argv[1])
`;
const DOUBLE = `def run(batch):
    return [str(int(open(f).read()) * 2) for f in batch]
`;
const ADD = `import os, sys, time
def run(batch):
    while os.path.exists(os.path.join(sys.argv[1], "wait")):
        time.sleep(0.05)
    if os.path.exists(os.path.join(sys.argv[1], "broken")):
        raise RuntimeError("the flag says no")
    return ["%s:%d" % (os.path.basename(f), int(open(f).read()) + 1) for f in batch]
`;
const SUM = `import sys
print(sum(int(line.split(":")[-1]) for line in open(sys.argv[1])))
`;
const JOB = `type: pipeline
display_name: four steps
inputs:
  count: 12
  flags: { type: uri_folder, path: ./flags }
outputs:
  total: { type: uri_file }
jobs:
  prep:
    type: command
    code: ./code
    command: python prep.py \${{inputs.count}} \${{outputs.files}}
    is_deterministic: true
    inputs: { count: "\${{parent.inputs.count}}" }
    outputs: { files: { type: uri_folder } }
  double:
    type: parallel
    mini_batch_size: 5
    max_concurrency_per_instance: 1
    is_deterministic: true
    inputs: { files: "\${{parent.jobs.prep.outputs.files}}" }
    outputs: { rows: { type: uri_file } }
    input_data: \${{inputs.files}}
    task: { code: ./code, entry_script: double.py, append_row_to: "\${{outputs.rows}}" }
  add:
    component: ./parts/add.yml
    inputs:
      files: \${{parent.jobs.prep.outputs.files}}
      flags: \${{parent.inputs.flags}}
      first: \${{parent.jobs.double.outputs.rows}}
  total:
    type: command
    code: ./code
    command: python sum.py \${{inputs.rows}} > \${{outputs.total}}
    inputs: { rows: "\${{parent.jobs.add.outputs.rows}}" }
    outputs: { total: "\${{parent.outputs.total}}" }
`;
const COMPONENT = `type: parallel
inputs:
  files: { type: uri_folder }
  flags: { type: uri_folder }
  first: { type: uri_file }
outputs:
  rows: { type: uri_file }
input_data: \${{inputs.files}}
mini_batch_size: 4
max_concurrency_per_instance: 1
mini_batch_error_threshold: 0
retry_settings: { max_retries: 0 }
task:
  code: ../code
  entry_script: add.py
  program_arguments: \${{inputs.flags}}
  append_row_to: \${{outputs.rows}}
`;

let workspace: Workspace;
beforeEach(() => {
  workspace = new Workspace();
});
afterEach(() => {
  workspace.dispose();
});

function lay(): string {
  workspace.files('code', { 'prep.py': PREP, 'double.py': DOUBLE, 'add.py': ADD, 'sum.py': SUM });
  workspace.write('parts/add.yml', COMPONENT);
  workspace.write('flags/readme', '');
  return workspace.write('job.yml', JOB);
}

async function status(name: string): Promise<PipelineStatus> {
  return JSON.parse((await workspace.cli('status', name, '--json')).stdout) as PipelineStatus;
}
const states = ({ steps }: PipelineStatus): readonly string[] => steps.map(({ name, state }) => `${name} ${state}`);
/** 0 + 1 + ... + 11, and one for each. */
const TOTAL = '78\n';

async function until(what: () => boolean): Promise<void> {
  for (let i = 0; !what(); i++) {
    if (i > 600) throw new Error('it did not come to that in 30 s');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe('a pipeline', () => {
  it('whose second parallel step fails once: message, states, resume, result, reuse', async () => {
    lay();
    const broken = workspace.write('flags/broken', '');
    const first = await workspace.cli('run', 'job.yml', '--name', 'pipe');
    expect(first.code).toBe(1);
    // the last lines: whose fault, where, what next
    expect(first.stdout).toContain('RuntimeError: the flag says no');
    expect(first.stdout).toMatch(/add\.py:6 run\(\)/);
    expect(first.stdout).toContain('parallelrun resume pipe');
    expect(first.stdout).toContain('not begun: total');
    expect(states(await status('pipe'))).toEqual(['prep Completed', 'double Completed', 'add Failed', 'total Skipped']);
    expect((await workspace.cli('errors', 'pipe/add')).stdout).toContain('the flag says no');
    expect((await workspace.cli('errors', 'pipe')).code).toBe(2);
    expect(workspace.read('pipe', 'steps/pipe.prep/azureml-logs/70_driver_log.txt')).toMatch(/Z made 12\n$/);
    expect(workspace.read('pipe', 'steps/pipe.double/outputs/rows').split('\n')[11]).toBe('22');

    writeFileSync(broken.replace('broken', 'mended'), '');
    rmSync(broken);
    const second = await workspace.cli('resume', 'pipe');
    expect(second.stdout).toContain('2 steps done, not run again');
    expect(second.code).toBe(0);
    expect(workspace.read('pipe', 'outputs/total')).toBe(TOTAL);
    expect(states(await status('pipe')).every((each) => each.endsWith(' Completed'))).toBe(true);
    expect((await workspace.cli('resume', 'pipe')).code).toBe(0);

    // what is deterministic and has not changed is taken from there; the rest is run
    const third = await workspace.cli('run', 'job.yml', '--name', 'again');
    expect(third.code).toBe(0);
    const again = await status('again');
    expect(states(again)).toEqual(['prep Reused', 'double Reused', 'add Completed', 'total Completed']);
    expect(again.steps[0]?.reusedFrom).toBe('pipe');
    expect(workspace.read('again', 'outputs/total')).toBe(TOTAL);

    workspace.write('code/prep.py', PREP.replace('made', 'did'));
    await workspace.cli('run', 'job.yml', '--name', 'changed');
    const changed = await status('changed');
    expect(changed.steps[0]?.notReused).toBe('code is not what it was in pipe');
    // its input was made anew
    expect(changed.steps[1]?.notReused).toContain('input files');
    expect((await workspace.cli('list')).stdout).toContain('4/4 steps');
  });

  it('that is killed in the middle goes on where it was', async () => {
    lay();
    const wait = workspace.write('flags/wait', '');
    const child = workspace.spawnCli('run', 'job.yml', '--name', 'pipe');
    const journal = join(workspace.root, 'pipe/state/pipeline.journal');
    await until(() => existsSync(journal) && readFileSync(journal, 'utf8').includes('"pipe.add"'));
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    rmSync(wait);
    expect((await workspace.cli('status', 'pipe')).stdout).toContain('was interrupted');
    // a journal that was cut in the middle of a line is read up to there
    writeFileSync(journal, `${readFileSync(journal, 'utf8')}{"type":"step-en`);
    const resumed = await workspace.cli('resume', 'pipe');
    expect(resumed.code).toBe(0);
    expect(workspace.read('pipe', 'outputs/total')).toBe(TOTAL);
  });

  it.each(['state/plan.json', 'state/ledger.journal', 'nothing of it'])(
    'that was killed while the folder of a step was made, up to %s',
    async (last) => {
      lay();
      const wait = workspace.write('flags/wait', '');
      const child = workspace.spawnCli('run', 'job.yml', '--name', 'pipe');
      const folder = join(workspace.root, 'pipe/steps/pipe.add');
      await until(() => existsSync(join(folder, 'state/manifest.jsonl')));
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
      rmSync(wait);
      const plan = readFileSync(join(folder, 'state/plan.json'), 'utf8');
      rmSync(folder, { recursive: true });
      if (last !== 'nothing of it') workspace.write('runs/pipe/steps/pipe.add/state/plan.json', plan);
      if (last === 'state/ledger.journal') workspace.write('runs/pipe/steps/pipe.add/state/ledger.journal', '');
      const resumed = await workspace.cli('resume', 'pipe');
      expect([resumed.code, resumed.stderr]).toEqual([0, '']);
      expect(workspace.read('pipe', 'outputs/total')).toBe(TOTAL);
    },
  );

  it('that is canceled says so, ends its workers, and goes on later', async () => {
    lay();
    const wait = workspace.write('flags/wait', '');
    const child = workspace.spawnCli('run', 'job.yml', '--name', 'pipe');
    const journal = join(workspace.root, 'pipe/state/pipeline.journal');
    await until(() => existsSync(journal) && readFileSync(journal, 'utf8').includes('"pipe.add"'));
    const ended = once(child, 'exit');
    await workspace.cli('cancel', 'pipe', '--now');
    expect((await ended)[0]).toBe(130);
    rmSync(wait);
    expect(states(await status('pipe'))[2]).toBe('add Canceled');
    expect((await workspace.cli('resume', 'pipe')).code).toBe(0);
    expect(workspace.read('pipe', 'outputs/total')).toBe(TOTAL);
  });

  it('whose job has changed is gone on with only when told', async () => {
    lay();
    workspace.write('code/sum.py', 'raise SystemExit("no sum today")');
    const first = await workspace.cli('run', 'job.yml', '--name', 'pipe');
    expect(first.code).toBe(1);
    expect(first.stdout).toContain('it ended with exit code 1');
    expect(first.stdout).toContain('no sum today');
    workspace.write('code/total.py', SUM);
    workspace.write('job.yml', JOB.replace('sum.py', 'total.py'));
    const refused = await workspace.cli('resume', 'pipe');
    expect(refused.code).toBe(4);
    expect(refused.stderr).toContain('PR5601');
    expect((await workspace.cli('resume', 'pipe', '--allow-code-change')).code).toBe(0);
    expect(workspace.read('pipe', 'outputs/total')).toBe(TOTAL);
  });
});

it('a parallel step whose code folder holds the runs takes none of them into the copy of its code', async () => {
  workspace.write('data/x', 'hello');
  workspace.write('score.py', 'def run(paths): return [1 for _ in paths]\n');
  workspace.write('runs/datastores/blobs/large', 'data');
  workspace.write(
    'job.yml',
    `jobs:
  other: { type: command, command: "true" }
  only:
    type: parallel
    inputs: { data: { type: uri_folder, path: ./data } }
    input_data: \${{inputs.data}}
    task: { code: ., entry_script: score.py }
`,
  );
  expect((await workspace.cli('run', 'job.yml', '--name', 'pipe')).code).toBe(0);
  expect(workspace.list('pipe', 'steps/pipe.only/state/code').sort()).toEqual(['job.yml', 'score.py']);
});

describe('reuse', () => {
  it('of a step whose code folder holds runs, inputs and results', async () => {
    workspace.write('data/x', 'hello');
    workspace.write('copy.sh', 'cat "$1" > "$2"');
    workspace.write(
      'job.yml',
      `jobs:
  copy:
    type: command
    code: .
    is_deterministic: true
    command: sh copy.sh \${{inputs.data}}/x \${{outputs.o}}
    inputs: { data: { type: uri_folder, path: ./data } }
    outputs: { o: { type: uri_file, path: ./out/copy } }
`,
    );
    for (const name of ['one', 'two', 'three']) {
      if (name === 'three') workspace.write('data/x', 'other');
      expect((await workspace.cli('run', 'job.yml', '--name', name)).code).toBe(0);
    }
    const found = await Promise.all(['two', 'three'].map(async (name) => (await status(name)).steps[0]));
    expect(found.map((step) => step?.state)).toEqual(['Reused', 'Completed']);
    expect(found[1]?.notReused).toBe('input data is not what it was in one');
    expect(readFileSync(join(workspace.folder, 'out/copy'), 'utf8')).toBe('other');
  });
});

describe('secrets', () => {
  it('the signature of a URL reaches the command, and no file or text of ours; it is there again on resume', async () => {
    const url = 'https://account.blob.core.windows.net/c/x?sv=2024-01-01&sp=r&sig=SECRETsecret%2Bsecret%3D';
    workspace.write(
      'job.yml',
      `jobs:
  only:
    type: command
    command: test -e "$HERE/ok" && printf '%s' '\${{inputs.url}}' | wc -c > \${{outputs.o}}
    environment_variables: { HERE: ${workspace.folder} }
    inputs: { url: "${url}" }
    outputs: { o: { type: uri_file, path: ./length } }
`,
    );
    const texts = [await workspace.cli('plan', 'job.yml'), await workspace.cli('run', 'job.yml', '--name', 'pipe')];
    expect(texts.map(({ code }) => code)).toEqual([0, 1]);
    workspace.write('ok', '');
    texts.push(await workspace.cli('resume', 'pipe'), await workspace.cli('status', 'pipe', '--json'));
    expect(texts.map(({ code }) => code)).toEqual([0, 1, 0, 0]);
    expect(readFileSync(join(workspace.folder, 'length'), 'utf8').trim()).toBe(String(url.length));
    for (const { stdout, stderr } of texts) expect(stdout + stderr).not.toContain('SECRET');
    for (const file of readdirSync(join(workspace.root, 'pipe'), { recursive: true, encoding: 'utf8' })) {
      const path = join(workspace.root, 'pipe', file);
      if (statSync(path).isFile()) expect([file, readFileSync(path, 'utf8').includes('SECRET')]).toEqual([file, false]);
    }
  });
});

describe('a command', () => {
  const one = (command: string, more = ''): string =>
    `jobs:\n  only:\n    type: command\n    command: ${command}\n    inputs: { data: { path: "./a b" } }\n${more}`;

  it('gets paths with blanks as one word, and literals as they are', async () => {
    workspace.write('a b/x', 'hello');
    workspace.write(
      'job.yml',
      one(`cat \${{inputs.data}}/x "\${{inputs.data}}/x" \${{inputs.more}} > \${{outputs.o}}`),
    );
    const text = readFileSync(join(workspace.folder, 'job.yml'), 'utf8')
      .replace('path: "./a b" }', 'path: "./a b" }, more: "-A -" ')
      .concat('    outputs: { o: { type: uri_file } }\n');
    workspace.write('job.yml', text.replace('cat ', 'echo y | cat '));
    const { code, stdout } = await workspace.cli('run', 'job.yml', '--name', 'c');
    expect([code, stdout]).toEqual([0, stdout]);
    expect(workspace.read('c', 'steps/c.only/outputs/o')).toBe('hellohelloy$\n');
  });

  it('that takes too long is ended, with all it started', async () => {
    workspace.write('a b/x', '');
    workspace.write('job.yml', one('"echo begun; sleep 600 & sleep 600"', '    limits: { timeout: 1 }\n'));
    const { code, stdout } = await workspace.cli('run', 'job.yml', '--name', 'c');
    expect(code).toBe(1);
    expect(stdout).toContain('longer than its limit of 1 s');
    expect(stdout).toContain('begun');
  });
});
