/** Environment variables of workers: contract 2.6. Pure. */
import { posix } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { NodeAddress } from '../domain/ids.ts';
import { modelVersionFolder } from '../domain/layout.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { WorkerOptions } from './options.ts';

/** Value `<run id>/<address>/Process-N`; inherited by everything a worker starts. */
export const WORKER_MARKER = 'PARALLELRUN_WORKER';
/** Random text of one agent's life: what carries it was started by this agent's workers, and by nobody else. */
export const SESSION_MARKER = 'PARALLELRUN_SESSION';

/** Ours, and of no concern to a script; or of the process that started us, and harmful to a Node worker. */
const WITHHELD =
  /^(PARALLELRUN_ENGINE.*|PARALLELRUN_.*(TOKEN|SECRET|PASSWORD|CREDENTIAL|KEY).*|NODE_CHANNEL_FD|NODE_CHANNEL_SERIALIZATION_MODE|NODE_UNIQUE_ID)$/;

/** Of a run, what its scripts can ask for. */
export type ScriptOptions = Pick<
  WorkerOptions,
  | 'runId'
  | 'rootRunId'
  | 'experimentName'
  | 'layout'
  | 'environmentVariables'
  | 'outputFolder'
  | 'models'
  | 'modelRegistry'
  | 'dataInputs'
>;

interface NodePlace {
  readonly address: NodeAddress;
  /** GPUs found on the node. */
  readonly gpus: number;
}

export interface WorkerIdentity extends NodePlace {
  /** `Process-3`. */
  readonly process: string;
  readonly session: string;
  /** Index of this worker's GPU; undefined: none is left for it. */
  readonly gpu?: number | undefined;
}

function inherited(base: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(base)) {
    if (value !== undefined && !WITHHELD.test(name)) environment[name] = value;
  }
  return environment;
}

/** Base environment, then the job's variables, then those of the contract, which a job can't change. */
export function workerEnvironment(options: WorkerOptions, identity: WorkerIdentity): Record<string, string> {
  const environment = given(options, options.baseEnvironment ?? process.env);
  Object.assign(environment, contractVariables(options, identity, identity.process), {
    [WORKER_MARKER]: workerMarker(options.runId, identity.address, identity.process),
    [SESSION_MARKER]: identity.session,
  });
  if (identity.gpus > 0) environment['CUDA_VISIBLE_DEVICES'] = identity.gpu === undefined ? '' : String(identity.gpu);
  return environment;
}

function given(options: ScriptOptions, base: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const environment = Object.assign(inherited(base), options.environmentVariables);
  environment['PYTHONFAULTHANDLER'] ??= '1';
  return Object.assign(environment, mlflowVariables(options, environment));
}

/** The user's own mlflow keeps what it records with the run, unless the user says where it goes. */
function mlflowVariables(options: ScriptOptions, given: Readonly<Record<string, string>>): Record<string, string> {
  const { MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME, MLFLOW_EXPERIMENT_ID } = given;
  return {
    ...(MLFLOW_TRACKING_URI === undefined && {
      MLFLOW_TRACKING_URI: pathToFileURL(`${options.layout.folder}/mlflow`).href,
      // Newer versions refuse a folder otherwise, and a database would need more packages than the script has.
      MLFLOW_ALLOW_FILE_STORE: given['MLFLOW_ALLOW_FILE_STORE'] ?? 'true',
    }),
    // mlflow refuses a name beside an id that isn't the name's.
    ...(MLFLOW_EXPERIMENT_NAME === undefined &&
      MLFLOW_EXPERIMENT_ID === undefined && { MLFLOW_EXPERIMENT_NAME: options.experimentName }),
  };
}

function contractVariables(
  options: ScriptOptions,
  { address, gpus }: NodePlace,
  process: string,
): Record<string, string> {
  const { layout, models = {} } = options;
  return {
    AZ_BATCHAI_INPUT_AZUREML: posix.dirname(options.layout.folder),
    AZ_BATCHAI_JOB_TEMP: options.layout.temp,
    AZUREML_BI_OUTPUT_PATH: options.outputFolder,
    AZUREML_RUN_ID: options.runId,
    AZUREML_ROOT_RUN_ID: options.rootRunId ?? options.runId,
    AZUREML_EXPERIMENT_NAME: options.experimentName,
    AZUREML_CR_NODE_RANK: '0',
    AZ_BATCH_NODE_LIST: address,
    AZ_BATCHAI_JOB_MASTER_NODE_IP: address,
    AZ_BATCHAI_WORKER_IP: address,
    AZ_BATCH_IS_CURRENT_NODE_MASTER: 'true',
    AZ_BATCHAI_GPU_COUNT_FOUND: String(gpus),
    ...modelFolder(layout, models),
    ...(options.modelRegistry !== undefined &&
      options.environmentVariables['PARALLELRUN_MODELS'] === undefined && {
        PARALLELRUN_MODELS: options.modelRegistry,
      }),
    PARALLELRUN_RUN_FOLDER: layout.folder,
    PARALLELRUN_RECORDS: `${layout.records}/${address}/${process}.jsonl`,
    PARALLELRUN_INPUTS: JSON.stringify(options.dataInputs ?? {}),
    PARALLELRUN_JOB_MODELS: JSON.stringify(models),
  };
}

/**
 * Of a command that is run once, beside no worker: what workers have, and the way to the modules they have.
 * @param sites folder that makes them importable for every Python, see `sitecustomize.py` in it
 * @param cwd where the command begins: modules in it come before ours
 */
export function commandEnvironment(
  options: ScriptOptions,
  node: NodePlace,
  { sites, cwd }: { readonly sites: string; readonly cwd: string },
  base: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const environment = given(options, base);
  environment['PYTHONUNBUFFERED'] ??= '1';
  const paths = [sites, environment['PYTHONPATH'] ?? ''].filter((each) => each !== '');
  return Object.assign(environment, contractVariables(options, node, 'command'), {
    PYTHONPATH: paths.join(':'),
    PARALLELRUN_CODE_FOLDER: cwd,
    [WORKER_MARKER]: `${options.runId}/command`,
  });
}

/** Of one model the folder that holds it; of several the one above, in which each is found by name and version. */
function modelFolder(layout: RunLayout, models: NonNullable<ScriptOptions['models']>): Record<string, string> {
  const [one, ...others] = Object.entries(models);
  if (one === undefined) return {};
  const folder = others.length > 0 ? layout.models : modelVersionFolder(layout, ...one);
  return { AZUREML_MODEL_DIR: folder };
}

export const workerMarker = (runId: string, address: string, process: string): string =>
  `${runId}/${address}/${process}`;
