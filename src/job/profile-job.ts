/** What of a profile concerns this job: its compute, and what command line and profile change of its requirements. Pure. */
import { nearest } from '../domain/nearest.ts';
import type { Origin } from '../domain/plan.ts';
import type { SourceLocation } from '../domain/problem.ts';
import type { JobContext } from './context.ts';
import type { Names } from './expressions.ts';
import { resolveScalar } from './expressions.ts';
import { optionSpec, SCALAR_OPTION_KEYS } from './options.ts';
import type { Pin } from './overrides.ts';
import { readReplacement } from './overrides.ts';
import type { ParallelJob } from './pipeline.ts';
import type { Problems } from './problems.ts';
import { listed, onCommandLine } from './problems.ts';
import type { Placed, Profile } from './profile-read.ts';
import { computeName } from './profile-read.ts';
import type { WrittenFlags } from './request.ts';
import { child, lookUp } from './written.ts';

/** @returns the compute that the job names, or its pipeline for all jobs; without `azureml:`. */
export function computeOf(
  job: ParallelJob | undefined,
  names: Names,
  profile: Profile | undefined,
  problems: Problems,
): string | undefined {
  const node =
    child(job?.job, 'compute') ?? child(job?.pipeline, 'compute') ?? lookUp(job?.pipeline, 'settings.default_compute');
  if (node?.kind !== 'scalar' || profile === undefined) return undefined;
  const value = resolveScalar(node, names, problems)?.value;
  if (typeof value !== 'string' || value === '') return undefined;
  const name = computeName(value);
  const meant = profile.computes.has(name) ? undefined : nearest(name, profile.computes.keys());
  if (meant !== undefined)
    problems.warning('PR1604', `the compute ${name} is not in the profile`, {
      where: node.at(),
      why: `computes of the profile has ${listed([...profile.computes.keys()])}`,
      next: `did you mean ${meant}?`,
    });
  return name;
}

/** A requirement or a file of them, absolute or relative to `base`. */
export interface Extra extends Placed<string> {
  readonly isFile: boolean;
}

export interface Overrides {
  /** Those of the profile, then those of the command line. */
  readonly extra: readonly Extra[];
  /** The first that fits counts: those of the command line stand in front. */
  readonly pins: readonly Pin[];
  readonly pinsFromFlags: number;
  readonly extraOrigin: Origin;
  readonly pinsOrigin: Origin;
}

export function overridesOf(flags: WrittenFlags, profile: Profile | undefined, problems: Problems): Overrides {
  const extra = listOf(flags.extraRequirements).map((value): Extra => ({
    value: value.trim(),
    at: onCommandLine('--extra-requirements', value),
    isFile: /\.txt$/i.test(value) && !value.includes('://'),
  }));
  const pins = listOf(flags.replacePin).flatMap((text): readonly Pin[] => {
    const at = onCommandLine('--replace-pin', text);
    const pin = readReplacement(text, at);
    if (typeof pin !== 'string') return [pin];
    problems.error('PR1011', `--replace-pin has a value that is not allowed: ${text}`, { where: at, why: pin });
    return [];
  });
  const origin = (own: readonly unknown[], other: readonly unknown[] = []): Origin =>
    own.length > 0 ? 'command line' : other.length > 0 ? 'profile' : 'default';
  return {
    extra: [...(profile?.requirements ?? []), ...extra],
    pins: [...pins, ...(profile?.pins ?? [])],
    pinsFromFlags: pins.length,
    extraOrigin: origin(extra, profile?.requirements),
    pinsOrigin: origin(pins, profile?.pins),
  };
}

/** Where the values stand that the profile gives, by the names of the options. */
export function profilePlaces(
  { settings, profile }: JobContext,
  environment: SourceLocation | undefined,
): ReadonlyMap<string, SourceLocation> {
  const places = new Map<string, SourceLocation>();
  for (const key of SCALAR_OPTION_KEYS) {
    const { origin, at } = settings[key];
    if (origin === 'profile' && at !== undefined) places.set(optionSpec(key).name, at);
  }
  const { environmentVariables, requirements, pins, python, root } = profile ?? {};
  for (const [key, at] of [
    ['environmentVariables', environmentVariables?.at()],
    ['environment', environment],
    ['extraRequirements', requirements?.[0]?.at],
    ['replacePin', pins?.[0]?.at],
    ['python', python?.at],
    ['root', root?.at],
  ] as const) {
    if (at !== undefined) places.set(optionSpec(key).name, at);
  }
  return places;
}

const listOf = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value;
