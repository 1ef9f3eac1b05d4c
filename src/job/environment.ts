/** The Python environment of a run: what the job asks for, and what command line and profile make of it. */
import type { EntryScript, EnvironmentSpec, Origin } from '../domain/plan.ts';
import type { SourceLocation } from '../domain/problem.ts';
import { parseRequirement } from '../domain/requirement.ts';
import type { JobContext } from './context.ts';
import type { Described } from './environment-job.ts';
import { describeEnvironment, FROM_PATH, namedInterpreter, pipFile, placesOf } from './environment-job.ts';
import { applyPins } from './overrides.ts';
import type { Pinned } from './overrides.ts';
import { listed, onCommandLine } from './problems.ts';
import type { Overrides } from './profile-job.ts';
import { overridesOf } from './profile-job.ts';
import { expandRequirements, readRequirements } from './requirements.ts';
import { child, isNull, lookUp } from './written.ts';
import type { WrittenNode } from './written.ts';

export interface CompiledEnvironment {
  readonly spec: EnvironmentSpec;
  readonly origin: Origin;
  /** Where the profile gives it. */
  readonly at?: SourceLocation | undefined;
  readonly pythonOrigin: Origin;
  readonly image?: string | undefined;
  readonly imageAt?: SourceLocation | undefined;
  readonly variables: Readonly<Record<string, string>>;
  readonly overrides: Overrides;
  /** What of the overrides took effect, for people. */
  readonly shown: { readonly extra: readonly string[]; readonly pins: readonly string[] };
}

interface Chosen extends Described {
  readonly origin: Origin;
}

/**
 * Contract 1.5: an interpreter of the command line or the profile, then requirements or a conda file, then `python3` of the
 * PATH; with replaced pins and further requirements.
 */
export async function compileEnvironment(
  context: JobContext,
  entry: EntryScript | undefined,
): Promise<CompiledEnvironment> {
  const { request, profile, problems, settings } = context;
  const overrides = overridesOf(request.flags, profile, problems);
  const common = { overrides, variables: {}, pythonOrigin: settings.python.origin };
  if (entry?.language === 'node') {
    warnOfPython(context, entry);
    return { ...common, spec: FROM_PATH, origin: 'default', shown: { extra: [], pins: [] } };
  }
  const chosen = await choose(context);
  const pythonOrigin =
    settings.python.value === undefined && profile?.python !== undefined ? 'profile' : settings.python.origin;
  const { spec, shown } = await override(chosen, overrides, context);
  return {
    ...common,
    pythonOrigin,
    spec,
    shown,
    origin: chosen.origin,
    at: chosen.fromProfile,
    image: chosen.image,
    imageAt: chosen.imageAt,
    variables: chosen.variables ?? {},
  };
}

function warnOfPython({ settings, job, problems }: JobContext, entry: EntryScript): void {
  const ignored = settings.python.at ?? settings.requirements.at ?? writtenEnvironment(job?.job)?.at();
  if (ignored === undefined) return;
  problems.warning('PR4107', 'the Python environment is not used', {
    where: ignored,
    why: `${entry.file} runs on Node`,
  });
}

/** Of a command job it stands beside the command. */
const writtenEnvironment = (job: WrittenNode | undefined): WrittenNode | undefined =>
  child(job, 'command') ? child(job, 'environment') : lookUp(job, 'task.environment');

/** Command line before profile before job file. */
async function choose(context: JobContext): Promise<Chosen> {
  const { settings, problems, cwd, job, profile } = context;
  const node = writtenEnvironment(job?.job);
  // Also where an interpreter wins: its image may be what the workers run in.
  const described = async (): Promise<Chosen> =>
    node === undefined || isNull(node)
      ? { spec: FROM_PATH, origin: 'default' }
      : withOrigin(await describeEnvironment(node, context), node.origin);
  const python = settings.python.value;
  if (python !== undefined) {
    const where = settings.python.at ?? onCommandLine('--python', python);
    const spec = await namedInterpreter(python, cwd, where, context);
    const hidden = settings.requirements.at;
    if (hidden !== undefined)
      problems.warning('PR4107', 'the requirements are not installed', {
        where: hidden,
        why: 'an interpreter is named, and that wins',
        next: 'to install them on top of the interpreter, give them as --extra-requirements',
      });
    return { ...(await imageOnly(described, context)), spec, origin: settings.python.origin };
  }
  const requirements = settings.requirements.value;
  if (requirements !== undefined) {
    const where = settings.requirements.at ?? onCommandLine('--requirements', requirements);
    const spec = await pipFile(requirements, cwd, where, context);
    return { ...(await imageOnly(described, context)), spec, origin: settings.requirements.origin };
  }
  if (profile?.python !== undefined) {
    const { value, at } = profile.python;
    const spec = await namedInterpreter(value, profile.folder, at, context);
    return { ...(await imageOnly(described, context)), spec, origin: 'profile', fromProfile: at };
  }
  return described();
}

const withOrigin = (described: Described, origin: Origin): Chosen => ({
  ...described,
  origin: described.fromProfile === undefined ? origin : 'profile',
});

/** The rest of an environment whose packages aren't installed; it is looked at only where an image counts. */
async function imageOnly(described: () => Promise<Chosen>, { profile }: JobContext): Promise<Omit<Described, 'spec'>> {
  if (profile?.workerCommand === undefined) return {};
  const { image, imageAt, variables } = await described();
  return { ...(image !== undefined && { image }), ...(imageAt && { imageAt }), ...(variables && { variables }) };
}

interface Overridden {
  readonly spec: EnvironmentSpec;
  readonly shown: CompiledEnvironment['shown'];
}

async function override(chosen: Chosen, overrides: Overrides, context: JobContext): Promise<Overridden> {
  const { spec } = chosen;
  const added = await readExtra(overrides, context);
  const asked = spec.kind === 'requirements' ? spec : undefined;
  // What is added is meant as it stands: pins change what the job asks for.
  const pinned = applyPins(asked?.pip ?? [], overrides.pins);
  const conda = replaceConda(asked?.condaOnly ?? [], pinned, overrides);
  warnOfConda(conda.kept, chosen.condaAt, context);
  warnOfPins(pinned, conda.replaced, asked, overrides, context);
  const shown = {
    extra: added.lines,
    pins: [...pinned.replaced, ...conda.replaced].map(({ before, after }) => `${before} -> ${after ?? 'left out'}`),
  };
  if (asked === undefined && added.lines.length === 0) return { spec, shown };
  const pip = withExtra([...pinned.lines, ...conda.lines], added.lines);
  const instead = [...pinned.replaced, ...conda.replaced].flatMap(({ pin, after }) =>
    after === undefined ? [] : [[after, pin.at] as const],
  );
  const places = { ...asked?.places, ...placesOf(new Map([...instead, ...added.places]), true) };
  if (asked !== undefined)
    return { spec: { ...asked, ...pythonVersion(asked, overrides), pip, places, condaOnly: conda.kept }, shown };
  const [first] = overrides.extra;
  return {
    spec: {
      kind: 'requirements',
      pip,
      condaOnly: [],
      source: first?.at.file === 'command line' ? 'the command line' : (context.profile?.file ?? 'the command line'),
      places,
      onTop: true,
      ...(spec.kind === 'interpreter' ? { base: spec.path } : {}),
    },
    shown,
  };
}

/** A package that is asked for again in another version: what was added last is meant. */
function withExtra(lines: readonly string[], extra: readonly string[]): readonly string[] {
  const names = new Set(extra.flatMap((line) => parseRequirement(line)?.name ?? []));
  return [...lines.filter((line) => !names.has(parseRequirement(line)?.name ?? '')), ...extra];
}

/** `python` among the pins is the version that the environment is made of, also where no file asks for one. */
function pythonVersion(
  asked: Extract<EnvironmentSpec, { kind: 'requirements' }>,
  { pins }: Overrides,
): { pythonVersion?: string } {
  const version = asked.pythonVersion ?? '';
  const line = `python${/^[<>!~]/.test(version) ? version : version === '' ? '' : `==${version}`}`;
  const [replaced] = applyPins([line], pins).replaced;
  const wanted =
    parseRequirement(replaced?.after ?? '')
      ?.version.replace(/^=+/, '')
      .replace(/\.\*$/, '') ?? '';
  return wanted === '' ? {} : { pythonVersion: wanted };
}

interface CondaReplaced {
  readonly kept: readonly string[];
  readonly lines: readonly string[];
  readonly replaced: Pinned['replaced'];
}

/** A pin may say what stands for a package that only conda has. */
function replaceConda(condaOnly: readonly string[], pinned: Pinned, { pins }: Overrides): CondaReplaced {
  const rest = pins.filter((pin) => pinned.idle.includes(pin));
  const pairs = condaOnly.map((line) => ({
    line,
    found: applyPins([line.replace(/^[^\s=<>]*::/, '')], rest).replaced[0],
  }));
  const replaced = pairs.flatMap(({ found }) => found ?? []);
  return {
    kept: pairs.filter(({ found }) => found === undefined).map(({ line }) => line),
    lines: replaced.flatMap(({ after }) => after ?? []),
    replaced,
  };
}

function warnOfConda(
  kept: readonly string[],
  at: ReadonlyMap<string, SourceLocation> | undefined,
  { problems }: JobContext,
): void {
  const [first] = kept;
  const where = first === undefined ? undefined : at?.get(first);
  if (first === undefined || where === undefined) return;
  problems.warning('PR4108', `not installed, because only conda has them: ${listed(kept)}`, {
    where,
    why: 'environments are built with pip',
    next: 'where the script needs them, name a conda interpreter with --python, or in pins of the profile a pip package instead',
  });
}

async function readExtra({ extra }: Overrides, context: JobContext) {
  const { problems, cwd, profile } = context;
  const lines: string[] = [];
  const places = new Map<string, SourceLocation>();
  for (const { value, at, isFile } of extra) {
    const folder = at.file === 'command line' ? cwd : (profile?.folder ?? cwd);
    const found = isFile
      ? await readRequirements(value.startsWith('/') ? value : `${folder}/${value}`, at, problems)
      : await expandRequirements([{ text: value, at }], folder, at, problems);
    for (const line of found?.lines ?? []) {
      lines.push(line);
      places.set(line, found?.places.get(line) ?? at);
    }
  }
  return { lines, places };
}

function warnOfPins(
  pinned: Pinned,
  conda: Pinned['replaced'],
  asked: Extract<EnvironmentSpec, { kind: 'requirements' }> | undefined,
  { pins, pinsFromFlags }: Overrides,
  { problems }: JobContext,
): void {
  const replaced = [...pinned.replaced, ...conda];
  const [first] = replaced;
  if (first !== undefined)
    problems.warning(
      'PR4110',
      `replaced: ${listed(replaced.map(({ before, after }) => (after === undefined ? `${before} (left out)` : `${before} by ${after}`)))}`,
      { where: first.pin.at, why: `${asked?.source ?? 'the job'} asks for the former` },
    );
  for (const { pin, line } of pinned.missed)
    problems.warning('PR4111', `the pin ${pin.written} replaces nothing`, {
      where: pin.at,
      why: `${asked?.source ?? 'the job'} asks for ${line}`,
      next: `name that one, or ${parseRequirement(line)?.shown ?? pin.name} without a version`,
    });
  const used = new Set(conda.map(({ pin }) => pin));
  // A profile is for many jobs; a flag is for this one.
  for (const pin of pins.slice(0, pinsFromFlags))
    if (pinned.idle.includes(pin) && !used.has(pin) && pin.name !== 'python')
      problems.warning('PR4111', `the pin ${pin.written} replaces nothing`, {
        where: pin.at,
        why: asked === undefined ? 'the job asks for no packages' : `${asked.source} does not ask for ${pin.name}`,
        next: 'to install a package beside those of the job: --extra-requirements',
      });
}
