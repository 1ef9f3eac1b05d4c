/** Stage 2 of 3: every option with its value and where that came from. Pure. */
import type { Origin } from '../domain/plan.ts';
import type { SourceLocation } from '../domain/problem.ts';
import type { RuntimeFlag } from './arguments.ts';
import type { Names } from './expressions.ts';
import { resolveScalar } from './expressions.ts';
import type { OptionSpec, OptionValue, ScalarOptionKey } from './options.ts';
import { optionSpec, SCALAR_OPTION_KEYS } from './options.ts';
import type { Problems } from './problems.ts';
import { onCommandLine } from './problems.ts';
import type { WrittenFlags } from './request.ts';
import type { Misfit, Scalar, Spelling, ValueKind } from './values.ts';
import { describeAllowed, parseSize, parseValue } from './values.ts';
import type { WrittenNode } from './written.ts';
import { describeNode, lookUp } from './written.ts';

export interface Setting<T> {
  /** Undefined: nobody gave one and the default is computed, or there is none. */
  readonly value: T | undefined;
  readonly origin: Origin;
  /** Where it was given; undefined for defaults. */
  readonly at: SourceLocation | undefined;
}
/** An option without an entry here doesn't compile. */
export type Settings = { readonly [K in ScalarOptionKey]: Setting<OptionValue<K>> };

export interface SettingSources {
  readonly flags: WrittenFlags;
  readonly runtimeFlags: readonly RuntimeFlag[];
  /** Place of a runtime flag, for messages. */
  readonly runtimeFlagAt: (flag: string) => SourceLocation;
  /** What the profile says of an option. */
  readonly profile: (key: ScalarOptionKey) => WrittenNode | undefined;
  /** The parallel job of the file. */
  readonly job: WrittenNode | undefined;
  readonly names: Names;
}

/** Reads all options; bad values are reported and count as not given. */
export function readSettings(sources: SettingSources, problems: Problems): Settings {
  return Object.fromEntries(
    SCALAR_OPTION_KEYS.map((key) => [key, readSetting(key, sources, problems)]),
  ) as unknown as Settings;
}

/** One value somebody wrote for an option. */
interface Candidate {
  readonly raw: Scalar;
  readonly spelling: Spelling;
  readonly origin: Origin;
  readonly at: SourceLocation;
  /** As people know it in that place: `--timeout`, `retry_settings.timeout`. */
  readonly called: string;
  readonly offset: number;
  /** Numbers of a file as they were typed: `1e309`, not Infinity. */
  readonly typed?: string;
}

function readSetting(key: ScalarOptionKey, sources: SettingSources, problems: Problems): Setting<unknown> {
  const spec = optionSpec(key);
  // All of them are checked, also those that a stronger one hides: a wrong line in a file stays a wrong line.
  const read = candidates(key, spec, sources, problems).map((candidate) => ({
    candidate,
    value: readCandidate(spec, candidate, problems),
  }));
  const winner = read.find(({ value }) => value !== undefined);
  if (winner !== undefined) return { value: winner.value, origin: winner.candidate.origin, at: winner.candidate.at };
  const fallback = spec.fallback === undefined ? undefined : parseValue(spec.value, spec.fallback, 'typed');
  return { value: fallback?.ok === true ? fallback.value : undefined, origin: 'default', at: undefined };
}

/** Strongest first: command line, `--set`, profile, runtime flags, job file. */
function candidates(
  key: ScalarOptionKey,
  spec: OptionSpec,
  sources: SettingSources,
  problems: Problems,
): readonly Candidate[] {
  const written = spec.yaml === undefined ? undefined : lookUp(sources.job, spec.yaml);
  const fromFile = nodeCandidate(written, spec, sources.names, problems);
  return [
    ...flagCandidate(key, spec, sources.flags),
    ...fromFile.filter((candidate) => candidate.origin === 'command line'),
    ...nodeCandidate(sources.profile(key), spec, NO_NAMES, problems),
    ...runtimeCandidates(key, spec, sources, problems),
    ...fromFile.filter((candidate) => candidate.origin !== 'command line'),
  ];
}

function flagCandidate(key: ScalarOptionKey, spec: OptionSpec, flags: WrittenFlags): readonly Candidate[] {
  const raw = (flags as Readonly<Record<string, unknown>>)[key];
  if (raw === undefined) return [];
  const called = spec.cli?.flag ?? key;
  const scalar = typeof raw === 'string' || typeof raw === 'number' || typeof raw === 'boolean' ? raw : null;
  return [{ raw: scalar, spelling: 'text', origin: 'command line', at: onCommandLine(called, raw), called, offset: 0 }];
}

/** The last of several equal flags wins, as for argparse. */
function runtimeCandidates(
  key: ScalarOptionKey,
  spec: OptionSpec,
  sources: SettingSources,
  problems: Problems,
): readonly Candidate[] {
  return sources.runtimeFlags
    .filter((flag) => flag.key === key)
    .reverse()
    .flatMap((flag): Candidate[] => {
      const at = sources.runtimeFlagAt(flag.flag);
      if (flag.value !== undefined)
        return [
          {
            raw: flag.value,
            spelling: 'text',
            origin: 'program arguments',
            at,
            called: flag.flag,
            offset: spec.runtimeFlagOffset ?? 0,
          },
        ];
      problems.error('PR1016', `the runtime flag ${flag.flag} has no value`, {
        where: at,
        why: `allowed: ${describeAllowed(shifted(spec.value, spec.runtimeFlagOffset ?? 0))}`,
      });
      return [];
    });
}

/** A profile is no job: expressions have no meaning there. */
const NO_NAMES: Names = new Map();

function nodeCandidate(
  node: WrittenNode | undefined,
  spec: OptionSpec,
  names: Names,
  problems: Problems,
): readonly Candidate[] {
  if (node === undefined) return [];
  if (node.kind !== 'scalar') {
    problems.error('PR1010', `${spec.name} has a value of the wrong type`, {
      where: node.at(),
      why: `found ${describeNode(node)}; allowed: ${describeAllowed(spec.value)}`,
    });
    return [];
  }
  const resolved = resolveScalar(node, names, problems);
  if (resolved === undefined) return [];
  return [
    {
      raw: resolved.value,
      spelling: 'typed',
      origin: node.origin,
      at: node.at(),
      called: spec.name,
      offset: 0,
      typed: resolved.text,
    },
  ];
}

/** The same range where numbers count from another start (`run_max_try` = retries + 1). */
function shifted(kind: ValueKind, offset: number): ValueKind {
  return kind.type === 'integer' && offset !== 0
    ? { type: 'integer', min: kind.min + offset, max: kind.max + offset }
    : kind;
}

function readCandidate(spec: OptionSpec, candidate: Candidate, problems: Problems): unknown {
  const result = parseValue(shifted(spec.value, candidate.offset), candidate.raw, candidate.spelling);
  if (result.ok) return typeof result.value === 'number' ? result.value - candidate.offset : result.value;
  reportMisfit(result.error, spec, candidate, problems);
  return undefined;
}

function reportMisfit(misfit: Misfit, spec: OptionSpec, candidate: Candidate, problems: Problems): void {
  const range = misfit.kind === 'range';
  const next = mend(spec.value, candidate);
  problems.error(
    range ? 'PR1011' : 'PR1010',
    `${candidate.called} has a value ${range ? 'that is not allowed' : 'of the wrong type'}`,
    {
      where: candidate.at,
      why: `found ${typeof candidate.raw === 'number' && candidate.typed !== undefined ? `the number ${candidate.typed}` : misfit.found}; allowed: ${misfit.allowed}`,
      ...(next === undefined ? {} : { next }),
    },
  );
}

/** Slips whose meaning is plain. */
function mend(kind: ValueKind, { raw, spelling }: Candidate): string | undefined {
  if (typeof raw !== 'string') return undefined;
  if (kind.type === 'size' || kind.type === 'bytes') {
    const tight = raw.replaceAll(/\s/g, '').toLowerCase();
    if (parseSize(tight) !== undefined) return `write ${tight}`;
    return parseSize(`${tight}b`) === undefined ? undefined : `write ${tight}b`;
  }
  if (spelling === 'typed' && parseValue(kind, raw, 'text').ok) return 'remove the quotes';
  return undefined;
}
