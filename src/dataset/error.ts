import type { Problem, ProblemCode } from '../domain/problem.ts';

/** The input can't be listed, cut or understood, or a stored list of mini-batches is damaged. */
export class DatasetError extends Error {
  override readonly name = 'DatasetError';
  readonly problem: Problem;
  constructor(problem: Problem, options?: { cause?: unknown }) {
    super(problem.why === undefined ? problem.what : `${problem.what}: ${problem.why}`, options);
    this.problem = problem;
  }
}

/** The input has rows, and the steps of its MLTable leave none of them. */
export class NoRowsLeft extends Error {
  /** Those that were there. */
  readonly rows: number;
  constructor(rows: number) {
    super(`none of ${rows} rows is left`);
    this.rows = rows;
  }
}

interface ProblemParts {
  readonly code: ProblemCode;
  readonly what: string;
  /** Path as text. */
  readonly file: string;
  /** From 1. */
  readonly line?: number;
  readonly why?: string;
  readonly next?: string;
}

export function datasetProblem({ code, what, file, line, why, next }: ProblemParts): Problem {
  return {
    code,
    severity: 'error',
    what,
    where: { file, ...(line !== undefined && { line }) },
    ...(why !== undefined && { why }),
    ...(next !== undefined && { next }),
  };
}

export function missingInput(path: string): DatasetError {
  return new DatasetError(
    datasetProblem({
      code: 'PR3002',
      what: 'the input does not exist',
      file: path,
      why: 'nothing has this name',
      next: 'check the path; relative paths of a job file count from the folder of that file',
    }),
  );
}

/** Something of the input that is there but can't be listed or read. */
export function unreadable(path: string, kind: 'folder' | 'file', cause: unknown): DatasetError {
  return new DatasetError(
    datasetProblem({
      code: 'PR3003',
      what: `a ${kind} of the input cannot be read`,
      file: path,
      why: reasonOf(cause),
      next: `make it readable for the user who runs this, or leave it out of the input`,
    }),
    { cause },
  );
}

export function wrongKind(path: string, found: string, wanted: string): DatasetError {
  return new DatasetError(
    datasetProblem({
      code: 'PR3004',
      what: `the input is ${found}, not ${wanted}`,
      file: path,
      next: `name ${wanted}`,
    }),
  );
}

/** `EACCES: permission denied`: what the system said, without the call and the path. */
export function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const [first = cause.message] = cause.message.split(', ');
  return first;
}

/** The `code` of an error of the file system, `ENOENT`. */
export function errnoOf(cause: unknown): string | undefined {
  return cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined;
}
