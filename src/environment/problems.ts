import type { Problem, SourceLocation } from '../domain/problem.ts';
import { parseRequirement } from '../domain/requirement.ts';
import { maskCredentials } from './requirements.ts';

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
  readonly replacement?: string;
  readonly needsPython?: string;
  readonly where: SourceLocation;
  /** By the command line or the profile, which pins don't change. */
  readonly isAdded: boolean;
  readonly log: string;
  readonly version: string;
}): Problem {
  const { requirement, reason, where, log, version } = facts;
  const which = requirement === undefined ? 'the requirements' : `the requirement ${maskCredentials(requirement)}`;
  return {
    code: 'PR4005',
    severity: 'error',
    what: `${which} can't be installed for Python ${version}`,
    where,
    why: reason,
    next: [...mending(facts), `all that the installer said: ${log}`].join('\n'),
  };
}

/** Lines that can be copied. */
function mending(facts: {
  readonly requirement?: string;
  readonly replacement?: string;
  readonly needsPython?: string;
  readonly isAdded: boolean;
}): readonly string[] {
  const { requirement, replacement, needsPython, isAdded } = facts;
  const python = /\d+\.\d+/.exec(needsPython ?? '')?.[0];
  const lines: string[] = [];
  if (isAdded) {
    lines.push(`correct it where it is given${replacement === undefined ? '' : `; there is ${replacement}`}`);
  } else if (requirement !== undefined && replacement !== undefined) {
    const { shown, version } = parseRequirement(requirement) ?? { shown: requirement, version: '' };
    lines.push(
      `with another version, for this run: --replace-pin '${replacement}'`,
      'or for every run, in parallelrun.config.yml:',
      'pins:',
      `  '${shown}${version}': '${replacement}'`,
    );
  }
  if (python !== undefined && !/^[<!]/.test(needsPython ?? ''))
    lines.push(
      `${lines.length > 0 ? 'or ' : ''}with that Python, where it is installed: --replace-pin python==${python}`,
    );
  if (lines.length === 0)
    lines.push(
      requirement === undefined
        ? 'correct the requirements'
        : `correct the line, replace it (--replace-pin '${requirement}=...'), or leave it out (--replace-pin '${requirement}=')`,
    );
  lines.push('or run with an interpreter that has the packages: --python PATH');
  return lines;
}

export function workerCommandFails(words: readonly string[], end: string, said: string | undefined): Problem {
  return {
    code: 'PR4013',
    severity: 'error',
    what: 'worker_command does not start the interpreter',
    why: `${words.join(' ')}: ${end}${said === undefined ? '' : `: ${said}`}`,
    next: 'try the command by hand; worker_python of the profile names the interpreter behind it',
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
