import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, readdir, readFile, realpath, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { unreachable } from '../domain/assert.ts';
import type { EnvironmentSpec } from '../domain/plan.ts';
import { err, ok, type Problem, type Result } from '../domain/problem.ts';
import { baseInterpreter } from './base.ts';
import { buildEnvironment, METADATA_FILE } from './build.ts';
import type { Env } from './cache.ts';
import { namedInterpreter, pathInterpreter, type Interpreter } from './interpreter.ts';
import { acquireLock } from './lock.ts';
import { cacheUnusable, preparationCanceled } from './problems.ts';
import { localReference, normalizeRequirements, withAbsolutePath } from './requirements.ts';

export interface PreparedEnvironment {
  /** Absolute path of the program that runs the entry script. */
  readonly interpreter: string;
  /** `3.11.7` */
  readonly version: string;
  readonly built: 'built' | 'from cache' | 'as named' | 'from the PATH';
  readonly seconds: number;
}

export interface PrepareOptions {
  /** Absolute; see `defaultCacheFolder`. */
  readonly cacheFolder: string;
  /** Lines for a person, without line break. */
  readonly onProgress: (line: string) => void;
  /** Environment of the installer and of the search for interpreters. */
  readonly env: Env;
  /** Ends installers at once; the result is problem PR4009. */
  readonly signal?: AbortSignal;
}

type Requirements = Extract<EnvironmentSpec, { kind: 'requirements' }>;

/** Finds or builds the interpreter of a run: contract 1.5. Never throws for what a user can cause. */
export async function prepareEnvironment(
  spec: EnvironmentSpec,
  options: PrepareOptions,
): Promise<Result<PreparedEnvironment, Problem>> {
  const started = performance.now();
  const done = (found: Result<Interpreter, Problem>, built: PreparedEnvironment['built']) =>
    found.ok
      ? ok({
          interpreter: found.value.path,
          version: found.value.version,
          built,
          seconds: (performance.now() - started) / 1000,
        })
      : found;
  switch (spec.kind) {
    case 'interpreter':
      return done(await namedInterpreter(spec.path, options.env, options.signal), 'as named');
    case 'path':
      return done(await pathInterpreter(options.env, options.signal), 'from the PATH');
    case 'requirements': {
      const environment = await fromRequirements(spec, options);
      return environment.ok ? done(ok(environment.value.interpreter), environment.value.built) : environment;
    }
    default:
      return unreachable(spec);
  }
}

interface Environment {
  readonly interpreter: Interpreter;
  readonly built: 'built' | 'from cache';
}

async function fromRequirements(spec: Requirements, options: PrepareOptions): Promise<Result<Environment, Problem>> {
  const base = await baseInterpreter({
    named: spec.base,
    asked: spec.pythonVersion,
    source: spec.source,
    env: options.env,
    signal: options.signal,
    onProgress: options.onProgress,
  });
  if (!base.ok) return base;
  if (spec.condaOnly.length > 0) {
    options.onProgress(`Not installed, because only conda has them: ${spec.condaOnly.join(', ')} (${spec.source})`);
  }
  const folder = join(options.cacheFolder, 'environments');
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await access(folder, constants.W_OK | constants.X_OK);
    const requirements = await resolveLocalPaths(spec);
    const key = environmentKey(requirements, base.value, spec.onTop === true);
    const cached = await cachedEnvironment(join(folder, key));
    if (cached) return ok({ interpreter: cached, built: 'from cache' });
    return await buildUnderLock(folder, key, requirements, base.value, spec, options);
  } catch (error) {
    return err(cacheUnusable(folder, error instanceof Error ? error.message : String(error)));
  }
}

async function buildUnderLock(
  folder: string,
  key: string,
  requirements: ResolvedRequirements,
  base: Interpreter,
  spec: Requirements,
  options: PrepareOptions,
): Promise<Result<Environment, Problem>> {
  const waiting = (pid: number) => options.onProgress(`Process ${pid} is building this environment: waiting for it`);
  const lock = await acquireLock(folder, key, waiting, options.signal);
  if (!lock) return err(preparationCanceled());
  try {
    const cached = await cachedEnvironment(join(folder, key));
    if (cached) return ok({ interpreter: cached, built: 'from cache' });
    await removeAbandonedBuilds(folder, key);
    const built = await buildEnvironment({
      folder,
      key,
      lines: requirements.lines,
      base,
      source: spec.source,
      places: spec.places ?? {},
      onTop: spec.onTop === true,
      ...options,
    });
    return built.ok ? ok({ interpreter: built.value, built: 'built' }) : built;
  } finally {
    await lock.release();
  }
}

/** `<folder>/<key>` is a link to a finished build: it appears only when everything is in place. */
async function cachedEnvironment(link: string): Promise<Interpreter | undefined> {
  try {
    const target = await realpath(link);
    const { version } = JSON.parse(await readFile(join(target, METADATA_FILE), 'utf8')) as { version: string };
    const path = join(target, 'bin', 'python');
    // Follows the link to the base interpreter, which may have been uninstalled since.
    await access(path, constants.X_OK);
    return { path, version };
  } catch {
    return undefined;
  }
}

/** Folders of builds that were killed. Only the holder of the lock may do this. */
async function removeAbandonedBuilds(folder: string, key: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name === key || name.startsWith(`${key}.build-`))
      await rm(join(folder, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

interface ResolvedRequirements {
  /** Lines with absolute paths. */
  readonly lines: readonly string[];
  /** What the lines refer to on this machine, as text that changes with it. */
  readonly references: readonly string[];
}

async function resolveLocalPaths(spec: Requirements): Promise<ResolvedRequirements> {
  const references: string[] = [];
  const lines = await Promise.all(
    normalizeRequirements(spec.pip).map(async (line) => {
      const reference = localReference(line);
      if (!reference) return line;
      const path = resolve(dirname(spec.source), reference.path);
      references.push(`${path} ${await fingerprintOf(path)}`);
      return withAbsolutePath(line, reference, path);
    }),
  );
  return { lines, references: references.sort() };
}

/** Content of a file; of a folder its newest change, since a package's folder may be large. */
async function fingerprintOf(path: string): Promise<string> {
  const info = await stat(path).catch(() => undefined);
  if (!info) return 'missing';
  if (info.isFile())
    return createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
  const names = (await readdir(path, { recursive: true })).filter(
    (name) => !/(^|\/)(__pycache__|\.git|build|[^/]*\.egg-info)(\/|$)/.test(name),
  );
  let newestMs = 0;
  for (const name of names) newestMs = Math.max(newestMs, (await stat(join(path, name)).catch(() => info)).mtimeMs);
  return `${names.length} names, ${newestMs}`;
}

function environmentKey(requirements: ResolvedRequirements, base: Interpreter, onTop: boolean): string {
  const parts = [
    onTop ? 'v1 on top' : 'v1',
    ...requirements.lines,
    '--',
    ...requirements.references,
    '--',
    base.version,
    base.path,
    process.platform,
    process.arch,
  ];
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 24);
}
