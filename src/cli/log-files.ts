/** Files of a run folder for `logs`: found, listed and read without ever leaving that folder. */
import { constants } from 'node:fs';
import { open, readdir, realpath, stat, lstat, type FileHandle } from 'node:fs/promises';
import { resolve, relative, sep } from 'node:path';
import { ParallelRunError } from '../domain/problem.ts';
import { nearest } from '../domain/nearest.ts';
import type { LogEntry } from './render/logtree.ts';

const FOLDERS_SHOWN = ['azureml-logs', 'logs', 'outputs', 'steps'] as const;
const ENTRIES_PER_FOLDER_MAX = 100;
const DEPTH_MAX = 8;

const isInside = (folder: string, path: string): boolean => path === folder || path.startsWith(folder + sep);

export interface LogFile {
  /** Absolute, all symbolic links resolved. */
  readonly path: string;
  /** Relative to the run folder. */
  readonly name: string;
  readonly kind: 'file' | 'folder';
}

/**
 * @param written relative to `logs/` or to the run folder, or absolute inside it.
 * @returns undefined where nothing is there (yet); throws PR5903 where it leads out of the run folder.
 */
export async function findLog(runFolder: string, written: string): Promise<LogFile | undefined> {
  if (written.includes('\0')) throw outside(written);
  const candidates = [`${runFolder}/logs`, runFolder].map((base) => resolve(base, written));
  const inside = candidates.filter((path) => isInside(runFolder, path));
  if (inside.length === 0) throw outside(written);
  const realFolder = await realpath(runFolder);
  for (const path of inside) {
    const real = await realpath(path).catch(() => undefined);
    if (real === undefined) continue;
    if (!isInside(realFolder, real)) throw outside(written);
    const facts = await stat(real);
    const name = relative(runFolder, path);
    if (facts.isFile()) return { path: real, name, kind: 'file' };
    if (facts.isDirectory()) return { path: real, name, kind: 'folder' };
    throw outside(written);
  }
  return undefined;
}

function outside(written: string): ParallelRunError {
  return new ParallelRunError(
    [
      {
        code: 'PR5903',
        severity: 'error',
        what: `"${written}" is not a file or folder inside the run folder`,
        why: 'logs shows what belongs to the run only: no path that leads out of its folder, also not through a symbolic link, and no pipe or device',
        next: 'parallelrun logs RUN shows the files there are',
      },
    ],
    2,
  );
}

export async function noSuchLog(runFolder: string, written: string): Promise<ParallelRunError> {
  const entries = await logTree(runFolder);
  const files = entries.filter((entry) => entry.kind === 'file').map((entry) => entry.path);
  const names = files.flatMap((path) => [path, path.replace(/^logs\//, ''), path.slice(path.lastIndexOf('/') + 1)]);
  const ending = files.find((path) => path.endsWith(`/${written}`));
  const near = ending ?? nearest(written, names);
  return new ParallelRunError(
    [
      {
        code: 'PR5902',
        severity: 'error',
        what: `there is no log file "${written}"`,
        where: { file: runFolder },
        next: near === undefined ? 'parallelrun logs RUN shows the files there are' : `did you mean ${near}?`,
      },
    ],
    2,
  );
}

/** Everything below `under` (or the folders that matter to people), depth first, names by their bytes; links aren't followed. */
export async function logTree(runFolder: string, under?: string): Promise<readonly LogEntry[]> {
  if (under !== undefined) return below(runFolder, under, 0);
  const parts = await Promise.all(
    FOLDERS_SHOWN.map(async (name): Promise<readonly LogEntry[]> => {
      const facts = await lstat(`${runFolder}/${name}`).catch(() => undefined);
      if (facts?.isDirectory() !== true) return [];
      return folderWith({ path: name, kind: 'folder', size: 0, depth: 0 }, runFolder);
    }),
  );
  return parts.flat();
}

async function folderWith(folder: LogEntry, runFolder: string): Promise<readonly LogEntry[]> {
  const names = folder.depth + 1 > DEPTH_MAX ? [] : await namesIn(`${runFolder}/${folder.path}`);
  const hidden = names.length - ENTRIES_PER_FOLDER_MAX;
  return [
    hidden > 0 ? { ...folder, hidden } : folder,
    ...(await entries(runFolder, folder.path, names.slice(0, ENTRIES_PER_FOLDER_MAX), folder.depth + 1)),
  ];
}

async function below(runFolder: string, path: string, depth: number): Promise<readonly LogEntry[]> {
  return entries(runFolder, path, await namesIn(`${runFolder}/${path}`), depth);
}

const namesIn = async (folder: string): Promise<readonly string[]> => (await readdir(folder).catch(() => [])).sort();

async function entries(
  runFolder: string,
  folder: string,
  names: readonly string[],
  depth: number,
): Promise<readonly LogEntry[]> {
  const found: LogEntry[] = [];
  for (const name of names) {
    const path = folder === '' ? name : `${folder}/${name}`;
    const facts = await lstat(`${runFolder}/${path}`).catch(() => undefined);
    if (facts === undefined) continue;
    const kind = facts.isFile() ? 'file' : facts.isDirectory() ? 'folder' : 'other';
    const entry: LogEntry = { path, kind, size: facts.size, depth };
    found.push(...(kind === 'folder' ? await folderWith(entry, runFolder) : [entry]));
  }
  return found;
}

/** Opens what `findLog` found; a pipe or link put there since is refused, and never waited for. */
export async function openLog(file: LogFile): Promise<FileHandle> {
  const handle = await open(file.path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const facts = await handle.stat();
  if (facts.isFile()) return handle;
  await handle.close();
  throw outside(file.name);
}
