/** One path that is split: which files it stands for. I/O: looks at the path, lists nothing but a folder's first names. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import path from 'node:path';
import type { Selection } from '../domain/plan.ts';
import type { SourceLocation } from '../domain/problem.ts';
import { fileName } from '../remote/location.ts';
import { look, looksLikeGlob, similarPath, splitGlob } from './paths.ts';
import type { Place, Places } from './places.ts';
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
  /** Of a folder that lies elsewhere: names of its first files. */
  readonly names?: readonly string[];
}

/** @returns undefined where nothing can be read there; reported. */
export async function selectFiles(
  split: SplitPath,
  places: Places,
  problems: Problems,
): Promise<SelectedPath | undefined> {
  if (split.type !== undefined && split.type !== 'uri_folder' && split.type !== 'uri_file') {
    problems.error('PR1007', `splitting an input of type ${split.type} is not supported yet`, {
      where: split.at,
      next: 'use uri_folder for files, uri_file for one table',
    });
    return undefined;
  }
  const place = inputPlace(split, places, problems);
  if (place === undefined) return undefined;
  if (place.kind === 'remote') return selectRemote(split, place, places, problems);
  const local = place.path;
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

async function selectRemote(
  split: SplitPath,
  place: Place & { kind: 'remote' },
  places: Places,
  problems: Problems,
): Promise<SelectedPath | undefined> {
  const found = await places.ask(split.text, place, split.type, split.at, problems);
  switch (found.kind) {
    case 'refused':
      return undefined;
    case 'glob': {
      places.addInput(split.name, found.root, 'folder');
      const root = places.rootOf(found.root.location);
      return { ...split, root, select: { by: 'glob', pattern: found.pattern } };
    }
    case 'file':
    case 'folder': {
      const wrong = wrongKind(split.type, found.kind);
      if (wrong !== undefined) return mismatch(split, wrong, problems);
      places.addInput(split.name, place, found.kind);
      const root = places.rootOf(place.location);
      return found.kind === 'file'
        ? { ...split, root, select: { by: 'one', file: fileName(place.location) } }
        : { ...split, root, select: { by: 'all' }, names: found.names };
    }
  }
}

function wrongKind(type: string | undefined, kind: 'file' | 'folder'): string | undefined {
  if (kind === 'folder' && type === 'uri_file') return 'it is a folder, and type is uri_file';
  return kind === 'file' && type === 'uri_folder' ? 'it is a file, and type is uri_folder' : undefined;
}

/** @returns where an input is, undefined (and a problem) for a form that nobody knows. */
export function inputPlace(
  split: Pick<SplitPath, 'name' | 'text' | 'base' | 'at'>,
  places: Places,
  problems: Problems,
): (Place & { kind: 'local' | 'remote' }) | undefined {
  const place = places.placeOf(split.text, split.base);
  if (place.kind === 'local' || place.kind === 'remote') return place;
  if (place.kind === 'refused') {
    const { code, what, ...more } = place.problem;
    problems.error(code, `the input ${split.name}: ${what}`, { where: split.at, ...more });
    return undefined;
  }
  problems.error('PR3102', `the input ${split.name} is not a path that is known here`, {
    where: split.at,
    why: `found the form ${place.scheme}:...; allowed: paths on this machine, and URLs of Blob storage, S3, https and datastores`,
    next: `copy or mount the data, and name that folder${setting(split.at)}`,
  });
  return undefined;
}

const setting = ({ file, keyPath }: SourceLocation): string =>
  keyPath === undefined || file === 'command line' ? '' : `, in the file or with --set ${keyPath}=PATH`;

/** Side inputs have to be there, and be what they are declared to be. */
export async function checkSideInput(side: SplitPath, places: Places, problems: Problems): Promise<void> {
  const place = inputPlace(side, places, problems);
  if (place === undefined) return;
  if (place.kind === 'remote') {
    await checkRemoteSide(side, place, places, problems);
    return;
  }
  const local = place.path;
  const found = await look(local);
  if (!found.ok) await reportMissing(side, local, found.error, problems);
  else if (side.type === 'uri_file' && found.value.isDirectory())
    mismatch(side, 'it is a folder, and type is uri_file', problems);
  else if (side.type === 'uri_folder' && !found.value.isDirectory())
    mismatch(side, 'it is a file, and type is uri_folder', problems);
}

async function checkRemoteSide(
  side: SplitPath,
  place: Place & { kind: 'remote' },
  places: Places,
  problems: Problems,
): Promise<void> {
  const found = await places.ask(side.text, place, side.type, side.at, problems);
  if (found.kind === 'refused') return;
  if (found.kind === 'glob') {
    mismatch(side, 'it is a pattern; only the input that is split may be one', problems);
    return;
  }
  // Scripts are told its path before anybody has looked what it is.
  const isFile = side.type === 'uri_file' || place.location.store === 'http';
  const wrong =
    wrongKind(side.type, found.kind) ??
    (found.kind === 'file' && !isFile ? 'it is a file; say so with type: uri_file' : undefined);
  if (wrong === undefined) places.addInput(side.name, place, found.kind);
  else mismatch(side, wrong, problems);
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
