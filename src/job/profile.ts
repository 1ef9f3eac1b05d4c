/**
 * The profile file: what is different on this machine, so that nobody has to edit a job file to run it here.
 * I/O: finds it and reads it; `profile-read.ts` makes sense of it.
 */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { SourceLocation } from '../domain/problem.ts';
import type { Problems } from './problems.ts';
import { onCommandLine, reasonOf } from './problems.ts';
import type { Profile } from './profile-read.ts';
import type { JobRequest } from './request.ts';

/** In a folder of a job, in this order. */
export const PROFILE_NAMES = ['parallelrun.config.yml', 'parallelrun.config.yaml', 'parallelrun.config.json'] as const;
/** Below the user's folder for settings. */
const USER_NAMES = ['config.yml', 'config.yaml', 'config.json'] as const;
const BYTES_MAX = 4 * 1024 * 1024;

type Request = Pick<JobRequest, 'config'>;

interface Found {
  /** Absolute. */
  readonly file: string;
  /** For messages: as people would write it from here. */
  readonly shown: string;
}

/** @returns undefined where there is none, or where it can't be used; the latter is reported. */
export async function readProfile(
  request: Request,
  jobFile: string | undefined,
  cwd: string,
  env: JobRequest['env'],
  problems: Problems,
): Promise<Profile | undefined> {
  const found = await findProfile(request, jobFile, cwd, env, problems);
  if (found === undefined) return undefined;
  const text = await readText(found, problems);
  if (text === undefined) return undefined;
  const [{ readYaml }, { profileOf }] = await Promise.all([import('./read-yaml.ts'), import('./profile-read.ts')]);
  const tree = readYaml(text, found.shown, problems, 'profile');
  return tree === undefined ? undefined : profileOf(tree, found.file, env, problems);
}

/** `--config`, `PARALLELRUN_CONFIG`, beside the job file, the current folder, the user's own. */
async function findProfile(
  { config }: Request,
  jobFile: string | undefined,
  cwd: string,
  env: JobRequest['env'],
  problems: Problems,
): Promise<Found | undefined> {
  if (config === false) return undefined;
  if (config !== undefined) return named(config, cwd, onCommandLine('--config', config), problems);
  const variable = env?.['PARALLELRUN_CONFIG'];
  if (variable !== undefined && variable !== '')
    return named(variable, cwd, { file: 'environment', keyPath: 'PARALLELRUN_CONFIG', excerpt: variable }, problems);
  const home = env?.['HOME'];
  const xdg = env?.['XDG_CONFIG_HOME'];
  // The XDG rules say that a relative path is to be ignored.
  const settings =
    xdg !== undefined && path.isAbsolute(xdg) ? xdg : home === undefined ? '' : path.join(home, '.config');
  const places: (readonly [folder: string, names: readonly string[]])[] = [
    ...(jobFile === undefined ? [] : [[path.dirname(jobFile), PROFILE_NAMES] as const]),
    [cwd, PROFILE_NAMES],
    ...(settings !== '' ? [[path.join(settings, 'parallelrun'), USER_NAMES] as const] : []),
  ];
  for (const [folder, names] of places) {
    const found = await inFolder(folder, names, cwd, problems);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function named(text: string, cwd: string, where: SourceLocation, problems: Problems): Promise<Found | undefined> {
  const file = path.resolve(cwd, text);
  const reason = await stat(file).then(
    (found) => (found.isDirectory() ? 'it is a folder' : undefined),
    (error: unknown) => reasonOf(error),
  );
  if (text !== '' && reason === undefined) return { file, shown: text };
  problems.error('PR1601', `the profile ${text} cannot be read`, {
    where,
    why: `${file}: ${text === '' ? 'it has no name' : (reason ?? '')}`,
    next: 'name a file that is there, or run without one: --no-config',
  });
  return undefined;
}

async function inFolder(
  folder: string,
  names: readonly string[],
  cwd: string,
  problems: Problems,
): Promise<Found | undefined> {
  const there: string[] = [];
  for (const name of names) {
    const isFile = await stat(path.join(folder, name)).then(
      (found) => found.isFile(),
      () => false,
    );
    if (isFile) there.push(name);
  }
  const [first, ...others] = there;
  if (first === undefined) return undefined;
  const file = path.join(folder, first);
  const below = path.relative(cwd, file);
  const shown = below.startsWith('..') ? file : below;
  if (others.length > 0)
    problems.warning('PR1603', `there are several profiles in one folder; ${first} is used`, {
      where: { file: shown },
      why: `${others.join(' and ')} beside it ${others.length === 1 ? 'is' : 'are'} not read`,
      next: 'keep one of them, or name one with --config',
    });
  return { file, shown };
}

async function readText({ file, shown }: Found, problems: Problems): Promise<string | undefined> {
  try {
    const text = await readFile(file, 'utf8');
    if (text.length <= BYTES_MAX) return text.replace(/^\uFEFF/, '');
    throw new RangeError(`it is larger than ${BYTES_MAX} bytes`);
  } catch (error) {
    problems.error('PR1601', `the profile ${shown} cannot be read`, {
      where: { file: shown },
      why: reasonOf(error),
      next: 'make it readable, or run without one: --no-config',
    });
    return undefined;
  }
}
