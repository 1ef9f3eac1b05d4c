/** Replacements of requirements, and requirements that are added: what a profile or the command line changes. Pure. */
import type { SourceLocation } from '../domain/problem.ts';
import { parseRequirement } from '../domain/requirement.ts';
import type { Requirement } from '../domain/requirement.ts';
import { pipVersion } from './conda.ts';

/** A replacement of a requirement. */
export interface Pin {
  /** As package indexes compare names. */
  readonly name: string;
  /** Only where exactly this is asked for (`==1.15.0`); absent: whatever version is. */
  readonly version?: string;
  /** Absent: the requirement is left out. */
  readonly replacement?: string;
  /** As written, for messages. */
  readonly written: string;
  readonly at: SourceLocation;
}

/** `==1.15.0`, `=1.15.0` of conda, `== 1.15.0.*`: one and the same to somebody who names it. */
function comparable(version: string): string {
  return version
    .split(',')
    .map((part) =>
      part
        .replaceAll(/\s+/g, '')
        .replace(/^={1,3}(?=[^=])/, '==')
        .replace(/^(==.*?)\.?\*$/, '$1'),
    )
    .sort()
    .join(',');
}

/**
 * @param replacement a requirement (`tensorflow==2.15.*`), a version (`2.15.*`, `>=2.15`), or undefined to leave it out
 * @returns a sentence where it can't be understood
 */
export function makePin(key: string, replacement: string | undefined, at: SourceLocation): Pin | string {
  const wanted = parseRequirement(key.trim());
  if (wanted === undefined || (wanted.version !== '' && !/^[=<>!~]/.test(wanted.version)))
    return `${JSON.stringify(key)} is no requirement; for example tensorflow==1.15.0, or tensorflow for every version`;
  const common = {
    name: wanted.name,
    written: key.trim(),
    at,
    ...(wanted.version === '' ? {} : { version: wanted.version }),
  };
  const text = replacement?.trim() ?? '';
  if (text === '') return common;
  if (/^[=<>!~\d]/.test(text)) {
    const version = /^\d/.test(text) ? `==${text}` : pipVersion(text);
    return { ...common, replacement: `${wanted.shown}${wanted.extras}${version}` };
  }
  const known = parseRequirement(text) !== undefined || /:\/\/|^[./]/.test(text);
  if (known && !text.startsWith('-')) return { ...common, replacement: text };
  return `${JSON.stringify(text)} is no requirement; for example tensorflow==2.15.*, or 2.15.*`;
}

/**
 * `tensorflow==1.15.0=tensorflow==2.15.*`; `tensorflow==2.15.*` for whatever version is asked for; `tensorflow=` leaves it
 * out. The sign in the middle is the first `=` that is no part of an operator.
 */
export function readReplacement(text: string, at: SourceLocation): Pin | string {
  const cut = /^(.*?[^=<>!~])=(?!=)(.*)$/s.exec(text);
  if (cut?.[1] !== undefined) return makePin(cut[1], cut[2], at);
  const whole = parseRequirement(text.trim());
  if (whole === undefined || whole.version === '')
    return `${JSON.stringify(text)} replaces nothing; for example tensorflow==1.15.0=tensorflow==2.15.*, or tensorflow= to leave it out`;
  return { ...(makePin(whole.shown, text, at) as Pin), written: text.trim() };
}

export interface Replaced {
  readonly pin: Pin;
  /** The line before. */
  readonly before: string;
  /** The line now; absent: left out. */
  readonly after?: string;
}

export interface Pinned {
  readonly lines: readonly string[];
  readonly replaced: readonly Replaced[];
  /** Pins whose package is asked for, in another version. */
  readonly missed: readonly { readonly pin: Pin; readonly line: string }[];
  /** Pins whose package isn't asked for. */
  readonly idle: readonly Pin[];
}

/** @param pins the first that fits a line counts */
export function applyPins(lines: readonly string[], pins: readonly Pin[]): Pinned {
  const kept: string[] = [];
  const replaced: Replaced[] = [];
  const missed = new Map<Pin, string>();
  const met = new Set<Pin>();
  for (const line of lines) {
    const requirement = parseRequirement(line);
    const named = requirement === undefined ? [] : pins.filter((pin) => pin.name === requirement.name);
    const pin = named.find(
      ({ version }) => version === undefined || comparable(version) === comparable(requirement?.version ?? ''),
    );
    for (const other of named) {
      met.add(other);
      if (pin === undefined) missed.set(other, line);
    }
    if (pin === undefined || requirement === undefined) {
      kept.push(line);
      continue;
    }
    const after = pin.replacement === undefined ? undefined : carriedOver(requirement, pin.replacement);
    replaced.push({ pin, before: line, ...(after === undefined ? {} : { after }) });
    if (after !== undefined) kept.push(after);
  }
  return {
    lines: kept,
    replaced,
    missed: [...missed].map(([pin, line]) => ({ pin, line })),
    idle: pins.filter((pin) => !met.has(pin)),
  };
}

/** Extras and marker of the old line stay, where the new one has none and is the same package. */
function carriedOver(old: Requirement, replacement: string): string {
  const fresh = parseRequirement(replacement);
  if (fresh === undefined || fresh.version.startsWith('@')) return replacement;
  const extras = fresh.extras === '' && fresh.name === old.name ? old.extras : fresh.extras;
  const marker = fresh.marker === '' ? old.marker : fresh.marker;
  return `${fresh.shown}${extras}${fresh.version}${marker === '' ? '' : ` ${marker}`}`;
}
