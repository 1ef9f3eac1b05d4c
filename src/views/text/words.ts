/** Small words: numbers, durations, signals, and text of others made harmless. */
import type { StartFailure, StatusWord } from '../../domain/failure.ts';
import type { ItemRange } from '../../domain/minibatch.ts';
import { unreachable } from '../../domain/assert.ts';

/** Controls, bidirectional overrides, invisible separators, and halves of surrogate pairs. */

const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]/u;
const UNSAFE_ALL = new RegExp(UNSAFE.source, 'gu');

function escaped(char: string): string {
  const code = char.charCodeAt(0);
  if (code === 10) return '\\n';
  if (code === 13) return '\\r';
  if (code === 9) return '\\t';
  // A byte of a name that is not UTF-8 (see domain/minibatch).
  if (code >= 0xdc80 && code <= 0xdcff) return `\\x${(code - 0xdc00).toString(16)}`;
  return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
}

/** One line that does nothing to a terminal, a log reader or a page: everything invisible or acting is escaped. */
export function safeText(text: string): string {
  return UNSAFE.test(text) ? text.replace(UNSAFE_ALL, escaped) : text;
}

/** Like `safeText`, but line breaks and tabs stay: for tracebacks. */
export function safeLines(text: string): string {
  if (!UNSAFE.test(text)) return text;
  return text
    .replaceAll('\r\n', '\n')
    .replace(UNSAFE_ALL, (char) => (char === '\n' || char === '\t' ? char : escaped(char)));
}

/** JSON on one line that does nothing to a terminal or a log reader either. */
export function safeJson(value: unknown): string {
  const text = JSON.stringify(value);
  return UNSAFE.test(text)
    ? text.replace(UNSAFE_ALL, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
    : text;
}

/** `item 7`, `items 5 to 9`: items `[from, to)` of a mini-batch by their position, from 0. */
export function itemsText({ from, to }: ItemRange): string {
  return to - from === 1 ? `item ${from}` : `items ${from} to ${to - 1}`;
}

/** Cuts to `max` characters; what was cut shows as `...`. Never leaves half a surrogate pair. */
export function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  const end = max - 3;
  const code = text.charCodeAt(end - 1);
  return `${text.slice(0, code >= 0xd800 && code <= 0xdbff ? end - 1 : end)}...`;
}

/** `1,234,567`. */
export function count(n: number): string {
  const digits = String(Math.round(n));
  return digits.length < 4 ? digits : digits.replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 mini-batch`, `2 mini-batches`: with the number. */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

export const miniBatches = (n: number): string => counted(n, 'mini-batch', 'mini-batches');

/** `340 ms`, `12.3 s`, `4 min 05 s`, `3 h 07 min`, `2 d 4 h`. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms) || ms < 0) return '0 ms';
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1).replace(/\.0$/, '')} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** `17 bytes`, `1.5 KiB`, `20 MiB`. */
export function bytes(n: number): string {
  if (n < 1024) return counted(Math.max(0, Math.round(n)), 'byte');
  const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = n / 1024;
  let unit = 0;
  while (value >= 1023.95 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(1).replace(/\.0$/, '')} ${units[unit] ?? ''}`;
}

const SIGNAL_MEANINGS: Readonly<Record<string, string>> = {
  SIGABRT: 'aborted itself',
  SIGBUS: 'bus error',
  SIGFPE: 'arithmetic error',
  SIGHUP: 'hang-up',
  SIGILL: 'illegal instruction',
  SIGINT: 'interrupted',
  SIGKILL: 'killed from outside',
  SIGPIPE: 'broken pipe',
  SIGQUIT: 'quit',
  SIGSEGV: 'segmentation fault',
  SIGSYS: 'forbidden system call',
  SIGTERM: 'asked to end',
  SIGTRAP: 'trap',
  SIGXCPU: 'limit of CPU time reached',
  SIGXFSZ: 'limit of file size reached',
};

/** `SIGSEGV (segmentation fault)`. */
export function signalName(signal: string): string {
  const meaning = SIGNAL_MEANINGS[signal];
  return meaning === undefined ? safeText(signal) : `${signal} (${meaning})`;
}

/** Quotes a word for a POSIX shell, where it needs that. */
export function shellWord(word: string): string {
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Status word of contract 3.2 for a worker that didn't become ready. */
export function startStatusWord(failure: StartFailure): StatusWord {
  switch (failure.kind) {
    case 'load-exception':
    case 'no-run-function':
    case 'spawn':
    case 'protocol-error':
      return 'LOAD_EXCEPTION';
    case 'load-timeout':
      return 'LOAD_TIMEOUT';
    case 'init-exception':
      return 'INIT_EXCEPTION';
    case 'init-timeout':
      return 'INIT_TIMEOUT';
    case 'exit':
      return failure.stage === 'load' ? 'LOAD_EXCEPTION' : 'INIT_EXCEPTION';
    default:
      return unreachable(failure);
  }
}
