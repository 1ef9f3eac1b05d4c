/**
 * Every option of a run, once. Command line flags, JSON Schema, the reference page, the reading of job files and of
 * runtime flags all come from this table; a flag of `WrittenFlags` without a row here doesn't compile, nor does a row
 * that nobody shows (`effective.ts`).
 */
import type { WrittenFlags } from './request.ts';
import type { Scalar, ValueKind, ValueOf } from './values.ts';

export interface OptionSpec {
  /** What people know it by; key of `Plan.origins` and of the effective settings. */
  readonly name: string;
  /** Path below the parallel job of a v2 file; absent: not settable there. */
  readonly yaml?: string;
  /** Name in the v1 SDK and in `parallel_run_config:`. */
  readonly v1?: string;
  /** Flag read inside `program_arguments`, without its dashes. */
  readonly runtimeFlag?: string;
  /** Tries to retries: subtracted from the number a runtime flag gives. */
  readonly runtimeFlagOffset?: number;
  readonly cli?: CliFlag;
  readonly value: ValueKind;
  /** In the form a user would write; absent: none, or computed (then `fallbackText` says how). */
  readonly fallback?: Scalar;
  readonly fallbackText?: string;
  readonly unit?: string;
  /** One line, no full stop. */
  readonly help: string;
}

export interface CliFlag {
  /** `--mini-batch-size`. */
  readonly flag: string;
  /** `<n|size>`; absent: a switch without value. */
  readonly argument?: string;
  /** May be given several times; the values are collected. */
  readonly repeatable?: boolean;
}

const ANY_INTEGER = Number.MAX_SAFE_INTEGER;
/** Three days, as the original has it. */
const RUN_SECONDS_MAX = 259_200;
/** Timers take at most 2^31 - 1 ms; beyond that they fire at once. */
const TIMER_SECONDS_MAX = 2_147_483;
const threshold = { type: 'integer', min: -1, max: ANY_INTEGER } as const;
const runSeconds = { type: 'duration', maxSeconds: RUN_SECONDS_MAX, zeroIsOff: false } as const;
const timerSeconds = { type: 'duration', maxSeconds: TIMER_SECONDS_MAX, zeroIsOff: false } as const;

// A table: one option a paragraph reads better than one property a line.
// prettier-ignore
export const OPTIONS = {
  entryScript: {
    name: 'task.entry_script', yaml: 'task.entry_script', v1: 'entry_script',
    cli: { flag: '--entry-script', argument: '<file>' }, value: { type: 'text' },
    help: 'the script with init(), run() and shutdown(); a path below the code folder, or a dotted module (pkg.main)',
  },
  code: {
    name: 'task.code', yaml: 'task.code', v1: 'source_directory',
    cli: { flag: '--code', argument: '<folder>' }, value: { type: 'text' },
    fallbackText: 'folder of the job file; without one, of the script',
    help: 'folder that is copied for the run and stands first on the import path',
  },
  programArguments: {
    name: 'task.program_arguments', yaml: 'task.program_arguments', v1: 'arguments',
    value: { type: 'structure', allowed: 'one text, or a list of texts' },
    help: 'arguments of the script and runtime flags together; all of them reach sys.argv',
  },
  input: {
    name: 'input_data', yaml: 'input_data', v1: 'inputs',
    cli: { flag: '--input', argument: '<path>', repeatable: true },
    value: { type: 'structure', allowed: 'an input of the job, as in ${{inputs.images}}' },
    help: 'what is split into mini-batches: a folder, a file, a glob, or a database; every other input is a side input',
  },
  inputFormat: {
    name: 'input_format', yaml: 'input_format', cli: { flag: '--input-format', argument: '<format>' },
    value: { type: 'choice', choices: ['files', 'list', 'csv', 'jsonl', 'parquet', 'arrow', 'sqlite', 'duckdb'] },
    fallbackText: 'with a query what the database is; else a table, by the names of its files, where mini_batch_rows or a size with a unit is given, or all paths end in .csv, .tsv, .jsonl, .parquet, .arrow or .feather; else files',
    help: 'what the items are: files; the files that a list names; rows of tables (csv, jsonl, parquet, arrow) or of a query (sqlite, duckdb)',
  },
  query: {
    name: 'query', yaml: 'query', cli: { flag: '--query', argument: '<sql|@file>' }, value: { type: 'text' },
    help: 'one SELECT, or @ and the file it stands in; its rows are the items, and the input is the database, or for DuckDB a folder with files',
  },
  listColumn: {
    name: 'list_column', yaml: 'list_column', cli: { flag: '--list-column', argument: '<name>' },
    value: { type: 'text' }, fallbackText: 'path where the list is CSV by its name; else a path a line',
    help: 'column of a list of files that holds the paths; the list is CSV with a header then',
  },
  tableEncoding: {
    name: 'table_encoding', yaml: 'table_encoding', cli: { flag: '--table-encoding', argument: '<name>' },
    value: { type: 'text' }, fallback: 'utf-8',
    help: 'encoding of CSV and JSON Lines, such as windows-1252, utf-16le or shift_jis',
  },
  csvDelimiter: {
    name: 'csv_delimiter', yaml: 'csv_delimiter', cli: { flag: '--csv-delimiter', argument: '<character>' },
    value: { type: 'character', orNone: false }, fallbackText: 'comma; tab where the name ends in .tsv',
    help: 'character between the fields of a CSV table',
  },
  csvHeader: {
    name: 'csv_header', yaml: 'csv_header', cli: { flag: '--csv-header', argument: '<true|false>' },
    value: { type: 'switch' }, fallback: true,
    help: 'the first row of each CSV file holds the column names; false: there are none, and columns are called Column1, Column2 and so on',
  },
  csvQuote: {
    name: 'csv_quote', yaml: 'csv_quote', cli: { flag: '--csv-quote', argument: '<character>' },
    value: { type: 'character', orNone: true }, fallback: '"',
    help: 'character around fields of a CSV table that hold delimiters or line breaks; none: every line is a row',
  },
  csvEscape: {
    name: 'csv_escape', yaml: 'csv_escape', cli: { flag: '--csv-escape', argument: '<character>' },
    value: { type: 'character', orNone: true }, fallback: 'none',
    help: 'character of a CSV table that makes the one behind it plain text',
  },
  csvComment: {
    name: 'csv_comment', yaml: 'csv_comment', cli: { flag: '--csv-comment', argument: '<character>' },
    value: { type: 'character', orNone: true }, fallback: 'none',
    help: 'character of a CSV table from which on, outside quotes, the rest of the line is not read',
  },
  csvRagged: {
    name: 'csv_ragged', yaml: 'csv_ragged', cli: { flag: '--csv-ragged', argument: '<policy>' },
    value: { type: 'choice', choices: ['fill', 'error', 'skip'] }, fallback: 'fill',
    help: 'rows of a CSV table with another number of fields than there are columns: fill takes the rest of short ones for missing and fails the mini-batch of one that is too long; error ends the run; skip leaves them out, counted and told',
  },
  schemaDrift: {
    name: 'schema_drift', yaml: 'schema_drift', cli: { flag: '--schema-drift', argument: '<policy>' },
    value: { type: 'choice', choices: ['refuse', 'by_name'] }, fallback: 'refuse',
    help: 'files of a table that differ in columns: refuse ends the run before it starts; by_name matches columns by their names, takes those that a file lacks for missing and widens types over all files',
  },
  miniBatchSize: {
    name: 'mini_batch_size', yaml: 'mini_batch_size', v1: 'mini_batch_size',
    cli: { flag: '--mini-batch-size', argument: '<n|size>' }, value: { type: 'size' },
    fallbackText: '10 files; 1mb for tables', unit: 'files, or bytes of a table',
    help: 'files per mini-batch, or about so many bytes of a table (10kb, 1mb; 1024 powers)',
  },
  miniBatchRows: {
    name: 'mini_batch_rows', yaml: 'mini_batch_rows', cli: { flag: '--mini-batch-rows', argument: '<n>' },
    value: { type: 'integer', min: 1, max: ANY_INTEGER }, unit: 'rows',
    help: 'exactly so many rows of a table per mini-batch',
  },
  miniBatchFormat: {
    name: 'mini_batch_format', yaml: 'mini_batch_format', cli: { flag: '--mini-batch-format', argument: '<format>' },
    value: { type: 'choice', choices: ['pandas', 'pyarrow', 'polars', 'list'] }, fallback: 'pandas',
    help: 'what a Python script gets of table rows: a pandas or polars DataFrame, a pyarrow Table, a list of dicts',
  },
  partitionKeys: {
    name: 'partition_keys', yaml: 'partition_keys', v1: 'partition_keys',
    cli: { flag: '--partition-keys', argument: '<name,...>', repeatable: true },
    value: { type: 'structure', allowed: 'a list of names' },
    help: 'one mini-batch per combination of the values of these: columns of a table, or what paths name (partition_format, folders called name=value)',
  },
  partitionFormat: {
    name: 'partition_format', yaml: 'partition_format', cli: { flag: '--partition-format', argument: '<format>' },
    value: { type: 'text' }, fallbackText: 'folders called name=value',
    help: 'how paths below the folder of the input name partition keys, such as {Store}/{Brand}/{date}.csv; * and ** as in globs',
  },
  rankMiniBatchCount: {
    name: 'rank_mini_batch_count', runtimeFlag: 'rank_mini_batch_count',
    cli: { flag: '--rank-mini-batch-count', argument: '<n>' }, value: { type: 'integer', min: 0, max: 10_000_000 },
    fallback: 0, help: 'n > 0: n mini-batches without input',
  },
  processes: {
    name: 'max_concurrency_per_instance', yaml: 'max_concurrency_per_instance', v1: 'process_count_per_node',
    runtimeFlag: 'process_count_per_node', cli: { flag: '--processes', argument: '<n>' },
    value: { type: 'integer', min: 1, max: ANY_INTEGER }, fallbackText: 'number of cores; on a machine with NVIDIA GPUs one for each of them',
    help: 'worker processes on each node',
  },
  nodeCount: {
    name: 'resources.instance_count', yaml: 'resources.instance_count', v1: 'node_count',
    cli: { flag: '--nodes', argument: '<n>' },
    value: { type: 'integer', min: 1, max: ANY_INTEGER }, fallback: 1,
    help: 'nodes of the run: so many of those that join through the engine; without one it is this machine',
  },
  engine: {
    name: 'engine', cli: { flag: '--engine', argument: '<url>' }, value: { type: 'text' },
    fallbackText: '$PARALLELRUN_ENGINE, else this machine alone (embedded)',
    help: 'NATS broker through which nodes join: nats://host:4222, or tls://; embedded: none',
  },
  share: {
    name: 'share', cli: { flag: '--share', argument: '<n>' }, value: { type: 'integer', min: 1, max: 1000 }, fallback: 1,
    help: 'part of the worker time on nodes that serve several runs: one with 3 gets three times as much as one with 1',
  },
  priority: {
    name: 'priority', cli: { flag: '--priority', argument: '<n>' }, value: { type: 'integer', min: -100, max: 100 }, fallback: 0,
    help: 'on nodes that serve several runs those with a higher one go first; the others still get a place now and then',
  },
  output: {
    name: 'output', v1: 'output', cli: { flag: '--output', argument: '<folder>' }, value: { type: 'text' },
    fallbackText: 'outputs/ in the run folder', help: 'folder of the result file',
  },
  appendRowTo: {
    name: 'task.append_row_to', yaml: 'task.append_row_to', v1: 'append_row_file_name',
    cli: { flag: '--append-row-to', argument: '<name>' },
    value: { type: 'structure', allowed: 'an output of the job, as in ${{outputs.scores}}' },
    fallbackText: 'with a job file: no result file; else parallel_run_step.txt',
    help: 'result file for the rows that run() returns; .csv, .jsonl and .parquet decide the format, all else is text',
  },
  summaryOnly: {
    name: 'summary_only', v1: 'output_action', cli: { flag: '--summary-only' }, value: { type: 'switch' }, fallback: false,
    help: 'write no result file; returned rows are only counted',
  },
  overwrite: {
    name: 'overwrite', cli: { flag: '--overwrite' }, value: { type: 'switch' }, fallback: false,
    help: 'replace an existing result file',
  },
  errorThreshold: {
    name: 'error_threshold', yaml: 'error_threshold', v1: 'error_threshold', runtimeFlag: 'error_threshold',
    cli: { flag: '--error-threshold', argument: '<n>' }, value: threshold, fallback: -1, unit: 'items',
    help: 'failed items that may be ignored; more abort the run; -1 = any number',
  },
  miniBatchErrorThreshold: {
    name: 'mini_batch_error_threshold', yaml: 'mini_batch_error_threshold', v1: 'allowed_failed_count',
    runtimeFlag: 'allowed_failed_count', cli: { flag: '--mini-batch-error-threshold', argument: '<n>' },
    value: threshold, fallback: -1, unit: 'mini-batches',
    help: 'failed mini-batches that may be ignored; more abort the run; -1 = any number',
  },
  allowedFailedPercent: {
    name: 'allowed_failed_percent', v1: 'allowed_failed_percent', runtimeFlag: 'allowed_failed_percent',
    cli: { flag: '--allowed-failed-percent', argument: '<percent>' }, value: { type: 'percent' }, fallback: 100, unit: '%',
    help: 'percent of mini-batches that may fail; judged once all are created',
  },
  maxRetries: {
    name: 'retry_settings.max_retries', yaml: 'retry_settings.max_retries', v1: 'run_max_try', runtimeFlag: 'run_max_try',
    runtimeFlagOffset: 1, cli: { flag: '--max-retries', argument: '<n>' },
    value: { type: 'integer', min: 0, max: 1_000_000 }, fallback: 2,
    help: 'further tries of a mini-batch that failed (run_max_try counts the first one too)',
  },
  timeout: {
    name: 'retry_settings.timeout', yaml: 'retry_settings.timeout', v1: 'run_invocation_timeout',
    runtimeFlag: 'run_invocation_timeout', cli: { flag: '--timeout', argument: '<time>' }, value: runSeconds, fallback: 60,
    unit: 's', help: 'limit of one run()',
  },
  initTimeout: {
    name: 'init_timeout', yaml: 'init_timeout', cli: { flag: '--init-timeout', argument: '<time>' }, value: runSeconds,
    fallbackText: 'the larger of 300 s and the limit of run()', unit: 's', help: 'limit of one init()',
  },
  taskOverheadTimeout: {
    name: 'task_overhead_timeout', runtimeFlag: 'task_overhead_timeout',
    cli: { flag: '--task-overhead-timeout', argument: '<time>' }, value: runSeconds, fallback: 30, unit: 's',
    help: 'limit of loading the script and of handing a mini-batch over',
  },
  progressUpdateTimeout: {
    name: 'progress_update_timeout', runtimeFlag: 'progress_update_timeout',
    cli: { flag: '--progress-update-timeout', argument: '<time>' }, value: timerSeconds,
    fallbackText: '3 x (timeout + task_overhead_timeout)', unit: 's',
    help: 'the run fails where no mini-batch ends for so long while workers hold some',
  },
  firstTaskCreationTimeout: {
    name: 'first_task_creation_timeout', runtimeFlag: 'first_task_creation_timeout',
    cli: { flag: '--first-task-creation-timeout', argument: '<time>' }, value: timerSeconds, fallback: 600, unit: 's',
    help: 'the run fails where no mini-batch was created by then; with partition keys, by which all of the input is grouped first, a day unless it is given',
  },
  memoryLimit: {
    name: 'memory_limit', yaml: 'memory_limit', cli: { flag: '--memory-limit', argument: '<size>' },
    value: { type: 'bytes', min: '16mb' }, fallbackText: 'what the machine has',
    help: 'memory that a worker process and what it starts may hold; one over it is killed, and the try counts as failed',
  },
  recycleAfterMiniBatches: {
    name: 'recycle_after_mini_batches', yaml: 'recycle_after_mini_batches', cli: { flag: '--recycle-after', argument: '<n>' },
    value: { type: 'integer', min: 1, max: ANY_INTEGER }, fallbackText: 'never', unit: 'mini-batches',
    help: 'a worker that has run so many mini-batches shuts down in order, and a new one takes its place',
  },
  recycleAfterGrowth: {
    name: 'recycle_after_growth', yaml: 'recycle_after_growth', cli: { flag: '--recycle-after-growth', argument: '<size>' },
    value: { type: 'bytes', min: '1mb' }, fallbackText: 'never',
    help: 'the same for one that holds so much more memory than when it was ready, looked at between two mini-batches',
  },
  resourceMonitorInterval: {
    name: 'resource_monitor_interval', runtimeFlag: 'resource_monitor_interval',
    cli: { flag: '--resource-monitor-interval', argument: '<time>' },
    value: { type: 'duration', maxSeconds: 86_400, zeroIsOff: true }, fallback: 5, unit: 's',
    help: 'period of the resource samples; 0 = off',
  },
  profilingModule: {
    name: 'profiling_module', runtimeFlag: 'profiling_module',
    value: { type: 'choice', choices: ['', 'cProfile', 'profile'] }, fallback: '',
    help: 'one profile per worker, made with this module',
  },
  loggingLevel: {
    name: 'logging_level', yaml: 'logging_level', v1: 'logging_level', runtimeFlag: 'logging_level',
    cli: { flag: '--logging-level', argument: '<level>' },
    value: { type: 'choice', choices: ['WARNING', 'INFO', 'DEBUG'] }, fallback: 'INFO', help: 'verbosity of our logs',
  },
  environmentVariables: {
    name: 'environment_variables', yaml: 'environment_variables', v1: 'environment_variables',
    cli: { flag: '--env', argument: '<name=value>', repeatable: true },
    value: { type: 'structure', allowed: 'a map of names to texts' }, help: 'set in the worker processes',
  },
  models: {
    name: 'models', yaml: 'models', cli: { flag: '--model', argument: '<name=path>', repeatable: true },
    value: { type: 'structure', allowed: 'a map of names to paths, azureml:NAME:VERSION or azureml:NAME@latest' },
    help: 'models that the script finds by name: files, folders, or models of the registry (parallelrun models)',
  },
  environment: {
    name: 'task.environment', yaml: 'task.environment', v1: 'environment',
    value: { type: 'structure', allowed: 'a map with conda_file or requirements, or the path of such a file' },
    fallbackText: 'python3 on the PATH', help: 'the Python environment: conda_file, requirements or python',
  },
  requirements: {
    name: 'requirements', cli: { flag: '--requirements', argument: '<file>' }, value: { type: 'text' },
    help: 'pip requirements; the run builds an environment from them',
  },
  extraRequirements: {
    name: 'extra_requirements', cli: { flag: '--extra-requirements', argument: '<requirement|file.txt>', repeatable: true },
    value: { type: 'structure', allowed: 'requirements, or names of files that end in .txt' },
    help: 'installed besides what the job asks for; on top of the interpreter where one is named or found',
  },
  replacePin: {
    name: 'replace_pin', cli: { flag: '--replace-pin', argument: '<[old=]new>', repeatable: true },
    value: { type: 'structure', allowed: 'tensorflow==1.15.0=tensorflow==2.15.*, or tensorflow==2.15.* for whatever version is asked for' },
    help: 'installs another version of a package than the job asks for; old= leaves it out',
  },
  python: {
    name: 'python', cli: { flag: '--python', argument: '<path>' }, value: { type: 'text' },
    help: 'the interpreter to use; wins over every environment',
  },
  name: {
    name: 'name', cli: { flag: '--name', argument: '<run id>' }, value: { type: 'text' }, fallbackText: 'date, time and four letters',
    help: 'id of the run and name of its folder',
  },
  root: {
    name: 'root', cli: { flag: '--root', argument: '<folder>' }, value: { type: 'text' },
    fallbackText: '$PARALLELRUN_ROOT, else root of the profile, else ./runs', help: 'folder that holds the run folders',
  },
  allowEmpty: {
    name: 'allow_empty', cli: { flag: '--allow-empty' }, value: { type: 'switch' }, fallback: false,
    help: 'an input without items is a success with an empty result',
  },
  advertise: {
    name: 'advertise', cli: { flag: '--advertise', argument: '<address>' }, value: { type: 'text' },
    fallbackText: 'address of the own host name, else of the default route', help: 'address of this node in logs',
  },
  appendRowSafeOutput: {
    name: 'append_row_safe_output', runtimeFlag: 'append_row_safe_output', value: { type: 'switch' }, fallback: true,
    help: 'rows whole, once and in order: always so here, whatever is set',
  },
  copyLogsToParent: {
    name: 'copy_logs_to_parent', runtimeFlag: 'copy_logs_to_parent', value: { type: 'switch' }, fallback: false,
    help: 'the logs of a step of a pipeline are also in logs/<step> of the pipeline, copied when the step ends',
  },
  pushMetricsToParent: {
    name: 'push_metrics_to_parent', runtimeFlag: 'push_metrics_to_parent', value: { type: 'switch' }, fallback: false,
    help: 'what the script of a step of a pipeline logs is also a metric of the pipeline (parallelrun metrics PIPELINE)',
  },
  metricsNamePrefix: {
    name: 'metrics_name_prefix', runtimeFlag: 'metrics_name_prefix', value: { type: 'text' }, fallback: '',
    help: 'put before the names of those metrics',
  },
  dataframeMixedTypes: {
    name: 'amlbi_dataframe_mixed_types', runtimeFlag: 'amlbi_dataframe_mixed_types', value: { type: 'switch' }, fallback: false,
    help: 'in columns of CSV that hold texts as well, what is written as a number is an int or a float, in every mini-batch alike',
  },
  asyncMode: {
    name: 'amlbi_async_mode', runtimeFlag: 'amlbi_async_mode', value: { type: 'switch' }, fallback: false,
    help: 'several mini-batches in flight in one process: the script has enqueue and its companions in place of run',
  },
  resumeFrom: {
    name: 'resume_from', runtimeFlag: 'resume_from', value: { type: 'text' }, fallback: '',
    help: 'id of an earlier run below the same root whose finished mini-batches are reused; of a step PIPELINE/STEP',
  },
  isolate: {
    name: 'isolate', yaml: 'isolate', cli: { flag: '--isolate', argument: '<true|false>' }, value: { type: 'switch' },
    fallbackText: "yes, until a part shows that the script's rows don't belong to items one by one",
    help: 'narrow a mini-batch that failed all its tries down to the items that are at fault, so that the others keep ' +
      'their rows; true: whatever its parts return; false: never; rank mini-batches have no items, and those by partition keys are a whole',
  },
} as const satisfies Record<keyof WrittenFlags, OptionSpec> & Record<string, OptionSpec>;

export type OptionKey = keyof typeof OPTIONS;
export const OPTION_KEYS = Object.keys(OPTIONS) as readonly OptionKey[];
export const optionSpec = (key: OptionKey): OptionSpec => OPTIONS[key];

type SpecOf<K extends OptionKey> = (typeof OPTIONS)[K];
/** What an option holds once it is read; `never` for those with a structure, which have code of their own. */
export type OptionValue<K extends OptionKey> = ValueOf<SpecOf<K>['value']>;
/** Options that are one value. */
export type ScalarOptionKey = {
  [K in OptionKey]: SpecOf<K>['value']['type'] extends 'structure' ? never : K;
}[OptionKey];

const isScalar = (key: OptionKey): key is ScalarOptionKey => optionSpec(key).value.type !== 'structure';
export const SCALAR_OPTION_KEYS: readonly ScalarOptionKey[] = OPTION_KEYS.filter(isScalar);

/** Option of a runtime flag (without dashes). */
export const OPTION_OF_RUNTIME_FLAG: ReadonlyMap<string, ScalarOptionKey> = new Map(
  SCALAR_OPTION_KEYS.flatMap((key) => {
    const flag = optionSpec(key).runtimeFlag;
    return flag === undefined ? [] : [[flag, key] as const];
  }),
);
