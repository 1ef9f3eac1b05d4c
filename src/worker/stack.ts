/** Reading V8's stack texts: pure. */
import { fileURLToPath } from 'node:url';

/** Names of the host functions that call user code: frames from there outwards are ours and are not shown. */
export const BOUNDARY_FUNCTIONS = [
  'callEntryScript',
  'importEntryScript',
  'drainReturnedRows',
  'encodeReturnedRow',
  'callStage',
  'drainAsync',
];

const BOUNDARY = new RegExp(`^\\s*at (?:async )?(?:new )?(?:[\\w$#]+\\.)*#?(?:${BOUNDARY_FUNCTIONS.join('|')}) \\(`);
const FRAME = /^\s*at (?:async )?(?:(.+?) \()?((?:file:\/\/)?\/.+?):(\d+):(\d+)\)?$/;
const ANY_FRAME = /^\s+at .+$/;

export interface RawFrame {
  readonly function: string;
  /** Absolute path. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface ReadStack {
  /** Innermost first, as V8 writes them; only frames that lie in files. */
  readonly frames: readonly RawFrame[];
  /** Lines of the stack below the message, without those of the host. */
  readonly lines: readonly string[];
}

/** @param stack `error.stack` without its message: a message may hold lines that look like frames. */
export function readStack(stack: string): ReadStack {
  const frames: RawFrame[] = [];
  const lines: string[] = [];
  for (const line of stack.split('\n')) {
    if (BOUNDARY.test(line)) break;
    if (!ANY_FRAME.test(line)) continue;
    lines.push(line);
    const frame = readFrame(line);
    if (frame !== undefined) frames.push(frame);
  }
  return { frames, lines: withoutInternals(lines) };
}

function readFrame(line: string): RawFrame | undefined {
  const found = FRAME.exec(line);
  if (found === null) return undefined;
  const [, name, place, lineNumber, column] = found;
  if (place === undefined) return undefined;
  const file = place.startsWith('file://') ? pathOf(place) : place;
  return { function: name ?? '<anonymous>', file, line: Number(lineNumber), column: Number(column) };
}

/** Path of a `file:` URL; anything else as it is. */
export function pathOf(url: string): string {
  try {
    return fileURLToPath(url);
  } catch {
    return url;
  }
}

/** Node's own frames at the outer end say how the host reached the script, which helps nobody. */
function withoutInternals(lines: readonly string[]): readonly string[] {
  let end = lines.length;
  while (end > 0 && /\(?node:internal\//.test(lines[end - 1] ?? '')) end -= 1;
  return lines.slice(0, end);
}

/** Keeps both ends of a text that is too long: causes stand at its beginning, places at its end. */
export function cutMiddle(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text;
  const half = Math.floor((charactersMax - 60) / 2);
  const dropped = text.length - 2 * half;
  return `${text.slice(0, half)}\n... ${dropped} characters cut ...\n${text.slice(-half)}`;
}

export function cutEnd(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text;
  const mark = `... (${text.length} characters in all)`;
  return text.slice(0, charactersMax - mark.length) + mark;
}
