/** Pip requirements, with the files they include and the paths they name made absolute. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { SourceLocation } from '../domain/problem.ts';
import type { Problems } from './problems.ts';
import { reasonOf } from './problems.ts';

const INCLUDES_MAX = 50;
/** Their shims come with the workers; the real ones bring a hundred packages and need a cloud. */
const SHIMMED = /^azureml([-_.]|$)/i;

export interface PlacedLine {
  readonly text: string;
  readonly at: SourceLocation;
}

export interface Requirements {
  readonly lines: readonly string[];
  /** Where each of them stands; of one that stands twice, the first place. */
  readonly places: ReadonlyMap<string, SourceLocation>;
  /** `azureml-*` packages that were left out. */
  readonly dropped: readonly string[];
}

/** @returns the lines of a requirements file, undefined (and a problem) where it can't be read. */
export async function readRequirements(
  file: string,
  where: SourceLocation,
  problems: Problems,
): Promise<Requirements | undefined> {
  const text = await readText(file, where, problems);
  return text === undefined
    ? undefined
    : expand(linesOf(text, file), path.dirname(file), where, problems, new Set([file]));
}

const linesOf = (text: string, file: string): readonly PlacedLine[] =>
  text.split(/\r?\n/).map((line, i) => ({ text: line, at: { file, line: i + 1 } }));

/** The same for lines that stand in another file, such as the `pip:` list of a conda file in `folder`. */
export async function expandRequirements(
  lines: readonly PlacedLine[],
  folder: string,
  where: SourceLocation,
  problems: Problems,
): Promise<Requirements> {
  return expand(lines, folder, where, problems, new Set());
}

async function readText(file: string, where: SourceLocation, problems: Problems): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).replace(/^\uFEFF/, '');
  } catch (error) {
    problems.error('PR4102', `the requirements file ${path.basename(file)} cannot be read`, {
      where,
      why: `${file}: ${reasonOf(error)}`,
      next: 'check the path, and the folder it counts from',
    });
    return undefined;
  }
}

async function expand(
  raw: readonly PlacedLine[],
  folder: string,
  where: SourceLocation,
  problems: Problems,
  seen: Set<string>,
): Promise<Requirements> {
  const lines: string[] = [];
  const places = new Map<string, SourceLocation>();
  const dropped: string[] = [];
  const keep = (line: string, at: SourceLocation): void => {
    lines.push(line);
    if (!places.has(line)) places.set(line, at);
  };
  for (const { text: line, at } of joinContinued(raw)) {
    const include = /^(?:-r|--requirement)[\s=]*(.+)$/.exec(line)?.[1];
    if (include !== undefined) {
      const file = path.resolve(folder, unquote(include));
      // A file that includes itself, or is included twice, adds nothing the second time.
      if (seen.has(file) || seen.size >= INCLUDES_MAX) continue;
      seen.add(file);
      const text = await readText(file, where, problems);
      const inner =
        text === undefined ? undefined : await expand(linesOf(text, file), path.dirname(file), where, problems, seen);
      for (const [i, kept] of (inner?.lines ?? []).entries())
        keep(kept, inner?.places.get(kept) ?? { file, line: i + 1 });
      dropped.push(...(inner?.dropped ?? []));
    } else if (SHIMMED.test(line)) {
      dropped.push(line);
    } else {
      keep(absolute(line, folder), at);
    }
  }
  return { lines, places, dropped };
}

/** Lines that end in a backslash go on in the next; comments and empty lines are nothing. */
function joinContinued(raw: readonly PlacedLine[]): readonly PlacedLine[] {
  const joined: PlacedLine[] = [];
  let open: PlacedLine | undefined;
  for (const { text, at } of raw) {
    const line: PlacedLine = open === undefined ? { text, at } : { text: `${open.text} ${text}`, at: open.at };
    open = line.text.endsWith('\\') ? { ...line, text: line.text.slice(0, -1) } : undefined;
    if (open === undefined) joined.push(line);
  }
  if (open !== undefined) joined.push(open);
  return joined
    .map(({ text, at }) => ({ text: text.replace(/(^|\s)#.*$/, '').trim(), at }))
    .filter(({ text }) => text !== '');
}

/** pip resolves paths against its own working folder, which is not the file's. */
function absolute(line: string, folder: string): string {
  const option = /^(-e|--editable|-c|--constraint|-f|--find-links)[\s=]+(.+)$/.exec(line);
  if (option?.[1] !== undefined && option[2] !== undefined) {
    const target = unquote(option[2]);
    return /^[a-z+]+:/i.test(target) ? line : `${option[1]} ${path.resolve(folder, target)}`;
  }
  return /^\.{0,2}\//.test(line) || line === '.' ? path.resolve(folder, line) : line;
}

const unquote = (text: string): string => text.trim().replace(/^(['"])(.*)\1$/, '$2');
