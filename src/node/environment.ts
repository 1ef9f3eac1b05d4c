/** Environment variables of workers: contract 2.6. Pure. */
import { posix } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { NodeAddress } from '../domain/ids.ts';
import { modelVersionFolder } from '../domain/layout.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { CommandPlan } from '../domain/pipeline.ts';
import type { WorkerOptions } from './options.ts';

/** Value `<run id>/<address>/Process-N`; inherited by everything a worker starts. */
export const WORKER_MARKER = 'PARALLELRUN_WORKER';
/** Random text of one agent's life: what carries it was started by this agent's workers, and by nobody else. */
export const SESSION_MARKER = 'PARALLELRUN_SESSION';

/** Ours, and of no concern to a script; or of the process that started us, and harmful to a Node worker. */
const WITHHELD =
  /^(PARALLELRUN_.*(TOKEN|SECRET|PASSWORD|CREDENTIAL|KEY).*|NODE_CHANNEL_FD|NODE_CHANNEL_SERIALIZATION_MODE|NODE_UNIQUE_ID)$/;

export interface WorkerIdentity {
  readonly address: NodeAddress;
  /** `Process-3`. */
  readonly process: string;
  readonly session: string;
  /** GPUs found on the node. */
  readonly gpus: number;
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
  const environment = inherited(options.baseEnvironment ?? process.env);
  Object.assign(environment, options.environmentVariables);
  environment['PYTHONFAULTHANDLER'] ??= '1';
  Object.assign(environment, mlflowVariables(options, environment), contractVariables(options, identity));
  if (identity.gpus > 0) environment['CUDA_VISIBLE_DEVICES'] = identity.gpu === undefined ? '' : String(identity.gpu);
  return environment;
}

/** The user's own mlflow keeps what it records with the run, unless the user says where it goes. */
function mlflowVariables(options: WorkerOptions, given: Readonly<Record<string, string>>): Record<string, string> {
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

function contractVariables(options: WorkerOptions, identity: WorkerIdentity): Record<string, string> {
  const { address } = identity;
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
    AZ_BATCHAI_GPU_COUNT_FOUND: String(identity.gpus),
    ...modelFolder(layout, models),
    ...(options.modelRegistry !== undefined &&
      options.environmentVariables['PARALLELRUN_MODELS'] === undefined && {
        PARALLELRUN_MODELS: options.modelRegistry,
      }),
    PARALLELRUN_RUN_FOLDER: layout.folder,
    PARALLELRUN_RECORDS: `${layout.records}/${address}/${identity.process}.jsonl`,
    PARALLELRUN_INPUTS: JSON.stringify(options.dataInputs ?? {}),
    PARALLELRUN_JOB_MODELS: JSON.stringify(models),
    [WORKER_MARKER]: workerMarker(options.runId, address, identity.process),
    [SESSION_MARKER]: identity.session,
  };
}

/** Of a command that is run once, beside no worker. */
export function commandEnvironment(
  plan: CommandPlan,
  layout: RunLayout,
  base: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  return Object.assign(inherited(base), { PYTHONUNBUFFERED: '1' }, plan.environmentVariables, {
    AZ_BATCHAI_INPUT_AZUREML: posix.dirname(layout.folder),
    AZ_BATCHAI_JOB_TEMP: layout.temp,
    AZUREML_RUN_ID: plan.runId,
    AZUREML_ROOT_RUN_ID: plan.pipeline.runId,
    AZUREML_EXPERIMENT_NAME: plan.experimentName,
    AZUREML_CR_NODE_RANK: '0',
    [WORKER_MARKER]: `${plan.runId}/command`,
  });
}

/** Of one model the folder that holds it; of several the one above, in which each is found by name and version. */
function modelFolder(layout: RunLayout, models: NonNullable<WorkerOptions['models']>): Record<string, string> {
  const [one, ...others] = Object.entries(models);
  if (one === undefined) return {};
  const folder = others.length > 0 ? layout.models : modelVersionFolder(layout, ...one);
  return { AZUREML_MODEL_DIR: folder };
}

export const workerMarker = (runId: string, address: string, process: string): string =>
  `${runId}/${address}/${process}`;
