import { unreachable } from '../domain/assert.ts';
import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { access, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { finished } from 'node:stream/promises';
import type { RequirementPlace } from '../domain/plan.ts';
import { err, ok, type Problem, type Result, type SourceLocation } from '../domain/problem.ts';
import type { Env } from './cache.ts';
import { describeEnd, runCommand, type CommandEnd } from './command.ts';
import { chooseInstaller, existingVersions, type Installer } from './installers.ts';
import type { Interpreter } from './interpreter.ts';
import { layOnTop } from './ontop.ts';
import { environmentNotBuilt, indexUnreachable, preparationCanceled, requirementFailed } from './problems.ts';
import { explainInstallFailure, withVersions, type RequirementFailure } from './failure.ts';
import { maskCredentials } from './requirements.ts';

/** Inside a finished environment: what it is. */
export const METADATA_FILE = 'parallelrun-environment.json';
/** First lines of an installer that are kept in memory to explain its failure, and at least as many last ones; the log file has all. */
const KEPT_LINES_MAX = 2000;

export interface BuildRequest {
  /** Absolute folder of all environments. */
  readonly folder: string;
  readonly key: string;
  readonly lines: readonly string[];
  readonly base: Interpreter;
  /** File the requirements came from. */
  readonly source: string;
  /** Where each line stands. */
  readonly places: Readonly<Record<string, RequirementPlace>>;
  /** The packages of the base stay visible. */
  readonly onTop: boolean;
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
  const installer = await chooseInstaller(request.base, request.onTop, installerEnv(request.env));
  request.onProgress(
    `Building the environment of ${request.source} (${request.lines.length} ${request.lines.length === 1 ? 'requirement' : 'requirements'}, Python ${request.base.version}, ${installer.name}); later runs find it in the cache`,
  );
  const problem = await runSteps({ installer, target, requirementsFile, logFile }, request);
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

/** @returns what went wrong, or undefined when the environment is complete. */
async function runSteps(build: Build, request: BuildRequest): Promise<Problem | undefined> {
  const { installer, target, requirementsFile, logFile } = build;
  const log = createWriteStream(logFile, { mode: 0o600 });
  // A log that can't be written must not end a build that works.
  log.on('error', () => undefined);
  const run = async ([command, ...args]: readonly [string, ...string[]]) => {
    const lines = new KeptLines();
    const end = await runCommand(command, args, {
      env: installerEnv(request.env),
      cwd: dirname(request.source),
      signal: request.signal,
      onLine: (line) => {
        log.write(`${maskCredentials(line)}\n`);
        lines.add(line);
        if (isProgress(line)) request.onProgress(`  ${maskCredentials(progressText(line))}`);
      },
    });
    return { end, lines: lines.all() };
  };
  try {
    const venv = await run(installer.venv(target));
    if (!succeeded(venv.end)) return venvProblem(venv, request, logFile);
    const python = join(target, 'bin', 'python');
    if (request.onTop) await layOnTop(request.base, python, installerEnv(request.env));
    if (request.lines.length === 0) return undefined;
    const install = await run(installer.install(python, requirementsFile));
    return succeeded(install.end) ? undefined : await installProblem(install, request, build);
  } finally {
    log.end();
    await finished(log).catch(() => undefined);
  }
}

interface Build {
  readonly installer: Installer;
  readonly target: string;
  readonly requirementsFile: string;
  readonly logFile: string;
}

/** The first and the last lines: what was asked for, and why it failed. */
class KeptLines {
  readonly #head: string[] = [];
  readonly #tail: string[] = [];

  add(line: string): void {
    if (this.#head.length < KEPT_LINES_MAX) this.#head.push(line);
    else this.#tail.push(line);
    if (this.#tail.length > 2 * KEPT_LINES_MAX) this.#tail.splice(0, KEPT_LINES_MAX);
  }

  all(): readonly string[] {
    return [...this.#head, ...this.#tail];
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

async function installProblem(
  { end, lines }: StepResult,
  request: BuildRequest,
  { installer, target, logFile: log }: Build,
): Promise<Problem> {
  if (end.ended === 'canceled') return preparationCanceled();
  if (end.ended !== 'exit') {
    return environmentNotBuilt(
      `the installer ended before it was done (${describeEnd(end)})`,
      lines.at(-1) ?? 'it said nothing',
      `read ${log} and run again`,
    );
  }
  const failure = explainInstallFailure(lines, request.lines, request.base.version);
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
      return requirementFailed({
        ...(await completed(failure, join(target, 'bin', 'python'), installer, request)),
        where: await placeOf(failure.requirement, request),
        isAdded: request.places[failure.requirement ?? '']?.added === true,
        log,
        version: request.base.version,
      });
    default:
      return unreachable(failure);
  }
}

async function completed(
  failure: RequirementFailure,
  python: string,
  installer: Installer,
  { lines, env }: BuildRequest,
): Promise<RequirementFailure> {
  const { requirement, wantsVersions } = failure;
  if (requirement === undefined || wantsVersions === undefined) return failure;
  const wheel = wantsVersions === 'with a wheel';
  const versions = await existingVersions(installer, python, requirement, lines, wheel, installerEnv(env));
  return withVersions(failure, versions);
}

/** The line of the user's own file, shown as it stands there. */
async function placeOf(requirement: string | undefined, { places, source }: BuildRequest): Promise<SourceLocation> {
  const { file = source, line } = (requirement === undefined ? undefined : places[requirement]) ?? {};
  if (line === undefined) return { file };
  const text = await readFile(file, 'utf8').catch(() => undefined);
  const excerpt = text?.split(/\r?\n/)[line - 1];
  return { file, line, ...(excerpt === undefined ? {} : { excerpt: maskCredentials(excerpt) }) };
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
