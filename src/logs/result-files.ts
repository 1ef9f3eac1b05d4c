/** `job_result.txt`, `job_error.txt` and `readme.txt`. */
import { logPath } from '../domain/layout.ts';
import { utcStamp } from '../domain/logline.ts';
import type { ErrorGroup, RunStatus } from '../views/status.ts';
import { codeOfGroup, endLines, errorGroupLines, type RunContext } from '../views/text/cause.ts';
import { itemText } from '../views/text/deadletters.ts';
import { codeOfRunFailure } from '../views/text/codes.ts';
import { failureTrace } from '../views/text/failure.ts';
import { runFailureSentence } from '../views/text/verdict.ts';
import { count, counted, safeText } from '../views/text/words.ts';

const GROUPS_SHOWN_MAX = 200;

/** `Name: value` lines for scripts, then the block for people. */
export function jobResultText(status: RunStatus, context: RunContext): string {
  const { miniBatches, items, output, reason } = status;
  const lines: readonly (readonly [string, string | number | undefined])[] = [
    ['Run', status.runId],
    ['Result', status.state],
    ['Exit code', status.exitCode],
    ['Reason', reason === undefined ? undefined : `${codeOfRunFailure(reason)} ${runFailureSentence(reason)}`],
    ['Started', status.startedAt === undefined ? undefined : utcStamp(status.startedAt)],
    ['Ended', status.endedAt === undefined ? undefined : utcStamp(status.endedAt)],
    ['Elapsed seconds', status.elapsedSeconds.toFixed(3)],
    ['Mini-batches', miniBatches.created],
    ['Mini-batches succeeded', miniBatches.succeeded],
    ['Mini-batches failed', miniBatches.failed],
    ['Mini-batches failed in part', miniBatches.partial],
    ['Mini-batches not processed', miniBatches.remaining],
    ['Items', items.created],
    ['Items succeeded', items.succeeded],
    ['Items failed', items.failed],
    ['Dead letters', items.deadLetters],
    ['Retries', status.retries],
    ['Isolation runs', status.isolationRuns],
    ['Output', output === undefined ? undefined : safeText(output.path)],
    ['Output rows', output?.rows],
  ];
  const facts = lines.flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  return `${[...facts, '', ...endLines(status, context)].join('\n')}\n`;
}

/** The grouped errors, most frequent first, each with one whole traceback. */
export function jobErrorText(groups: readonly ErrorGroup[], context: RunContext): string {
  const lines = [
    'This file lists the errors of load, init and run of the entry script, grouped: exceptions of one type from the',
    'same lines of the script are one error. Some of them may have been made good by a retry: the verdict is in',
    'job_result.txt.',
    '',
  ];
  if (groups.length === 0) lines.push('No errors.');
  groups.slice(0, GROUPS_SHOWN_MAX).forEach((group, place) => lines.push(...groupLines(group, place + 1, context)));
  const more = groups.length - GROUPS_SHOWN_MAX;
  if (more > 0) lines.push(`and ${counted(more, 'other kind')} of error, see ${logPath.processedMiniBatches}`);
  return `${lines.join('\n')}\n`;
}

function groupLines(group: ErrorGroup, place: number, context: RunContext): readonly string[] {
  const trace = failureTrace(group.example.failure);
  const batches =
    group.indexes.length === 0
      ? []
      : [`         mini-batches ${group.indexes.join(', ')}${group.miniBatches > group.indexes.length ? ', ...' : ''}`];
  return [
    `${place}. ${codeOfGroup(group)} ${group.status}, ${counted(group.tries, 'time')}`,
    ...errorGroupLines(group, context),
    ...batches,
    ...deadLines(group, context),
    `         ${count(group.failedForGood)} failed for good, ${count(group.madeGood)} made good; first ${utcStamp(group.firstAt)}, last ${utcStamp(group.lastAt)}; nodes ${group.nodes.map(safeText).join(', ')}`,
    ...(trace === undefined ? [] : ['', ...trace.split('\n').map((line) => `    ${line}`)]),
    '',
  ];
}

/** The first dead items, by name. */
function deadLines(group: ErrorGroup, context: RunContext): readonly string[] {
  if (group.deadLetters < 2) return [];
  const more = group.deadLetters - group.deadItems.length;
  return [
    `         ${counted(group.deadLetters, 'dead letter')}:`,
    ...group.deadItems.map(({ index, item }) => `           mini-batch ${index} ${itemText(context, index, item)}`),
    ...(more > 0 ? [`           and ${count(more)} more, see ${logPath.deadLetters}`] : []),
  ];
}

export const README_TEXT = `What the files of this run are
===============================

Start with overview.txt. If the run failed, its last lines name the cause: the exception of the script and its line,
the mini-batch and its input, the file to open, and the command that runs exactly that mini-batch again.

logs/overview.txt
    The run for people: mini-batches (tasks) created and processed so far; at the end the result.
logs/master.txt
    The orchestrator's view: settings in force, inputs, nodes and workers that came and went, retries with their
    reasons, thresholds that fired, the result. UTC|LEVEL|pid|thread|message.
logs/worker/<ip>/Process-<n>.txt
    A line for each mini-batch a worker process picked up, and one when it was finished: key=value pairs.
    start1, end1: wall clock. start2, end2: CPU seconds of the process. A process that was replaced has a successor
    with the next number.
logs/user/<ip>/Process-<n>.txt
    What the entry script logs through its helper class.
logs/user/stdout/<ip>/, logs/user/stderr/<ip>/
    What the script printed, per process, with time stamps and the mini-batch and try that printed it:
    grep -rh 'mini_batch=17 try=1' . finds all lines about a try.
logs/user/error/<ip>/Process-<n>.txt
    Tracebacks of this process, each with its mini-batch, try and inputs; stacks of a run() that took too long;
    the last words of a process that was killed.
logs/performance/<ip>/
    process_resource_monitor_<ip>_<pid>.csv: CPU, memory and disk of a worker process and its children.
    sys_resource_monitor_<ip>.csv: the same of the node.
logs/job_report/processed_mini-batches.csv
    A row for each try of a mini-batch, and one for the whole of its narrowing down where its tries were used up: the
    last row of a mini-batch says what came of it. Rows with an empty id are for load and init of a worker process.
logs/job_report/process_summary.csv, node_summary.csv
    Totals per worker process and per node.
logs/job_result.txt
    The verdict.
logs/job_error.txt
    The errors, grouped, most frequent first. Some may have been made good by a retry.
azureml-logs/70_driver_log.txt
    Everything the entry scripts printed, and every traceback, of all processes:
    time, node, process, mini-batch and try | line.
outputs/
    What the run produced, unless the job names another place.
outputs/dead_letters.jsonl
    Items that were given up one by one, a line of JSON each: item, cause, process, last lines printed, and the command
    that runs it again. The good items of their mini-batches are in the result. Not there where there are none.

All times are UTC. <ip> is the address of a node, Process-<n> a worker process of it.
`;
