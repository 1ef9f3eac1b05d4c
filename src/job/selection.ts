/** One path that is split: which files it stands for. I/O: looks at the path, lists nothing but a folder's first names. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import path from 'node:path';
import type { Selection } from '../domain/plan.ts';
import type { SourceLocation } from '../domain/problem.ts';
import { look, looksLikeGlob, similarPath, splitGlob, toLocalPath } from './paths.ts';
import type { Problems } from './problems.ts';

/** A split input as written. */
export interface SplitPath {
  readonly name: string;
  readonly text: string;
  /** Declared type; undefined on the command line. */
  readonly type: string | undefined;
  readonly base: string;
  readonly at: SourceLocation;
}
export interface SelectedPath extends SplitPath {
  readonly root: string;
  readonly select: Selection;
}

/** @returns undefined where nothing can be read there; reported. */
export async function selectFiles(split: SplitPath, problems: Problems): Promise<SelectedPath | undefined> {
  if (split.type !== undefined && split.type !== 'uri_folder' && split.type !== 'uri_file') {
    problems.error('PR1007', `splitting an input of type ${split.type} is not supported yet`, {
      where: split.at,
      next: 'use uri_folder for files, uri_file for one table',
    });
    return undefined;
  }
  const local = localInput(split, problems);
  if (local === undefined) return undefined;
  const found = await look(local);
  if (!found.ok && looksLikeGlob(local)) return selectGlob(split, local, problems);
  if (!found.ok) {
    await reportMissing(split, local, found.error, problems);
    return undefined;
  }
  const folder = found.value.isDirectory();
  if (!folder && !found.value.isFile()) return mismatch(split, 'it is neither a file nor a folder', problems);
  if (folder && split.type === 'uri_file') return mismatch(split, 'it is a folder, and type is uri_file', problems);
  if (!folder && split.type === 'uri_folder') return mismatch(split, 'it is a file, and type is uri_folder', problems);
  if (await isDenied(local, folder)) {
    problems.error('PR3104', `the input ${split.text} cannot be read`, {
      where: split.at,
      why: `${local}: permission denied`,
    });
    return undefined;
  }
  return folder
    ? { ...split, root: local, select: { by: 'all' } }
    : { ...split, root: path.dirname(local), select: { by: 'one', file: path.basename(local) } };
}

/** @returns the absolute path of an input, undefined (and a problem) for one that isn't on this machine. */
export function localInput(
  split: Pick<SplitPath, 'name' | 'text' | 'base' | 'at'>,
  problems: Problems,
): string | undefined {
  const local = toLocalPath(split.text, split.base);
  if (local.ok) return local.value;
  problems.error('PR3102', `the input ${split.name} is not a local path`, {
    where: split.at,
    why: `found the form ${local.error}:...; allowed for now: paths on this machine, with or without file:`,
    next: 'copy or mount the data, and name that folder',
  });
  return undefined;
}

/** Side inputs have to be there, and be what they are declared to be. */
export async function checkSideInput(side: SplitPath, problems: Problems): Promise<void> {
  const local = localInput(side, problems);
  if (local === undefined) return;
  const found = await look(local);
  if (!found.ok) await reportMissing(side, local, found.error, problems);
  else if (side.type === 'uri_file' && found.value.isDirectory())
    mismatch(side, 'it is a folder, and type is uri_file', problems);
  else if (side.type === 'uri_folder' && !found.value.isDirectory())
    mismatch(side, 'it is a file, and type is uri_folder', problems);
}

const CHECK_PATH = 'check the path, and the folder it counts from';

async function selectGlob(split: SplitPath, local: string, problems: Problems): Promise<SelectedPath | undefined> {
  const { root, pattern } = splitGlob(local);
  const found = await look(root);
  if (found.ok && found.value.isDirectory()) return { ...split, root, select: { by: 'glob', pattern } };
  problems.error('PR3101', `the input ${split.text} was not found`, {
    where: split.at,
    why: `${root}: ${found.ok ? 'it is a file, not a folder' : found.error}`,
    next: CHECK_PATH,
  });
  return undefined;
}

async function reportMissing(split: SplitPath, local: string, reason: string, problems: Problems): Promise<void> {
  const similar = await similarPath(local, split.text);
  const home = split.text.startsWith('~') ? 'write the home folder out; ~ is only replaced by a shell' : undefined;
  const next = home ?? (similar === undefined ? CHECK_PATH : `did you mean ${similar}?`);
  problems.error('PR3101', `the input ${split.text} was not found`, {
    where: split.at,
    why: `${local}: ${reason}`,
    next,
  });
}

function mismatch(split: SplitPath, why: string, problems: Problems): undefined {
  problems.error('PR3103', `the input ${split.text} is of the wrong kind`, {
    where: split.at,
    why,
    next: 'name a file, a folder, or a pattern of files',
  });
  return undefined;
}

async function isDenied(file: string, folder: boolean): Promise<boolean> {
  return access(file, folder ? constants.R_OK | constants.X_OK : constants.R_OK).then(
    () => false,
    () => true,
  );
}
