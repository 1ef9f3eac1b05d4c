/** A folder with a file `MLTable`: which files a table has, and how they are read. I/O: reads that file alone. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { SourceLocation } from '../domain/problem.ts';
import { nearest } from '../domain/nearest.ts';
import type { TableStep } from '../domain/transform.ts';
import { STEP_NAMES, readSteps } from './mltable-steps.ts';
import { redact } from '../domain/redact.ts';
import { joinUrl } from '../remote/location.ts';
import type { Places } from './places.ts';
import type { Problems } from './problems.ts';
import { listed, reasonOf } from './problems.ts';
import { inputPlace } from './selection.ts';
import type { SplitPath } from './selection.ts';
import type { Setting, Settings } from './settings.ts';
import { parseValue } from './values.ts';
import type { WrittenEntry, WrittenNode } from './written.ts';
import { child, describeNode, entriesOf, isNull, textOf } from './written.ts';

export interface MlTable {
  /** What is split, in the order in which it stands there. */
  readonly paths: readonly SplitPath[];
  /** Settings that it gives, where nobody else does. */
  readonly settings: Partial<Settings>;
  /** What is done with the rows, in this order. */
  readonly steps: readonly TableStep[];
}

const FILE = 'MLTable';
/** Makes rows of files; a table without one of them is a list of files. */
const READERS = new Map<string, 'csv' | 'parquet' | 'jsonl'>([
  ['read_delimited', 'csv'],
  ['read_parquet', 'parquet'],
  ['read_json_lines', 'jsonl'],
]);
/** Known, and changing rows in ways of their own: leaving them out would give another result. */
const NOT_CARRIED_OUT = ['read_delta_lake', 'take_random_sample'];

const ENCODINGS: Readonly<Record<string, string>> = {
  utf8: 'utf-8',
  utf8bom: 'utf-8',
  iso88591: 'iso-8859-1',
  latin1: 'iso-8859-1',
  ascii: 'utf-8',
  utf16: 'utf-16le',
  windows1252: 'windows-1252',
};

/** @returns undefined where it can't be read; reported */
export async function readMlTable(input: SplitPath, places: Places, problems: Problems): Promise<MlTable | undefined> {
  const found = await opened(input, places, problems);
  if (found === undefined) return undefined;
  const { readYaml } = await import('./read-yaml.ts');
  const tree = readYaml(found.text, found.file, problems);
  if (tree === undefined) return undefined;
  const paths = pathsOf(tree, input, found.folder, problems);
  const done = transformationsOf(child(tree, 'transformations'), paths.length, problems);
  return paths.length === 0 ? undefined : { paths, ...done };
}

interface Opened {
  readonly text: string;
  /** As it is shown. */
  readonly file: string;
  /** What relative paths count from: absolute, or a URL as it is written. */
  readonly folder: string;
}

async function opened(input: SplitPath, places: Places, problems: Problems): Promise<Opened | undefined> {
  const place = inputPlace(input, places, problems);
  if (place === undefined) return undefined;
  if (place.kind === 'remote') {
    const text = await places.textIn(place, FILE, input.at, problems);
    return text === undefined ? undefined : { text, file: redact(joinUrl(place.written, FILE)), folder: place.written };
  }
  const file = path.join(place.path, FILE);
  try {
    return { text: await readFile(file, 'utf8'), file, folder: place.path };
  } catch (error) {
    return refuse(input, `${file}: ${reasonOf(error)}`, problems);
  }
}

/**
 * What the command line, the profile or the job says wins.
 * @param keyed the job has partition keys, which the format of the paths is for
 */
export function withMlTable(settings: Settings, table: MlTable, keyed: boolean): Settings {
  const given = Object.entries(table.settings).filter(([key]) => settings[key as keyof Settings].origin === 'default');
  const { partitionFormat, ...others } = Object.fromEntries(given) as Partial<Settings>;
  return { ...settings, ...others, ...(keyed && partitionFormat && { partitionFormat }) };
}

function refuse(input: SplitPath, why: string, problems: Problems): undefined {
  problems.error('PR1036', `the table ${input.text} cannot be read`, {
    where: input.at,
    why,
    next: 'an input of type mltable is a folder with a file named MLTable; a folder of tables is of type uri_folder',
  });
  return undefined;
}

function pathsOf(tree: WrittenNode, input: SplitPath, folder: string, problems: Problems): readonly SplitPath[] {
  const node = child(tree, 'paths');
  const items = node?.kind === 'list' ? node.items : [];
  if (items.length === 0) {
    problems.error('PR1036', 'the MLTable has no paths', {
      where: (node ?? tree).at(),
      next: 'add paths: with a list of file:, folder: or pattern:',
    });
  }
  return items.flatMap((item, i) => {
    const kind = ['file', 'folder', 'pattern'].find((key) => child(item, key) !== undefined);
    const value = kind === undefined ? undefined : textOf(child(item, kind));
    if (kind === undefined || value === undefined || value === '') {
      problems.error('PR1036', 'a path of the MLTable has a form that is not known', {
        where: item.at(),
        why: `found ${describeNode(item)}; allowed: a map with file, folder or pattern`,
      });
      return [];
    }
    const name = i === 0 ? input.name : `${input.name}_${i + 1}`;
    const type = kind === 'file' ? 'uri_file' : kind === 'folder' ? 'uri_folder' : undefined;
    const at = (child(item, kind) ?? item).at();
    const isBelow = folder.includes('://') && !isAbsolute(value);
    return [{ name, text: isBelow ? joinUrl(folder, value) : value, type, base: folder, at }];
  });
}

const isAbsolute = (text: string): boolean => text.startsWith('/') || /^[a-z][a-z0-9+.-]*:/i.test(text);

interface Transformations {
  readonly settings: Partial<Settings>;
  readonly steps: readonly TableStep[];
}

function transformationsOf(node: WrittenNode | undefined, paths: number, problems: Problems): Transformations {
  let settings: Partial<Settings> = { inputFormat: given('files', (node ?? { at: () => ({ file: FILE }) }).at()) };
  const steps: TableStep[] = [];
  for (const item of node?.kind === 'list' ? node.items : []) {
    const step = stepOf(item);
    if (step === undefined) {
      problems.error('PR1036', 'a transformation of the MLTable has a form that is not known', {
        where: item.at(),
        why: `found ${describeNode(item)}; allowed: a name, or a map with one name`,
      });
      continue;
    }
    const { name, at, body } = step;
    const format = READERS.get(name);
    if (format !== undefined) {
      settings = { ...settings, inputFormat: given(format, at()), ...(name === 'read_delimited' && delimited(body, paths, problems)) }; // prettier-ignore
      if (isTrue(body, 'empty_as_string', problems)) steps.push({ step: 'empty', at: placeOf(at()) });
      if (isTrue(body, 'include_path_column', problems)) steps.push({ step: 'path', at: placeOf(at()) });
    } else if (STEP_NAMES.includes(name)) {
      const read = readSteps(name, body, at(), problems);
      for (const { at: place, ...found } of read)
        if (found.step === 'extract') settings = { ...settings, partitionFormat: given(found.format, place) };
      steps.push(...read);
    } else refuseStep(name, at(), problems);
  }
  return { settings, steps };
}

/** What a plan keeps of a place. */
const placeOf = ({ file, line }: SourceLocation): SourceLocation => ({ file, ...(line !== undefined && { line }) });

/** Of an option of a reader. */
function isTrue(body: WrittenNode | undefined, key: string, problems: Problems): boolean {
  const node = child(body, key);
  if (node === undefined || isNull(node)) return false;
  if (node.kind === 'scalar' && typeof node.value === 'boolean') return node.value;
  problems.error('PR1036', `${key} has a value that is not possible`, {
    where: node.at(),
    why: `found ${describeNode(node)}; allowed: true or false`,
  });
  return false;
}

interface Step {
  readonly name: string;
  readonly at: () => SourceLocation;
  readonly body: WrittenNode | undefined;
}

function stepOf(item: WrittenNode): Step | undefined {
  const text = textOf(item);
  if (text !== undefined) return { name: text, at: item.at, body: undefined };
  const [entry, ...more] = entriesOf(item);
  return entry === undefined || more.length > 0 ? undefined : { name: entry.key, at: entry.keyAt, body: entry.value };
}

function refuseStep(name: string, at: SourceLocation, problems: Problems): void {
  const known = [...READERS.keys(), ...STEP_NAMES];
  const meant = nearest(name, [...known, ...NOT_CARRIED_OUT]);
  problems.error('PR1036', `the transformation ${name} is not carried out`, {
    where: at,
    why: NOT_CARRIED_OUT.includes(name)
      ? `without it the script would see other rows; carried out: ${listed(known)}`
      : `known are ${listed([...known, ...NOT_CARRIED_OUT])}`,
    next: meant === undefined || meant === name ? 'remove it, and do it in run(), which gets a DataFrame' : `did you mean ${meant}?`, // prettier-ignore
  });
}

const given = <T>(value: T, at: SourceLocation): Setting<T> => ({ value, origin: 'job file', at });

const HEADERS: Readonly<Record<string, boolean>> = {
  no_header: false,
  all_files_same_headers: true,
  all_files_different_headers: true,
  from_first_file: true,
};

function delimited(body: WrittenNode | undefined, paths: number, problems: Problems): Partial<Settings> {
  let settings: Partial<Settings> = {};
  for (const entry of entriesOf(body)) settings = { ...settings, ...ofDelimited(entry, paths, problems) };
  return settings;
}

function ofDelimited({ key, keyAt, value }: WrittenEntry, paths: number, problems: Problems): Partial<Settings> {
  const text = textOf(value);
  const at = value.at();
  const wrong = (allowed: string): Partial<Settings> => {
    problems.error('PR1036', `${key} has a value that is not possible`, {
      where: at,
      why: `found ${describeNode(value)}; allowed: ${allowed}`,
    });
    return {};
  };
  switch (key) {
    case 'delimiter': {
      const read = parseValue({ type: 'character', orNone: false }, text === '\t' ? 'tab' : (text ?? ''), 'text');
      return read.ok && typeof read.value === 'string'
        ? { csvDelimiter: given(read.value, at) }
        : wrong('one character');
    }
    case 'encoding': {
      const encoding = ENCODINGS[(text ?? '').toLowerCase().replaceAll(/[-_]/g, '')] ?? text;
      return encoding === undefined ? wrong('a name such as utf8') : { tableEncoding: given(encoding, at) };
    }
    case 'header': {
      const header = HEADERS[text ?? ''];
      if (header === undefined) return wrong(listed(Object.keys(HEADERS)));
      if (text === 'from_first_file' && paths > 1) return wrong('from_first_file only where there is one path');
      return { csvHeader: given(header, at) };
    }
    case 'support_multi_line': // line breaks within quotes are always read
    case 'empty_as_string':
    case 'include_path_column':
      return {};
    default:
      problems.warning('PR1013', `the key ${key} of read_delimited is not known and has no effect`, { where: keyAt() });
      return {};
  }
}
