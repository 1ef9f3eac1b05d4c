/** Why an installer failed, found in what pip or uv printed. Pure. */
import { parseRequirement } from '../domain/requirement.ts';
import { maskCredentials } from './requirements.ts';
import { nearVersions, type NearVersions } from './versions.ts';

export type InstallFailure =
  | RequirementFailure
  | { readonly kind: 'unreachable'; readonly reason: string }
  | { readonly kind: 'disk-full'; readonly reason: string };

export interface RequirementFailure {
  readonly kind: 'requirement';
  /** As the user wrote it, where it can be told. */
  readonly requirement?: string;
  /** A sentence. */
  readonly reason: string;
  /** What could stand in its place: `tensorflow==2.12.*`. */
  readonly replacement?: string;
  /** Versions of it would help, and the installer named none: they have to be asked for. */
  readonly wantsVersions?: 'any' | 'with a wheel';
  /** `>=3.12`: it installs with such a Python. */
  readonly needsPython?: string;
}

const UNREACHABLE =
  /Temporary failure in name resolution|Name or service not known|Failed to establish a new connection|Network is unreachable|ConnectTimeout|dns error|error sending request|Could not connect|ProxyError|Connection refused|Failed to fetch: /i;

/**
 * @param lines everything the installer said, in order.
 * @param requirements the lines of the user, to name the one that failed.
 * @param python version of the interpreter it was for
 */
export function explainInstallFailure(
  lines: readonly string[],
  requirements: readonly string[],
  python: string,
): InstallFailure {
  const clean = lines.map(maskCredentials);
  const full = clean.find((line) => /No space left on device|Errno 28/.test(line));
  if (full !== undefined) return { kind: 'disk-full', reason: full.trim() };
  const facts = { lines: clean, requirements, python };
  const built = buildFailure(facts);
  // A build that has no network says so too, in its own words.
  const unreachable = built ? undefined : clean.find((line) => UNREACHABLE.test(line));
  if (unreachable !== undefined) return { kind: 'unreachable', reason: cut(unreachable.trim()) };
  return built ?? pipVersions(facts) ?? pipConflict(facts) ?? uvCause(facts) ?? somethingElse(facts);
}

interface Facts {
  readonly lines: readonly string[];
  readonly requirements: readonly string[];
  readonly python: string;
}

type Finder = (facts: Facts) => RequirementFailure | undefined;

/** pip lists the versions that it could have, and those that another Python could have. */
const pipVersions: Finder = (facts) => {
  const { lines, requirements, python } = facts;
  const line = lines.find((said) => said.includes('Could not find a version that satisfies the requirement'));
  const match = /satisfies the requirement (.+?)(?: \(from (?!versions:)(.+?)\))? \(from versions: ?(.*)\)/.exec(
    line ?? '',
  );
  if (match === null) return undefined;
  const [, wanted = '', parent = '', list = ''] = match;
  const requirement = ownLine(wanted, requirements) ?? ownLine(parent.split('->')[0] ?? '', requirements);
  const named = { kind: 'requirement', ...(requirement === undefined ? {} : { requirement }) } as const;
  const { shown: name = wanted, version = '' } = parseRequirement(wanted) ?? {};
  const isOwn = ownLine(wanted, requirements) !== undefined;
  const whose = isOwn ? '' : `, which ${parent === '' ? 'another requirement' : parent} asks for`;
  const others = otherPythons(lines);
  const other = others.find((entry) => `==${entry.version}` === version);
  const versions = list === 'none' ? [] : list.split(/,\s*/);
  const near = nearVersions(versions, version);
  if (other !== undefined)
    return {
      ...named,
      reason: `${name} ${other.version}${whose} needs Python ${other.python}, and this is ${python}${nearText(near)}`,
      ...replacementOf(name, near, isOwn),
      needsPython: other.python,
    };
  if (near === undefined) {
    const [any] = others;
    const reason =
      any === undefined
        ? `the index has no package ${name}${whose}, or none for Python ${python} on this machine`
        : `no version of ${name}${whose} is for Python ${python}; the last of them needs ${others.at(-1)?.python ?? any.python}`;
    return { ...named, reason, ...(any && { needsPython: others.at(-1)?.python ?? any.python }) };
  }
  return {
    ...named,
    reason: `the index has no ${name} ${versionText(version)} for Python ${python}${whose}${nearText(near)}`,
    ...replacementOf(name, near, isOwn),
  };
};

/** `ERROR: Ignored the following versions that require a different python version: 1.21.2 Requires-Python >=3.7,<3.11; ...` */
function otherPythons(lines: readonly string[]): readonly { readonly version: string; readonly python: string }[] {
  return lines
    .filter((line) => /Ignored the following (yanked )?versions? that require a different python version/.test(line))
    .flatMap((line) => [...line.matchAll(/([^\s;]+) Requires-Python ([^;]+)/g)])
    .map(([, version = '', python = '']) => ({ version, python: python.trim() }));
}

const pipConflict: Finder = ({ lines, requirements }) => {
  if (!lines.some((line) => line.includes('conflicting dependencies'))) return undefined;
  const from = lines.findIndex((line) => line.includes('The conflict is caused by'));
  const caused: string[] = [];
  for (const line of from < 0 ? [] : lines.slice(from + 1)) {
    if (!/^\s+\S/.test(line)) break;
    caused.push(line.trim());
  }
  const own = caused.flatMap((line) => /^The user requested (.+)$/.exec(line)?.[1] ?? [])[0];
  const limit = caused.flatMap((line) => / depends on (.+)$/.exec(line)?.[1] ?? [])[0];
  return conflict(caused.join('; '), own, limit, requirements);
};

function conflict(
  caused: string,
  own: string | undefined,
  limit: string | undefined,
  requirements: readonly string[],
): RequirementFailure {
  const requirement = own === undefined ? undefined : ownLine(own, requirements);
  const bound = parseRequirement((limit ?? '').replace(' and ', ','));
  const fits = bound !== undefined && bound.name === parseRequirement(requirement ?? '')?.name;
  return {
    kind: 'requirement',
    ...(requirement === undefined ? {} : { requirement }),
    reason: `requirements contradict each other: ${cut(caused)}`,
    ...(fits ? { replacement: `${bound.shown}${bound.version.replaceAll(/\s/g, '')}` } : {}),
  };
}

/** Both compile what has no wheel, and both show what the compiler said. */
const buildFailure: Finder = ({ lines, requirements, python }) => {
  const failed = lines.findLast((line) => BUILD_FAILED.some((pattern) => pattern.test(line)));
  const isBuild =
    failed !== undefined ||
    lines.some((line) => /build backend returned an error|subprocess-exited-with-error/.test(line));
  if (!isBuild) return undefined;
  const named = BUILD_FAILED.map((pattern) => pattern.exec(failed ?? '')?.[1]).find((name) => name !== undefined);
  const begun = lines.findLast((line) => /^\s*(Collecting|Processing) /.test(line));
  const subject =
    named ??
    /(?:Collecting|Processing) ([^\s(]+)/.exec(begun ?? '')?.[1] ??
    (requirements.length === 1 ? requirements[0] : undefined);
  const requirement = subject === undefined ? undefined : ownLine(subject, requirements);
  const { version = '' } = parseRequirement(requirement ?? subject ?? '') ?? {};
  const name = parseRequirement(subject ?? '')?.shown ?? subject ?? 'a package';
  const which = /^==[^*,]+$/.test(version) ? `${name} ${version.slice(2)}` : name;
  const whose = requirement === undefined && subject !== undefined ? ', which another requirement asks for,' : '';
  const said = lastOfBuild(lines);
  return {
    kind: 'requirement',
    ...(requirement === undefined ? {} : { requirement }),
    reason: `there is no wheel of ${which}${whose} for Python ${python}, and building it failed${said === undefined ? '' : `: ${said}`}`,
    ...(requirement !== undefined && parseRequirement(requirement) !== undefined && { wantsVersions: 'with a wheel' }),
  };
};

const BUILD_FAILED = [
  /Failed to build `([^`]+)`/,
  /^\s*Failed to build (?!installable)([^\s,`]+)/,
  /Failed building wheel for (\S+)/,
  /Failed to download and build `([^`]+)`/,
  /Failed to build installable wheels.*\((\S+?)\)/,
];

const BUILD_TEXT_MAX = 240;

/** The last line of what the build printed: of Python the exception, of a compiler the command that failed. */
function lastOfBuild(lines: readonly string[]): string | undefined {
  const pipEnd = lines.findLastIndex((line) => line.includes('[end of output]'));
  const uvFrom = lines.findLastIndex((line) => /^\s*\[stderr\]\s*$/.test(line));
  const uvStdout = lines.findLastIndex((line) => /^\s*\[stdout\]\s*$/.test(line));
  const from = uvFrom >= 0 ? uvFrom : uvStdout;
  const said = pipEnd >= 0 ? lines.slice(0, pipEnd) : from >= 0 ? lines.slice(from + 1) : [];
  const telling = said
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(hint:|note:|\[end|rc \d)/.test(line) && !/^[\^~|\s]+$/.test(line));
  const last =
    telling.findLast((line) => /^(\w+\.)*\w*(Error|Exception|Warning|Exit)\b|^(fatal )?error:/i.test(line)) ??
    telling.at(-1);
  return last === undefined || last.length <= BUILD_TEXT_MAX ? last : `${last.slice(0, 140)} ... ${last.slice(-90)}`;
}

/** uv says it in a sentence that begins with Because, broken over lines. */
const uvCause: Finder = (facts) => {
  const { lines, requirements, python } = facts;
  const at = lines.findIndex((line) => /(^|\s)Because /.test(line));
  if (at < 0) return undefined;
  const parts = [(lines[at] ?? '').replace(/^.*?Because /, 'Because ')];
  for (const line of lines.slice(at + 1)) {
    if (/^\s*(hint|error|warning)\b/i.test(line) || !/^\s/.test(line)) break;
    parts.push(line.trim());
  }
  const sentence = parts.join(' ').replaceAll(/\s+/g, ' ');
  const hint = lines.find((line) => line.includes('hint: You require'))?.replace(/^.*?hint: /, '');
  const [, missing] = /there (?:is|are) no versions? of (.+?) and /.exec(sentence) ?? [];
  const [, unknown] =
    /Because ([^\s]+) was not found in (?:the package registry|the provided package locations)/.exec(sentence) ?? [];
  const [, noWheel] =
    /Because (.+?) has no (?:usable )?wheels/.exec(sentence) ?? /(\S+) has no (?:usable )?wheels/.exec(sentence) ?? [];
  const [, needs, needer] = /does not satisfy Python(\S+) and (.+?) depends on Python/.exec(sentence) ?? [];
  const own = (
    text: string | undefined,
  ): Pick<RequirementFailure, 'requirement'> & { readonly name: string; readonly version: string } => {
    const { shown: name = text ?? '', version = '' } = parseRequirement(text ?? '') ?? {};
    const requirement = text === undefined ? undefined : ownLine(text, requirements);
    return { name, version, ...(requirement === undefined ? {} : { requirement }) };
  };
  const said = missing ?? unknown ?? noWheel ?? needer;
  if (said === undefined) {
    if (!/unsatisfiable|cannot be used|incompatible/.test(sentence)) return undefined;
    const exact = [...sentence.matchAll(/you require (\S+?)(?:,? (?:and|we)|,|$)/g)].map(([, text = '']) => text);
    const limits = [...sentence.matchAll(/depends on ([^\s]+)/g)].map(([, text = '']) => text);
    const bounded = exact.find((text) =>
      limits.some((limit) => parseRequirement(limit)?.name === parseRequirement(text)?.name),
    );
    const limit = limits.find((text) => parseRequirement(text)?.name === parseRequirement(bounded ?? '')?.name);
    return conflict(sentence.replace(/^Because /, ''), bounded ?? exact[0], limit, requirements);
  }
  const { name, version, requirement } = own(said);
  const common = { kind: 'requirement', ...(requirement === undefined ? {} : { requirement }) } as const;
  const wants = requirement === undefined ? {} : ({ wantsVersions: 'any' } as const);
  if (unknown !== undefined) return { ...common, reason: `the index has no package ${name}` };
  if (needer !== undefined)
    return {
      ...common,
      reason: `${name} ${versionText(version)} needs Python ${needs ?? ''}, and this is ${python}`,
      needsPython: needs ?? '',
      ...wants,
    };
  if (noWheel !== undefined) {
    const tags =
      hint === undefined ? '' : `: ${cut(hint.replace(/^You require .*?, but we only found/, 'there are only'))}`;
    return {
      ...common,
      reason: `${name} ${versionText(version)} has no wheel for Python ${python} on this machine${tags}`,
      ...wants,
    };
  }
  return { ...common, reason: `the index has no ${name} ${versionText(version)} for Python ${python}`, ...wants };
};

/** The most telling line. */
function somethingElse({ lines, requirements }: Facts): RequirementFailure {
  const telling = [
    /Invalid requirement/,
    /Couldn't parse requirement/,
    /^\s*cause:/,
    /HASH|hash/,
    /^ERROR: (?!No matching)/,
    /^error:/,
  ];
  const found = telling.map((pattern) => lines.find((line) => pattern.test(line))).find((line) => line !== undefined);
  const line = (found ?? lines.at(-1) ?? 'the installer ended without a word').trim();
  const requirement = requirements.find((own) =>
    lines.some((said) => said.trim() === own || (/error|invalid|cause|no such/i.test(said) && said.includes(own))),
  );
  const further = lines.find((said) => /^\s*cause:/.test(said))?.trim();
  const reason = [line, ...(further === undefined || further === line ? [] : [further])]
    .map((text) =>
      text
        .replace(/^(ERROR|error|cause):\s*/, '')
        .replace(/ \(from line \d+ of .*\)$| in `[^`]*` at position \d+$/, ''),
    )
    .join(': ');
  return { kind: 'requirement', ...(requirement === undefined ? {} : { requirement }), reason: cut(reason) };
}

/** The line of the user that asks for a package. */
function ownLine(said: string, requirements: readonly string[]): string | undefined {
  const name = parseRequirement(said.replace(/ \(from .*$/, ''))?.name;
  return (
    requirements.find((line) => line === said) ??
    (name === undefined ? undefined : requirements.find((line) => parseRequirement(line)?.name === name))
  );
}

/** Completes a failure with versions that were asked for. */
export function withVersions(failure: RequirementFailure, versions: readonly string[]): RequirementFailure {
  const own = parseRequirement(failure.requirement ?? '');
  const near = own === undefined ? undefined : nearVersions(versions, own.version);
  if (own === undefined || near === undefined) return failure;
  const kind = failure.wantsVersions === 'with a wheel' ? ' with a wheel' : '';
  return { ...failure, reason: `${failure.reason}${nearText(near, kind)}`, ...replacementOf(own.shown, near, true) };
}

function replacementOf(name: string, near: NearVersions | undefined, isOwn: boolean): { replacement?: string } {
  return near === undefined || !isOwn ? {} : { replacement: `${name}${near.instead}` };
}

function nearText(near: NearVersions | undefined, kind = ''): string {
  if (near === undefined) return '';
  const { below, above, newest } = near;
  const sides = [
    ...(below === undefined ? [] : [`${below} below`]),
    ...(above === undefined ? [] : [`${above} above`]),
  ];
  const sidesText =
    sides.length === 0 ? '' : `; the nearest${kind} ${sides.length > 1 ? 'are' : 'is'} ${sides.join(' and ')}`;
  const last = newest === above || newest === below ? '' : `${sides.length === 0 ? '; ' : ', '}the newest is ${newest}`;
  return sidesText + last;
}

const versionText = (version: string): string => version.replace(/^={2,3}/, '') || 'version';

function cut(text: string): string {
  const MAX = 500;
  return text.length <= MAX ? text : `${text.slice(0, MAX - 100)} ... ${text.slice(-90)}`;
}
