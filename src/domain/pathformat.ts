/**
 * How the path of a file, relative to the root of its input, names values: `{Store}/{Brand}/{date}.csv`. Pure.
 * `{name}` is one segment or a part of one, as short as it can be; `*` and `{*}` are any characters of a segment, `?` is
 * one; a segment `**` is any number of segments, also none. All else stands for itself.
 */

export interface PathFormat {
  /** Names in braces, in their order. */
  readonly names: readonly string[];
  /** Values by name; undefined where the path is not of this form. */
  match(path: string): ReadonlyMap<string, string> | undefined;
}

/** @returns the format, or what is wrong with the text */
export function parsePathFormat(text: string): PathFormat | string {
  const names: string[] = [];
  let pattern = '';
  if (text === '' || text.startsWith('/') || text.endsWith('/'))
    return 'it is a path relative to the folder of the input';
  for (const segment of text.split('/')) {
    if (segment === '') return 'it has an empty segment';
    if (segment === '**') {
      pattern += '(?:[^/]+/)*';
      continue;
    }
    const part = parseSegment(segment, names);
    if (part.wrong !== undefined) return part.wrong;
    pattern += `${part.pattern}/`;
  }
  if (names.length === 0) return 'it names nothing: a name stands in braces';
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) return `it has {${twice}} twice`;
  const expression = new RegExp(`^${pattern}$`, 's');
  return { names, match: (path: string) => valuesOf(expression.exec(`${path}/`), names) };
}

function valuesOf(found: RegExpExecArray | null, names: readonly string[]): ReadonlyMap<string, string> | undefined {
  return found ? new Map(names.map((name, i) => [name, found[i + 1] ?? ''])) : undefined;
}

type Parsed = { readonly pattern: string; readonly wrong?: undefined } | { readonly wrong: string };

function parseSegment(segment: string, names: string[]): Parsed {
  let pattern = '';
  let afterName = false;
  for (const [piece] of segment.matchAll(/\{[^{}]*\}|\*+|[^*]/gsu)) {
    const name = /^\{(.*)\}$/s.exec(piece)?.[1];
    if (name !== undefined && name !== '*') {
      if (name === '' || name.includes(':'))
        return { wrong: `${piece} is no name: types and formats of values are not read` };
      if (afterName) return { wrong: `nothing separates ${piece} from what stands before it` };
      names.push(name);
      pattern += '([^/]+?)';
    } else if (piece === '{' || piece === '}') return { wrong: `a brace in ${segment} has no partner` };
    else if (piece === '?') pattern += '[^/]';
    else if (name === '*' || piece.startsWith('*')) pattern += '[^/]*';
    else pattern += escaped(piece);
    afterName = name !== undefined && name !== '*';
  }
  return { pattern };
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

/** Folders written as `name=value`; of one that comes twice, the deepest. Null: the sign for "no value". */
export function hiveValue(path: string, name: string): string | null | undefined {
  const folders = path.split('/').slice(0, -1);
  const found = folders.findLast((folder) => folder.startsWith(`${name}=`));
  if (found === undefined) return undefined;
  const value = found.slice(name.length + 1);
  if (value === NO_VALUE) return null;
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

const NO_VALUE = '__HIVE_DEFAULT_PARTITION__';
