/** The Python environment a job asks for. I/O: reads conda and requirements files, runs nothing. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { EntryScript, EnvironmentSpec, Origin } from '../domain/plan.ts';
import type { SourceLocation } from '../domain/problem.ts';
import { readConda } from './conda.ts';
import type { JobContext } from './context.ts';
import { resolveScalar } from './expressions.ts';
import { look, toLocalPath } from './paths.ts';
import { listed, onCommandLine, reasonOf } from './problems.ts';
import { expandRequirements, readRequirements } from './requirements.ts';
import type { Requirements } from './requirements.ts';
import type { WrittenNode } from './written.ts';
import { child, describeNode, isNull, lookUp, textOf } from './written.ts';

export interface CompiledEnvironment {
  readonly spec: EnvironmentSpec;
  readonly origin: Origin;
}

const FROM_PATH: CompiledEnvironment = { spec: { kind: 'path' }, origin: 'default' };

/** Contract 1.5: a named interpreter, then requirements or a conda file, then `python3` of the PATH. */
export async function compileEnvironment(
  context: JobContext,
  entry: EntryScript | undefined,
): Promise<CompiledEnvironment> {
  const { settings, problems, cwd } = context;
  const job = context.job?.job;
  // of a command job it stands beside the command
  const node = child(job, 'command') ? child(job, 'environment') : lookUp(job, 'task.environment');
  if (entry?.language === 'node') {
    const ignored = settings.python.at ?? settings.requirements.at ?? node?.at();
    if (ignored !== undefined)
      problems.warning('PR4107', 'the Python environment is not used', {
        where: ignored,
        why: `${entry.file} runs on Node`,
      });
    return FROM_PATH;
  }
  const interpreter = settings.python.value;
  if (interpreter !== undefined) {
    const spec = await namedInterpreter(
      interpreter,
      cwd,
      settings.python.at ?? onCommandLine('--python', interpreter),
      context,
    );
    const hidden = settings.requirements.at;
    if (hidden !== undefined)
      problems.warning('PR4107', 'the requirements are not installed', {
        where: hidden,
        why: 'an interpreter is named, and that wins',
      });
    return { spec, origin: settings.python.origin };
  }
  const requirements = settings.requirements.value;
  if (requirements !== undefined) {
    const where = settings.requirements.at ?? onCommandLine('--requirements', requirements);
    return {
      spec: (await pipFile(requirements, cwd, where, context)) ?? FROM_PATH.spec,
      origin: settings.requirements.origin,
    };
  }
  return node === undefined || isNull(node) ? FROM_PATH : fromJob(node, context);
}

async function namedInterpreter(
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
  return FROM_PATH.spec;
}

async function fromJob(node: WrittenNode, context: JobContext): Promise<CompiledEnvironment> {
  const { problems, base } = context;
  const origin = node.origin;
  if (node.kind === 'scalar') {
    const resolved = resolveScalar(node, context.references.names, problems);
    if (resolved === undefined) return FROM_PATH;
    const text = resolved.value;
    if (typeof text === 'string' && text !== '') return { spec: await fromText(text, node, context), origin };
  }
  if (node.kind !== 'map') {
    problems.error('PR1010', 'task.environment has a value of the wrong type', {
      where: node.at(),
      why: `found ${describeNode(node)}; allowed: a map with conda_file or requirements, or the path of such a file`,
    });
    return FROM_PATH;
  }
  const image = child(node, 'image') ?? child(node, 'build');
  if (image !== undefined) {
    problems.warning('PR4106', 'the image of the environment is not run', {
      where: image.at(),
      why: 'workers run on this machine, in an environment built from conda_file or requirements',
    });
  }
  const python = textOf(child(node, 'python'));
  if (python !== undefined)
    return { spec: await namedInterpreter(python, base, child(node, 'python')?.at() ?? node.at(), context), origin };
  const pip = textOf(child(node, 'requirements'));
  if (pip !== undefined)
    return {
      spec: (await pipFile(pip, base, child(node, 'requirements')?.at() ?? node.at(), context)) ?? FROM_PATH.spec,
      origin,
    };
  const conda = child(node, 'conda_file');
  if (conda === undefined || isNull(conda)) return { spec: FROM_PATH.spec, origin };
  return { spec: (await fromConda(conda, context)) ?? FROM_PATH.spec, origin };
}

async function fromText(text: string, node: WrittenNode, context: JobContext): Promise<EnvironmentSpec> {
  const local = toLocalPath(text, context.base);
  if (!local.ok) {
    context.problems.warning('PR4104', `the environment ${text} is not available here; python3 of the PATH is used`, {
      where: node.at(),
      why: 'it is the name of an environment in a workspace',
      next: 'name an interpreter with --python, or give conda_file or requirements',
    });
    return FROM_PATH.spec;
  }
  const conda = /\.ya?ml$/i.test(local.value);
  return (
    (conda
      ? await condaFile(local.value, node.at(), context)
      : await pipFile(local.value, context.base, node.at(), context)) ?? FROM_PATH.spec
  );
}

async function pipFile(
  text: string,
  base: string,
  where: SourceLocation,
  { problems }: JobContext,
): Promise<EnvironmentSpec | undefined> {
  const file = path.resolve(base, text);
  const requirements = await readRequirements(file, where, problems);
  if (requirements === undefined) return undefined;
  warnOfDropped(requirements, where, problems);
  return { kind: 'requirements', pip: requirements.lines, condaOnly: [], source: file };
}

async function fromConda(node: WrittenNode, context: JobContext): Promise<EnvironmentSpec | undefined> {
  if (node.kind === 'map')
    return condaTree(
      node,
      context.request.jobFile === undefined ? context.base : path.resolve(context.cwd, context.request.jobFile),
      context.base,
      context,
    );
  const text = textOf(node);
  const local = text === undefined || text === '' ? undefined : toLocalPath(text, context.base);
  if (local?.ok === true) return condaFile(local.value, node.at(), context);
  context.problems.error('PR1010', 'conda_file has a value of the wrong type', {
    where: node.at(),
    why: `found ${describeNode(node)}; allowed: a local path, or the content of a conda file`,
  });
  return undefined;
}

async function condaFile(
  file: string,
  where: SourceLocation,
  context: JobContext,
): Promise<EnvironmentSpec | undefined> {
  const { problems } = context;
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    problems.error('PR4102', `the conda file ${path.basename(file)} cannot be read`, {
      where,
      why: `${file}: ${reasonOf(error)}`,
    });
    return undefined;
  }
  const { readYaml } = await import('./read-yaml.ts');
  const tree = readYaml(text, file, problems);
  return tree === undefined ? undefined : condaTree(tree, file, path.dirname(file), context);
}

async function condaTree(
  tree: WrittenNode,
  source: string,
  folder: string,
  { problems }: JobContext,
): Promise<EnvironmentSpec | undefined> {
  const parts = readConda(tree);
  if (parts === undefined) {
    problems.error('PR4103', 'the conda file has no list of dependencies', {
      where: tree.at(),
      next: 'add dependencies: with a list of packages',
    });
    return undefined;
  }
  const section = await expandRequirements([...parts.pip, ...parts.pipSection], folder, tree.at(), problems);
  warnOfDropped(section, placeOf(tree, section.dropped[0]), problems);
  if (parts.condaOnly.length > 0) {
    problems.warning('PR4108', `not installed, because only conda has them: ${listed(parts.condaOnly)}`, {
      where: placeOf(tree, parts.condaOnly[0]),
      why: 'environments are built with pip',
      next: 'where the script needs them, name a conda interpreter with --python',
    });
  }
  return {
    kind: 'requirements',
    pip: section.lines,
    condaOnly: parts.condaOnly,
    source,
    ...(parts.pythonVersion === undefined ? {} : { pythonVersion: parts.pythonVersion }),
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
