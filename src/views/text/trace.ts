/** The few lines of a traceback that say it: the script's own last frames and the exception. */
import type { ExceptionFacts, StackFrame } from '../../domain/failure.ts';
import type { Failure } from '../signature.ts';
import { failureTrace } from './failure.ts';
import { cut, safeText } from './words.ts';

const FRAMES_MAX = 3;
const LINES_MAX = 8;
const MESSAGE_LINES_MAX = 4;
const LINE_CHARS_MAX = 300;

/** At most a dozen lines, each safe to print; empty where the failure has no trace. */
export function traceTail(failure: Failure): readonly string[] {
  if ('frames' in failure && failure.frames.length > 0) return exceptionTail(failure);
  const trace = failureTrace(failure);
  if (trace === undefined) return [];
  const lines = trace.split('\n').map((line) => cut(line, LINE_CHARS_MAX));
  if ('traceback' in failure) return lines.slice(-LINES_MAX);
  return stackLines(lines);
}

function exceptionTail(facts: ExceptionFacts): readonly string[] {
  const own = facts.frames.filter((frame) => frame.own);
  const shown = (own.length > 0 ? own : facts.frames).slice(-FRAMES_MAX);
  return [...shown.flatMap(frameLines), ...messageLines(facts)];
}

function frameLines(frame: StackFrame): readonly string[] {
  const head = `File "${safeText(frame.file)}", line ${frame.line}, in ${safeText(frame.function)}`;
  return frame.text === undefined || frame.text === ''
    ? [head]
    : [head, `    ${cut(safeText(frame.text.trim()), LINE_CHARS_MAX)}`];
}

function messageLines(facts: ExceptionFacts): readonly string[] {
  const text = facts.message === '' ? facts.exceptionType : `${facts.exceptionType}: ${facts.message}`;
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  const shown = lines.slice(0, MESSAGE_LINES_MAX).map((line) => cut(safeText(line), LINE_CHARS_MAX));
  return lines.length > MESSAGE_LINES_MAX ? [...shown, '...'] : shown;
}

/** Of dumped stacks: the thread that matters, innermost frames first as the dump has them; else the end. */
function stackLines(lines: readonly string[]): readonly string[] {
  const fatal = lines.findIndex((line) => line.startsWith('Fatal Python error'));
  const heads = lines.flatMap((line, place) => (/^(Current thread|Thread) 0x/.test(line) ? [place] : []));
  // faulthandler lists the main thread last; "Current thread" is the one that crashed.
  const current = lines.findIndex((line) => line.startsWith('Current thread 0x'));
  const start = current >= 0 ? current : heads.at(-1);
  if (start === undefined) return lines.slice(-LINES_MAX);
  const end = lines.findIndex((line, place) => place > start && (line.trim() === '' || line.startsWith('Thread 0x')));
  const thread = lines.slice(start, end < 0 ? undefined : end).slice(0, LINES_MAX - 1);
  return fatal >= 0 && fatal < start ? [lines[fatal] ?? '', ...thread] : thread;
}
