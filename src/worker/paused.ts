import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { BOUNDARY_FUNCTIONS } from './stack.ts';

/** A frame of `Debugger.paused`; lines and columns from 0. */
export interface PausedFrame {
  readonly functionName: string;
  readonly location: { readonly scriptId: string; readonly lineNumber: number; readonly columnNumber?: number };
  readonly url?: string;
}

export interface Position {
  /** Absolute path. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

/** The stack as text, innermost frame first, in the places of the sources; frames of the host are left out. */
export function formatFrames(frames: readonly PausedFrame[], urlOf: (scriptId: string) => string | undefined): string {
  const lines: string[] = [];
  for (const frame of frames) {
    const name = frame.functionName === '' ? '<anonymous>' : frame.functionName;
    if (BOUNDARY_FUNCTIONS.includes(name)) break;
    const { lineNumber, columnNumber = 0, scriptId } = frame.location;
    const url = frame.url || (urlOf(scriptId) ?? '');
    const position = url.startsWith('file://') ? originalPosition(url, lineNumber, columnNumber) : undefined;
    const place = position === undefined ? `${url}:${lineNumber + 1}:${columnNumber + 1}` : show(position);
    lines.push(`    at ${name} (${place})`);
  }
  return lines.join('\n');
}

/** Whether any frame lies in a file, not all of them in Node itself. */
export function isInFiles(frames: readonly PausedFrame[], urlOf: (scriptId: string) => string | undefined): boolean {
  return frames.some((frame) => (frame.url || (urlOf(frame.location.scriptId) ?? '')).startsWith('file://'));
}

function show({ file, line, column }: Position): string {
  return `${file}:${line}:${column}`;
}

/** Where a place of a module stands in what the user wrote, through the source map beside the module. */
export function originalPosition(url: string, line: number, column: number): Position {
  const file = fileURLToPath(url);
  const map = readMap(file);
  const entry = map?.findEntry(line, column);
  if (entry === undefined || !('originalSource' in entry)) return { file, line: line + 1, column: column + 1 };
  const source = path.resolve(path.dirname(file), entry.originalSource);
  return { file: source, line: entry.originalLine + 1, column: entry.originalColumn + 1 };
}

function readMap(file: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8')) as ConstructorParameters<typeof SourceMap>[0]);
  } catch {
    // plain JavaScript has no map; then the place is the one the user wrote
    return undefined;
  }
}
