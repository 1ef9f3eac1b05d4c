/** Options of a job that `resume` takes anew, and those that it refuses with the reason. */
import { Option, type Command } from 'commander';
import { ParallelRunError } from '../domain/problem.ts';
import { optionSpec } from '../job/options.ts';
import { describeAllowed, parseValue } from '../job/values.ts';
import type { ValueKind } from '../job/values.ts';
import type { ResumeChanges } from '../sdk/index.ts';
import { shellWord } from '../views/text/words.ts';
import { textOf } from './command.ts';
import { FLAG_KEYS, type FlagKey, type Parsed } from './flags.ts';
import { usageError } from './usage.ts';

/** Each may change when a run goes on; the member of `ResumeChanges` that it becomes. */
const CHANGEABLE = {
  errorThreshold: 'errorThreshold',
  miniBatchErrorThreshold: 'miniBatchErrorThreshold',
  allowedFailedPercent: 'allowedFailedPercent',
  maxRetries: 'maxRetries',
  isolate: 'isolate',
  memoryLimit: 'memoryLimitBytes',
  recycleAfterMiniBatches: 'recycleAfterMiniBatches',
  recycleAfterGrowth: 'recycleAfterGrowthBytes',
  timeout: 'runTimeoutMs',
  initTimeout: 'initTimeoutMs',
  taskOverheadTimeout: 'taskOverheadTimeoutMs',
  progressUpdateTimeout: 'progressUpdateTimeoutMs',
  firstTaskCreationTimeout: 'firstTaskCreationTimeoutMs',
  processes: 'processes',
  loggingLevel: 'loggingLevel',
} as const satisfies Partial<Record<FlagKey, keyof ResumeChanges>>;

const isChangeable = (key: FlagKey): key is keyof typeof CHANGEABLE => key in CHANGEABLE;
const CHANGEABLE_KEYS = FLAG_KEYS.filter(isChangeable);
const FIXED_KEYS = FLAG_KEYS.filter((key) => !isChangeable(key) && key !== 'root');
const GROUP = 'Instead of what the run has:';

const CUT = 'mini-batches are cut already, and some of them are done';
const WRITTEN = 'rows are committed already, in the form that the result has';
const CODE = 'rows of two programs would stand in one result; an edited script is taken with --allow-code-change';
const WHY: Readonly<Partial<Record<FlagKey, string>>> = {
  input: 'a run keeps its input; files that were added to it are taken with --rescan',
  inputFormat: CUT,
  tableEncoding: CUT,
  csvDelimiter: CUT,
  csvHeader: CUT,
  csvQuote: CUT,
  csvEscape: CUT,
  csvComment: CUT,
  csvRagged: CUT,
  schemaDrift: CUT,
  miniBatchSize: CUT,
  miniBatchRows: CUT,
  miniBatchFormat: CODE,
  rankMiniBatchCount: CUT,
  output: WRITTEN,
  appendRowTo: WRITTEN,
  summaryOnly: WRITTEN,
  overwrite: WRITTEN,
  entryScript: CODE,
  code: CODE,
  python: CODE,
  requirements: CODE,
  extraRequirements: CODE,
  replacePin: CODE,
  environmentVariables: CODE,
  models: CODE,
};

export function addResumeOptions(command: Command): void {
  for (const key of CHANGEABLE_KEYS) command.addOption(optionOf(key).helpGroup(GROUP));
  // Known, so that they are refused with the reason, not as a slip of the pen.
  for (const key of FIXED_KEYS) command.addOption(optionOf(key).hideHelp());
}

function optionOf(key: FlagKey): Option {
  const { cli, help } = optionSpec(key);
  return new Option(cli?.argument === undefined ? flagOf(key) : `${flagOf(key)} ${cli.argument}`, help);
}

const flagOf = (key: FlagKey): string => optionSpec(key).cli?.flag ?? '';
const attributeOf = (key: FlagKey): string => new Option(flagOf(key)).attributeName();

/** @throws ParallelRunError PR5009, exit code 4, where something is given that a run can't change */
export function refuseFixed(runId: string, parsed: Parsed): void {
  const given = FIXED_KEYS.filter((key) => parsed[attributeOf(key)] !== undefined);
  const [first, ...more] = given.map((key) => ({
    code: 'PR5009' as const,
    severity: 'error' as const,
    what: `${flagOf(key)} can not be changed when a run goes on`,
    why: WHY[key] ?? 'it was decided when the run was started',
    next: `start a new run with it; without it: parallelrun resume ${shellWord(runId)}`,
  }));
  if (first) throw new ParallelRunError([first, ...more], 4);
}

/** @throws ParallelRunError PR1901, exit code 2, for a value that the option can't have */
export function changesOf(parsed: Parsed): ResumeChanges {
  const entries = CHANGEABLE_KEYS.flatMap((key): [string, unknown][] => {
    const text = textOf(parsed, attributeOf(key));
    return text === undefined ? [] : [[CHANGEABLE[key], valueOf(key, text)]];
  });
  // Each key is one of ResumeChanges, and its value is of the kind that the options table gives it.
  return Object.fromEntries(entries);
}

function valueOf(key: FlagKey, text: string): unknown {
  const kind: ValueKind = optionSpec(key).value;
  const read = parseValue(kind, text, 'text');
  if (read.ok) return read.value;
  throw usageError(`"${text}" is no value for ${flagOf(key)}`, { why: `it takes ${describeAllowed(kind)}` });
}
