/** A problem in the form people get used to: what, where with the line shown and underlined, why, what next. */
import type { Problem, SourceLocation } from '../../domain/problem.ts';
import { safeText } from './words.ts';

export type TextStyle = 'error' | 'warning' | 'good' | 'strong' | 'faint';
/** Wraps text in the escapes of a style; without colour it gives the text back. */
export type Paint = (style: TextStyle, text: string) => string;
export const plain: Paint = (_style, text) => text;

const LABEL_INDENT = '  ';
const TEXT_INDENT = ' '.repeat(9);
const EXCERPT_CHARS_MAX = 160;

/** Several lines, no line break at the end. */
export function problemText(problem: Problem, options: { readonly color?: Paint } = {}): string {
  const paint = options.color ?? plain;
  const head = `${paint(problem.severity, problem.severity)} ${paint('strong', problem.code)}  ${safeText(problem.what)}`;
  const lines = [head];
  if (problem.where !== undefined) lines.push(...whereLines(problem.where, paint, problem.severity));
  if (problem.why !== undefined) lines.push(...labelled('why', problem.why, paint));
  if (problem.next !== undefined) lines.push(...labelled('next', problem.next, paint));
  return lines.join('\n');
}

/** `  why    text`; further lines of the text stand below its first. */
export function labelled(label: string, text: string, paint: Paint = plain): readonly string[] {
  return text.split('\n').map((line, place) => {
    const head = place === 0 ? LABEL_INDENT + paint('faint', label.padEnd(7)) : TEXT_INDENT;
    return head + safeText(line);
  });
}

/** `job.yml:12:5`. */
export function locationText(where: SourceLocation): string {
  const line = where.line === undefined ? '' : `:${where.line}`;
  const column = where.line === undefined || where.column === undefined ? '' : `:${where.column}`;
  return `${safeText(where.file)}${line}${column}`;
}

function whereLines(where: SourceLocation, paint: Paint, severity: 'error' | 'warning'): readonly string[] {
  const key = where.keyPath === undefined ? '' : `  ${where.keyPath}`;
  const lines = [...labelled('where', `${locationText(where)}${key}`, paint)];
  if (where.excerpt === undefined || where.line === undefined) return lines;
  const gutter = String(where.line);
  const { text, column, length } = excerptWindow(where.excerpt, where.column ?? 1, where.length ?? 0);
  lines.push(`${TEXT_INDENT}${paint('faint', `${gutter} |`)} ${text}`);
  if (where.column !== undefined) {
    const marks = `${' '.repeat(column - 1)}${paint(severity, '^'.repeat(Math.max(1, length)))}`;
    lines.push(`${TEXT_INDENT}${paint('faint', `${' '.repeat(gutter.length)} |`)} ${marks}`);
  }
  return lines;
}

/** The part of a long line around the place; tabs count as one blank, other controls as a question mark. */
function excerptWindow(excerpt: string, column: number, length: number) {
  const flat = excerpt.replaceAll('\t', ' ').replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
  const from = column > EXCERPT_CHARS_MAX - 40 ? column - 41 : 0;
  const lead = from > 0 ? '...' : '';
  const text = safeText(flat.slice(from, from + EXCERPT_CHARS_MAX));
  const shown = column - from + lead.length;
  return {
    text: lead + text,
    column: shown,
    length: Math.min(length, Math.max(1, lead.length + text.length - shown + 1)),
  };
}
