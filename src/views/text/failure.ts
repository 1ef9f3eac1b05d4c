/** Failures of tries and of worker starts, in words. Everything that came from the user's code is made harmless. */
import { unreachable } from '../../domain/assert.ts';
import type {
  Circumstances,
  ExceptionFacts,
  ExitFacts,
  StackFrame,
  StartFailure,
  TryFailure,
} from '../../domain/failure.ts';
import { bytes, cut, duration, safeLines, safeText, signalName } from './words.ts';

type Failure = TryFailure | StartFailure;
type Guard = NonNullable<Extract<ExitFacts, { by: 'signal' }>['guard']>;

const TITLE_CHARS_MAX = 300;

/** `ValueError: bad pixel`: type and first line of the message. */
export function exceptionLine(facts: ExceptionFacts): string {
  const first = facts.message.split(/\r?\n/).find((line) => line.trim() !== '') ?? '';
  return cut(safeText(first === '' ? facts.exceptionType : `${facts.exceptionType}: ${first.trim()}`), TITLE_CHARS_MAX);
}

/** `killed by SIGSEGV (segmentation fault)`, `exited with code 3`. */
export function exitText(exit: ExitFacts): string {
  if (exit.by === 'code') return `exited with code ${exit.code}`;
  if (exit.guard !== undefined) return guardText(exit.guard);
  if (exit.outOfMemory) return `killed by ${exit.signal} because memory ran out (the kernel's out-of-memory killer)`;
  return `killed by ${signalName(exit.signal)}`;
}

function guardText({ rule, rssBytes, limitBytes }: Guard): string {
  const used = `ended at ${bytes(rssBytes)} of memory`;
  return rule === 'limit'
    ? `${used}, over the limit of ${bytes(limitBytes)} for a process`
    : `${used}: the machine had only ${bytes(limitBytes)} left`;
}

/** `None`, `a str`: what `run()` returned, as a person would say it. */
const returnedText = (type: string): string => (type === 'NoneType' ? 'None' : safeText(cut(type, 100)));

/** One line: what happened. */
export function failureTitle(failure: Failure): string {
  switch (failure.kind) {
    case 'exception':
      return exceptionLine(failure);
    case 'load-exception':
      return `loading the entry script failed: ${exceptionLine(failure)}`;
    case 'init-exception':
      return `init() failed: ${exceptionLine(failure)}`;
    case 'unencodable-row':
      return `row ${failure.row} of what run() returned can't be written: ${exceptionLine(failure)}`;
    case 'invalid-return':
      return `run() returned ${returnedText(failure.returned)}`;
    case 'input-error':
      return cut(`input can't be read: ${safeText(failure.reason)} (${safeText(failure.path)})`, TITLE_CHARS_MAX);
    case 'input-changed':
      return cut(
        failure.is === 'gone'
          ? `input is gone: ${safeText(failure.path)}`
          : `input isn't what it was when the run began: ${safeText(failure.path)}`,
        TITLE_CHARS_MAX,
      );
    case 'timeout':
      return `run() took longer than its limit of ${duration(failure.limitMs)}`;
    case 'overhead-timeout':
      return `handing over a mini-batch took longer than its limit of ${duration(failure.limitMs)}`;
    case 'worker-lost':
      return `worker process ${exitText(failure.exit)}${failure.exit.by === 'code' ? ' without a result' : ''}`;
    case 'load-timeout':
      return `loading the entry script took longer than its limit of ${duration(failure.limitMs)}`;
    case 'init-timeout':
      return `init() took longer than its limit of ${duration(failure.limitMs)}`;
    case 'exit':
      return `worker process ${exitText(failure.exit)} ${failure.stage === 'load' ? 'while the entry script was loaded' : 'during init()'}`;
    case 'spawn':
      return cut(
        `worker process can't be started: ${safeText(failure.reason)} (${safeText(failure.command)})`,
        TITLE_CHARS_MAX,
      );
    case 'no-run-function':
      return `${safeText(failure.file)} defines no run()`;
    case 'protocol-error':
      return cut(`worker process sent something unreadable: ${safeText(failure.detail)}`, TITLE_CHARS_MAX);
    case 'node-lost':
      return `node ${safeText(failure.node)} was lost`;
    case 'canceled':
      return 'canceled';
    default:
      return unreachable(failure);
  }
}

/** One line: why a `shutdown()` failed. */
export function shutdownTitle(of: {
  readonly status: 'SHUTDOWN_EXCEPTION' | 'SHUTDOWN_TIMEOUT';
  readonly seconds: number;
  readonly traceback?: string;
}): string {
  if (of.status === 'SHUTDOWN_TIMEOUT')
    return `shutdown() took too long and was ended after ${duration(of.seconds * 1000)}`;
  const lines = (of.traceback ?? '').split(/\r?\n/);
  // Python's exception stands last, JavaScript's first: its frames are indented
  const said = lines.findLast((line) => line.trim() !== '' && !/^\s/.test(line)) ?? '';
  return cut(safeText(said === '' ? 'shutdown() failed' : `shutdown() failed: ${said.trim()}`), TITLE_CHARS_MAX);
}

/** One line with the whole message, where the title has only its first line. */
export function failureMessage(failure: Failure): string {
  if (!('exceptionType' in failure)) return failureTitle(failure);
  return safeText(failure.message === '' ? failure.exceptionType : `${failure.exceptionType}: ${failure.message}`);
}

/** The usual cause, where the kind of failure has one. */
export function failureWhy(failure: Failure): string | undefined {
  switch (failure.kind) {
    case 'invalid-return':
      if (failure.returned === 'undefined' || failure.returned === 'null') {
        return 'run must return an array with an element for each item that succeeded; a run without return gives undefined';
      }
      return failure.returned === 'NoneType'
        ? 'run must return a list, tuple, array or DataFrame; a script that catches an exception and falls off its end returns None'
        : 'run must return a list, tuple, array or DataFrame, one element for each item that succeeded';
    case 'unencodable-row':
      return 'each element of what run returns becomes a row of the output file; this one could not be turned into text';
    case 'timeout':
      return failure.stacks === undefined
        ? 'the process was ended; it gave no stacks in time to show where it hung; the limit is retry_settings.timeout (--timeout)'
        : 'the process was ended; the stacks of its threads show where it hung; the limit is retry_settings.timeout (--timeout)';
    case 'overhead-timeout':
      return 'the worker took the mini-batch but did not call run in time: its process is stopped, swapping, or blocked in reading; the limit is --task_overhead_timeout';
    case 'worker-lost':
      return exitWhy(failure.exit);
    case 'exit':
      return exitWhy(failure.exit);
    case 'load-timeout':
      return 'importing the entry script has a limit: --task_overhead_timeout; slow downloads belong into init()';
    case 'init-timeout':
      return 'init() has a limit of its own: --init-timeout, by default the larger of 300 s and the limit of run()';
    case 'no-run-function':
      return noRunWhy(failure.defined);
    case 'protocol-error':
      return "the script or one of its libraries wrote to or closed ParallelRun's private channel (file descriptor 3)";
    case 'node-lost':
      return 'its mini-batches were given to other nodes; this uses up no try';
    case 'input-error':
      return failure.errno === 'ENOENT'
        ? 'the file was listed when mini-batches were created, and is not there now'
        : undefined;
    case 'input-changed':
      return 'rows of before and after the change would stand in one result; --accept-changed-input goes on with what is there now';
    case 'exception':
    case 'load-exception':
    case 'init-exception':
    case 'spawn':
    case 'canceled':
      return undefined;
    default:
      return unreachable(failure);
  }
}

function exitWhy(exit: ExitFacts): string | undefined {
  if (exit.by === 'code') {
    return 'the process ended in the middle of its work: sys.exit(), os._exit() or process.exit() in the script or a library';
  }
  if (exit.guard?.rule === 'limit') {
    return 'memory_limit (--memory-limit) holds for a process and what it starts; smaller mini-batches need less memory';
  }
  if (exit.outOfMemory) return 'smaller mini-batches or fewer processes per node need less memory';
  if (exit.signal === 'SIGKILL') {
    return 'somebody or something outside ended the process; shortage of memory is the usual cause, though the kernel did not report it here';
  }
  if (['SIGSEGV', 'SIGBUS', 'SIGILL', 'SIGABRT', 'SIGFPE'].includes(exit.signal)) {
    return 'native code of a library crashed; the trace names the line of the script that called it';
  }
  return undefined;
}

function noRunWhy(defined: readonly string[]): string {
  if (defined.length === 0)
    return 'the script defines no function at all; ParallelRun calls run(mini_batch) for each mini-batch';
  const names = defined.slice(0, 10).map((name) => cut(safeText(name), 60));
  const near = names.find((name) => /^(main|predict|score|process|execute|handler|Run|RUN|run_.*)$/.test(name));
  const hint = near === undefined ? '' : `; should ${near} be named run?`;
  return `it defines ${names.join(', ')}${hint}`;
}

/** Traceback, stacks or native trace, as lines that are safe to print; undefined where there is none. */
export function failureTrace(failure: Failure): string | undefined {
  if ('traceback' in failure) return trimmed(failure.traceback);
  if ('stacks' in failure) return trimmed(failure.stacks);
  if ('trace' in failure) return trimmed(failure.trace);
  return undefined;
}

function trimmed(text: string): string | undefined {
  const safe = safeLines(text).replace(/\s+$/, '').replace(/^\n+/, '');
  return safe === '' ? undefined : safe;
}

/** Title, usual cause and trace: all there is to say about one failed try. Several lines, no line break at the end. */
export function failureText(failure: Failure): string {
  const why = failureWhy(failure);
  const trace = failureTrace(failure);
  return [
    failureTitle(failure),
    ...(why === undefined ? [] : [`why: ${why}`]),
    ...(trace === undefined ? [] : [trace]),
  ].join('\n');
}

/** What else is known of a failed try: memory where that may be why, and what it printed last where it left no trace. */
export function circumstancesText(failure: Failure, { peakMemoryBytes, lastLines = [] }: Circumstances): string {
  const memory =
    failure.kind === 'worker-lost' || ('exceptionType' in failure && failure.exceptionType === 'MemoryError');
  const silent = failureTrace(failure) === undefined && lastLines.length > 0;
  return [
    ...(memory && peakMemoryBytes !== undefined ? [`memory: ${bytes(peakMemoryBytes)} at most`] : []),
    ...(silent ? ['printed last:', ...lastLines.map((line) => `  ${safeText(line)}`)] : []),
  ].join('\n');
}

/** `score.py:41 run()`. */
export function frameText(frame: StackFrame): string {
  const name = frame.function === '' || frame.function.startsWith('<') ? '' : ` ${safeText(frame.function)}()`;
  return `${safeText(frame.file)}:${frame.line}${name}`;
}
