/** The few lines of a traceback that say it: the script's own last frames and the exception. */
import type { ExceptionFacts, StackFrame } from '../../domain/failure.ts';
import type { Failure } from '../frame.ts';
import { threadOf } from '../stackframes.ts';
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
  const thread = threadOf(lines)?.slice(0, LINES_MAX - 1);
  if (thread === undefined) return lines.slice(-LINES_MAX);
  const fatal = lines.find((line) => line.startsWith('Fatal Python error'));
  return fatal === undefined ? thread : [fatal, ...thread];
}
