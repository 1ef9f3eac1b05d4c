/**
 * Models by name and version in a folder of this machine: `<registry>/<name>/<version>/model.json`, and below `files/` the
 * one file or folder that is the model. The module `azureml.core.model` that scripts import reads and writes the same.
 */
import { access, mkdir, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, isAbsolute, join, resolve } from 'node:path';
import { nearest } from '../domain/nearest.ts';
import { ParallelRunError } from '../domain/problem.ts';
import type { Problem, ProblemCode } from '../domain/problem.ts';
import { copyDurably, writeDurably } from './copy.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/;
const VERSION = /^[1-9]\d{0,14}$/;
const FORMAT = 1;

export interface ModelVersion {
  readonly name: string;
  readonly version: number;
  /** Absolute: the file or folder that is the model. */
  readonly path: string;
  /** ISO, UTC; empty where the facts can't be read. */
  readonly created: string;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly properties: Readonly<Record<string, string>>;
  /** Id of the run that registered it. */
  readonly run?: string;
}

export interface NewModel {
  readonly name: string;
  /** File or folder, absolute. */
  readonly path: string;
  /** Default: the next one. */
  readonly version?: number;
  readonly tags?: Readonly<Record<string, string>>;
  readonly description?: string;
  /** ISO, UTC. */
  readonly created: string;
}

/** `$PARALLELRUN_MODELS`, else below the folder for data of the user. */
export function registryFolder(env: Readonly<Record<string, string | undefined>>): string {
  const named = env['PARALLELRUN_MODELS'];
  if (named !== undefined && named !== '') return resolve(named);
  const data = env['XDG_DATA_HOME'] ?? '';
  const home = isAbsolute(data) ? data : join(env['HOME'] || homedir(), '.local', 'share');
  return join(home, 'parallelrun', 'models');
}

export const isModelName = (name: string): boolean => NAME.test(name);
export const isModelVersion = (text: string): boolean => VERSION.test(text);

/** By name, versions upward. @throws ParallelRunError PR3704 where the registry can't be read */
export async function listModels(registry: string, name?: string): Promise<readonly ModelVersion[]> {
  const names = (await namesIn(registry))
    .filter((one) => NAME.test(one) && (name === undefined || one === name))
    .sort();
  const found: ModelVersion[] = [];
  for (const one of names) {
    for (const version of await versionsOf(registry, one)) found.push(await read(registry, one, version));
  }
  return found;
}

/** @param version undefined: the latest. @returns undefined where there is none */
export async function findModel(
  registry: string,
  name: string,
  version: number | undefined,
): Promise<ModelVersion | undefined> {
  if (!NAME.test(name)) return undefined;
  const versions = await versionsOf(registry, name);
  const wanted = version ?? versions.at(-1);
  return wanted !== undefined && versions.includes(wanted) ? read(registry, name, wanted) : undefined;
}

/** Likewise, of those that `listModels` gave. */
export function modelAmong(
  models: readonly ModelVersion[],
  name: string,
  version: number | undefined,
): ModelVersion | undefined {
  return models.findLast((model) => model.name === name && (version === undefined || model.version === version));
}

/** What to tell where none was found. @param models all of the registry */
export function missingModel(
  registry: string,
  models: readonly ModelVersion[],
  name: string,
  version: number | undefined,
): Problem {
  const versions = models.flatMap((model) => (model.name === name ? [model.version] : []));
  const others = [...new Set(models.map((model) => model.name))];
  const near = nearest(name, others);
  const known = others.length === 0 ? 'it has none' : `it has ${others.slice(0, 20).join(', ')}`;
  const add = `parallelrun models add ${name} PATH`;
  return {
    code: 'PR3701',
    severity: 'error',
    what: version === undefined ? `there is no model ${name}` : `there is no version ${version} of the model ${name}`,
    why:
      versions.length > 0
        ? `there are the versions ${versions.join(', ')}`
        : `looked in the registry ${registry}; ${known}`,
    next: near !== undefined && near !== name ? `did you mean ${near}? else: ${add}` : add,
  };
}

/**
 * Adds a version, there as a whole or not at all; two at once make two versions.
 * @throws ParallelRunError exit code 2: PR3702 name or version not possible, PR3701 nothing at the path, PR3703 version
 * taken, PR3704 the registry can't be written
 */
export async function addModel(registry: string, model: NewModel): Promise<ModelVersion> {
  const { name, path, version } = model;
  if (!NAME.test(name)) {
    throw refuse('PR3702', `${JSON.stringify(name)} is no name for a model`, {
      why: 'allowed: letters, digits, -, _ and ., at most 255 of them, the first a letter or digit',
    });
  }
  if ((await stat(path).catch(() => undefined)) === undefined) {
    throw refuse('PR3701', `there is no ${path} to make a model of`, { next: 'name a file or a folder' });
  }
  const folder = join(registry, name);
  if (version !== undefined && (await isThere(join(folder, String(version))))) throw taken(name, version);
  const unfinished = join(folder, `.new-${process.pid}-${Math.random().toString(36).slice(2, 10)}`);
  try {
    await mkdir(join(unfinished, 'files'), { recursive: true });
    await copyDurably(path, join(unfinished, 'files', basename(path)));
    const { created, description = '', tags = {} } = model;
    const facts = { format: FORMAT, created, description, tags, properties: {}, run: null };
    await writeDurably(join(unfinished, 'model.json'), `${JSON.stringify(facts, undefined, 2)}\n`);
    return await read(registry, name, await claim(unfinished, folder, name, version));
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true }).catch(() => undefined);
    if (error instanceof ParallelRunError) throw error;
    throw unusable(`the model ${name} can't be added`, registry, error);
  }
}

/** A folder with something in it is never replaced by a rename: who comes second takes the next number. */
async function claim(unfinished: string, folder: string, name: string, version: number | undefined): Promise<number> {
  const taking = async (number: number): Promise<boolean> => {
    const target = join(folder, String(number));
    try {
      await rename(unfinished, target);
      return true;
    } catch (error) {
      if (!(await isThere(target))) throw error;
      return false;
    }
  };
  if (version !== undefined) {
    if (await taking(version)) return version;
    throw taken(name, version);
  }
  let next = Math.max(0, ...(await readdir(folder)).filter((one) => VERSION.test(one)).map(Number)) + 1;
  while (!(await taking(next))) next += 1;
  return next;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    throw unusable("the model registry can't be read", folder, error);
  }
}

/** Those that are there as a whole, upward. */
async function versionsOf(registry: string, name: string): Promise<readonly number[]> {
  const folder = join(registry, name);
  const names = await readdir(folder).catch(() => []);
  const there = await Promise.all(
    names
      .filter((one) => VERSION.test(one))
      .map(async (one) => ((await isThere(join(folder, one, 'model.json'))) ? [Number(one)] : [])),
  );
  return there.flat().sort((a, b) => a - b);
}

async function read(registry: string, name: string, version: number): Promise<ModelVersion> {
  const folder = join(registry, name, String(version));
  const files = join(folder, 'files');
  const [only, ...others] = await readdir(files).catch(() => []);
  const facts = await factsIn(join(folder, 'model.json'));
  return {
    name,
    version,
    path: only !== undefined && others.length === 0 ? join(files, only) : files,
    created: textOf(facts['created']),
    description: textOf(facts['description']),
    tags: textsOf(facts['tags']),
    properties: textsOf(facts['properties']),
    ...(typeof facts['run'] === 'string' && { run: facts['run'] }),
  };
}

/** A model without readable facts is a model still. */
async function factsIn(file: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const facts: unknown = JSON.parse(await readFile(file, 'utf8'));
    return typeof facts === 'object' && facts !== null ? (facts as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

function textsOf(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, String(one)]));
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

function taken(name: string, version: number): ParallelRunError {
  return refuse('PR3703', `there is a version ${version} of the model ${name} already`, {
    why: 'versions are never replaced: a run that used one must find it as it was',
    next: 'leave --version out for the next one',
  });
}

function unusable(what: string, registry: string, error: unknown): ParallelRunError {
  return refuse('PR3704', what, {
    where: { file: registry },
    why: error instanceof Error ? error.message : String(error),
    next: 'make room or mend its rights, or name another folder in PARALLELRUN_MODELS',
  });
}

function refuse(code: ProblemCode, what: string, more: Pick<Problem, 'where' | 'why' | 'next'>): ParallelRunError {
  return new ParallelRunError([{ code, severity: 'error', what, ...more }], 2);
}
