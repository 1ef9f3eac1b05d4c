/** Every option with its value and origin, for `plan` and the logs. Pure; an option without a row here doesn't compile. */
import type { CsvDialect, Cutting, EnvironmentSpec, InputSpec, Origin, Plan } from '../domain/plan.ts';
import type { SourceLocation } from '../domain/problem.ts';
import { encodingOf, shownOutput } from '../domain/input.ts';
import { unreachable } from '../domain/assert.ts';
import type { OptionKey, ScalarOptionKey } from './options.ts';
import { OPTION_KEYS, optionSpec, SCALAR_OPTION_KEYS } from './options.ts';
import type { Settings } from './settings.ts';
import { showMs } from './values.ts';

export interface EffectiveSetting {
  /** As in the options table. */
  readonly name: string;
  /** For people; empty for none. */
  readonly value: string;
  readonly origin: Origin;
  /** `parallelrun.config.yml: computes.cpu.processes`, for a value of the profile. */
  readonly place?: string;
}

export interface Facts {
  readonly plan: Plan;
  readonly settings: Settings;
  readonly root: string;
  /** For people. */
  readonly overrides: { readonly extra: readonly string[]; readonly pins: readonly string[] };
  /** Where values of the profile stand, by the names of the options. */
  readonly places: ReadonlyMap<string, SourceLocation>;
  /** Split inputs as they were written. */
  readonly inputs: readonly string[];
  /** Of this machine. */
  readonly gpus: number;
}

const ISOLATE = { auto: 'where rows belong to items', on: 'true', off: 'false' } as const;

function csvOf({ inputs: [input] }: Plan): CsvDialect | undefined {
  return input?.kind === 'table' && input.table.format === 'csv' ? input.table : undefined;
}

function formatOf(input: InputSpec): string {
  if (input.select.by === 'list') return 'list';
  return input.kind === 'table' ? (input.query?.engine ?? input.table.format) : 'files';
}

function queryOf({ inputs: [input] }: Plan): string | undefined {
  return input?.kind === 'table' ? input.query?.text : undefined;
}

const shownCharacter = (character: string | undefined): string =>
  character === undefined ? '' : character === '' ? 'none' : character === '\t' ? 'tab' : character;

type Show = (facts: Facts) => string;

const SHOW: Readonly<Record<OptionKey, Show>> = {
  entryScript: ({ plan }) => plan.entry.file,
  code: ({ plan }) => plan.entry.codeFolder,
  programArguments: ({ plan }) => plan.scriptArguments.map(quoted).join(' '),
  input: ({ inputs }) => inputs.map(quoted).join(' '),
  inputFormat: ({ plan: { inputs } }) => (inputs[0] ? formatOf(inputs[0]) : ''),
  query: ({ plan }) => queryOf(plan) ?? '',
  listColumn: ({ plan: { inputs } }) => (inputs[0]?.select.by === 'list' && inputs[0].select.column) || '',
  tableEncoding: ({
    plan: {
      inputs: [input],
    },
  }) => (input?.kind === 'table' ? encodingOf(input.table) : undefined) ?? 'utf-8',
  csvDelimiter: ({ plan }) => shownCharacter(csvOf(plan)?.delimiter),
  csvHeader: ({ plan }) => String(csvOf(plan)?.header ?? ''),
  csvQuote: ({ plan }) => shownCharacter(csvOf(plan) && (csvOf(plan)?.quote ?? '"')),
  csvEscape: ({ plan }) => shownCharacter(csvOf(plan) && (csvOf(plan)?.escape ?? '')),
  csvComment: ({ plan }) => shownCharacter(csvOf(plan) && (csvOf(plan)?.comment ?? '')),
  csvRagged: ({ plan }) => (csvOf(plan) ? (csvOf(plan)?.ragged ?? 'fill') : ''),
  schemaDrift: ({ plan: { inputs } }) =>
    inputs.some((input) => input.kind === 'table' && 'drift' in input.table) ? 'by_name' : 'refuse',
  miniBatchSize: ({ plan }) => (['rows', 'keys'].includes(plan.cutting.by) ? '' : showCutting(plan.cutting)),
  miniBatchRows: ({ plan }) => (plan.cutting.by === 'rows' ? showCutting(plan.cutting) : ''),
  miniBatchFormat: ({ plan }) => plan.miniBatchFormat ?? 'pandas',
  partitionKeys: ({ plan }) => (plan.cutting.by === 'keys' ? plan.cutting.keys.map(quoted).join(' ') : ''),
  partitionFormat: ({ plan }) => (plan.cutting.by === 'keys' ? (plan.cutting.format ?? '') : ''),
  rankMiniBatchCount: ({ plan }) => (plan.cutting.by === 'rank' ? String(plan.cutting.count) : '0'),
  processes: ({ plan, settings, gpus }) =>
    `${plan.processesPerNode}${settings.processes.origin === 'default' && gpus > 0 ? ' (one per GPU)' : ''}`,
  nodeCount: ({ plan }) => String(plan.nodeCount),
  output: ({ plan }) => shownOutput(plan, plan.outputFolder),
  appendRowTo: ({ plan }) => showOutput(plan),
  summaryOnly: ({ plan }) => String(plan.output.action === 'summary_only'),
  overwrite: ({ settings }) => String(settings.overwrite.value === true),
  errorThreshold: ({ plan }) => String(plan.thresholds.errorThreshold),
  miniBatchErrorThreshold: ({ plan }) => String(plan.thresholds.miniBatchErrorThreshold),
  allowedFailedPercent: ({ plan }) => String(plan.thresholds.failedPercent),
  maxRetries: ({ plan }) => String(plan.tries.maxTries - 1),
  timeout: ({ plan }) => showMs(plan.limits.runTimeoutMs),
  initTimeout: ({ plan }) => showMs(plan.limits.initTimeoutMs),
  taskOverheadTimeout: ({ plan }) => showMs(plan.limits.overheadTimeoutMs),
  progressUpdateTimeout: ({ plan }) => showMs(plan.limits.progressTimeoutMs),
  firstTaskCreationTimeout: ({ plan }) => showMs(plan.limits.firstMiniBatchTimeoutMs),
  memoryLimit: ({ plan }) => (plan.memoryLimitBytes === undefined ? '' : `${plan.memoryLimitBytes} bytes`),
  recycleAfterMiniBatches: ({ plan }) => String(plan.recycle?.afterMiniBatches ?? ''),
  recycleAfterGrowth: ({ plan }) =>
    plan.recycle?.afterGrowthBytes === undefined ? '' : `${plan.recycle.afterGrowthBytes} bytes`,
  resourceMonitorInterval: ({ plan }) =>
    plan.resourceMonitorIntervalMs === 0 ? 'off' : showMs(plan.resourceMonitorIntervalMs),
  profilingModule: ({ plan }) => plan.profilingModule ?? '',
  loggingLevel: ({ plan }) => plan.loggingLevel,
  // Names only: values may be secrets.
  environmentVariables: ({ plan }) => Object.keys(plan.environmentVariables).join(', '),
  models: ({ plan }) =>
    Object.entries(plan.models ?? {})
      .map(([name, { path }]) => quoted(`${name}=${path}`))
      .join(' '),
  environment: ({ plan }) => showEnvironment(plan.environment),
  requirements: ({ settings }) => settings.requirements.value ?? '',
  extraRequirements: ({ overrides }) => overrides.extra.map(quoted).join(' '),
  replacePin: ({ overrides }) => overrides.pins.map(quoted).join(' '),
  python: ({ settings }) => settings.python.value ?? '',
  name: ({ plan }) => plan.runId,
  root: ({ root }) => root,
  allowEmpty: ({ plan }) => String(plan.allowEmpty),
  advertise: ({ plan }) => plan.advertise ?? '',
  share: ({ plan }) => String(plan.share ?? 1),
  priority: ({ plan }) => String(plan.priority ?? 0),
  engine: ({ plan }) => plan.engine ?? 'embedded',
  appendRowSafeOutput: () => 'true',
  copyLogsToParent: ({ settings }) => String(settings.copyLogsToParent.value === true),
  pushMetricsToParent: ({ settings }) => String(settings.pushMetricsToParent.value === true),
  metricsNamePrefix: ({ settings }) => settings.metricsNamePrefix.value ?? '',
  dataframeMixedTypes: ({ settings }) => String(settings.dataframeMixedTypes.value === true),
  asyncMode: ({ settings }) => String(settings.asyncMode.value === true),
  resumeFrom: ({ settings }) => settings.resumeFrom.value ?? '',
  isolate: ({ plan }) => ISOLATE[plan.isolate ?? 'off'],
};

/** Options whose origin the settings don't know: they have code of their own, or several sources. */
export type OtherOrigins = Readonly<Record<Exclude<OptionKey, ScalarOptionKey>, Origin>> &
  Readonly<Partial<Record<OptionKey, Origin>>>;

export function originsOf(settings: Settings, others: OtherOrigins): Readonly<Record<string, Origin>> {
  const scalars = SCALAR_OPTION_KEYS.map((key) => [optionSpec(key).name, settings[key].origin] as const);
  const rest = OPTION_KEYS.flatMap((key) => {
    const origin = others[key];
    return origin === undefined ? [] : [[optionSpec(key).name, origin] as const];
  });
  return Object.fromEntries([...scalars, ...rest]);
}

/** In the order of the table. */
export function effectiveSettings(facts: Facts): readonly EffectiveSetting[] {
  return OPTION_KEYS.map((key) => {
    const { name } = optionSpec(key);
    const origin = facts.plan.origins[name] ?? 'default';
    const at = origin === 'profile' ? facts.places.get(name) : undefined;
    const place = at && `${at.file}${at.keyPath === undefined ? '' : `: ${at.keyPath}`}`;
    return { name, value: SHOW[key](facts), origin, ...(place === undefined ? {} : { place }) };
  });
}

const quoted = (word: string): string =>
  /^[\w@%+=:,./${}-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

function showCutting(cutting: Cutting): string {
  switch (cutting.by) {
    case 'files':
      return `${cutting.files} ${cutting.files === 1 ? 'file' : 'files'}`;
    case 'bytes':
      return `${cutting.bytes} bytes`;
    case 'rows':
      return `${cutting.rows} ${cutting.rows === 1 ? 'row' : 'rows'}`;
    case 'keys':
    case 'rank':
      return '';
    default:
      return unreachable(cutting);
  }
}

function showOutput(plan: Plan): string {
  const { output } = plan;
  return output.action === 'append_row'
    ? `${shownOutput(plan, output.file)} (${output.format})`
    : 'no result file (summary_only)';
}

function showEnvironment(environment: EnvironmentSpec): string {
  switch (environment.kind) {
    case 'interpreter':
      return environment.path;
    case 'requirements':
      return `${environment.pip.length} ${environment.pip.length === 1 ? 'requirement' : 'requirements'} of ${environment.source}${environment.onTop ? `, on top of ${environment.base ?? 'python3 on the PATH'}` : ''}`;
    case 'path':
      return 'python3 on the PATH';
    default:
      return unreachable(environment);
  }
}
