/**
 * Models and data that a job names as a workspace registers them, `azureml:NAME:VERSION`: models are those of the
 * registry of this machine, data is what the profile says of the name. I/O: reads the registry, where a job names one.
 */
import { nearest } from '../domain/nearest.ts';
import { err, ok, ParallelRunError } from '../domain/problem.ts';
import type { Problem, Result } from '../domain/problem.ts';
import { isModelVersion, listModels, missingModel, modelAmong, registryFolder } from '../models/index.ts';
import type { ModelVersion } from '../models/index.ts';
import type { Profile } from './profile-read.ts';
import type { WrittenNode } from './written.ts';

/** `version` absent: the latest. */
export interface AssetName {
  readonly name: string;
  readonly version?: string;
}

const SHORT = /^azureml:([^:@/]+)(?::([^:@/]+)|@([^:@/]+)|\/(?:versions|labels)\/([^:@/]+))$/i;
const LONG =
  /^azureml:\/\/(?:(?!datastores\/)[^/]+\/)*?(?:models|data)\/([^:@/]+)\/(?:versions|labels)\/([^:@/]+)\/?$/i;

/** @returns undefined for what is no name with a version */
export function assetName(text: string): AssetName | undefined {
  const [, short, number, label, after] = SHORT.exec(text) ?? [];
  const [, long, last] = LONG.exec(text) ?? [];
  const name = short ?? long;
  const version = number ?? label ?? after ?? last;
  if (name === undefined || version === undefined) return undefined;
  return version.toLowerCase() === 'latest' ? { name } : { name, version };
}

const MODEL_TYPES: readonly string[] = ['mlflow_model', 'custom_model', 'triton_model'];

/** Where what is named lies: an absolute path or a URL. Undefined: it is no such name. */
export type Assets = (
  text: string,
  type: string | undefined,
) => Result<string, Omit<Problem, 'severity' | 'where'>> | undefined;

/** @param written what may name some */
export async function readAssets(
  written: readonly WrittenNode[],
  profile: Profile | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Assets> {
  const registry = registryFolder(env);
  const read = written.some(mentionsAsset) ? await modelsOf(registry) : ok([]);
  return (text, type) => {
    const asset = assetName(text);
    if (asset === undefined) return undefined;
    if (!MODEL_TYPES.includes(type ?? '')) return ofProfile(asset, profile, read.ok ? read.value : []);
    return read.ok ? ofRegistry(asset, registry, read.value) : read;
  };
}

const mentionsAsset = (node: WrittenNode): boolean =>
  node.kind === 'scalar'
    ? typeof node.value === 'string' && /^azureml:/i.test(node.value)
    : node.kind === 'map' && [...node.entries.values()].some(({ value }) => mentionsAsset(value));

async function modelsOf(registry: string): Promise<Result<readonly ModelVersion[], Problem>> {
  try {
    return ok(await listModels(registry));
  } catch (error) {
    const problem = error instanceof ParallelRunError ? error.problems[0] : undefined;
    if (problem === undefined) throw error;
    return err(problem);
  }
}

function ofRegistry(
  { name, version }: AssetName,
  registry: string,
  models: readonly ModelVersion[],
): ReturnType<Assets> {
  if (version !== undefined && !isModelVersion(version))
    return err({
      code: 'PR3702',
      what: `the model ${name} has no version ${version}`,
      why: 'versions of the local registry are numbers from 1 on',
      next: `parallelrun models list ${name}`,
    });
  const number = version === undefined ? undefined : Number(version);
  const found = modelAmong(models, name, number);
  return found ? ok(found.path) : err(missingModel(registry, models, name, number));
}

function ofProfile(
  { name, version }: AssetName,
  profile: Profile | undefined,
  models: readonly ModelVersion[],
): ReturnType<Assets> {
  const known = profile?.data ?? new Map<string, string>();
  const place = known.get(`${name}${version === undefined ? '@latest' : `:${version}`}`) ?? known.get(name);
  if (place !== undefined) return ok(place);
  const file = profile?.file ?? 'parallelrun.config.yml';
  const near = nearest(name, [...known.keys()]);
  const isModel = models.some((model) => model.name === name);
  return err({
    code: 'PR3102',
    what: `the data asset ${name} is not known here`,
    why:
      known.size === 0
        ? 'no profile says where data assets lie'
        : `the profile ${file} has ${[...known.keys()].slice(0, 20).join(', ')}`,
    next: [
      ...(isModel ? ['the registry has a model of that name: write type: custom_model'] : []),
      ...(near !== undefined && near !== name ? [`did you mean ${near}?`] : []),
      `say in ${file} where it is:\ndata:\n  ${name}: /a/folder or https://account.blob.core.windows.net/container/path`,
    ].join('; or '),
  });
}
