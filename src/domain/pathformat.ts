/**
 * How the path of a file, relative to the root of its input, names values: `{Store}/{Brand}/{date}.csv`. Pure.
 * `{name}` is one segment or a part of one, as short as it can be; `*` and `{*}` are any characters of a segment, `?` is
 * one; a segment `**` is any number of segments, also none. All else stands for itself. `{date:yyyy/MM/dd}` is a time, of
 * the parts yyyy, MM, dd, HH, mm and ss; its value is `2020-01-02T00:00:00`.
 */

export interface PathFormat {
  /** Names in braces, in their order. */
  readonly names: readonly string[];
  /** Those of them that are times. */
  readonly times: ReadonlySet<string>;
  /** Segments of a path; undefined: any number. */
  readonly depth: number | undefined;
  /** Values by name; undefined where the path is not of this form. */
  match(path: string): ReadonlyMap<string, string> | undefined;
}

/** What a group of the pattern stands for. */
interface Part {
  readonly name: string;
  /** Of a time. */
  readonly of?: string;
}

/** @returns the format, or what is wrong with the text */
export function parsePathFormat(text: string): PathFormat | string {
  const parts: Part[] = [];
  let pattern = '';
  const segments = withTimes(text).split('/');
  if (text === '' || text.startsWith('/') || text.endsWith('/'))
    return 'it is a path relative to the folder of the input';
  for (const segment of segments) {
    if (segment === '') return 'it has an empty segment';
    if (segment === '**') {
      pattern += '(?:[^/]+/)*';
      continue;
    }
    const part = parseSegment(segment, parts);
    if (part.wrong !== undefined) return part.wrong;
    pattern += `${part.pattern}/`;
  }
  if (parts.length === 0) return 'it names nothing: a name stands in braces';
  const ids = parts.map(({ name, of = '' }) => `${name}:${of}`);
  const twice = parts.find(({ name, of }, i) => ids.indexOf(`${name}:${of ?? ''}`) < i || (of === undefined && parts.some((other, j) => j !== i && other.name === name))); // prettier-ignore
  if (twice) return `it has {${twice.name}} twice`;
  const expression = new RegExp(`^${pattern}$`, 's');
  return {
    names: [...new Set(parts.map(({ name }) => name))],
    times: new Set(parts.flatMap(({ name, of }) => (of === undefined ? [] : [name]))),
    depth: segments.includes('**') ? undefined : segments.length,
    match: (path: string) => valuesOf(expression.exec(`${path}/`), parts),
  };
}

const TIME_PARTS: Readonly<Record<string, string>> = {
  yyyy: '\\d{4}',
  MM: '\\d{2}',
  dd: '\\d{2}',
  HH: '\\d{2}',
  mm: '\\d{2}',
  ss: '\\d{2}',
};

/** `{date:yyyy/MM}` as `{date:yyyy}/{date:MM}`. */
function withTimes(text: string): string {
  return text.replace(/\{([^{}:]+):([^{}]*)\}/g, (whole, name: string, parts: string) => {
    const known = /yyyy|MM|dd|HH|mm|ss/g;
    return known.test(parts) ? parts.replace(known, (part) => `{${name}:${part}}`) : whole;
  });
}

function valuesOf(found: RegExpExecArray | null, parts: readonly Part[]): ReadonlyMap<string, string> | undefined {
  if (!found) return undefined;
  const values = new Map<string, string>();
  const times = new Map<string, Map<string, string>>();
  for (const [i, { name, of }] of parts.entries()) {
    const text = found[i + 1] ?? '';
    if (of === undefined) values.set(name, text);
    else {
      values.set(name, '');
      times.set(name, (times.get(name) ?? new Map<string, string>()).set(of, text));
    }
  }
  for (const [name, of] of times) values.set(name, timeOf(of));
  return values;
}

/** What is not named is the first there is. */
function timeOf(parts: ReadonlyMap<string, string>): string {
  const [year, month, day, hour, minute, second] = [
    ['yyyy', '1900'],
    ['MM', '01'],
    ['dd', '01'],
    ['HH', '00'],
    ['mm', '00'],
    ['ss', '00'],
  ].map(([part = '', missing = '']) => parts.get(part) ?? missing);
  return `${year ?? ''}-${month ?? ''}-${day ?? ''}T${hour ?? ''}:${minute ?? ''}:${second ?? ''}`;
}

type Parsed = { readonly pattern: string; readonly wrong?: undefined } | { readonly wrong: string };

function parseSegment(segment: string, parts: Part[]): Parsed {
  let pattern = '';
  let afterName = false;
  for (const [piece] of segment.matchAll(/\{[^{}]*\}|\*+|[^*]/gsu)) {
    const name = /^\{(.*)\}$/s.exec(piece)?.[1];
    const [, of = '', timePart = ''] = /^(.+):(\w+)$/s.exec(name ?? '') ?? [];
    const digits = TIME_PARTS[timePart];
    if (digits !== undefined) {
      if (afterName) return { wrong: `nothing separates {${of}} from what stands before it` };
      parts.push({ name: of, of: timePart });
      pattern += `(${digits})`;
      continue;
    }
    if (name !== undefined && name !== '*') {
      if (name === '' || name.includes(':'))
        return {
          wrong: `${piece} is no name: of the formats of values those of times are read, such as {date:yyyy-MM-dd}`,
        };
      if (afterName) return { wrong: `nothing separates ${piece} from what stands before it` };
      parts.push({ name });
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
