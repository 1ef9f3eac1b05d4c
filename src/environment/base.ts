/** The interpreter that a virtual environment is made of. I/O: looks for programs and asks them. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { err, ok, type Problem, type Result } from '../domain/problem.ts';
import type { Env } from './cache.ts';
import { uvInterpreter } from './installers.ts';
import { findOnPath, namedInterpreter, pathInterpreter, probe, type Interpreter } from './interpreter.ts';
import { interpreterDoesNotRun, PYTHON_MIN } from './problems.ts';
import { versionFits } from './requirements.ts';

/** Later ones exist when this is read; they are found as `python3`. */
const MINOR_MAX = 20;

export interface BaseRequest {
  /** Absolute path; then no other is looked for. */
  readonly named?: string | undefined;
  /** `3.8`, `>=3.8,<3.11` */
  readonly asked?: string | undefined;
  /** File that asks for it. */
  readonly source: string;
  readonly env: Env;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress: (line: string) => void;
}

/**
 * The version that was asked for where this machine has it: `python3`, `python3.8` of the PATH, one that pyenv or uv has
 * installed. Otherwise `python3`, with a line that says so.
 */
export async function baseInterpreter(request: BaseRequest): Promise<Result<Interpreter, Problem>> {
  const { named, asked, source, env, signal, onProgress } = request;
  const fallback =
    named === undefined ? await pathInterpreter(env, signal) : await namedInterpreter(named, env, signal);
  if (asked === undefined || (fallback.ok && versionFits(fallback.value.version, asked))) return fallback;
  // A version asked for to the last digit: its minor version is nearer than any other.
  for (const wanted of named === undefined ? new Set([asked, minorOnly(asked)]) : []) {
    const found =
      fallback.ok && versionFits(fallback.value.version, wanted)
        ? { value: fallback.value, where: 'of the PATH' }
        : await otherInterpreter(wanted, fallback.ok ? fallback.value.path : undefined, env, signal);
    if (found === undefined) continue;
    onProgress(
      `Python ${asked} is asked for in ${source}: ${found.value.path} (${found.value.version}), ${found.where}`,
    );
    return ok(found.value);
  }
  if (!fallback.ok) return fallback;
  const { path, version } = fallback.value;
  const [minor] = minorsFor(asked);
  const why =
    named !== undefined
      ? 'it is named'
      : minor === undefined
        ? `workers need ${PYTHON_MIN.join('.')} or newer`
        : `there is no python${minor} on the PATH, and none of pyenv or uv`;
  onProgress(
    `Python ${asked} is asked for in ${source}; this machine has ${version}, which is used instead (${path}): ${why}`,
  );
  return fallback;
}

interface Found {
  readonly value: Interpreter;
  readonly where: string;
}

async function otherInterpreter(
  asked: string,
  base: string | undefined,
  env: Env,
  signal: AbortSignal | undefined,
): Promise<Found | undefined> {
  for (const minor of minorsFor(asked)) {
    const candidates = [
      [await findOnPath(`python${minor}`, env), 'of the PATH'],
      [await pyenvInterpreter(minor, asked, env), 'of pyenv'],
    ] as const;
    for (const [path, where] of candidates) {
      const found =
        path === undefined ? err(interpreterDoesNotRun('', '', 'path')) : await probe(path, env, 'path', signal);
      if (found.ok && versionFits(found.value.version, asked)) return { value: found.value, where };
    }
  }
  const fromUv = await uvInterpreter(asked, base, env);
  const found = fromUv === undefined ? undefined : await probe(fromUv, env, 'path', signal);
  return found?.ok === true && versionFits(found.value.version, asked)
    ? { value: found.value, where: 'of uv' }
    : undefined;
}

/** `3.11` and so on, the newest first, that could fit. */
function minorsFor(asked: string): readonly string[] {
  const minors = Array.from({ length: MINOR_MAX - PYTHON_MIN[1] + 1 }, (_, i) => MINOR_MAX - i);
  const loose = minorOnly(asked);
  return minors.map((minor) => `${PYTHON_MIN[0]}.${minor}`).filter((minor) => versionFits(`${minor}.99`, loose));
}

const minorOnly = (asked: string): string => asked.replaceAll(/(\d+\.\d+)\.[\d.]+/g, '$1');

/** The shim of a version that isn't switched on doesn't run; the interpreter itself does. */
async function pyenvInterpreter(minor: string, asked: string, env: Env): Promise<string | undefined> {
  const folder = join(env['PYENV_ROOT'] ?? join(env['HOME'] ?? '/', '.pyenv'), 'versions');
  const names = await readdir(folder).catch(() => []);
  const fitting = names
    .filter((name) => name.startsWith(`${minor}.`) && /^[\d.]+$/.test(name) && versionFits(name, asked))
    .sort((a, b) => Number(b.split('.')[2] ?? 0) - Number(a.split('.')[2] ?? 0));
  return fitting[0] === undefined ? undefined : join(folder, fitting[0], 'bin', 'python');
}
