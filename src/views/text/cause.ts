/**
 * The last lines of a run, in the terminal and in `overview.txt`: the verdict, and when something failed its cause,
 * so that nobody has to look for it. The most important line comes first; nothing important stands above the block.
 */
import { runLayout, logPath } from '../../domain/layout.ts';
import { splitWorkerId, type MiniBatchIndex } from '../../domain/ids.ts';
import type { StartFailure, TryFailure } from '../../domain/failure.ts';
import type { ProblemCode } from '../../domain/problem.ts';
import type { ErrorExample, ErrorGroup, RunStatus } from '../status.ts';
import { frameOf } from '../frame.ts';
import { deadLetterLines } from './deadletters.ts';
import { codeOfRunFailure, codeOfStartFailure, codeOfTryFailure } from './codes.ts';
import { failureTitle, failureWhy, frameText, shutdownTitle } from './failure.ts';
import { differenceExamples } from './inputdiffers.ts';
import { labelled, plain, type Paint } from './problem.ts';
import { traceTail } from './trace.ts';
import { countsSentence, verdictSentence } from './verdict.ts';
import { bytes, count, counted, cut, miniBatches, safeText, shellWord } from './words.ts';

/** What the texts need to know of a run beyond its status. */
export interface RunContext {
  readonly runId: string;
  /** Absolute run folder. */
  readonly folder: string;
  readonly maxTries: number;
  /** The folder of run folders, where it is not the default one: commands then name it with `--root`. */
  readonly root?: string;
  /** Names an item by its position in a mini-batch: its path, or its file and row. Undefined: not known. */
  readonly itemName?: (index: MiniBatchIndex, position: number) => string | undefined;
}

const GROUPS_SHOWN = 3;
const OTHERS_SHOWN = 8;
const OTHER_CHARS_MAX = 120;
const DETAIL_CHARS_MAX = 400;
const LAST_LINES_SHOWN = 5;
const LINE_CHARS_MAX = 300;

/** The command that runs exactly this mini-batch, or one item of it, again, ready to be pasted into a shell. */
export function replayCommand(context: RunContext, index: number, item?: number): string {
  const only = item === undefined ? '' : ` --item ${item}`;
  return `parallelrun replay ${shellWord(`${context.runId}/${index}`)}${only}${rootFlag(context)}`;
}

const rootFlag = (context: RunContext): string =>
  context.root === undefined ? '' : ` --root ${shellWord(context.root)}`;

/** The code of what a group's tries or starts failed of. */
export function codeOfGroup(group: ErrorGroup): ProblemCode {
  const { failure, index } = group.example;
  // The same kinds at start and in a try have pages of their own.
  return index === undefined ? codeOfStartFailure(failure as StartFailure) : codeOfTryFailure(failure as TryFailure);
}

/** The file that shows most about the example of a group; absolute. It exists: our logs write it for each failure. */
export function fileToOpen(group: ErrorGroup, context: RunContext): string {
  const { node, process } = splitWorkerId(group.example.worker);
  return `${context.folder}/${logPath.userError(node, process)}`;
}

/** `score.py:41 run()   mini-batch 17 (images/0170.png and 9 more)   try 2 of 3   node 10.0.0.5  Process-3`. */
export function exampleLine(group: ErrorGroup, context: RunContext): string {
  const { example } = group;
  const { node, process } = splitWorkerId(example.worker);
  return [
    ...(group.where === undefined ? [] : [frameText(group.where)]),
    ...(example.index === undefined ? [] : [placeOf(example.index, example, context, DETAIL_CHARS_MAX)]),
    ...(example.try === undefined ? [] : [`try ${example.try} of ${context.maxTries}`]),
    `node ${safeText(node)}  ${safeText(process)}`,
    ...(example.pid > 0 ? [`pid ${example.pid}`] : []),
  ].join('   ');
}

/** `mini-batch 17 (images/0170.png and 9 more)`; of a dead item `mini-batch 17 item 3 (images/0173.png)`. */
function placeOf(index: MiniBatchIndex, { item, detail }: ErrorExample, context: RunContext, charsMax: number): string {
  const name = item === undefined ? undefined : context.itemName?.(index, item);
  const what = name ?? detail;
  return `mini-batch ${index}${item === undefined ? '' : ` item ${item}`}${what === undefined ? '' : ` (${cut(safeText(what), charsMax)})`}`;
}

/** `3 mini-batches (9 tries); 1 made good by a retry`, `2 dead letters in 1 mini-batch (3 tries)`. */
export function hitLine(group: ErrorGroup): string {
  if (group.example.index === undefined) return counted(group.tries, 'worker start');
  const dead = group.deadLetters === 0 ? '' : `${counted(group.deadLetters, 'dead letter')} in `;
  // Another error stopped its tries; this one showed when its items were run one by one.
  const tries = group.tries === 0 ? '' : ` (${counted(group.tries, 'try', 'tries')})`;
  const good = group.madeGood > 0 ? `; ${count(group.madeGood)} made good by a retry` : '';
  return `${dead}${miniBatches(group.miniBatches)}${tries}${good}`;
}

/** One kind of error with everything needed to go after it. Several lines. */
export function errorGroupLines(
  group: ErrorGroup,
  context: RunContext,
  paint: Paint = plain,
  isFirstOfRun = false,
  runCompleted = false,
): readonly string[] {
  const { failure, index, item } = group.example;
  const why = failureWhy(failure);
  const items =
    failure.kind === 'invalid-return' && group.example.items !== undefined
      ? ` for a mini-batch of ${counted(group.example.items, 'item')}`
      : '';
  const startsMadeGood = runCompleted && index === undefined ? '; other workers started and did the work' : '';
  return [
    `${paint('error', 'error')} ${paint('strong', codeOfGroup(group))}  ${paint('strong', group.title)}${items}`,
    ...labelled(
      'hit',
      `${hitLine(group)}${startsMadeGood}${isFirstOfRun ? '; the first error of the run' : ''}`,
      paint,
    ),
    ...labelled('where', exampleLine(group, context), paint),
    ...tailOf(group.example).map((line) => `         ${paint('faint', '|')} ${line}`),
    ...memoryLines(group.example, paint),
    ...(why === undefined ? [] : labelled('why', why, paint)),
    ...labelled('open', fileToOpen(group, context), paint),
    ...labelled('next', replayCommand(context, index ?? 0, item), paint),
  ];
}

/** The trace; of a failure without one the last that was printed before it. */
function tailOf({ failure, lastLines = [] }: ErrorExample): readonly string[] {
  const tail = traceTail(failure);
  if (tail.length > 0) return tail;
  return lastLines.slice(-LAST_LINES_SHOWN).map((line) => cut(safeText(line), LINE_CHARS_MAX));
}

/** How much memory a process had that was ended by a signal: shortage is the usual cause. */
function memoryLines({ failure, peakMemoryBytes }: ErrorExample, paint: Paint): readonly string[] {
  const ended = failure.kind === 'worker-lost' && failure.exit.by === 'signal';
  if (!ended || peakMemoryBytes === undefined) return [];
  return labelled('memory', `${bytes(peakMemoryBytes)} at most, the process and what it started`, paint);
}

/**
 * The lines printed last for a run that failed, was canceled, or has failures: verdict, counts, and the three most
 * frequent errors. For a run without any error: verdict and counts only.
 */
export function causeBlock(status: RunStatus, context: RunContext, paint: Paint = plain): readonly string[] {
  const style = status.state === 'Completed' ? 'good' : status.state === 'Failed' ? 'error' : 'warning';
  const code =
    status.reason === undefined || status.state === 'Completed' ? '' : ` (${codeOfRunFailure(status.reason)})`;
  const shown = shownGroups(status);
  const others = status.errorGroups.filter((group) => !shown.includes(group));
  return [
    `${paint(style, verdictSentence(status))}${code}`,
    `  ${countsSentence(status)}`,
    ...reasonLines(status, context, paint),
    ...shown.flatMap((group) => [
      '',
      ...errorGroupLines(group, context, paint, isFirst(group, status), status.state === 'Completed'),
    ]),
    ...otherLines(others, context),
    ...shutdownLines(status, context, paint),
  ];
}

/** A shutdown() that failed makes no run fail, but somebody waits for what it was to do. */
function shutdownLines(status: RunStatus, context: RunContext, paint: Paint): readonly string[] {
  const { shutdownFailures } = status;
  if (shutdownFailures === undefined) return [];
  const { workers, example } = shutdownFailures;
  const { node, process } = splitWorkerId(example.worker);
  return [
    '',
    `${paint('warning', 'warning')} ${paint('strong', 'PR2209')}  ${paint('strong', shutdownTitle(example))}`,
    ...labelled('hit', counted(workers, 'worker process', 'worker processes'), paint),
    ...labelled('why', 'the results are not touched by it; what shutdown() was to do may be missing', paint),
    ...labelled('open', `${context.folder}/${logPath.userError(node, process)}`, paint),
  ];
}

/** Kinds of errors that are not shown in full: a line each, as long as there are few. */
function otherLines(groups: readonly ErrorGroup[], context: RunContext): readonly string[] {
  if (groups.length === 0) return [];
  const lines = groups.slice(0, OTHERS_SHOWN).map(({ title, example }) => {
    const { index, item } = example;
    const where = index === undefined ? '' : placeOf(index, example, context, OTHER_CHARS_MAX);
    const next = index === undefined ? '' : replayCommand(context, index, item);
    return `  ${[title, where, next].filter((part) => part !== '').join('   ')}`;
  });
  return ['', `and ${counted(groups.length, 'other kind')} of error: ${context.folder}/${logPath.jobError}`, ...lines];
}

/** What failed for good before what a retry made good; most frequent first; the run's first error is among them. */
function shownGroups(status: RunStatus): readonly ErrorGroup[] {
  const final = (group: ErrorGroup): boolean => group.failedForGood > 0 || group.example.index === undefined;
  const sorted = [...status.errorGroups].sort((a, b) => Number(final(b)) - Number(final(a)));
  const shown = sorted.slice(0, GROUPS_SHOWN);
  const first = sorted.find((group) => isFirst(group, status));
  return first === undefined || shown.includes(first) ? shown : [...shown.slice(0, -1), first];
}

/** The earliest of several errors. */
function isFirst(group: ErrorGroup, status: RunStatus): boolean {
  return (
    status.errorGroups.length > 1 &&
    status.errorGroups.every((other) => other === group || other.firstAt > group.firstAt)
  );
}

const isResumable = (reason: RunStatus['reason']): boolean =>
  reason?.kind === 'output-failed' ||
  reason?.kind === 'disk-full' ||
  (reason?.kind === 'creation-failed' && reason.resumable === true);

/** What a reason knows that no error group shows. */
function reasonLines(status: RunStatus, context: RunContext, paint: Paint): readonly string[] {
  const { reason } = status;
  if (reason?.kind === 'init-failed' && status.errorGroups.length === 0) {
    const frame = frameOf(reason.example);
    return [
      '',
      `${paint('error', 'error')} ${paint('strong', codeOfStartFailure(reason.example))}  ${failureTitle(reason.example)}`,
      ...(frame === undefined ? [] : labelled('where', frameText(frame), paint)),
      ...traceTail(reason.example).map((line) => `         ${paint('faint', '|')} ${line}`),
    ];
  }
  if (reason?.kind === 'infra-exhausted') return labelled('next', replayCommand(context, reason.index), paint);
  if (isResumable(reason))
    return labelled('next', `parallelrun resume ${shellWord(context.runId)}${rootFlag(context)}`, paint);
  if (reason?.kind === 'input-differs') {
    const rescan = `parallelrun resume ${shellWord(context.runId)}${rootFlag(context)} --rescan`;
    return [
      ...labelled('where', differenceExamples(reason), paint),
      ...labelled('next', `${rescan} takes the input as it is now; or put it back as it was and resume`, paint),
    ];
  }
  if (
    reason?.kind === 'all-in-init' ||
    reason?.kind === 'no-progress' ||
    reason?.kind === 'first-mini-batch-timeout' ||
    reason?.kind === 'internal'
  ) {
    const slowest = status.slowest.map((at) => `mini-batch ${at.index} on ${safeText(at.worker)}`);
    return [
      ...(slowest.length > 0 && reason.kind === 'no-progress'
        ? labelled('where', `running longest: ${slowest.join(', ')}`, paint)
        : []),
      ...labelled('open', runLayout(context.folder).master, paint),
    ];
  }
  return [];
}

/** The block and, below it, where everything is: the very last lines of a run. */
export function endLines(status: RunStatus, context: RunContext, paint: Paint = plain): readonly string[] {
  const { output } = status;
  const partial = status.state === 'Completed' ? '' : '; partial: only what succeeded';
  return [
    ...causeBlock(status, context, paint),
    '',
    ...deadLetterLines(status, context).map((line, place) => `${(place === 0 ? 'dead' : '').padEnd(8)}${line}`),
    ...(output === undefined
      ? []
      : [`output  ${safeText(output.path)}  (${counted(output.rows, 'row')}, ${bytes(output.bytes)}${partial})`]),
    ...(output?.uploaded === undefined ? [] : [`        uploaded to ${safeText(output.uploaded)}`]),
    `logs    ${safeText(runLayout(context.folder).logs)}`,
  ];
}
