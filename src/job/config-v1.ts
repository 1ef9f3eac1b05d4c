/** A `parallel_run_config` of version 1 as a parallel job of version 2. Pure. */
import { Builder, warnOfOthers } from './builder.ts';
import { listed } from './problems.ts';
import type { Problems } from './problems.ts';
import { checkResultName } from './result-name.ts';
import type { WrittenMap, WrittenNode } from './written.ts';
import { child, describeNode, entriesOf, isNull, scalarFrom, textOf } from './written.ts';

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
  'outputs',
];

export function fromConfig(config: WrittenMap, problems: Problems): WrittenMap {
  const job = new Builder(config);
  job.put('type', job.text('parallel'));
  const both = hasKeysAndSize(config, problems);
  for (const [from, to] of CONFIG_KEYS) if (!both || from !== 'mini_batch_size') job.move(config, from, to);
  for (const key of ['inputs', 'input_data']) job.move(config, key, key);
  tries(config, job, problems);
  const percent = child(config, 'allowed_failed_percent');
  if (percent?.kind === 'scalar' && !isNull(percent))
    addArgument(config, job, `--allowed_failed_percent=${percent.text}`, percent);
  const [action, file] = [child(config, 'output_action'), child(config, 'append_row_file_name')];
  appendTo(config, job, { action, file, fallback: 'parallel_run_step.txt' }, problems);
  warnOfOthers(config, [...CONFIG_KEYS.map(([from]) => from), ...CONFIG_OTHERS], 'parallel_run_config', problems);
  return job.map();
}

/** In version 2 the keys win, with a warning; version 1 never let both pass. */
function hasKeysAndSize(config: WrittenMap, problems: Problems): boolean {
  const [keys, size] = [child(config, 'partition_keys'), child(config, 'mini_batch_size')];
  if (keys === undefined || size === undefined || isNull(keys) || isNull(size)) return false;
  problems.error('PR1012', 'partition_keys and mini_batch_size are both given', {
    where: keys.at(),
    why: 'with partition_keys there is one mini-batch for each combination of their values, of whatever size',
    next: 'remove mini_batch_size, or partition_keys',
  });
  return true;
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
  if (given?.kind === 'scalar' && !isNull(given)) {
    job.put('task.program_arguments', {
      ...given,
      value: `${given.text} ${argument}`,
      text: `${given.text} ${argument}`,
    });
    return;
  }
  const own = scalarFrom(argument, node.origin, node.at());
  const items = given?.kind === 'list' ? [...given.items, own] : [own];
  job.put('task.program_arguments', { kind: 'list', origin: node.origin, at: node.at, items });
}

const ACTIONS = ['append_row', 'summary_only'];

/** Where the rows go: into the first of the outputs, or without any into a file among those of the run. */
export function appendTo(
  root: WrittenMap,
  job: Builder,
  { action, file, fallback }: { action?: WrittenNode | undefined; file?: WrittenNode | undefined; fallback: string },
  problems: Problems,
): void {
  const outputs = child(root, 'outputs');
  const [own] = entriesOf(outputs);
  if (outputs !== undefined && own !== undefined) job.put('outputs', outputs);
  if (action !== undefined && !isNull(action) && !ACTIONS.includes(textOf(action)?.toLowerCase() ?? '')) {
    problems.error('PR1011', 'output_action is not one of the known ones', {
      where: action.at(),
      why: `found ${describeNode(action)}; allowed: ${listed(ACTIONS)}`,
    });
  }
  if (textOf(action)?.toLowerCase() === 'summary_only') return;
  const at = file ?? action ?? root;
  const name = textOf(file) ?? fallback;
  if (!checkResultName(name, at.at(), problems)) return;
  if (own === undefined) {
    // an output that is a file is called what it is called
    const output = new Builder(root).put('type', job.text('uri_file')).map();
    job.put('outputs', new Builder(root).put(name, output).map());
  } else if (file !== undefined && !isNull(file)) {
    job.put('task.append_row_file_name', file);
  }
  job.put('task.append_row_to', scalarFrom(`\${{outputs.${own?.key ?? name}}}`, at.origin, at.at()));
}
