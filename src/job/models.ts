/** `models:` of a job: names to files, folders, or models of the registry. I/O: looks whether they are there. */
import type { ModelSpec, Origin } from '../domain/plan.ts';
import { ParallelRunError } from '../domain/problem.ts';
import type { SourceLocation } from '../domain/problem.ts';
import { findModel, isModelName, isModelVersion, listModels, missingModel, registryFolder } from '../models/index.ts';
import { assetName } from './assets.ts';
import type { JobContext } from './context.ts';
import { resolveScalar } from './expressions.ts';
import { look, similarPath, toLocalPath } from './paths.ts';
import { onCommandLine } from './problems.ts';
import { child, describeNode, entriesOf, isNull } from './written.ts';

export interface Models {
  readonly models: Readonly<Record<string, ModelSpec>>;
  readonly origin: Origin;
}

interface Written {
  readonly name: string;
  readonly text: string;
  readonly base: string;
  readonly at: SourceLocation;
}

const ALLOWED = 'a path, azureml:NAME:VERSION or azureml:NAME@latest';

/** Those of the command line win, one by one. */
export async function compileModels(context: JobContext): Promise<Models> {
  const { request, problems, job, references, base, cwd } = context;
  const node = child(job?.job, 'models');
  const written = new Map<string, Written>();
  if (node !== undefined && node.kind !== 'map' && !isNull(node))
    problems.error('PR1010', 'models has a value of the wrong type', {
      where: node.at(),
      why: `found ${describeNode(node)}; allowed: a map of names to paths`,
    });
  for (const { key: name, value, keyAt } of entriesOf(node)) {
    if (!isModelName(name)) {
      problems.error('PR3702', `${JSON.stringify(name)} is no name for a model`, {
        where: keyAt(),
        why: 'allowed: letters, digits, -, _ and ., at most 255 of them',
      });
      continue;
    }
    const text = value.kind === 'scalar' ? resolveScalar(value, references.names, problems)?.text : undefined;
    if (value.kind !== 'scalar' || text === '')
      problems.error('PR1010', `the model ${name} has a value of the wrong type`, {
        where: value.at(),
        why: `found ${describeNode(value)}; allowed: ${ALLOWED}`,
      });
    else if (text !== undefined) written.set(name, { name, text, base, at: value.at() });
  }
  const flags = Object.entries(request.flags.models ?? {});
  for (const [name, text] of flags) {
    const at = onCommandLine('--model', `${name}=${text}`);
    if (isModelName(name)) written.set(name, { name, text, base: cwd, at });
    else problems.error('PR3702', `${JSON.stringify(name)} is no name for a model`, { where: at });
  }
  const models: [string, ModelSpec][] = [];
  for (const one of written.values()) {
    const found = await resolve(one, context);
    if (found !== undefined) models.push([one.name, found]);
  }
  const origin = flags.length > 0 ? 'command line' : written.size > 0 ? (node?.origin ?? 'job file') : 'default';
  return { models: Object.fromEntries(models), origin };
}

async function resolve(written: Written, context: JobContext): Promise<ModelSpec | undefined> {
  const { name, text, base, at } = written;
  const { problems } = context;
  const local = toLocalPath(text, base);
  if (!local.ok)
    return local.error.toLowerCase() === 'azureml' ? ofRegistry(written, context) : notLocal(written, context);
  const found = await look(local.value);
  if (found.ok) return { path: local.value };
  const similar = await similarPath(local.value, text);
  problems.error('PR3701', `the model ${name} was not found`, {
    where: at,
    why: `${local.value}: ${found.error}`,
    next: similar === undefined ? `a model of the registry is azureml:${name}@latest` : `did you mean ${similar}?`,
  });
  return undefined;
}

/** The version is settled now: a run that goes on later scores with the one it began with. */
async function ofRegistry(written: Written, context: JobContext): Promise<ModelSpec | undefined> {
  const { text, at } = written;
  const asset = assetName(text);
  if (asset === undefined || (asset.version !== undefined && !isModelVersion(asset.version)))
    return notLocal(written, context);
  const { name } = asset;
  const version = asset.version === undefined ? undefined : Number(asset.version);
  const registry = registryFolder(context.env);
  try {
    const model = await findModel(registry, name, version);
    if (model !== undefined) return { path: model.path, version: model.version };
    context.problems.error('PR3701', ...told(missingModel(registry, await listModels(registry), name, version), at));
  } catch (error) {
    if (!(error instanceof ParallelRunError)) throw error;
    for (const problem of error.problems) context.problems.error(problem.code, ...told(problem, at));
  }
  return undefined;
}

function told(problem: ParallelRunError['problems'][number], where: SourceLocation) {
  const { what, why, next } = problem;
  return [what, { where, ...(why !== undefined && { why }), ...(next !== undefined && { next }) }] as const;
}

function notLocal({ name, text, at }: Written, { problems }: JobContext): undefined {
  const bare = /^azureml:([^:@/]+)$/i.exec(text)?.[1];
  problems.error('PR3702', `the model ${name} is not given in a form that can be used here`, {
    where: at,
    why: `found ${JSON.stringify(text)}; allowed: ${ALLOWED}`,
    next:
      bare === undefined
        ? `copy it to this machine, then: parallelrun models add ${name} PATH`
        : `write azureml:${bare}@latest`,
  });
  return undefined;
}
