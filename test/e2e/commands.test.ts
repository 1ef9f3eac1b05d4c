/** Commands of pipelines: their scripts find what entry scripts find, and what they record is kept with their step. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeWheel } from '../environment/wheel.ts';
import { CLI, Workspace, runCommand } from './rig.ts';

let work: Workspace;
beforeEach(() => {
  work = new Workspace();
});
afterEach(() => {
  work.dispose();
});

const TELL = `import json, os, sys
from azureml.core import Model, Run
from azureml_user.parallel_run import EntryScript as Other
from entry_script import EntryScript

run = Run.get_context(allow_offline=False)
run.log("rows", 3)
run.tag("who", "prep")
with open("note.txt", "w") as file:
    file.write("kept")
run.upload_file("notes/note.txt", "note.txt")
with run.child_run("kid") as kid:
    kid.log("loss", 0.5)
run.parent.log("overall", 7)
EntryScript().logger.info("hello of %s", EntryScript().agent_name)
with open(os.path.join(Model.get_model_path("net"), "weights")) as file:
    weights = file.read()
with open(sys.argv[1], "w") as file:
    json.dump({
        "id": run.id, "parent": run.parent.id, "experiment": run.experiment.name, "same": Other is EntryScript,
        "weights": weights, "models": os.listdir(os.environ["AZUREML_MODEL_DIR"]), "data": dict(run.input_datasets),
        "environ": dict(os.environ), "prefix": sys.prefix,
    }, file)
`;
const job = (command: string, more = ''): string => `type: pipeline
experiment_name: digits
jobs:
  prep:
    type: command
    code: ./code
    command: ${command}
    models: { net: ./net }
    inputs: { data: { type: uri_folder, path: ./net } }
    outputs: { told: { type: uri_file } }
${more}`;

function lay(text: string, files: Readonly<Record<string, string>> = {}): void {
  work.files('code', { 'tell.py': TELL, ...files });
  work.write('net/weights', 'w');
  work.write('job.yml', text);
}

interface Told {
  readonly environ: Readonly<Record<string, string>>;
  readonly prefix: string;
}
const told = (): Told => JSON.parse(work.read('pipe', 'steps/pipe.prep/outputs/told')) as Told;

async function run(...flags: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await work.cli('run', 'job.yml', '--name', 'pipe', ...flags);
  expect([code, code === 0 ? '' : stdout, stderr]).toEqual([0, '', '']);
}

it('a script finds the helper modules, the variables, the model; its records stay with its step', async () => {
  lay(job('python tell.py ${{outputs.told}}'));
  await run();
  const folder = join(work.root, 'pipe/steps/pipe.prep');
  const net = join(work.folder, 'net');
  expect(told()).toMatchObject({
    ...{ id: 'pipe.prep', parent: 'pipe', experiment: 'digits', same: true, weights: 'w', models: ['net'] },
    data: { data: net },
    environ: {
      AZ_BATCHAI_INPUT_AZUREML: join(work.root, 'pipe/steps'),
      AZ_BATCHAI_JOB_TEMP: join(folder, 'state/temp'),
      AZUREML_BI_OUTPUT_PATH: join(folder, 'outputs'),
      AZUREML_MODEL_DIR: join(folder, 'state/models/net/1'),
      AZUREML_RUN_ID: 'pipe.prep',
      AZUREML_ROOT_RUN_ID: 'pipe',
      AZUREML_EXPERIMENT_NAME: 'digits',
      AZUREML_CR_NODE_RANK: '0',
      AZ_BATCH_IS_CURRENT_NODE_MASTER: 'true',
      AZ_BATCHAI_GPU_COUNT_FOUND: expect.stringMatching(/^\d+$/) as string,
      MLFLOW_TRACKING_URI: `file://${folder}/mlflow`,
      MLFLOW_EXPERIMENT_NAME: 'digits',
      PYTHONFAULTHANDLER: '1',
    },
  });
  const { environ } = told();
  const address = environ['AZ_BATCHAI_WORKER_IP'] ?? '';
  expect([environ['AZ_BATCH_NODE_LIST'], environ['AZ_BATCHAI_JOB_MASTER_NODE_IP']]).toEqual([address, address]);
  expect(readFileSync(join(folder, 'logs/user', address, 'MainProcess.txt'), 'utf8')).toContain(
    '|hello of MainProcess',
  );
  expect(readFileSync(join(folder, 'files/notes/note.txt'), 'utf8')).toBe('kept');
  const text = (await work.cli('metrics', 'pipe/prep')).stdout;
  expect(text).toMatch(/^METRIC .*\nrows +3 +1 /);
  expect(text).toMatch(/TAG +VALUE\nwho +prep\n/);
  expect(text).toContain(join(folder, 'files/notes/note.txt'));
  expect(text).toMatch(/Of the pipeline's run\n\nMETRIC .*\noverall +7 +1/);
  expect(text).toMatch(/kid +Completed +pipe\.prep_\w+ +loss=0\.5/);
  const whole = await work.cli('metrics', 'pipe');
  expect([whole.code, whole.stdout]).toEqual([0, expect.stringMatching(/overall +7 +1/)]);
});

it('in every process of the command, whatever it makes of PYTHONPATH; modules of its own come first', async () => {
  const spawned = `import multiprocessing
from azureml.core import Run
def note(name):
    Run.get_context().log(name, 1)
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.map(note, ["spawned"])
`;
  const own = `import entry_script, mine, os
from azureml.core import Run
Run.get_context().log(entry_script.WHO + mine.WHO, 1)
open(os.environ["OUT"], "w").close()
`;
  lay(
    job(
      'python spawned.py && PYTHONPATH=lib python3 own.py',
      "    environment_variables: { OUT: '${{outputs.told}}' }\n",
    ),
    { 'spawned.py': spawned, 'own.py': own, 'entry_script.py': 'WHO = "own "', 'lib/mine.py': 'WHO = "mine"' },
  );
  await run();
  const lines = (await work.cli('metrics', 'pipe/prep', '--json')).stdout.trimEnd().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as { name?: string }).name)).toEqual(['own mine', 'spawned', undefined]);
});

it('the interpreter is the environment that was built for it; packages and sitecustomize of it work beside ours', async () => {
  const wheels = work.files('wheels', {});
  writeWheel(wheels, 'tinypkg', '1.0.0', 'ANSWER = 12\n');
  writeWheel(wheels, 'sitecustomize', '1.0.0', 'import builtins\nbuiltins.SITE = "theirs"\n');
  const requirements = ['--no-index', `--find-links ${wheels}`, 'tinypkg', 'sitecustomize'];
  work.write('requirements.txt', requirements.join('\n'));
  const script =
    'import tinypkg\nfrom azureml.core import Run\nRun.get_context().log("answer", tinypkg.ANSWER)\nRun.get_context().tag("site", SITE)\n';
  lay(
    job(
      'python own.py && python tell.py ${{outputs.told}} && pip --version',
      '    environment: { requirements: ./requirements.txt }\n',
    ),
    { 'own.py': script },
  );
  const cache = join(work.folder, 'cache');
  const ended = await runCommand(process.execPath, [CLI, 'run', 'job.yml', '--name', 'pipe'], work.folder, {
    ...{ PARALLELRUN_ROOT: work.root, PARALLELRUN_CACHE: cache, NO_COLOR: '1' },
  });
  expect([ended.code, ended.code === 0 ? '' : ended.stdout]).toEqual([0, '']);
  expect(told().prefix.startsWith(cache)).toBe(true);
  const text = (await work.cli('metrics', 'pipe/prep')).stdout;
  expect(text).toMatch(/answer +12 +1/);
  expect(text).toMatch(/site +theirs/);
}, 180_000);

it('a model that is not there is told before anything starts', async () => {
  lay(job('python tell.py ${{outputs.told}}').replace('net: ./net', 'net: ./nets'));
  const { code, stderr } = await work.cli('run', 'job.yml', '--name', 'pipe');
  expect([code, stderr]).toEqual([
    2,
    expect.stringMatching(/error PR3701 {2}the model net was not found\n.*job\.yml:8/),
  ]);
  expect(existsSync(work.root) ? readdirSync(work.root) : []).toEqual([]);
});
