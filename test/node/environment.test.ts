/** What a worker finds around it. */
import { expect, test } from 'vitest';
import { workerEnvironment } from '../../src/node/environment.ts';
import type { WorkerId } from '../../src/domain/ids.ts';
import type { Rig } from './rig.ts';
import { withRig } from './with-rig.ts';

async function facts(rig: Rig): Promise<{ cwd: string; env: Record<string, string>; hello: Record<string, unknown> }> {
  rig.give(await rig.ready(), { do: 'tell' });
  const { result } = await rig.event('try-outcome');
  if (!result.ok || !(result.rows instanceof Uint8Array)) throw new Error('no answer');
  return JSON.parse(Buffer.from(result.rows).toString());
}

test('the variables of the contract, the job and the machine, but nothing that is ours', async () => {
  const baseEnvironment = {
    PATH: process.env.PATH,
    HOME: '/home/me',
    PARALLELRUN_TOKEN: 'secret',
    NODE_CHANNEL_FD: '3',
    PARALLELRUN_ROOT: '/r',
  };
  await withRig({ baseEnvironment, env: { JOB: 'yes', AZUREML_RUN_ID: 'not yours' } }, async (rig) => {
    const { env, cwd } = await facts(rig);
    const folder = rig.options.layout.folder;
    expect(env).toMatchObject({
      HOME: '/home/me',
      JOB: 'yes',
      PARALLELRUN_ROOT: '/r',
      AZ_BATCHAI_INPUT_AZUREML: rig.folder,
      AZ_BATCHAI_JOB_TEMP: `${folder}/state/temp`,
      AZUREML_BI_OUTPUT_PATH: `${folder}/outputs`,
      AZUREML_RUN_ID: 'run-1',
      AZUREML_ROOT_RUN_ID: 'run-1',
      AZUREML_EXPERIMENT_NAME: 'an experiment',
      AZUREML_CR_NODE_RANK: '0',
      AZ_BATCH_NODE_LIST: '10.1.2.3',
      AZ_BATCHAI_JOB_MASTER_NODE_IP: '10.1.2.3',
      AZ_BATCHAI_WORKER_IP: '10.1.2.3',
      AZ_BATCH_IS_CURRENT_NODE_MASTER: 'true',
      PYTHONFAULTHANDLER: '1',
      PARALLELRUN_WORKER: 'run-1/10.1.2.3/Process-1',
      PARALLELRUN_RUN_FOLDER: folder,
      PARALLELRUN_RECORDS: `${folder}/records/10.1.2.3/Process-1.jsonl`,
      PARALLELRUN_INPUTS: '{}',
      PARALLELRUN_JOB_MODELS: '{}',
      MLFLOW_TRACKING_URI: `file://${folder}/mlflow`,
      MLFLOW_EXPERIMENT_NAME: 'an experiment',
    });
    expect(env).not.toHaveProperty('PARALLELRUN_TOKEN');
    expect(env).not.toHaveProperty('NODE_CHANNEL_FD');
    expect(env).not.toHaveProperty('AZUREML_MODEL_DIR');
    expect(cwd).toBe(`${folder}/state/work/Process-1`);
  });
});

test('the hello says what the host needs', async () => {
  await withRig({}, async (rig) => {
    const { hello } = await facts(rig);
    const { folder } = rig.options.layout;
    expect(hello).toEqual({
      m: 'hello',
      protocol: 1,
      runId: 'run-1',
      process: 'Process-1',
      address: '10.1.2.3',
      codeFolder: `${folder}/state/code`,
      script: `${folder}/state/code/score.mjs`,
      moduleName: 'score',
      argv: ['--model', 'a b'],
      runFolder: folder,
      workFolder: `${folder}/state/work/Process-1`,
      output: { action: 'append_row', format: 'txt' },
      markFile: `${folder}/state/capture/10.1.2.3-Process-1.mark`,
      partFolder: `${folder}/state/parts`,
      tables: [],
      loggingLevel: 'INFO',
    });
  });
});

test('one GPU per worker, none for those beyond; the user may switch the fault handler off', async () => {
  await withRig({ env: { PYTHONFAULTHANDLER: '', MLFLOW_TRACKING_URI: 'http://mine' } }, async (rig) => {
    const identity = { address: '10.1.2.3', process: 'Process-2', session: 's', gpus: 2 } as never as Parameters<
      typeof workerEnvironment
    >[1];
    const of = (gpu: number | undefined) => workerEnvironment(rig.options, { ...identity, gpu });
    expect(of(1)['CUDA_VISIBLE_DEVICES']).toBe('1');
    expect(of(undefined)['CUDA_VISIBLE_DEVICES']).toBe('');
    expect(of(1)).toMatchObject({
      AZ_BATCHAI_GPU_COUNT_FOUND: '2',
      PYTHONFAULTHANDLER: '',
      MLFLOW_TRACKING_URI: 'http://mine',
    });
    await rig.stop();
  });
});

test('the successor of a worker that died has its GPU', async () => {
  await withRig({ processes: 3, more: { gpus: 2 } }, async (rig) => {
    await rig.ready();
    await rig.event('worker-initialized', 3);
    const told = async (number: number): Promise<string | undefined> => {
      const before = rig.all('try-outcome').length;
      rig.give(`10.1.2.3/Process-${number}` as WorkerId, { do: 'tell' });
      const { result } = await rig.event('try-outcome', before + 1);
      if (!result.ok || !(result.rows instanceof Uint8Array)) throw new Error('no answer');
      const { env } = JSON.parse(Buffer.from(result.rows).toString()) as { env: Record<string, string> };
      return env['CUDA_VISIBLE_DEVICES'];
    };
    expect([await told(1), await told(2), await told(3)]).toEqual(['0', '1', '']);
    rig.give('10.1.2.3/Process-2' as WorkerId, { do: 'signal', name: 'SIGKILL' });
    await rig.event('worker-initialized', 4);
    expect([await told(4), await told(1)]).toEqual(['1', '0']);
  });
});

/** What a worker would get, without one. */
async function variablesOf(over: Partial<Rig['options']>): Promise<Record<string, string>> {
  let found: Record<string, string> = {};
  await withRig({}, async (rig) => {
    const identity = { address: '10.1.2.3', process: 'Process-2', session: 's', gpus: 0 } as never;
    found = workerEnvironment({ ...rig.options, ...over }, identity);
    await rig.stop();
  });
  return found;
}

test("a pipeline's run is the root; without one the run itself", async () => {
  expect(await variablesOf({ rootRunId: 'the-pipeline' })).toMatchObject({
    AZUREML_RUN_ID: 'run-1',
    AZUREML_ROOT_RUN_ID: 'the-pipeline',
  });
});

test('the inputs of the job and its models, for those who ask for them by name', async () => {
  const dataInputs = { images: '/in/images', 'look up': '/in/"x"' };
  const one = { m: { path: '/registry/m/3/files/m.pkl', version: 3 } };
  const env = await variablesOf({ dataInputs, models: one });
  expect(JSON.parse(env['PARALLELRUN_INPUTS'] ?? '')).toEqual(dataInputs);
  expect(JSON.parse(env['PARALLELRUN_JOB_MODELS'] ?? '')).toEqual(one);
  expect(env['AZUREML_MODEL_DIR']).toMatch(/\/state\/models\/m\/3$/);
  const several = await variablesOf({ models: { ...one, local: { path: '/x' } } });
  expect(several['AZUREML_MODEL_DIR']).toMatch(/\/state\/models$/);
  expect((await variablesOf({ models: { local: { path: '/x' } } }))['AZUREML_MODEL_DIR']).toMatch(
    /\/models\/local\/1$/,
  );
  expect(await variablesOf({ modelRegistry: '/registry' })).toMatchObject({ PARALLELRUN_MODELS: '/registry' });
  const others = { modelRegistry: '/registry', environmentVariables: { PARALLELRUN_MODELS: '/theirs' } };
  expect(await variablesOf(others)).toMatchObject({ PARALLELRUN_MODELS: '/theirs' });
  const passed = await variablesOf({ environmentVariables: { AZUREML_MODEL_DIR: '/mine' } });
  expect(passed['AZUREML_MODEL_DIR']).toBe('/mine');
});

test("what stands in ParallelRun's own environment of another run doesn't reach this one", async () => {
  const baseEnvironment = {
    PARALLELRUN_INPUTS: '{"x":"/x"}',
    PARALLELRUN_JOB_MODELS: '{"x":1}',
    PARALLELRUN_RECORDS: '/x',
  };
  expect(await variablesOf({ baseEnvironment })).toMatchObject({
    PARALLELRUN_INPUTS: '{}',
    PARALLELRUN_JOB_MODELS: '{}',
  });
});

test("mlflow keeps the user's place, and no experiment is named where one is chosen by id", async () => {
  const mine = await variablesOf({
    environmentVariables: { MLFLOW_TRACKING_URI: 'http://mine', MLFLOW_EXPERIMENT_NAME: 'theirs' },
  });
  expect(mine).toMatchObject({ MLFLOW_TRACKING_URI: 'http://mine', MLFLOW_EXPERIMENT_NAME: 'theirs' });
  expect(mine).not.toHaveProperty('MLFLOW_ALLOW_FILE_STORE');
  expect(await variablesOf({ baseEnvironment: {} })).toMatchObject({ MLFLOW_ALLOW_FILE_STORE: 'true' });
  const byId = await variablesOf({ baseEnvironment: { MLFLOW_EXPERIMENT_ID: '7' } });
  expect(byId).not.toHaveProperty('MLFLOW_EXPERIMENT_NAME');
});
