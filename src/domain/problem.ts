/**
 * What a person is told when something is wrong before or around a run: in the job file, on the command line,
 * in the environment. Facts here; the text for the terminal is made by `views/text`.
 */

export interface SourceLocation {
  /** Path as the user wrote it, or absolute. */
  readonly file: string;
  /** From 1. */
  readonly line?: number;
  /** From 1. */
  readonly column?: number;
  /** Number of characters to underline, from `column`. */
  readonly length?: number;
  /** The line of the file itself, without its line break. */
  readonly excerpt?: string;
  /** Path of the key inside the file, `jobs.score.mini_batch_size`. */
  readonly keyPath?: string;
}

export interface Problem {
  /** `PR` and four digits; each has a page below `docs/errors/`. */
  readonly code: ProblemCode;
  readonly severity: 'error' | 'warning';
  /** What happened, one sentence, no full stop. */
  readonly what: string;
  readonly where?: SourceLocation;
  /** Why it is wrong: what was found and what is allowed. */
  readonly why?: string;
  /** What to do next: a sentence or a command. */
  readonly next?: string;
}

/** `PR1xxx` job and options, `PR2xxx` entry script, `PR3xxx` input, `PR4xxx` environment, `PR5xxx` run and its folder. */
export type ProblemCode = `PR${number}`;

/** Thrown at the edges (SDK, command line) where problems keep something from starting or going on. */
export class ParallelRunError extends Error {
  override readonly name = 'ParallelRunError';
  readonly problems: readonly Problem[];
  /** Exit code of contract 4.4 that the command line gives for it. */
  readonly exitCode: ExitCode;
  constructor(problems: readonly [Problem, ...Problem[]], exitCode: ExitCode, options?: { cause?: unknown }) {
    super(problems.map((p) => `${p.code} ${p.what}`).join('\n'), options);
    this.problems = problems;
    this.exitCode = exitCode;
  }
}

/** Contract 4.4: 0 completed, 1 failed, 2 usage, 3 stopped but resumable, 4 refused, 130 / 143 canceled. */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 130 | 143;

export type Result<T, E> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: E };
export const ok = <T>(value: T): Result<T, never> => ({ ok: true, value });
export const err = <E>(error: E): Result<never, E> => ({ ok: false, error });
