/** An environment as a job, or a profile in its place, describes it: v2 and v1 maps, files, names. I/O: reads files. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { EnvironmentSpec, RequirementPlace } from '../domain/plan.ts';
import type { SourceLocation } from '../domain/problem.ts';
import { placedLine, readConda } from './conda.ts';
import type { JobContext } from './context.ts';
import { resolveScalar } from './expressions.ts';
import { look, toLocalPath } from './paths.ts';
import { listed, reasonOf } from './problems.ts';
import { environmentOf, similarEnvironment } from './profile-read.ts';
import type { Requirements } from './requirements.ts';
import { expandRequirements, readRequirements } from './requirements.ts';
import type { WrittenNode } from './written.ts';
import { child, describeNode, entriesOf, isNull, lookUp, textOf } from './written.ts';

export interface Described {
  readonly spec: EnvironmentSpec;
  /** Name of a container image, where one is named; empty where it would have to be built first. */
  readonly image?: string;
  readonly imageAt?: SourceLocation;
  /** Places of the packages that only conda has. */
  readonly condaAt?: ReadonlyMap<string, SourceLocation>;
  /** `environmentVariables` of version 1. */
  readonly variables?: Readonly<Record<string, string>>;
  /** The profile says it, not the job. */
  readonly fromProfile?: SourceLocation;
}

export const FROM_PATH: EnvironmentSpec = { kind: 'path' };

/** `base`: folder of relative paths. `shown`: file in which the node stands, for messages. */
interface Place {
  readonly base: string;
  readonly file: string;
  readonly isProfile: boolean;
}

export async function describeEnvironment(node: WrittenNode, context: JobContext): Promise<Described> {
  const jobFile = context.request.jobFile;
  const file = jobFile === undefined ? context.base : path.resolve(context.cwd, jobFile);
  return fromNode(node, { base: context.base, file, isProfile: false }, context);
}

async function fromNode(node: WrittenNode, place: Place, context: JobContext): Promise<Described> {
  const { problems } = context;
  if (node.kind === 'scalar') {
    const resolved = place.isProfile ? node : resolveScalar(node, context.references.names, problems);
    if (resolved === undefined) return { spec: FROM_PATH };
    if (typeof resolved.value === 'string' && resolved.value !== '')
      return fromText(resolved.value, node, place, context);
  }
  if (node.kind !== 'map') {
    problems.error('PR1010', 'task.environment has a value of the wrong type', {
      where: node.at(),
      why: `found ${describeNode(node)}; allowed: a map with conda_file or requirements, or the path of such a file`,
    });
    return { spec: FROM_PATH };
  }
  const described = { ...imageOf(node), ...variablesOf(node, context) };
  const v1 = child(node, 'python');
  if (v1?.kind === 'map') return { ...described, ...(await fromV1(v1, place, context)) };
  const python = textOf(v1);
  if (v1 !== undefined && python !== undefined)
    return { ...described, spec: await namedInterpreter(python, place.base, v1.at(), context) };
  const requirements = child(node, 'requirements');
  if (requirements !== undefined && !isNull(requirements))
    return { ...described, spec: await fromRequirements(requirements, place, context) };
  const conda = child(node, 'conda_file');
  if (conda !== undefined && !isNull(conda)) return { ...described, ...(await fromConda(conda, place, context)) };
  const reference = referenceOf(node);
  if (reference !== undefined && (described.image === undefined || !place.isProfile))
    return { ...described, ...(await fromName(reference, node, place, described.image === undefined, context)) };
  return { ...described, spec: FROM_PATH };
}

/** `{name: x, version: 3}` as a reference; an image beside it may be all there is. */
function referenceOf(node: WrittenNode): string | undefined {
  const name = textOf(child(node, 'name'));
  const version = child(node, 'version');
  if (name === undefined || name === '') return undefined;
  return version?.kind === 'scalar' && version.value !== null ? `${name}:${version.text}` : name;
}

function imageOf(node: WrittenNode): Pick<Described, 'image' | 'imageAt'> {
  const image = child(node, 'image') ?? lookUp(node, 'docker.baseImage') ?? lookUp(node, 'docker.base_image');
  const text = textOf(image);
  if (image !== undefined && text !== undefined && text !== '') return { image: text, imageAt: image.at() };
  const build = child(node, 'build') ?? lookUp(node, 'docker.baseDockerfile');
  return build === undefined || isNull(build) ? {} : { image: '', imageAt: build.at() };
}

function variablesOf(node: WrittenNode, { problems }: JobContext): Pick<Described, 'variables'> {
  const variables = child(node, 'environmentVariables') ?? child(node, 'environment_variables');
  if (variables === undefined || isNull(variables)) return {};
  if (variables.kind !== 'map') {
    problems.error('PR1010', 'environmentVariables has a value of the wrong type', {
      where: variables.at(),
      why: `found ${describeNode(variables)}; allowed: a map of names to texts`,
    });
    return {};
  }
  const scalars = entriesOf(variables).flatMap(({ key, value }) =>
    value.kind === 'scalar' ? [[key, value.text] as const] : [],
  );
  return { variables: Object.fromEntries(scalars) };
}

/** `python:` of version 1. With `userManagedDependencies` its interpreter counts, else its conda dependencies. */
async function fromV1(python: WrittenNode, place: Place, context: JobContext): Promise<Described> {
  const member = (camel: string, snake: string) => {
    const node = child(python, camel) ?? child(python, snake);
    return node === undefined || isNull(node) ? undefined : node;
  };
  const managed = member('userManagedDependencies', 'user_managed_dependencies');
  const conda =
    member('condaDependenciesFile', 'conda_dependencies_file') ?? member('condaDependencies', 'conda_dependencies');
  const interpreter = member('interpreterPath', 'interpreter_path');
  if (managed?.kind === 'scalar' && managed.value === true) {
    const text = textOf(interpreter);
    // `python` is what everybody has there who thinks of the interpreter of the image.
    if (interpreter === undefined || text === undefined || text === 'python') return { spec: FROM_PATH };
    return { spec: await namedInterpreter(text, place.base, interpreter.at(), context) };
  }
  return conda === undefined ? { spec: FROM_PATH } : fromConda(conda, place, context);
}

export async function namedInterpreter(
  text: string,
  base: string,
  where: SourceLocation,
  { problems, env }: JobContext,
): Promise<EnvironmentSpec> {
  const folders = text.includes('/') ? [''] : (env['PATH'] ?? '').split(path.delimiter);
  for (const folder of folders) {
    const file = path.resolve(base, folder, text);
    const found = await look(file);
    if (found.ok && found.value.isFile()) return { kind: 'interpreter', path: file };
  }
  const place = text.includes('/') ? path.resolve(base, text) : 'the PATH';
  problems.error('PR4001', `the interpreter ${text} was not found`, {
    where,
    why: `looked at ${place}`,
    next: 'name an interpreter that is there, for example --python /usr/bin/python3',
  });
  return FROM_PATH;
}

async function fromText(text: string, node: WrittenNode, place: Place, context: JobContext): Promise<Described> {
  const local = toLocalPath(text, place.base);
  const known = place.isProfile ? undefined : environmentOf(context.profile, text);
  if (known !== undefined || !local.ok) return fromName(text, node, place, true, context);
  if (/\.ya?ml$/i.test(local.value)) return condaFile(local.value, node.at(), context);
  const isInterpreter = place.isProfile && !/\.txt$/i.test(text);
  return {
    spec: isInterpreter
      ? await namedInterpreter(text, place.base, node.at(), context)
      : await pipFile(text, place.base, node.at(), context),
  };
}

/** A name in a workspace: the profile may say what stands for it here. */
async function fromName(
  reference: string,
  node: WrittenNode,
  place: Place,
  warns: boolean,
  context: JobContext,
): Promise<Described> {
  const { profile } = context;
  const known = place.isProfile ? undefined : environmentOf(profile, reference);
  if (profile !== undefined && known !== undefined && !isNull(known)) {
    const inProfile: Place = { base: profile.folder, file: profile.file, isProfile: true };
    return { ...(await fromNode(known, inProfile, context)), fromProfile: known.at() };
  }
  if (warns) {
    const similar = similarEnvironment(profile, reference);
    context.problems.warning(
      'PR4104',
      `the environment ${reference} is not available here; python3 of the PATH is used`,
      {
        where: node.at(),
        why: 'it is the name of an environment in a workspace',
        next:
          similar === undefined
            ? 'say in the profile what stands for it (environments), or name an interpreter with --python'
            : `environments of the profile has ${similar}: did you mean that?`,
      },
    );
  }
  return { spec: FROM_PATH };
}

async function fromRequirements(node: WrittenNode, place: Place, context: JobContext): Promise<EnvironmentSpec> {
  if (node.kind === 'list') {
    const lines = await expandRequirements(node.items.flatMap(placedLine), place.base, node.at(), context.problems);
    warnOfDropped(lines, node.at(), context.problems);
    return requirementsSpec(lines, place.file);
  }
  const text = textOf(node);
  if (text !== undefined && text !== '') return pipFile(text, place.base, node.at(), context);
  context.problems.error('PR1010', 'requirements has a value of the wrong type', {
    where: node.at(),
    why: `found ${describeNode(node)}; allowed: the path of a requirements file, or a list of requirements`,
  });
  return FROM_PATH;
}

export async function pipFile(
  text: string,
  base: string,
  where: SourceLocation,
  { problems }: JobContext,
): Promise<EnvironmentSpec> {
  const file = path.resolve(base, text);
  const requirements = await readRequirements(file, where, problems);
  if (requirements === undefined) return FROM_PATH;
  warnOfDropped(requirements, where, problems);
  return requirementsSpec(requirements, file);
}

function requirementsSpec(requirements: Requirements, source: string): EnvironmentSpec {
  return {
    kind: 'requirements',
    pip: requirements.lines,
    condaOnly: [],
    source,
    places: placesOf(requirements.places),
  };
}

/** Without the line's text, which may hold credentials. */
export function placesOf(
  places: ReadonlyMap<string, SourceLocation>,
  added = false,
): Readonly<Record<string, RequirementPlace>> {
  const placed = ({ file, line }: SourceLocation): RequirementPlace => ({
    file,
    ...(line === undefined ? {} : { line }),
    ...(added && { added }),
  });
  return Object.fromEntries([...places].map(([text, at]) => [text, placed(at)]));
}

async function fromConda(node: WrittenNode, place: Place, context: JobContext): Promise<Described> {
  if (node.kind === 'map') return condaTree(node, place.file, place.base, context);
  const text = textOf(node);
  const local = text === undefined || text === '' ? undefined : toLocalPath(text, place.base);
  if (local?.ok === true) return condaFile(local.value, node.at(), context);
  context.problems.error('PR1010', 'conda_file has a value of the wrong type', {
    where: node.at(),
    why: `found ${describeNode(node)}; allowed: a local path, or the content of a conda file`,
  });
  return { spec: FROM_PATH };
}

async function condaFile(file: string, where: SourceLocation, context: JobContext): Promise<Described> {
  const { problems } = context;
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    problems.error('PR4102', `the conda file ${path.basename(file)} cannot be read`, {
      where,
      why: `${file}: ${reasonOf(error)}`,
      next: 'check the path, and the folder it counts from',
    });
    return { spec: FROM_PATH };
  }
  const { readYaml } = await import('./read-yaml.ts');
  const tree = readYaml(text, file, problems);
  return tree === undefined ? { spec: FROM_PATH } : condaTree(tree, file, path.dirname(file), context);
}

async function condaTree(
  tree: WrittenNode,
  source: string,
  folder: string,
  { problems }: JobContext,
): Promise<Described> {
  const parts = readConda(tree);
  if (parts === undefined) {
    problems.error('PR4103', 'the conda file has no list of dependencies', {
      where: tree.at(),
      next: 'add dependencies: with a list of packages',
    });
    return { spec: FROM_PATH };
  }
  const section = await expandRequirements([...parts.pip, ...parts.pipSection], folder, tree.at(), problems);
  warnOfDropped(section, placeOf(tree, section.dropped[0]), problems);
  const [renamed] = parts.renamed;
  if (renamed !== undefined) {
    problems.warning(
      'PR4109',
      `installed by the names that pip has for them: ${listed(parts.renamed.map(({ conda, pip }) => `${conda} as ${pip}`))}`,
      {
        where: renamed.at,
        why: 'environments are built with pip, and conda calls these packages otherwise',
        next: 'where another package is meant, say which in pins of the profile, or with --replace-pin',
      },
    );
  }
  return {
    spec: {
      kind: 'requirements',
      pip: section.lines,
      condaOnly: parts.condaOnly,
      source,
      places: placesOf(section.places),
      ...(parts.pythonVersion === undefined ? {} : { pythonVersion: parts.pythonVersion }),
    },
    condaAt: new Map(parts.condaOnly.map((line) => [line, placeOf(tree, line)])),
  };
}

/** Place of a package in a conda file, in its own list or in that of pip. */
function placeOf(tree: WrittenNode, text: string | undefined): SourceLocation {
  const dependencies = child(tree, 'dependencies');
  const items = dependencies?.kind === 'list' ? dependencies.items : [];
  const nested = items.flatMap((item) => {
    const pip = child(item, 'pip');
    return pip?.kind === 'list' ? pip.items : [];
  });
  return ([...items, ...nested].find((item) => textOf(item) === text) ?? tree).at();
}

function warnOfDropped({ dropped }: Requirements, where: SourceLocation, problems: JobContext['problems']): void {
  if (dropped.length === 0) return;
  problems.warning('PR4105', `not installed: ${listed(dropped)}`, {
    where,
    why: 'the part of azureml that entry scripts use comes with the workers',
  });
}
