/** Settings that may differ when a run goes on: they decide when it ends and how fast it goes, never what its rows are. */
import type { Plan } from '../domain/plan.ts';

export interface ResumeChanges {
  readonly errorThreshold?: number;
  readonly miniBatchErrorThreshold?: number;
  /** 0 to 100. */
  readonly allowedFailedPercent?: number;
  readonly processes?: number;
  readonly maxRetries?: number;
  readonly runTimeoutMs?: number;
  readonly initTimeoutMs?: number;
  readonly taskOverheadTimeoutMs?: number;
  readonly progressUpdateTimeoutMs?: number;
  readonly firstTaskCreationTimeoutMs?: number;
  readonly loggingLevel?: Plan['loggingLevel'];
  /** Whether failed mini-batches are narrowed down; true: whatever their parts return. */
  readonly isolate?: boolean;
  readonly memoryLimitBytes?: number;
  readonly recycleAfterMiniBatches?: number;
  readonly recycleAfterGrowthBytes?: number;
}

interface Changeable {
  /** As in the options table. */
  readonly name: string;
  readonly of: (plan: Plan) => string | number | undefined;
  /** The plan with the value that another one has. */
  readonly take: (plan: Plan, from: Plan) => Plan;
}

const limit = (name: string, key: keyof Plan['limits']): Changeable => ({
  name: `${name} (ms)`,
  of: (plan) => plan.limits[key],
  take: (plan, from) => ({ ...plan, limits: { ...plan.limits, [key]: from.limits[key] } }),
});
const threshold = (name: string, key: keyof Plan['thresholds']): Changeable => ({
  name,
  of: (plan) => plan.thresholds[key],
  take: (plan, from) => ({ ...plan, thresholds: { ...plan.thresholds, [key]: from.thresholds[key] } }),
});

const CHANGEABLE: readonly Changeable[] = [
  threshold('error_threshold', 'errorThreshold'),
  threshold('mini_batch_error_threshold', 'miniBatchErrorThreshold'),
  threshold('allowed_failed_percent', 'failedPercent'),
  {
    name: 'retry_settings.max_retries',
    of: (plan) => plan.tries.maxTries - 1,
    take: (plan, from) => ({ ...plan, tries: from.tries }),
  },
  limit('retry_settings.timeout', 'runTimeoutMs'),
  limit('init_timeout', 'initTimeoutMs'),
  limit('task_overhead_timeout', 'overheadTimeoutMs'),
  limit('progress_update_timeout', 'progressTimeoutMs'),
  limit('first_task_creation_timeout', 'firstMiniBatchTimeoutMs'),
  {
    name: 'max_concurrency_per_instance',
    of: (plan) => plan.processesPerNode,
    take: (plan, from) => ({ ...plan, processesPerNode: from.processesPerNode }),
  },
  {
    name: 'logging_level',
    of: (plan) => plan.loggingLevel,
    take: (plan, from) => ({ ...plan, loggingLevel: from.loggingLevel }),
  },
  {
    name: 'isolate',
    of: (plan) => plan.isolate ?? 'off',
    take: (plan, from) => ({ ...plan, isolate: from.isolate ?? 'off' }),
  },
  {
    name: 'memory_limit (bytes)',
    of: (plan) => plan.memoryLimitBytes,
    take: ({ memoryLimitBytes: _, ...plan }, { memoryLimitBytes }) => ({
      ...plan,
      ...(memoryLimitBytes !== undefined && { memoryLimitBytes }),
    }),
  },
  {
    name: 'recycle',
    of: (plan) => plan.recycle && JSON.stringify(plan.recycle),
    take: ({ recycle: _, ...plan }, { recycle }) => ({ ...plan, ...(recycle && { recycle }) }),
  },
];

/** The plan with the changes in it. */
export function withChanges(plan: Plan, changes: ResumeChanges): Plan {
  const { thresholds } = plan;
  const { isolate, memoryLimitBytes = plan.memoryLimitBytes } = changes;
  const afterMiniBatches = changes.recycleAfterMiniBatches ?? plan.recycle?.afterMiniBatches;
  const afterGrowthBytes = changes.recycleAfterGrowthBytes ?? plan.recycle?.afterGrowthBytes;
  const recycle = {
    ...(afterMiniBatches !== undefined && { afterMiniBatches }),
    ...(afterGrowthBytes !== undefined && { afterGrowthBytes }),
  };
  return {
    ...plan,
    thresholds: {
      errorThreshold: changes.errorThreshold ?? thresholds.errorThreshold,
      miniBatchErrorThreshold: changes.miniBatchErrorThreshold ?? thresholds.miniBatchErrorThreshold,
      failedPercent: changes.allowedFailedPercent ?? thresholds.failedPercent,
    },
    tries: { maxTries: changes.maxRetries === undefined ? plan.tries.maxTries : changes.maxRetries + 1 },
    limits: limitsWith(plan, changes),
    processesPerNode: changes.processes ?? plan.processesPerNode,
    loggingLevel: changes.loggingLevel ?? plan.loggingLevel,
    // A rank mini-batch has no items that could be at fault, one by partition keys is a whole.
    ...(isolate !== undefined && !['rank', 'keys'].includes(plan.cutting.by) && { isolate: isolate ? 'on' : 'off' }),
    ...(memoryLimitBytes !== undefined && { memoryLimitBytes }),
    ...(Object.keys(recycle).length > 0 && { recycle }),
  };
}

/** Where a limit was never given, it follows the others as it did when the run was started. */
function limitsWith({ limits, origins }: Plan, changes: ResumeChanges): Plan['limits'] {
  const runTimeoutMs = changes.runTimeoutMs ?? limits.runTimeoutMs;
  const overheadTimeoutMs = changes.taskOverheadTimeoutMs ?? limits.overheadTimeoutMs;
  const raised = runTimeoutMs + overheadTimeoutMs > limits.runTimeoutMs + limits.overheadTimeoutMs;
  const follow = (name: string, value: number, least: number): number =>
    raised && (origins[name] ?? 'default') === 'default' ? Math.min(Math.max(value, least), TIMER_MS_MAX) : value;
  return {
    ...limits,
    runTimeoutMs,
    overheadTimeoutMs,
    initTimeoutMs: changes.initTimeoutMs ?? follow('init_timeout', limits.initTimeoutMs, runTimeoutMs),
    progressTimeoutMs:
      changes.progressUpdateTimeoutMs ??
      follow('progress_update_timeout', limits.progressTimeoutMs, 3 * (runTimeoutMs + overheadTimeoutMs)),
    firstMiniBatchTimeoutMs: changes.firstTaskCreationTimeoutMs ?? limits.firstMiniBatchTimeoutMs,
  };
}

/** Timers hold 31 bits; one beyond them fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** A line for each setting that may change and has. */
export function settingChanges(before: Plan, now: Plan): string[] {
  return CHANGEABLE.filter(({ of }) => of(before) !== of(now)).map(
    ({ name, of }) => `${name}: ${of(before) ?? 'none'} before, ${of(now) ?? 'none'} now`,
  );
}

/** `plan` with the settings that differ between two other plans, unless `fixed` says that it has them from elsewhere. */
export function takeSettings(plan: Plan, before: Plan, now: Plan, fixed: (name: string) => boolean): Plan {
  return CHANGEABLE.filter(({ name, of }) => of(before) !== of(now) && !fixed(name.replace(/ \(.*\)$/, ''))).reduce(
    (taken, { take }) => take(taken, now),
    plan,
  );
}
