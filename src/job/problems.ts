/** Collects what is wrong with a job, so that one look shows all of it. */
import type { Problem, ProblemCode, SourceLocation } from '../domain/problem.ts';
import { nearest } from '../domain/nearest.ts';
import { redact } from '../domain/redact.ts';

export class Problems {
  readonly #list: Problem[] = [];
  readonly #seen = new Set<string>();

  error(code: ProblemCode, what: string, more: Details = {}): void {
    this.#add(redacted({ code, severity: 'error', what, ...more }));
  }
  warning(code: ProblemCode, what: string, more: Details = {}): void {
    this.#add(redacted({ code, severity: 'warning', what, ...more }));
  }
  get hasErrors(): boolean {
    return this.#list.some((problem) => problem.severity === 'error');
  }
  /** Errors before warnings; file by file, each in the order of its lines. */
  all(): readonly Problem[] {
    const files = [...new Set(this.#list.map(fileOf))];
    const before = (a: Problem, b: Problem): number =>
      rank(a) - rank(b) ||
      files.indexOf(fileOf(a)) - files.indexOf(fileOf(b)) ||
      line(a) - line(b) ||
      column(a) - column(b);
    return [...this.#list].sort(before);
  }
  /** The same slip can be met on two ways (a key and its alias); once is enough. */
  #add(problem: Problem): void {
    const identity = [problem.code, problem.what, fileOf(problem), line(problem), column(problem)].join('\0');
    if (this.#seen.has(identity)) return;
    this.#seen.add(identity);
    this.#list.push(problem);
  }
}

/** Lines of job files and flags may hold signatures. */
function redacted(problem: Problem): Problem {
  const { what, where, why, next } = problem;
  return {
    ...problem,
    what: redact(what),
    ...(where && { where: { ...where, ...(where.excerpt !== undefined && { excerpt: redact(where.excerpt) }) } }),
    ...(why !== undefined && { why: redact(why) }),
    ...(next !== undefined && { next: redact(next) }),
  };
}

export interface Details {
  readonly where?: SourceLocation;
  readonly why?: string;
  readonly next?: string;
}

const rank = (problem: Problem): number => (problem.severity === 'error' ? 0 : 1);
const fileOf = (problem: Problem): string => problem.where?.file ?? '';
const line = (problem: Problem): number => problem.where?.line ?? 0;
const column = (problem: Problem): number => problem.where?.column ?? 0;

/** Place of a value given on the command line. */
export function onCommandLine(flag: string, value?: unknown): SourceLocation {
  return {
    file: 'command line',
    keyPath: flag,
    ...(value === undefined ? {} : { excerpt: `${flag} ${typeof value === 'string' ? value : JSON.stringify(value)}` }),
  };
}

/** What to do about a word that isn't known, where one that is looks like it. */
export function ifMeant(word: string, known: readonly string[]): Pick<Details, 'next'> {
  const meant = nearest(word, known);
  return meant === undefined ? {} : { next: `did you mean ${meant}?` };
}

/** `a, b and c`. */
export function listed(names: readonly string[]): string {
  if (names.length < 2) return names[0] ?? 'none';
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1) ?? ''}`;
}

/** Reason of a failed file operation, in words. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const words: Readonly<Record<string, string>> = {
    ENOENT: 'it does not exist',
    EACCES: 'permission denied',
    EPERM: 'not permitted',
    EISDIR: 'it is a folder',
    ENOTDIR: 'a part of its path is a file, not a folder',
    ELOOP: 'its symbolic links run in a circle',
    ENAMETOOLONG: 'the name is too long',
  };
  return words[code] ?? (error instanceof Error ? error.message : String(error));
}
