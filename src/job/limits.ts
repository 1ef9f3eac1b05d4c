/** Times and counts of a plan: where a default depends on another setting, or a machine sets the bound. Pure. */
import { parseEngineAddress } from '../domain/engine-address.ts';
import type { Cutting, EntryScript, Limits, Plan } from '../domain/plan.ts';
import type { Surroundings } from './context.ts';
import type { Problems } from './problems.ts';
import { onCommandLine } from './problems.ts';
import type { Settings } from './settings.ts';
import { describeFound } from './values.ts';

/** A `shutdown()` that takes longer is ended; its results are committed long before. */
export const SHUTDOWN_TIMEOUT_MS = 30_000;
/** Of what one try prints to one stream: so much of its head, and as much of its tail. */
export const CAPTURE_BYTES_PER_TRY = 8 * 1024 * 1024;
export const INIT_TIMEOUT_MS_MIN = 300_000;
/** Timers hold 31 bits; one beyond them fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;
export const PROCESSES_MAX = 1000;
/** More workers per core than this is more often a slip than a wish. */
const PROCESSES_PER_CORE_UNUSUAL = 16;

/** All of an input is grouped before the first mini-batch. */
const FIRST_GROUP_TIMEOUT_MS = 24 * 3_600_000;

/** @param isGathered all of the input is gone through before there is a mini-batch, whatever the cutting */
export function compileLimits(settings: Settings, cutting: Cutting, isGathered: boolean): Limits {
  const run = settings.timeout.value ?? 60_000;
  const overhead = settings.taskOverheadTimeout.value ?? 30_000;
  const limits: Limits = {
    runTimeoutMs: run,
    overheadTimeoutMs: overhead,
    initTimeoutMs: settings.initTimeout.value ?? Math.max(INIT_TIMEOUT_MS_MIN, run),
    shutdownTimeoutMs: SHUTDOWN_TIMEOUT_MS,
    progressTimeoutMs: settings.progressUpdateTimeout.value ?? 3 * (run + overhead),
    firstMiniBatchTimeoutMs:
      (cutting.by === 'keys' || isGathered) && settings.firstTaskCreationTimeout.origin === 'default'
        ? FIRST_GROUP_TIMEOUT_MS
        : (settings.firstTaskCreationTimeout.value ?? 600_000),
    captureBytesPerTry: CAPTURE_BYTES_PER_TRY,
  };
  const clamp = (ms: number): number => Math.min(ms, TIMER_MS_MAX);
  return {
    ...limits,
    runTimeoutMs: clamp(limits.runTimeoutMs),
    overheadTimeoutMs: clamp(limits.overheadTimeoutMs),
    initTimeoutMs: clamp(limits.initTimeoutMs),
    progressTimeoutMs: clamp(limits.progressTimeoutMs),
    firstMiniBatchTimeoutMs: clamp(limits.firstMiniBatchTimeoutMs),
  };
}

/** Names folders and stands in each line of the logs: an address or a host name, nothing that leads elsewhere. */
const ADVERTISED = /^[A-Za-z0-9:][A-Za-z0-9._:-]{0,252}$/;

export function compileAdvertise(settings: Settings, problems: Problems): string | undefined {
  const { value, at } = settings.advertise;
  if (value === undefined || ADVERTISED.test(value)) return value;
  problems.error('PR1011', '--advertise has a value that is not allowed', {
    where: at ?? onCommandLine('--advertise', value),
    why: `found ${describeFound(value)}; allowed: an address or a host name, such as 10.0.0.5`,
    next: 'leave it out, and the address is found by itself',
  });
  return undefined;
}

/** @returns worker processes of a node, never more than a machine can bear; says so where that changes the wish. */
export function compileProcesses(
  settings: Settings,
  { processors, gpus }: Pick<Surroundings, 'processors' | 'gpus'>,
  problems: Problems,
): number {
  const { value, at } = settings.processes;
  // workers beyond the GPUs would get none
  if (value === undefined) return Math.max(1, Math.min(gpus > 0 ? gpus : processors, PROCESSES_MAX));
  const where = at ?? onCommandLine('--processes', value);
  if (value > PROCESSES_MAX) {
    problems.warning('PR1018', `${value} worker processes are asked for, ${PROCESSES_MAX} are used`, {
      where,
      why: `one machine takes at most ${PROCESSES_MAX}`,
    });
    return PROCESSES_MAX;
  }
  if (value > PROCESSES_PER_CORE_UNUSUAL * processors) {
    problems.warning('PR1018', `${value} worker processes are many for ${processors} cores`, {
      where,
      why: 'each of them loads the script and its model',
    });
  }
  return value;
}

/** A rank mini-batch has no items that could be at fault; one by partition keys is handed out as a whole or not at all. */
export function compileIsolate(settings: Settings, cutting: Cutting): NonNullable<Plan['isolate']> {
  if (cutting.by === 'rank' || cutting.by === 'keys' || settings.isolate.value === false) return 'off';
  return settings.isolate.value === true ? 'on' : 'auto';
}

/** Members of a plan about the memory and the age of a worker; absent ones set no bound. */
export function compileWorkerLife(settings: Settings): Pick<Plan, 'memoryLimitBytes' | 'recycle'> {
  const memoryLimitBytes = settings.memoryLimit.value;
  const afterMiniBatches = settings.recycleAfterMiniBatches.value;
  const afterGrowthBytes = settings.recycleAfterGrowth.value;
  const recycle = {
    ...(afterMiniBatches !== undefined && { afterMiniBatches }),
    ...(afterGrowthBytes !== undefined && { afterGrowthBytes }),
  };
  return {
    ...(memoryLimitBytes !== undefined && { memoryLimitBytes }),
    ...(Object.keys(recycle).length > 0 && { recycle }),
  };
}

/** Several mini-batches at once in one process. */
export function compileInFlight(
  { asyncMode }: Settings,
  entry: EntryScript | undefined,
  problems: Problems,
): { readonly inFlight?: true } {
  if (asyncMode.value !== true) return {};
  if (entry?.language === 'node')
    problems.error('PR1007', '--amlbi_async_mode is for Python scripts', {
      ...(asyncMode.at && { where: asyncMode.at }),
      why: `${entry.file} runs on Node`,
      next: 'start more worker processes with --processes, or work on the items of a mini-batch side by side in run()',
    });
  return { inFlight: true };
}

/** Values of CSV with a type of their own; of JSON Lines they have it anyway, of Parquet and Arrow that of their column. */
export function compileMixedTypes(
  { dataframeMixedTypes, miniBatchFormat }: Settings,
  entry: EntryScript | undefined,
  problems: Problems,
): { readonly mixedTypes?: true } {
  const format = miniBatchFormat.value ?? 'pandas';
  const { at, value } = dataframeMixedTypes;
  if (value !== true || entry === undefined) return {};
  const why =
    entry.language === 'node'
      ? `${entry.file} runs on Node, whose tables have one type a column`
      : format === 'pandas' || format === 'list'
        ? undefined
        : `a column of ${format} has one type`;
  if (why === undefined) return { mixedTypes: true };
  problems.warning('PR1018', '--amlbi_dataframe_mixed_types has no effect', { ...(at && { where: at }), why });
  return {};
}

/** What of a step its pipeline has as well. */
export function compileToParent(
  { copyLogsToParent: logs, pushMetricsToParent: metrics, metricsNamePrefix: prefix }: Settings,
  isStep: boolean,
  problems: Problems,
): Plan['toParent'] {
  const [first, ...more] = [logs, metrics].filter(({ value }) => value === true);
  if (first === undefined) return undefined;
  if (isStep) return { logs: logs.value === true, ...(metrics.value === true && { metrics: { prefix: prefix.value ?? '' } }) }; // prettier-ignore
  const flag = first === logs ? '--copy_logs_to_parent' : '--push_metrics_to_parent';
  problems.warning('PR1018', `${flag}${more.length > 0 ? ' and --push_metrics_to_parent have' : ' has'} no effect`, {
    ...(first.at && { where: first.at }),
    why: 'the run is no step of a pipeline: its logs and metrics are its own',
  });
  return undefined;
}

/** The engine, and how many nodes the run has of it. `written`: its address with what is secret. */
export function compileEngine(
  settings: Settings,
  env: Readonly<Record<string, string | undefined>>,
  problems: Problems,
): Pick<Plan, 'nodeCount' | 'engine' | 'share' | 'priority'> & { readonly written?: string } {
  const { engine, nodeCount, share, priority } = settings;
  const wanted = nodeCount.value ?? 1;
  const written = engine.value ?? env['PARALLELRUN_ENGINE'];
  if (written === undefined || written === '' || written === 'embedded') {
    if (wanted > 1) {
      problems.warning('PR1018', `${wanted} nodes are asked for, one is used`, {
        ...(nodeCount.at && { where: nodeCount.at }),
        why: 'without an engine a run has this machine alone',
        next: 'start nodes with parallelrun agent, and say --engine nats://host:4222',
      });
    }
    return { nodeCount: 1 };
  }
  const address = parseEngineAddress(written);
  if (address.ok) {
    return {
      ...{ nodeCount: wanted, engine: address.value.shown, written },
      ...((share.value ?? 1) !== 1 && { share: share.value ?? 1 }),
      ...((priority.value ?? 0) !== 0 && { priority: priority.value ?? 0 }),
    };
  }
  const { code, what, why, next } = address.error;
  problems.error(code, what, { ...(engine.at && { where: engine.at }), ...(why && { why }), ...(next && { next }) });
  return { nodeCount: 1 };
}
