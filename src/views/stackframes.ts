/** Dumped stacks of a process that hung or crashed: the thread that matters, and the script's own line in it. */
import type { StackFrame } from '../domain/failure.ts';

/** Frames of the worker hosts say nothing about the script. */
const HOST_FRAME = /[\\/]parallelrun_host[\\/]|[\\/]python[\\/]host\.py"|[\\/]dist[\\/]worker[\\/][\w-]+\.js:/;
/** Files of the code snapshot; the bundle of a TypeScript script has no lines that its author knows. */
const PYTHON_FRAME = /^\s*File "[^"]*\/state\/code\/([^"]+)", line (\d+) in (.+)$/;
const NODE_FRAME =
  /^\s*(?:at|\d+:) (?:async )?(\S+) \((?:file:\/\/)?[^)]*\/state\/code\/(?!\.parallelrun-)([^):]+):(\d+):\d+\)$/;

/**
 * The lines of the thread that crashed, or else of the main thread, innermost frame first as the dump has them, without
 * the frames of the worker host; undefined where the text is no such dump.
 */
export function threadOf(lines: readonly string[]): readonly string[] | undefined {
  const javascript = lines.findIndex((line) => line.includes('JavaScript stack trace'));
  if (javascript >= 0) return ownPart(lines.slice(javascript + 1).filter((line) => line.trim() !== ''));
  const heads = lines.flatMap((line, place) => (/^(Current thread|Thread) 0x/.test(line) ? [place] : []));
  // faulthandler lists the main thread last; "Current thread" is the one that crashed
  const current = lines.findIndex((line) => line.startsWith('Current thread 0x'));
  const start = current >= 0 ? current : heads.at(-1);
  if (start === undefined) return undefined;
  const end = lines.findIndex((line, place) => place > start && (line.trim() === '' || line.startsWith('Thread 0x')));
  return ownPart(lines.slice(start, end < 0 ? undefined : end));
}

function ownPart(lines: readonly string[]): readonly string[] {
  const own = lines.filter((line) => !HOST_FRAME.test(line));
  return own.length > 0 ? own : lines;
}

/** The innermost frame of the script in dumped stacks; undefined where there is none. */
export function frameInStacks(text: string): StackFrame | undefined {
  const lines = text.split('\n');
  for (const line of threadOf(lines) ?? lines) {
    const python = PYTHON_FRAME.exec(line);
    if (python) return frame(python[1], python[2], python[3]);
    const node = NODE_FRAME.exec(line);
    if (node) return frame(node[2], node[3], node[1]);
  }
  return undefined;
}

const frame = (file = '', line = '', name = ''): StackFrame => ({
  file,
  line: Number(line),
  function: name.trim(),
  own: true,
});
