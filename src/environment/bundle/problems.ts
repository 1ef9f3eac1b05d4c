import path from 'node:path';
import type { Problem, SourceLocation } from '../../domain/problem.ts';

/** What esbuild says about one error; columns and lengths count bytes of UTF-8. */
interface BundlerMessage {
  readonly text: string;
  readonly location: {
    readonly file: string;
    readonly line: number;
    readonly column: number;
    readonly length: number;
    readonly lineText: string;
  } | null;
}

export function wrongKind(file: string): Problem {
  return {
    code: 'PR2304',
    severity: 'error',
    what: `${file} is no script for Node.js`,
    where: { file },
    why: 'entry scripts for Node.js end in .ts, .mts, .cts, .tsx, .js, .mjs or .cjs',
    next: 'name the script itself as entry script',
  };
}

export function missingScript(script: string, error: unknown): Problem {
  return {
    code: 'PR2305',
    severity: 'error',
    what: 'the entry script cannot be read',
    where: { file: script },
    why: error instanceof Error ? error.message : String(error),
    next: 'check the path of the entry script; it is relative to the code folder',
  };
}

export function bundlerProblem(error: unknown): Problem {
  return {
    code: 'PR2303',
    severity: 'error',
    what: 'the TypeScript bundler cannot be used',
    why: error instanceof Error ? error.message : String(error),
    next: 'install parallelrun again on this machine, optional packages included: esbuild comes as one binary per platform',
  };
}

/** @param folder relative paths in the messages count from here. */
export function problemOf(error: unknown, folder: string): Problem {
  const messages = messagesOf(error);
  const [first] = messages;
  if (first === undefined) return bundlerProblem(error);
  const unresolved = /^Could not resolve (".*")/.exec(first.text);
  const where = first.location === null ? {} : { where: locationOf(first.location, folder) };
  const more = messages.length > 1 ? `; ${messages.length - 1} more of this kind follow` : '';
  if (unresolved !== null) {
    return {
      code: 'PR2302',
      severity: 'error',
      what: `the entry script imports ${unresolved[1] ?? ''}, which is not there`,
      ...where,
      why: `no such file in the code folder${more}`,
      next: 'check the path; everything the script imports by a relative path must lie in the code folder',
    };
  }
  return {
    code: 'PR2301',
    severity: 'error',
    what: 'the entry script has a syntax error',
    ...where,
    why: `${first.text}${more}`,
    next: 'correct the line and start again',
  };
}

/** Complaints that are about esbuild's ways, not about the language. */
const NOT_SYNTAX = /^(?:Could not resolve|No loader is configured|Top-level await|No matching export|Cannot use)/;

/** The first error of the language among those of a build, if there is one. */
export function syntaxProblemOf(error: unknown, folder: string): Problem | undefined {
  const errors = messagesOf(error).filter(({ text, location }) => location !== null && !NOT_SYNTAX.test(text));
  return errors.length === 0 ? undefined : problemOf({ errors }, folder);
}

function messagesOf(error: unknown): readonly BundlerMessage[] {
  if (typeof error !== 'object' || error === null || !('errors' in error) || !Array.isArray(error.errors)) return [];
  return error.errors as readonly BundlerMessage[];
}

function locationOf(found: NonNullable<BundlerMessage['location']>, folder: string): SourceLocation {
  const excerpt = found.lineText;
  const bytes = Buffer.from(excerpt, 'utf8');
  const before = bytes.subarray(0, found.column).toString('utf8').length;
  const marked = bytes.subarray(found.column, found.column + found.length).toString('utf8').length;
  return {
    file: path.resolve(folder, found.file),
    line: found.line,
    column: before + 1,
    length: Math.max(1, marked),
    excerpt,
  };
}
