import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { err, ok, type Problem, type Result } from '../domain/problem.ts';
import type { Env } from './cache.ts';
import { describeEnd, runCommand } from './command.ts';
import {
  interpreterDoesNotRun,
  interpreterMissing,
  interpreterTooOld,
  noPythonOnPath,
  preparationCanceled,
  PYTHON_MIN,
  workerCommandFails,
  type InterpreterOrigin,
} from './problems.ts';

export interface Interpreter {
  /** Absolute path of the real program, never of a shim that chooses one. */
  readonly path: string;
  /** `3.11.7` */
  readonly version: string;
}

/** Longest wait for an interpreter to say what it is; a cold network file system takes seconds. */
const PROBE_TIMEOUT_MS = 60_000;
/** What a start-up file prints before the answer. */
const PROBE_LINES_MAX = 100;
const MARK = 'parallelrun-interpreter';
const ANSWER = new RegExp(`^${MARK}\\|([0-9.]+)\\|(.*)$`);
/** Runs on Python 2 as well, so that an old interpreter is told apart from something that is no Python. */
const PROBE = `import sys; sys.stdout.write("\\n${MARK}|%d.%d.%d|%s\\n" % (tuple(sys.version_info[:3]) + (sys.executable or "",)))`;

/** @param path a path, absolute or relative to the process's folder, or a bare name that is looked up on the PATH. */
export async function namedInterpreter(
  path: string,
  env: Env,
  signal?: AbortSignal,
): Promise<Result<Interpreter, Problem>> {
  const found = path.includes('/') ? resolve(path) : ((await findOnPath(path, env)) ?? resolve(path));
  const info = await stat(found).catch(() => undefined);
  if (!info) return err(interpreterMissing(path));
  if (info.isDirectory()) return err(interpreterDoesNotRun(path, 'it is a folder', 'named'));
  if (!(await isExecutable(found))) return err(interpreterDoesNotRun(path, 'it is not executable', 'named'));
  return probe(found, env, 'named', signal);
}

/** `python3` of the PATH. */
export async function pathInterpreter(env: Env, signal?: AbortSignal): Promise<Result<Interpreter, Problem>> {
  const found = await findOnPath('python3', env);
  return found === undefined ? err(noPythonOnPath(env['PATH'] ?? '')) : probe(found, env, 'path', signal);
}

/** An interpreter behind a command, such as a container. Its path means something there only. */
export async function interpreterBehind(
  words: readonly string[],
  python: string,
  env: Env,
  signal?: AbortSignal,
): Promise<Result<Interpreter, Problem>> {
  const [command, ...args] = words;
  const { said, version, end } = await (command === undefined
    ? askVersion(python, [], env, signal)
    : askVersion(command, [...args, python], env, signal));
  if (end.ended === 'canceled') return err(preparationCanceled());
  if (version === undefined) return err(workerCommandFails([...words, python], describeEnd(end), said));
  return atLeast(version, PYTHON_MIN)
    ? ok({ path: python, version })
    : err(interpreterTooOld(python, version, 'named'));
}

/** Asks the interpreter itself who it is. Shims (pyenv, asdf) answer with the program they stand for. */
export async function probe(
  path: string,
  env: Env,
  origin: InterpreterOrigin,
  signal?: AbortSignal,
): Promise<Result<Interpreter, Problem>> {
  const { said, version, executable, end } = await askVersion(path, [], env, signal);
  if (end.ended === 'canceled') return err(preparationCanceled());
  if (version === undefined) {
    return err(interpreterDoesNotRun(path, `${describeEnd(end)}${said === undefined ? '' : `: ${said}`}`, origin));
  }
  if (!atLeast(version, PYTHON_MIN)) return err(interpreterTooOld(path, version, origin));
  return ok({ path: executable?.startsWith('/') ? executable : path, version });
}

async function askVersion(command: string, args: readonly string[], env: Env, signal: AbortSignal | undefined) {
  const lines: string[] = [];
  const end = await runCommand(command, [...args, '-S', '-c', PROBE], {
    env,
    signal,
    timeoutMs: PROBE_TIMEOUT_MS,
    onLine: (line) => {
      if (lines.length < PROBE_LINES_MAX) lines.push(line);
    },
  });
  const [, version, executable] = lines.map((line) => ANSWER.exec(line)).find((match) => match !== null) ?? [];
  return { end, version, executable, said: lines.at(-1) };
}

export async function findOnPath(name: string, env: Env): Promise<string | undefined> {
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    const candidate = resolve(join(folder || '.', name));
    const info = await stat(candidate).catch(() => undefined);
    if (info?.isFile() && (await isExecutable(candidate))) return candidate;
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function atLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [a = 0, b = 0] = version.split('.').map(Number);
  return a > major || (a === major && b >= minor);
}
