import { unreachable } from '../domain/assert.ts';
import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { access, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { finished } from 'node:stream/promises';
import { err, ok, type Problem, type Result } from '../domain/problem.ts';
import type { Env } from './cache.ts';
import { describeEnd, runCommand, type CommandEnd } from './command.ts';
import { findOnPath, type Interpreter } from './interpreter.ts';
import { environmentNotBuilt, indexUnreachable, preparationCanceled, requirementFailed } from './problems.ts';
import { explainInstallFailure, maskCredentials } from './requirements.ts';

/** Inside a finished environment: what it is. */
export const METADATA_FILE = 'parallelrun-environment.json';
/** Lines of an installer that are kept in memory to explain its failure; the log file has all. */
const KEPT_LINES_MAX = 5000;

export interface BuildRequest {
  /** Absolute folder of all environments. */
  readonly folder: string;
  readonly key: string;
  readonly lines: readonly string[];
  readonly base: Interpreter;
  /** File the requirements came from. */
  readonly source: string;
  readonly env: Env;
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * Builds a virtual environment in a folder of its own name and then links it to its key. Virtual environments hold
 * absolute paths and can't be moved, hence the link: whoever is killed on the way leaves a folder that nothing
 * points to. The caller holds the lock of the key.
 */
export async function buildEnvironment(request: BuildRequest): Promise<Result<Interpreter, Problem>> {
  const target = join(request.folder, `${request.key}.build-${randomBytes(4).toString('hex')}`);
  const requirementsFile = join(request.folder, `${request.key}.requirements.txt`);
  await writeFile(requirementsFile, request.lines.map((line) => `${line}\n`).join(''), { mode: 0o600 });
  const logFile = join(request.folder, `${request.key}.log`);
  const steps = await installerSteps(request, target, requirementsFile);
  request.onProgress(
    `Building the environment of ${request.source} (${request.lines.length} ${request.lines.length === 1 ? 'requirement' : 'requirements'}, Python ${request.base.version}, ${steps.installer}); later runs find it in the cache`,
  );
  const problem = await runSteps(steps, request, logFile);
  if (problem) {
    await rm(target, { recursive: true, force: true, maxRetries: 3 });
    return err(problem);
  }
  await writeFile(
    join(target, METADATA_FILE),
    JSON.stringify(
      { version: request.base.version, base: request.base.path, requirements: request.lines.map(maskCredentials) },
      null,
      2,
    ),
  );
  await makeVisible(target, join(request.folder, request.key));
  return ok({ path: join(target, 'bin', 'python'), version: request.base.version });
}

interface Steps {
  readonly installer: 'uv' | 'pip';
  readonly venv: readonly [command: string, ...args: string[]];
  /** Absent where there is nothing to install. */
  readonly install?: readonly [command: string, ...args: string[]];
}

async function installerSteps(request: BuildRequest, target: string, file: string): Promise<Steps> {
  const python = join(target, 'bin', 'python');
  const uv = await findOnPath('uv', request.env);
  const something = request.lines.length > 0;
  if (uv !== undefined) {
    return {
      installer: 'uv',
      venv: [uv, 'venv', '--python', request.base.path, target],
      ...(something ? { install: [uv, 'pip', 'install', '--python', python, '-r', file] } : {}),
    };
  }
  return {
    installer: 'pip',
    venv: [request.base.path, '-m', 'venv', target],
    ...(something
      ? {
          install: [
            python,
            '-m',
            'pip',
            'install',
            '--disable-pip-version-check',
            '--no-input',
            '--progress-bar',
            'off',
            '-r',
            file,
          ],
        }
      : {}),
  };
}

/** @returns what went wrong, or undefined when the environment is complete. */
async function runSteps(steps: Steps, request: BuildRequest, logFile: string): Promise<Problem | undefined> {
  const log = createWriteStream(logFile, { mode: 0o600 });
  // A log that can't be written must not end a build that works.
  log.on('error', () => undefined);
  const run = async ([command, ...args]: readonly [string, ...string[]]) => {
    const lines: string[] = [];
    const end = await runCommand(command, args, {
      env: installerEnv(request.env),
      cwd: dirname(request.source),
      signal: request.signal,
      onLine: (line) => {
        log.write(`${maskCredentials(line)}\n`);
        if (lines.length < KEPT_LINES_MAX) lines.push(line);
        if (isProgress(line)) request.onProgress(`  ${maskCredentials(progressText(line))}`);
      },
    });
    return { end, lines };
  };
  try {
    const venv = await run(steps.venv);
    if (!succeeded(venv.end)) return venvProblem(venv, request, logFile);
    if (!steps.install) return undefined;
    const install = await run(steps.install);
    return succeeded(install.end) ? undefined : installProblem(install, request, logFile);
  } finally {
    log.end();
    await finished(log).catch(() => undefined);
  }
}

interface StepResult {
  readonly end: CommandEnd;
  readonly lines: readonly string[];
}

function succeeded(end: CommandEnd): boolean {
  return end.ended === 'exit' && end.code === 0;
}

function venvProblem({ end, lines }: StepResult, request: BuildRequest, log: string): Problem {
  if (end.ended === 'canceled') return preparationCanceled();
  const what = `a virtual environment can't be made with ${request.base.path}`;
  if (lines.some((line) => /ensurepip is not|No module named (venv|ensurepip)/.test(line))) {
    const minor = request.base.version.split('.').slice(0, 2).join('.');
    const next = `install it (Debian, Ubuntu: apt-get install python${minor}-venv), or name an interpreter that has the packages: --python PATH`;
    return environmentNotBuilt(what, 'this Python comes without its module venv or without pip', next);
  }
  return environmentNotBuilt(
    what,
    `${describeEnd(end)}: ${lines.at(-1) ?? 'it said nothing'}`,
    `read ${log}, or name an interpreter that has the packages: --python PATH`,
  );
}

function installProblem({ end, lines }: StepResult, request: BuildRequest, log: string): Problem {
  if (end.ended === 'canceled') return preparationCanceled();
  if (end.ended !== 'exit') {
    return environmentNotBuilt(
      `the installer ended before it was done (${describeEnd(end)})`,
      lines.at(-1) ?? 'it said nothing',
      `read ${log} and run again`,
    );
  }
  const failure = explainInstallFailure(lines, request.lines);
  switch (failure.kind) {
    case 'disk-full':
      return environmentNotBuilt(
        "the disk is full: the environment can't be built",
        failure.reason,
        'make room, or name another cache folder with PARALLELRUN_CACHE',
      );
    case 'unreachable':
      return indexUnreachable(failure.reason, request.source, log);
    case 'requirement':
      return requirementFailed({ ...failure, source: request.source, log, version: request.base.version });
    default:
      return unreachable(failure);
  }
}

/** Without where a requirement stands in our own copy of the list. */
function progressText(line: string): string {
  return line
    .trim()
    .replace(/ \(from -r .*\)$/, '')
    .replace(/->-r .*\)$/, ')');
}

/** What a person wants to see of an installer. */
function isProgress(line: string): boolean {
  return (
    /^\s*(Collecting|Downloading|Building|Installing|Successfully|Resolved|Prepared|Installed|Using cached|Preparing|Processing)\b/.test(
      line,
    ) && !/metadata/i.test(line)
  );
}

/** Variables that would send packages elsewhere or bring in those of another Python. */
function installerEnv(env: Env): Env {
  const {
    PYTHONHOME: _home,
    PYTHONPATH: _path,
    PIP_TARGET: _target,
    PIP_PREFIX: _prefix,
    PIP_USER: _user,
    VIRTUAL_ENV: _venv,
    ...rest
  } = env;
  return { ...rest, PYTHONNOUSERSITE: '1', PIP_REQUIRE_VIRTUALENV: '0', UV_PYTHON_DOWNLOADS: 'never', NO_COLOR: '1' };
}

/** Puts the link in place in one step, over an older one that no longer works. */
async function makeVisible(target: string, link: string): Promise<void> {
  const temporary = `${link}.link-${randomBytes(4).toString('hex')}`;
  await symlink(target, temporary);
  await rename(temporary, link);
  await access(join(link, 'bin', 'python'));
}
