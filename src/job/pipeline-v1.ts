/**
 * The pipeline YAML of version 1 (`pipeline:` with `steps:`) as a v2 pipeline: each step a job, each data reference an
 * input of the pipeline, each destination an output of the step that makes it. Pure.
 */
import { nearest } from '../domain/nearest.ts';
import { Builder, warnOfOthers } from './builder.ts';
import type { Problems } from './problems.ts';
import { listed } from './problems.ts';
import { commandStep, parallelStep } from './steps-v1.ts';
import type { Sources } from './steps-v1.ts';
import type { WrittenEntry, WrittenMap, WrittenNode } from './written.ts';
import { child, describeNode, entriesOf, isNull, scalarFrom, textOf } from './written.ts';

/** What the files say that a step names. */
export interface FilesOfStep {
  readonly config?: WrittenMap;
  readonly runconfig?: WrittenMap;
}
/** By the key of the step. */
export type FilesOfSteps = ReadonlyMap<string, FilesOfStep>;

const STEPS: Readonly<Record<string, typeof parallelStep>> = {
  ParallelRunStep: parallelStep,
  PythonScriptStep: commandStep,
};
const ROOT_KEYS = ['pipeline', 'Schedule', 'schedule', '$schema'];
const PIPELINE_KEYS = [
  'name', 'description', 'parameters', 'data_references', 'data_reference', 'default_compute', 'default_datastore',
  'continue_on_step_failure', 'steps', 'display_name', 'experiment_name',
]; // prettier-ignore
const DATA_KEYS = [
  'datastore', 'path_on_datastore', 'dataset_name', 'dataset_version', 'path', 'type', 'bind_mode', 'mode',
  'data_reference_name', 'path_on_compute', 'overwrite',
]; // prettier-ignore

export const isPipelineV1 = (root: WrittenNode): boolean =>
  child(root, 'pipeline')?.kind === 'map' && child(root, 'jobs') === undefined;

export const stepsOf = (root: WrittenNode): readonly WrittenEntry[] =>
  entriesOf(child(child(root, 'pipeline'), 'steps'));

/** @returns undefined where there is nothing to go on with; reported */
export function fromPipelineV1(root: WrittenMap, files: FilesOfSteps, problems: Problems): WrittenMap | undefined {
  const pipeline = child(root, 'pipeline');
  if (pipeline?.kind !== 'map') return undefined;
  warnOfOthers(root, ROOT_KEYS, 'a pipeline of version 1', problems);
  warnOfOthers(pipeline, PIPELINE_KEYS, 'pipeline: of version 1', problems);
  const steps = stepsOf(root);
  if (steps.length === 0) {
    const written = child(pipeline, 'steps');
    problems.error('PR1005', 'the pipeline has no steps', {
      where: (written ?? pipeline).at(),
      why:
        written === undefined || isNull(written)
          ? 'steps is missing or empty'
          : `found ${describeNode(written)}; allowed: a map of names to steps`,
      next: 'add steps: with a step of type: "ParallelRunStep"',
    });
    return undefined;
  }
  const like = new Builder(pipeline);
  like.put('type', like.text('pipeline'));
  like.move(pipeline, 'name', 'display_name');
  for (const key of ['display_name', 'experiment_name', 'description']) like.move(pipeline, key, key);
  const settings = new Builder(pipeline);
  for (const key of ['default_compute', 'default_datastore', 'continue_on_step_failure'])
    settings.move(pipeline, key, key);
  like.put('settings', settings.map());
  const data = dataOf(pipeline, problems);
  like.put('inputs', mapOf(pipeline, data));
  const sources: Sources = {
    parameters: new Map(entriesOf(child(pipeline, 'parameters')).map(({ key, value }) => [key, value])),
    data: new Set(data.map(({ key }) => key)),
    destinations: destinationsOf(steps, problems),
  };
  const jobs = steps.flatMap((step): WrittenEntry[] => {
    if (!isKnown(step, problems) || step.value.kind !== 'map') return [];
    const translate = STEPS[textOf(child(step.value, 'type')) ?? ''];
    const job = translate?.(step.key, step.value, files.get(step.key) ?? {}, sources, problems);
    return job === undefined ? [] : [{ ...step, value: job }];
  });
  // those that read of a step that isn't there would only be told what has been told
  if (jobs.length < steps.length) return undefined;
  like.put('jobs', mapOf(pipeline, jobs));
  return like.map();
}

function isKnown(step: WrittenEntry, problems: Problems): boolean {
  const node = child(step.value, 'type');
  const type = textOf(node) ?? '';
  if (Object.hasOwn(STEPS, type)) return true;
  const known = Object.keys(STEPS);
  const meant = nearest(type, known);
  problems.error('PR1006', type === '' ? `the step ${step.key} has no type` : `the step ${step.key} is of type ${type}`, {
    where: (node ?? { at: step.keyAt }).at(),
    why: `allowed: ${listed(known)}`,
    next: meant === undefined ? 'run what it does apart, and name its result below data_references, with path:' : `did you mean ${meant}?`,
  }); // prettier-ignore
  return false;
}

/** Data references, and parameters that are paths. */
function dataOf(pipeline: WrittenMap, problems: Problems): readonly WrittenEntry[] {
  const references = [
    ...entriesOf(child(pipeline, 'data_reference')),
    ...entriesOf(child(pipeline, 'data_references')),
  ];
  const found = references.flatMap((entry): WrittenEntry[] => {
    const data = dataAt(entry.value, entry.value.at().keyPath ?? `pipeline.data_references.${entry.key}`, problems);
    return data === undefined ? [] : [{ ...entry, value: data }];
  });
  for (const entry of entriesOf(child(pipeline, 'parameters'))) {
    if (entry.value.kind === 'map')
      warnOfOthers(entry.value, ['type', 'default'], 'a parameter of version 1', problems);
    const given = child(entry.value, 'default');
    if (textOf(child(entry.value, 'type')) !== 'datapath' && given?.kind !== 'map') continue;
    if (found.some(({ key }) => key === entry.key)) {
      problems.error('PR1012', `${entry.key} is both a data reference and a parameter that is a path`, {
        where: entry.keyAt(),
        next: 'give one of them another name',
      });
      continue;
    }
    const data = given && dataAt(given, `pipeline.parameters.${entry.key}.default`, problems);
    if (data !== undefined) found.push({ ...entry, value: data });
  }
  return found;
}

/** `path` is ours: what a name of the cloud means on this machine. */
function dataAt(node: WrittenNode, keyPath: string, problems: Problems): WrittenNode | undefined {
  const like = node.kind === 'map' ? node : undefined;
  const [datastore, below, dataset] = ['datastore', 'path_on_datastore', 'dataset_name'].map((key) => child(node, key));
  const path = like === undefined ? node : child(node, 'path');
  const name = textOf(datastore)?.replace(/^azureml:/, '');
  const rest = (textOf(below) ?? '').replace(/^\/+/, '');
  const place = { ...(dataset ?? datastore ?? node).at(), keyPath: `${keyPath}.path` };
  const found =
    textOf(path) !== undefined
      ? path
      : textOf(dataset) !== undefined
        ? scalarFrom(`azureml:${textOf(dataset) ?? ''}`, node.origin, place)
        : name !== undefined
          ? scalarFrom(`azureml://datastores/${name}/paths/${rest}`, node.origin, place)
          : undefined;
  if (like !== undefined) warnOfOthers(like, DATA_KEYS, 'a data reference of version 1', problems);
  if (found === undefined) {
    problems.error('PR1009', `${keyPath} says nothing of where the data lies`, {
      where: node.at(),
      why: `found ${describeNode(node)}; allowed: a map with datastore and path_on_datastore, or dataset_name, or path`,
      next: `add path: with a folder or file, or a URL`,
    });
    return undefined;
  }
  const builder = new Builder(like ?? emptyLike(node));
  if (like !== undefined) builder.move(like, 'type', 'type');
  return builder.put('path', found).map();
}

/** `train_csv` to the step and the name of its output. */
function destinationsOf(steps: readonly WrittenEntry[], problems: Problems): Sources['destinations'] {
  const found = new Map<string, string>();
  for (const step of steps) {
    for (const output of entriesOf(child(step.value, 'outputs'))) {
      const name = textOf(child(output.value, 'destination')) ?? textOf(output.value) ?? output.key;
      const before = found.get(name);
      if (before === undefined) found.set(name, `${step.key}.outputs.${output.key}`);
      else
        problems.error('PR1012', `the destination ${name} is made twice`, {
          where: output.value.at(),
          why: `it is ${before} already`,
          next: 'give one of them another name, and its readers too',
        });
    }
  }
  return found;
}

const emptyLike = ({ origin, at }: WrittenNode): WrittenMap => ({ kind: 'map', entries: new Map(), origin, at });

function mapOf(like: WrittenMap, entries: readonly WrittenEntry[]): WrittenMap {
  return { ...like, entries: new Map(entries.map((entry) => [entry.key, entry])) };
}
