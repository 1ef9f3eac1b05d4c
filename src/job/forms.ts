/**
 * Files that are no v2 pipeline, as the pipeline that says the same: a parallel job or component on its own, the
 * `parallel_run_config` or `pipeline` of version 1, the deployment of a batch endpoint. Each value keeps the place where
 * it stands. Pure.
 */
import { assetName } from './assets.ts';
import { Builder, warnOfOthers } from './builder.ts';
import { appendTo, fromConfig } from './config-v1.ts';
import { fromPipelineV1, isPipelineV1 } from './pipeline-v1.ts';
import type { FilesOfSteps } from './pipeline-v1.ts';
import type { Problems } from './problems.ts';
import type { WrittenMap, WrittenNode } from './written.ts';
import { child, isNull, lookUp, scalarFrom, textOf } from './written.ts';

/**
 * @param files that steps of a pipeline of version 1 name
 * @returns a pipeline, or the tree as it is where it is none of the forms that are known; undefined where there is nothing
 *   to go on with, reported
 */
export function asPipeline(root: WrittenNode, files: FilesOfSteps, problems: Problems): WrittenNode | undefined {
  if (root.kind !== 'map') return root;
  const type = textOf(child(root, 'type'));
  if (root.entries.has('jobs') || type === 'pipeline') return root;
  if (type === 'parallel' || type === 'command') return around(root, root, textOf(child(root, 'name')) ?? type);
  if (isPipelineV1(root)) return fromPipelineV1(root, files, problems);
  const config = child(root, 'parallel_run_config');
  if (config?.kind === 'map') return around(root, fromConfig(config, problems), 'parallel');
  return root.entries.has('code_configuration') ? around(root, fromDeployment(root, problems), 'parallel') : root;
}

/** A job as the only one of a pipeline. */
function around(root: WrittenMap, job: WrittenMap, name: string): WrittenMap {
  const like = new Builder(root);
  like.put('type', like.text('pipeline'));
  like.put('jobs', new Builder(root).put(name, job).map());
  for (const key of ['display_name', 'experiment_name']) like.move(root, key, key);
  return like.map();
}

const DEPLOYMENT_KEYS: readonly (readonly [from: string, to: string])[] = [
  ['code_configuration.code', 'task.code'],
  ['code_configuration.scoring_script', 'task.entry_script'],
  ['environment', 'task.environment'],
  ['resources', 'resources'],
  ['compute', 'compute'],
  ['description', 'description'],
  ['tags', 'tags'],
];
/** Below `settings`, in older files at the root. */
const DEPLOYMENT_SETTINGS: readonly (readonly [key: string, fallback: number | string | undefined])[] = [
  ['mini_batch_size', 10],
  ['max_concurrency_per_instance', 1],
  ['error_threshold', -1],
  ['logging_level', 'info'],
  ['environment_variables', undefined],
  ['retry_settings.max_retries', 3],
  ['retry_settings.timeout', 30],
];
const DEPLOYMENT_OTHERS = [
  '$schema', 'name', 'type', 'endpoint_name', 'model', 'settings', 'code_configuration', 'properties', 'output_action',
  'output_file_name', 'retry_settings', 'inputs', 'input_data',
]; // prettier-ignore
/** What may stand within. */
const RETRY_KEYS = ['max_retries', 'timeout'];
const DEPLOYMENT_MAPS: Readonly<Record<string, readonly string[]>> = {
  code_configuration: ['code', 'scoring_script'],
  settings: [...DEPLOYMENT_SETTINGS.map(([key]) => key.replace(/\..*/, '')), ...['output_action', 'output_file_name']],
  'settings.retry_settings': RETRY_KEYS,
  retry_settings: RETRY_KEYS,
};

function fromDeployment(root: WrittenMap, problems: Problems): WrittenMap {
  const job = new Builder(root);
  job.put('type', job.text('parallel'));
  for (const [from, to] of DEPLOYMENT_KEYS) job.move(root, from, to);
  for (const [key, fallback] of DEPLOYMENT_SETTINGS) {
    const written = lookUp(root, `settings.${key}`) ?? lookUp(root, key);
    if (written !== undefined && !isNull(written)) job.put(key, written);
    else if (fallback !== undefined) job.put(key, scalarFrom(fallback, 'default', root.at()));
  }
  for (const key of ['inputs', 'input_data']) job.move(root, key, key);
  const model = child(root, 'model');
  const path = child(model, 'path') ?? (textOf(model) === undefined ? undefined : model);
  const named = textOf(child(model, 'name')) ?? assetName(textOf(path) ?? '')?.name ?? 'model';
  if (path !== undefined) job.put('models', new Builder(root).put(named, path).map());
  const setting = (key: string): WrittenNode | undefined => lookUp(root, `settings.${key}`) ?? child(root, key);
  const [action, file] = [setting('output_action'), setting('output_file_name')];
  appendTo(root, job, { action, file, fallback: 'predictions.csv' }, problems);
  const known = [...DEPLOYMENT_KEYS, ...DEPLOYMENT_SETTINGS].map(([key]) => key).concat(DEPLOYMENT_OTHERS);
  warnOfOthers(root, known, 'a batch endpoint deployment', problems);
  for (const [key, inner] of Object.entries(DEPLOYMENT_MAPS)) {
    const map = lookUp(root, key);
    if (map?.kind === 'map') warnOfOthers(map, inner, `${key} of a batch endpoint deployment`, problems);
  }
  return job.map();
}
