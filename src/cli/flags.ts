/** The options of a job on the command line, made from the one table of options (`job/options.ts`). */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { OPTIONS, optionSpec, type CliFlag } from '../job/options.ts';
import type { JobRequest, WrittenFlags } from '../job/request.ts';

const JOB = 'Job:';
const OUTPUT = 'Output:';
const LIMITS = 'Thresholds and limits:';
const RUN = 'Run:';

/** Heading in `--help` of each option, in the order of `--help`. A member of `WrittenFlags` without a row doesn't compile. */
const GROUPS: Readonly<Record<keyof WrittenFlags, string>> = {
  entryScript: JOB,
  code: JOB,
  input: JOB,
  inputFormat: JOB,
  query: JOB,
  listColumn: JOB,
  tableEncoding: JOB,
  csvDelimiter: JOB,
  csvHeader: JOB,
  csvQuote: JOB,
  csvEscape: JOB,
  csvComment: JOB,
  csvRagged: JOB,
  schemaDrift: JOB,
  miniBatchSize: JOB,
  miniBatchRows: JOB,
  miniBatchFormat: JOB,
  partitionKeys: JOB,
  partitionFormat: JOB,
  rankMiniBatchCount: JOB,
  processes: JOB,
  python: JOB,
  requirements: JOB,
  extraRequirements: JOB,
  replacePin: JOB,
  environmentVariables: JOB,
  models: JOB,
  output: OUTPUT,
  appendRowTo: OUTPUT,
  summaryOnly: OUTPUT,
  overwrite: OUTPUT,
  errorThreshold: LIMITS,
  miniBatchErrorThreshold: LIMITS,
  allowedFailedPercent: LIMITS,
  maxRetries: LIMITS,
  isolate: LIMITS,
  memoryLimit: LIMITS,
  recycleAfterMiniBatches: LIMITS,
  recycleAfterGrowth: LIMITS,
  timeout: LIMITS,
  initTimeout: LIMITS,
  taskOverheadTimeout: LIMITS,
  progressUpdateTimeout: LIMITS,
  firstTaskCreationTimeout: LIMITS,
  name: RUN,
  root: RUN,
  allowEmpty: RUN,
  loggingLevel: RUN,
  resourceMonitorInterval: RUN,
  advertise: RUN,
  engine: RUN,
  nodeCount: RUN,
  share: RUN,
  priority: RUN,
};

export type FlagKey = keyof WrittenFlags;
const isFlagKey = (key: string): key is FlagKey => key in GROUPS;
export const FLAG_KEYS: readonly FlagKey[] = Object.keys(GROUPS).filter(isFlagKey);
/** A member of `WrittenFlags` whose option has no flag doesn't compile here. */
const cliOf = (key: FlagKey): CliFlag => OPTIONS[key].cli;

type FlagKind = 'value' | 'switch' | 'list' | 'pairs';

function kindOf(key: FlagKey): FlagKind {
  const cli = cliOf(key);
  if (key === 'environmentVariables' || key === 'models') return 'pairs';
  if (cli.argument === undefined) return 'switch';
  return cli.repeatable === true ? 'list' : 'value';
}

type Collected = readonly string[] | undefined;
const collect = (value: string, before: Collected): readonly string[] => [...(before ?? []), value];
const collectPair = (value: string, before: Collected): readonly string[] => {
  if (!/^[^=]+=/.test(value)) throw new InvalidArgumentError('It needs the form NAME=value.');
  return collect(value, before);
};

/** Adds `JOB.yml`, `--set` and every option of a job to a command. */
export function addJobOptions(command: Command): void {
  command.argument('[job]', 'job file: a v2 pipeline, or a parallel job or component on its own');
  const set = new Option('--set <path=value>', 'override a value of the job file; repeatable').argParser(collect);
  command.addOption(set.helpGroup(JOB));
  command.addOption(new Option('--step <name>', 'only this job of the pipeline').helpGroup(JOB));
  const config = new Option(
    '--config <file>',
    "profile: what is different on this machine (default: parallelrun.config.yml beside the job file or here, else the user's)",
  );
  command.addOption(config.helpGroup(JOB));
  command.addOption(new Option('--no-config', 'read no profile').helpGroup(JOB));
  for (const key of FLAG_KEYS) command.addOption(optionOf(key));
}

function optionOf(key: FlagKey): Option {
  const cli = cliOf(key);
  const flags = cli.argument === undefined ? cli.flag : `${cli.flag} ${cli.argument}`;
  const option = new Option(flags, helpOf(key)).helpGroup(GROUPS[key]);
  const kind = kindOf(key);
  if (kind === 'list') option.argParser(collect);
  if (kind === 'pairs') option.argParser(collectPair);
  if (key === 'appendRowTo') option.conflicts('summaryOnly');
  return option;
}

function helpOf(key: FlagKey): string {
  const spec = optionSpec(key);
  const cli = cliOf(key);
  const fallback = spec.fallbackText ?? (cli.argument === undefined ? undefined : spec.fallback);
  const repeatable = cli.repeatable === true ? '; repeatable' : '';
  return `${spec.help}${repeatable}${fallback === undefined ? '' : ` (default: ${String(fallback)})`}`;
}

/** What commander parsed: attribute name to value. */
export type Parsed = Readonly<Record<string, unknown>>;

export interface RequestParts {
  readonly jobFile: string | undefined;
  readonly parsed: Parsed;
  /** What stood after `--`; undefined where there was none. */
  readonly scriptArguments: readonly string[] | undefined;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The request that a command line asks for. Values stay text: `job/` judges them, with one message for all faces. */
export function requestOf(parts: RequestParts): JobRequest {
  const set = textList(parts.parsed['set']);
  return {
    ...(parts.jobFile === undefined ? {} : { jobFile: parts.jobFile }),
    ...(set.length === 0 ? {} : { set }),
    ...configOf(parts.parsed['config']),
    flags: flagsOf(parts.parsed),
    ...(typeof parts.parsed['step'] === 'string' && { step: parts.parsed['step'] }),
    ...(parts.scriptArguments === undefined ? {} : { scriptArguments: parts.scriptArguments }),
    cwd: parts.cwd,
    env: parts.env,
  };
}

/** `--no-config` gives false, and without either commander gives true. */
function configOf(value: unknown): Pick<JobRequest, 'config'> {
  return typeof value === 'string' || value === false ? { config: value } : {};
}

function flagsOf(parsed: Parsed): WrittenFlags {
  const entries: [string, unknown][] = [];
  for (const key of FLAG_KEYS) {
    const value = parsed[new Option(cliOf(key).flag).attributeName()];
    if (value !== undefined) entries.push([key, writtenValue(kindOf(key), value)]);
  }
  // Each key is one of WrittenFlags, and its value has the form that its member takes (text, switch, list, pairs).
  return Object.fromEntries(entries);
}

function writtenValue(kind: FlagKind, value: unknown): unknown {
  if (kind === 'pairs') return pairsOf(textList(value));
  if (kind !== 'list') return value;
  const list = textList(value);
  return list.length === 1 ? list[0] : list;
}

function textList(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function pairsOf(list: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(list.map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]));
}
