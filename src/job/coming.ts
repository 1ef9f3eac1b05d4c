/** Settings and runtime flags beside those of ParallelRunStep, as tables of a page. Pure; written by `scripts/docs.mjs`. */
import type { OptionKey, OptionSpec } from './options.ts';
import { OPTION_KEYS, optionSpec } from './options.ts';

/** What differs from the original, where the option's own help doesn't say it. */
const DIFFERS: Partial<Readonly<Record<OptionKey, string>>> = {
  entryScript: 'TypeScript and JavaScript too',
  environment: 'built once with pip and kept; the image is not run, a line says so',
  input: '`--input` names another one',
  appendRowTo: 'every row once and in order; `.csv`, `.jsonl` and `.parquet` are written as such',
  miniBatchSize: 'a Parquet file is split too; `mini_batch_rows` gives an exact number of rows',
  partitionKeys: 'beside `mini_batch_size` a warning; in the forms of version 1 an error, as there',
  rankMiniBatchCount: 'a flag of the command line too',
  nodeCount: 'of those that join through `--engine`; without one this machine alone, with a warning',
  errorThreshold: 'a mini-batch that fails is narrowed down first: only items that fail alone count',
  miniBatchErrorThreshold: 'one that lost some of its items counts as failed, its good rows are kept',
  maxRetries: 'the loss of a machine or of ParallelRun itself uses up no try',
  timeout: 'kept to the second; the stacks of the script are in the logs before it is ended',
  taskOverheadTimeout: 'a limit of its own, not added to that of `run()`',
  resourceMonitorInterval: 'a default of 5 s instead of 600 s',
  dataframeMixedTypes:
    'pandas DataFrames and `mini_batch_format: list`; values of JSON Lines keep their types without it',
  asyncMode: 'up to 16 in flight; Python scripts only',
  resumeFrom: 'input, mini-batch rule, script and arguments have to be the same; the earlier run stays as it is',
  summaryOnly: '`output_action: summary_only`, or a job without `append_row_to`',
};

/** Options that the original has too, by its names: those of the job files, then those of the arguments alone. */
export function comingTables(): string {
  const known = OPTION_KEYS.map((key) => [key, optionSpec(key)] as const);
  const settings = known.filter(([, { v1, yaml, runtimeFlag }]) => v1 !== undefined || (yaml !== undefined && runtimeFlag !== undefined)); // prettier-ignore
  const flags = known.filter(([, { runtimeFlag }]) => runtimeFlag !== undefined);
  const ours = known.filter(([, { v1, runtimeFlag, yaml }]) => v1 === undefined && runtimeFlag === undefined && yaml !== undefined); // prettier-ignore
  return [
    '### Settings',
    table(
      ['job file (version 2)', 'version 1', 'command line', 'what it does here', 'what differs'],
      settings.map(([key, spec]) => [code(spec.yaml), code(spec.v1), flagOf(spec), spec.help, DIFFERS[key] ?? '']),
    ),
    '### Runtime flags',
    'In `program_arguments`, `arguments`, or behind `--` on the command line. The script sees them too.',
    table(
      ['flag', 'setting', 'default', 'what it does here', 'what differs'],
      flags.map(([key, spec]) => [
        code(`--${spec.runtimeFlag ?? ''}`),
        code(spec.name === spec.runtimeFlag ? undefined : spec.name),
        defaultOf(spec),
        spec.help,
        DIFFERS[key] ?? '',
      ]),
    ),
    '### Settings that the original has not',
    table(
      ['job file', 'command line', 'what it does'],
      ours.map(([, spec]) => [code(spec.yaml), flagOf(spec), spec.help]),
    ),
  ].join('\n\n');
}

/** As the flag counts it, which may be from another number than the setting. */
function defaultOf({ fallback, fallbackText, runtimeFlagOffset = 0 }: OptionSpec): string {
  if (fallbackText !== undefined) return fallbackText;
  return fallback === undefined || fallback === ''
    ? ''
    : code(String(typeof fallback === 'number' ? fallback + runtimeFlagOffset : fallback));
}

const flagOf = ({ cli }: OptionSpec): string => code(cli?.flag);
const code = (text: string | undefined): string => (text === undefined ? '' : `\`${text}\``);

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
