import type { Problem } from '../domain/problem.ts';

/** The oldest Python that the worker host runs on. */
export const PYTHON_MIN = [3, 8] as const;
const PYTHON_MIN_TEXT = PYTHON_MIN.join('.');

/** Where the interpreter was asked for: it decides what the person can do about it. */
export type InterpreterOrigin = 'named' | 'path';

function nextFor(origin: InterpreterOrigin): string {
  return origin === 'named'
    ? `name another interpreter, for example --python "$(command -v python3)"`
    : `install Python ${PYTHON_MIN_TEXT} or newer, or name an interpreter with --python PATH`;
}

export function interpreterMissing(path: string): Problem {
  return {
    code: 'PR4001',
    severity: 'error',
    what: `the Python interpreter ${path} does not exist`,
    why: 'an interpreter that is named is the only one that is used',
    next: nextFor('named'),
  };
}

export function interpreterDoesNotRun(path: string, reason: string, origin: InterpreterOrigin): Problem {
  return {
    code: 'PR4002',
    severity: 'error',
    what: `${path} does not run as a Python interpreter`,
    why: reason,
    next: nextFor(origin),
  };
}

export function interpreterTooOld(path: string, version: string, origin: InterpreterOrigin): Problem {
  return {
    code: 'PR4003',
    severity: 'error',
    what: `${path} is Python ${version}, which is too old`,
    why: `entry scripts run on Python ${PYTHON_MIN_TEXT} or newer`,
    next: nextFor(origin),
  };
}

export function noPythonOnPath(searched: string): Problem {
  return {
    code: 'PR4004',
    severity: 'error',
    what: 'there is no python3 on the PATH',
    why: `the job names no interpreter and no requirements, so python3 of the PATH runs the script; searched ${searched || 'an empty PATH'}`,
    next: nextFor('path'),
  };
}

export function requirementFailed(facts: {
  readonly requirement?: string;
  readonly reason: string;
  readonly source: string;
  readonly log: string;
  readonly version: string;
}): Problem {
  const which = facts.requirement === undefined ? 'the requirements' : `the requirement ${facts.requirement}`;
  return {
    code: 'PR4005',
    severity: 'error',
    what: `${which} can't be installed for Python ${facts.version}`,
    where: { file: facts.source },
    why: facts.reason,
    next: `correct the line in ${facts.source}, or run with an interpreter that has the packages: --python PATH. All the installer said: ${facts.log}`,
  };
}

export function environmentNotBuilt(what: string, reason: string, next: string): Problem {
  return { code: 'PR4006', severity: 'error', what, why: reason, next };
}

export function indexUnreachable(reason: string, source: string, log: string): Problem {
  return {
    code: 'PR4007',
    severity: 'error',
    what: 'the package index could not be reached while the environment was built',
    where: { file: source },
    why: reason,
    next: `check network and proxy, or the index that pip is set to (pip config list), then run again: what was downloaded is kept by pip. All the installer said: ${log}`,
  };
}

export function cacheUnusable(folder: string, reason: string): Problem {
  return {
    code: 'PR4008',
    severity: 'error',
    what: `the cache folder ${folder} can't be used`,
    why: reason,
    next: 'name a folder that can be written with the variable PARALLELRUN_CACHE',
  };
}

export function preparationCanceled(): Problem {
  return {
    code: 'PR4009',
    severity: 'error',
    what: 'canceled while the environment was prepared',
    why: 'nothing half-built is left that a later run could use',
    next: 'run the same command again',
  };
}

export function codeUnreadable(path: string, reason: string): Problem {
  return {
    code: 'PR4010',
    severity: 'error',
    what: `the code folder can't be copied for the run: ${path}`,
    why: reason,
    next: 'make it readable, or leave it out with a line in a file .amlignore in the code folder',
  };
}

export function codeTooLarge(codeFolder: string, found: string, limit: string, largest: string | undefined): Problem {
  return {
    code: 'PR4011',
    severity: 'error',
    what: `the code folder ${codeFolder} is too large to be copied for the run: ${found}`,
    why: `at most ${limit} are copied${largest === undefined ? '' : `; most of it lies in ${largest}`}`,
    next: 'name a smaller folder (--code, task.code) that holds the script and its modules only, or list what is not code in a file .amlignore in the code folder',
  };
}
