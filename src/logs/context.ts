/** What the logs say about a run that is in its plan and not in its events. */
import { unreachable } from '../domain/assert.ts';
import type { Cutting, EnvironmentSpec, InputSpec, OutputSpec, Plan } from '../domain/plan.ts';
import type { RunContext } from '../views/text/cause.ts';
import { bytes, count, counted, duration, safeText } from '../views/text/words.ts';

export interface RunLogContext extends RunContext {
  readonly loggingLevel: 'DEBUG' | 'INFO' | 'WARNING';
  /** Settings in force, a line each. */
  readonly settings: readonly string[];
  /** A line each. */
  readonly inputs: readonly string[];
  /** Log files that an earlier part of the run has begun: they have their header. Default: none. */
  readonly isBegun?: (path: string) => boolean;
}

/** @param root the folder of run folders, where it is not the default one. */
export function runLogContext(plan: Plan, root?: string, itemName?: RunContext['itemName']): RunLogContext {
  return {
    runId: plan.runId,
    folder: plan.runFolder,
    maxTries: plan.tries.maxTries,
    ...(root === undefined ? {} : { root }),
    ...(itemName === undefined ? {} : { itemName }),
    loggingLevel: plan.loggingLevel,
    settings: settingLines(plan),
    inputs: plan.inputs.map(inputLine),
  };
}

function settingLines(plan: Plan): readonly string[] {
  const { limits, thresholds, entry } = plan;
  const line = (name: string, value: string | number): string => {
    const origin = plan.origins[name];
    return `${name} = ${safeText(String(value))}${origin === undefined ? '' : ` (${origin})`}`;
  };
  return [
    line('task.entry_script', `${entry.file}, module ${entry.moduleName}, ${entry.language}`),
    line('task.code', entry.codeFolder),
    line('task.program_arguments', JSON.stringify(plan.scriptArguments)),
    line('task.environment', environmentText(plan.environment)),
    // Names only: values may be secrets.
    line('environment_variables', Object.keys(plan.environmentVariables).join(', ') || 'none'),
    line('task.append_row_to', outputText(plan.output)),
    line(plan.cutting.by === 'keys' ? 'partition_keys' : 'mini_batch_size', cuttingText(plan.cutting)),
    line('error_threshold', thresholds.errorThreshold),
    line('mini_batch_error_threshold', thresholds.miniBatchErrorThreshold),
    line('allowed_failed_percent', thresholds.failedPercent),
    line('retry_settings.max_retries', plan.tries.maxTries - 1),
    line('isolate', isolateText(plan.isolate ?? 'off')),
    line('retry_settings.timeout', duration(limits.runTimeoutMs)),
    line('init_timeout', duration(limits.initTimeoutMs)),
    line('task_overhead_timeout', duration(limits.overheadTimeoutMs)),
    line('progress_update_timeout', duration(limits.progressTimeoutMs)),
    line('first_task_creation_timeout', duration(limits.firstMiniBatchTimeoutMs)),
    line(
      'resource_monitor_interval',
      plan.resourceMonitorIntervalMs === 0 ? 'off' : duration(plan.resourceMonitorIntervalMs),
    ),
    line('max_concurrency_per_instance', plan.processesPerNode),
    ...workerLifeLines(plan, line),
    line('resources.instance_count', plan.nodeCount),
    line('logging_level', plan.loggingLevel),
  ];
}

/** Bounds that somebody set; there are none by default. */
function workerLifeLines(plan: Plan, line: (name: string, value: string | number) => string): readonly string[] {
  const { memoryLimitBytes, recycle } = plan;
  return [
    ...(memoryLimitBytes === undefined ? [] : [line('memory_limit', bytes(memoryLimitBytes))]),
    ...(recycle?.afterMiniBatches === undefined ? [] : [line('recycle_after_mini_batches', recycle.afterMiniBatches)]),
    ...(recycle?.afterGrowthBytes === undefined ? [] : [line('recycle_after_growth', bytes(recycle.afterGrowthBytes))]),
  ];
}

function isolateText(isolate: NonNullable<Plan['isolate']>): string {
  switch (isolate) {
    case 'auto':
      return 'yes, as long as each part returns a row an item';
    case 'on':
      return 'yes, whatever the parts return';
    case 'off':
      return 'no';
    default:
      return unreachable(isolate);
  }
}

function environmentText(spec: EnvironmentSpec): string {
  switch (spec.kind) {
    case 'interpreter':
      return `interpreter ${spec.path}`;
    case 'requirements':
      return `requirements of ${spec.source}: ${spec.pip.join(', ')}`;
    case 'path':
      return 'python3 of the PATH';
    default:
      return unreachable(spec);
  }
}

function cuttingText(cutting: Cutting): string {
  switch (cutting.by) {
    case 'files':
      return counted(cutting.files, 'file');
    case 'bytes':
      return bytes(cutting.bytes);
    case 'rows':
      return counted(cutting.rows, 'row');
    case 'keys':
      return safeText(
        `${cutting.keys.join(', ')}${cutting.format === undefined ? '' : `, of paths ${cutting.format}`}`,
      );
    case 'rank':
      return `none: ${count(cutting.count)} mini-batches without input`;
    default:
      return unreachable(cutting);
  }
}

function outputText(output: OutputSpec): string {
  return output.action === 'summary_only' ? 'summary_only' : `${output.file} (${output.format})`;
}

function inputLine(input: InputSpec): string {
  const { select } = input;
  if (input.kind === 'table' && input.query) return safeText(`input ${input.name}: query on ${input.query.database}`);
  if (select.by === 'list') return safeText(`input ${input.name}: files of the list ${select.file}`);
  const which = select.by === 'all' ? 'all files' : select.by === 'glob' ? `files ${select.pattern}` : select.file;
  return safeText(`input ${input.name}: ${input.kind} of ${input.root}, ${which}`);
}
