import { readFileSync, realpathSync, statSync } from 'node:fs';
import type { ExceptionFacts, StackFrame } from '../domain/failure.ts';
import { cutEnd, cutMiddle, pathOf, readStack } from './stack.ts';
import type { RawFrame } from './stack.ts';

const MESSAGE_CHARACTERS_MAX = 8 * 1024;
const TRACEBACK_CHARACTERS_MAX = 64 * 1024;
/** Of one stack text that is looked at: its message may be of any length. */
const STACK_CHARACTERS_MAX = 256 * 1024;
const FRAMES_MAX = 60;
const CHAIN_MAX = 10;
/** Of an AggregateError that are shown. */
const PARTS_MAX = 5;
const SOURCE_BYTES_MAX = 2 * 1024 * 1024;
const SOURCE_LINE_CHARACTERS_MAX = 200;

/** Turns whatever a script threw into facts. Never throws, whatever the thrown value does when it is looked at. */
export class ExceptionReader {
  /** The code folder as given and as the module loader names it (links resolved), each with a slash at its end. */
  readonly #folders: readonly string[];
  readonly #sources = new Map<string, readonly string[]>();

  /** @param codeFolder absolute. */
  constructor(codeFolder: string) {
    const folders = new Set([withSlash(codeFolder)]);
    try {
      folders.add(withSlash(realpathSync(codeFolder)));
    } catch {
      // a code folder that is gone can't hold frames under another name either
    }
    this.#folders = [...folders];
  }

  read(thrown: unknown): ExceptionFacts {
    const first = look(thrown);
    const { frames } = readStack(first.stack);
    const all = first.place === undefined ? frames : [first.place, ...frames];
    const kept = all.slice(0, FRAMES_MAX).map((frame) => this.#frame(frame));
    return {
      exceptionType: cutEnd(first.type, 200),
      message: cutEnd(first.message, MESSAGE_CHARACTERS_MAX),
      traceback: cutMiddle(formatChain(thrown), TRACEBACK_CHARACTERS_MAX),
      frames: kept.reverse(),
    };
  }

  /** The frame as it is reported: own ones relative to the code folder, with their line of source. */
  #frame(raw: RawFrame): StackFrame {
    const inside = this.#folders.find((folder) => raw.file.startsWith(folder));
    const relative = inside === undefined ? undefined : raw.file.slice(inside.length);
    const own = relative !== undefined && !`/${relative}`.includes('/node_modules/');
    const text = own ? this.#line(raw.file, raw.line) : undefined;
    const file = own ? relative : raw.file;
    const name = cutEnd(raw.function, 200);
    return { file, line: raw.line, function: name, own, ...(text === undefined ? {} : { text }) };
  }

  #line(file: string, line: number): string | undefined {
    const text = this.#lines(file)[line - 1]?.trim();
    return text === undefined || text === '' ? undefined : cutEnd(text, SOURCE_LINE_CHARACTERS_MAX);
  }

  #lines(file: string): readonly string[] {
    const known = this.#sources.get(file);
    if (known !== undefined) return known;
    let lines: readonly string[] = [];
    try {
      if (statSync(file).size <= SOURCE_BYTES_MAX) lines = readFileSync(file, 'utf8').split('\n');
    } catch {
      // no source, no line of it: the position says enough
    }
    this.#sources.set(file, lines);
    return lines;
  }
}

interface Seen {
  readonly type: string;
  readonly message: string;
  /** Lines below the message. */
  readonly stack: string;
  readonly isError: boolean;
  /** Syntax errors: the lines above the message, which show the place, and the place itself. */
  readonly excerpt?: string;
  readonly place?: RawFrame;
}

/** What can be learned of a thrown value, with every look guarded: getters and `toString` of user objects may throw. */
function look(thrown: unknown): Seen {
  if (!(thrown instanceof Error) && !looksLikeError(thrown)) {
    return { type: typeName(thrown), message: textOf(thrown), stack: '', isError: false };
  }
  const message = textOf(guarded(() => thrown.message));
  const stack = guarded(() => thrown.stack);
  const seen = { type: errorType(thrown), message, isError: true } as const;
  if (typeof stack !== 'string') return { ...seen, stack: '' };
  return { ...seen, stack: below(stack, message), ...above(stack, seen.type) };
}

function looksLikeError(value: unknown): value is Error {
  if (typeof value !== 'object' || value === null) return false;
  // errors of another realm (`node:vm`) are no instances of our Error
  return guarded(() => 'stack' in value && 'message' in value && typeof value.stack === 'string') === true;
}

/** Cuts the message off a stack text. Where the script changed the message afterwards, the first frame line decides. */
function below(stack: string, message: string): string {
  const at = message === '' ? -1 : stack.indexOf(message);
  const rest = at >= 0 ? stack.slice(at + message.length) : stack;
  return rest.length > STACK_CHARACTERS_MAX ? rest.slice(-STACK_CHARACTERS_MAX) : rest;
}

/** Modules that cannot be compiled have no frame of their own; Node puts file, line and the code before the message. */
function above(stack: string, type: string): Pick<Seen, 'excerpt' | 'place'> {
  const found = /^(?:file:\/\/)?(\/[^\n]*):(\d+)\n/.exec(stack);
  const end = stack.indexOf(`\n${type}`);
  if (found?.[1] === undefined || end < 0 || end > 4096) return {};
  const file = stack.startsWith('file://') ? pathOf(`file://${found[1]}`) : found[1];
  const place = { function: '<module>', file, line: Number(found[2]), column: 1 };
  return { excerpt: stack.slice(0, end).trimEnd(), place };
}

/** `class NotFitted extends Error` without a name of its own is still called NotFitted. */
function errorType(error: Error): string {
  const name = guarded(() => error.name);
  const own = guarded(() => error.constructor.name);
  if (typeof name === 'string' && name !== '' && name !== 'Error') return name;
  return typeof own === 'string' && own !== '' ? own : 'Error';
}

function typeName(value: unknown): string {
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value;
  const name = guarded(() => value.constructor.name);
  return typeof name === 'string' && name !== '' ? name : 'object';
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  const text = guarded(() => (typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)));
  if (typeof text === 'string') return text;
  const plain = guarded(() => String(value));
  return typeof plain === 'string' ? plain : 'a value that cannot be shown as text';
}

/** The thrown value, its causes and, for an AggregateError, its parts, as one text like the one Node prints. */
function formatChain(thrown: unknown): string {
  const seen = new Set<unknown>();
  const blocks: string[] = [];
  const visit = (value: unknown, title: string): void => {
    if (seen.has(value) || seen.size >= CHAIN_MAX) {
      blocks.push(`${title}${seen.has(value) ? 'one of the errors above' : 'more errors, not shown'}`);
      return;
    }
    seen.add(value);
    blocks.push(title + formatOne(value));
    if (typeof value !== 'object' || value === null) return;
    const parts = guarded(() => ('errors' in value ? value.errors : undefined));
    for (const part of Array.isArray(parts) ? parts.slice(0, PARTS_MAX) : []) visit(part, 'Part of it: ');
    const cause = guarded(() => ('cause' in value ? value.cause : undefined));
    if (cause !== undefined) visit(cause, 'Caused by: ');
  };
  visit(thrown, '');
  return blocks.join('\n');
}

function formatOne(value: unknown): string {
  const { type, message, stack, isError, excerpt } = look(value);
  const head = `${type}: ${cutMiddle(message, TRACEBACK_CHARACTERS_MAX)}`;
  if (!isError) return `${head}\n    (thrown value is not an Error: it carries no stack)`;
  return [...(excerpt === undefined ? [] : [excerpt]), head, ...readStack(stack).lines].join('\n');
}

function guarded(get: () => unknown): unknown {
  try {
    return get();
  } catch {
    return undefined;
  }
}

function withSlash(folder: string): string {
  return folder.endsWith('/') ? folder : `${folder}/`;
}
