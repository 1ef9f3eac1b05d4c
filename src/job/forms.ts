/**
 * Files that are no v2 pipeline, as the pipeline that says the same: a parallel job or component on its own, the
 * `parallel_run_config` of version 1, the deployment of a batch endpoint. Each value keeps the place where it stands.
 * Pure.
 */
import { assetName } from './assets.ts';
import { nearest } from '../domain/nearest.ts';
import type { Problems } from './problems.ts';
import type { WrittenEntry, WrittenMap, WrittenNode } from './written.ts';
import { child, isNull, lookUp, scalarFrom, textOf } from './written.ts';

/** @returns a pipeline, or the tree as it is where it is none of the forms that are known */
export function asPipeline(root: WrittenNode, problems: Problems): WrittenNode {
  if (root.kind !== 'map') return root;
  const type = textOf(child(root, 'type'));
  if (root.entries.has('jobs') || type === 'pipeline') return root;
  if (type === 'parallel' || type === 'command') return around(root, root, textOf(child(root, 'name')) ?? type);
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

/** Key of version 1 to its place in a parallel job. */
const CONFIG_KEYS: readonly (readonly [from: string, to: string])[] = [
  ['mini_batch_size', 'mini_batch_size'],
  ['error_threshold', 'error_threshold'],
  ['allowed_failed_count', 'mini_batch_error_threshold'],
  ['partition_keys', 'partition_keys'],
  ['logging_level', 'logging_level'],
  ['compute_target_name', 'compute'],
  ['compute_target', 'compute'],
  ['node_count', 'resources.instance_count'],
  ['process_count_per_node', 'max_concurrency_per_instance'],
  ['entry_script', 'task.entry_script'],
  ['source_directory', 'task.code'],
  ['environment', 'task.environment'],
  ['arguments', 'task.program_arguments'],
  ['description', 'description'],
  ['run_invocation_timeout', 'retry_settings.timeout'],
  ['environment_variables', 'environment_variables'],
];
/** Read beside the table. */
const CONFIG_OTHERS = [
  'run_max_try',
  'output_action',
  'append_row_file_name',
  'allowed_failed_percent',
  'input_data',
  'inputs',
];

function fromConfig(config: WrittenMap, problems: Problems): WrittenMap {
  const job = new Builder(config);
  job.put('type', job.text('parallel'));
  for (const [from, to] of CONFIG_KEYS) job.move(config, from, to);
  for (const key of ['inputs', 'input_data']) job.move(config, key, key);
  tries(config, job, problems);
  const percent = child(config, 'allowed_failed_percent');
  if (percent?.kind === 'scalar' && !isNull(percent))
    addArgument(config, job, `--allowed_failed_percent=${percent.text}`, percent);
  appendTo(config, job, child(config, 'output_action'), child(config, 'append_row_file_name'), 'parallel_run_step.txt');
  warnOfOthers(config, [...CONFIG_KEYS.map(([from]) => from), ...CONFIG_OTHERS], 'parallel_run_config', problems);
  return job.map();
}

/** `run_max_try` counts the first try as well. */
function tries(config: WrittenMap, job: Builder, problems: Problems): void {
  const node = child(config, 'run_max_try');
  if (node === undefined || isNull(node)) return;
  const value = node.kind === 'scalar' ? Number(node.text) : Number.NaN;
  if (Number.isInteger(value) && value >= 1) {
    job.put('retry_settings.max_retries', scalarFrom(value - 1, node.origin, node.at()));
    return;
  }
  problems.error('PR1011', 'run_max_try is not a possible number', {
    where: node.at(),
    why: 'allowed: an integer of at least 1; it counts the first try as well',
  });
}

function addArgument(config: WrittenMap, job: Builder, argument: string, node: WrittenNode): void {
  const given = child(config, 'arguments');
  const own = scalarFrom(argument, node.origin, node.at());
  const before = given?.kind === 'list' ? given.items : given?.kind === 'scalar' && !isNull(given) ? [given] : [];
  job.put('task.program_arguments', { kind: 'list', origin: node.origin, at: node.at, items: [...before, own] });
}

function appendTo(
  root: WrittenMap,
  job: Builder,
  action: WrittenNode | undefined,
  file: WrittenNode | undefined,
  fallback: string,
): void {
  if (textOf(action) === 'summary_only') return;
  const name = textOf(file) ?? fallback;
  const at = file ?? action ?? root;
  // an output that is a file is called what it is called
  const outputs = child(root, 'outputs');
  if (outputs === undefined) {
    const output = new Builder(root).put('type', job.text('uri_file')).map();
    job.put('outputs', new Builder(root).put(name, output).map());
  }
  job.put('task.append_row_to', scalarFrom(`\${{outputs.${name}}}`, at.origin, at.at()));
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
  appendTo(root, job, setting('output_action'), setting('output_file_name'), 'predictions.csv');
  const known = [...DEPLOYMENT_KEYS, ...DEPLOYMENT_SETTINGS].map(([key]) => key).concat(DEPLOYMENT_OTHERS);
  warnOfOthers(root, known, 'a batch endpoint deployment', problems);
  for (const [key, inner] of Object.entries(DEPLOYMENT_MAPS)) {
    const map = lookUp(root, key);
    if (map?.kind === 'map') warnOfOthers(map, inner, `${key} of a batch endpoint deployment`, problems);
  }
  return job.map();
}

function warnOfOthers(map: WrittenMap, known: readonly string[], what: string, problems: Problems): void {
  for (const { key, keyAt } of map.entries.values()) {
    if (known.includes(key)) continue;
    const meant = nearest(key, known);
    problems.warning('PR1013', `the key ${key} is not known in ${what} and has no effect`, {
      where: keyAt(),
      next: meant === undefined ? 'remove it, or look it up in docs/reference/settings.md' : `did you mean ${meant}?`,
    });
  }
}

/** A map under construction. */
class Builder {
  readonly #like: WrittenMap;
  readonly #entries = new Map<string, WrittenEntry | Builder>();

  /** @param like what it is made of */
  constructor(like: WrittenMap) {
    this.#like = like;
  }

  text(value: string): WrittenNode {
    return scalarFrom(value, this.#like.origin, this.#like.at());
  }

  /** @param path with full stops for maps within; the last of several values counts */
  put(path: string, value: WrittenNode): this {
    const cut =
      path.startsWith('task.') || path.startsWith('resources.') || path.startsWith('retry_settings.')
        ? path.indexOf('.')
        : -1;
    if (cut < 0) {
      this.#entries.set(path, { key: path, keyAt: value.at, value });
      return this;
    }
    const key = path.slice(0, cut);
    const inner = this.#entries.get(key);
    const map = inner instanceof Builder ? inner : new Builder(this.#like);
    this.#entries.set(key, map);
    map.put(path.slice(cut + 1), value);
    return this;
  }

  /** @param from path in another map; nothing happens where it has none */
  move(root: WrittenMap, from: string, to: string): void {
    const value = lookUp(root, from);
    if (value !== undefined && !isNull(value)) this.put(to, value);
  }

  map(): WrittenMap {
    const entries = [...this.#entries].map(([key, entry]): [string, WrittenEntry] => {
      if (!(entry instanceof Builder)) return [key, entry];
      return [key, { key, keyAt: this.#like.at, value: entry.map() }];
    });
    return { kind: 'map', entries: new Map(entries), origin: this.#like.origin, at: this.#like.at };
  }
}
