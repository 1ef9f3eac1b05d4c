/** Inputs and outputs of pipeline and job, and what their names stand for in expressions. */
import type { Assets } from './assets.ts';
import type { Meaning, Names } from './expressions.ts';
import { resolveScalar, scalarMeaning, similarName, textMeaning } from './expressions.ts';
import type { JobOutput } from './job-outputs.ts';
import { bindingOf, outputLocation, readOutputs } from './job-outputs.ts';
import type { Places } from './places.ts';
import type { ParallelJob } from './pipeline.ts';
import { jobEntries, parentEntries } from './pipeline.ts';
import type { SourceLocation } from '../domain/problem.ts';
import type { Problems } from './problems.ts';
import { ifMeant, listed } from './problems.ts';
import type { PipelinePlace, StepOutput } from './request.ts';
import { INPUT_TYPES } from './shape.ts';
import { describeFound } from './values.ts';
import type { WrittenEntry, WrittenNode, WrittenScalar } from './written.ts';
import { child, describeNode, isNull, textOf } from './written.ts';

/** An input as the job gives it. */
export type JobInput =
  | { readonly kind: 'literal'; readonly name: string; readonly node: WrittenScalar }
  | { readonly kind: 'absent'; readonly name: string }
  /** Reported already. */
  | { readonly kind: 'broken'; readonly name: string }
  | {
      readonly kind: 'data';
      readonly name: string;
      readonly type: string | undefined;
      /** As written, its expressions replaced. */
      readonly path: string;
      readonly node: WrittenNode;
      /** It is made by a step that has not ended. */
      readonly pending?: boolean;
    };
export interface References {
  readonly inputs: ReadonlyMap<string, JobInput>;
  readonly parentInputs: ReadonlyMap<string, JobInput>;
  readonly outputs: ReadonlyMap<string, JobOutput>;
  readonly parentOutputs: ReadonlyMap<string, JobOutput>;
  readonly names: Names;
}

const LITERAL_TYPES: readonly string[] = ['string', 'number', 'integer', 'boolean'];

export interface Around {
  /** Folder of the job file. */
  readonly base: string;
  /** What `${{name}}` stands for. */
  readonly runName: string;
  /** Of the run, absolute. */
  readonly outputs: string;
  readonly places: Places;
  readonly pipeline?: PipelinePlace;
  readonly assets: Assets;
  /** Input of the job whose data the command line names: it needs none in the file. */
  readonly given?: string;
}

/** What the inputs and outputs of a job are, and what names stand for. */
export function resolveReferences(job: ParallelJob | undefined, around: Around, problems: Problems): References {
  const { base, runName, pipeline, places } = around;
  const stepOutputs = pipeline?.stepOutputs ?? new Map<string, StepOutput>();
  const given: Given = { steps: stepOutputs, assets: around.assets };
  const parentInputs = readInputs(parentEntries(job, 'inputs'), new Map(), new Map(), given, problems);
  const parentNames = new Map<string, Meaning>(
    [...parentInputs].map(([name, input]) => [`parent.inputs.${name}`, meaningOf(input, base, places)]),
  );
  parentNames.set('name', textMeaning(runName));
  parentNames.set('default_datastore', textMeaning(defaultDatastore(job).name));
  for (const [name, { path }] of stepOutputs) parentNames.set(`parent.jobs.${name}`, textMeaning(path));
  const own = jobEntries(job, 'inputs').filter(({ key }) => key !== around.given);
  const inputs = new Map(readInputs(own, parentInputs, parentNames, given, problems));
  if (around.given !== undefined) inputs.set(around.given, { kind: 'absent', name: around.given });
  const names = new Map<string, Meaning>(
    [...inputs].map(([name, input]) => [`inputs.${name}`, meaningOf(input, base, places)]),
  );
  for (const [name, meaning] of parentNames) names.set(name, meaning);
  const ofPipeline = pipeline?.outputs ?? around.outputs;
  const parentOutputs = readOutputs(parentEntries(job, 'outputs'), new Map(), { names, home: ofPipeline }, problems);
  const outputs = readOutputs(jobEntries(job, 'outputs'), parentOutputs, { names, home: around.outputs }, problems);
  for (const [name, output] of outputs) names.set(`outputs.${name}`, textMeaning(outputLocation(output, base, places)));
  for (const [name, output] of parentOutputs) {
    // One output with two names: the job's own name decides where it is.
    const bound = boundOutput(job, name);
    const own = bound === undefined ? output : (outputs.get(bound) ?? output);
    names.set(`parent.outputs.${name}`, textMeaning(outputLocation(own, base, places)));
  }
  return { inputs, parentInputs, outputs, parentOutputs, names };
}

/** Named by the job; else as the cloud service calls that of every workspace. */
export function defaultDatastore(job: ParallelJob | undefined): {
  readonly name: string;
  readonly at?: SourceLocation;
} {
  const node = child(child(job?.pipeline, 'settings'), 'default_datastore');
  const name = textOf(node)?.replace(/^azureml:/, '');
  return node === undefined || name === undefined || name === ''
    ? { name: 'workspaceblobstore' }
    : { name, at: node.at() };
}

/** Name of the job's output that is bound to `${{parent.outputs.<name>}}`. */
export function boundOutput(job: ParallelJob | undefined, parentName: string): string | undefined {
  return jobEntries(job, 'outputs').find((entry) => bindingOf(entry.value, 'parent.outputs.') === parentName)?.key;
}

function meaningOf(input: JobInput, base: string, places: Places): Meaning {
  if (input.kind === 'literal') return scalarMeaning(input.node);
  if (input.kind !== 'data') return { kind: input.kind };
  const place = places.placeOf(input.path, base);
  if (place.kind === 'local') return textMeaning(place.path);
  if (place.kind !== 'remote') return textMeaning(input.path);
  // Scripts find it here once it is fetched.
  const isFile = input.type === 'uri_file' || place.location.store === 'http';
  return textMeaning(places.localOf(place.location, isFile ? 'file' : 'folder'));
}

type Inputs = ReadonlyMap<string, JobInput>;

type StepOutputs = ReadonlyMap<string, StepOutput>;

interface Given {
  readonly steps: StepOutputs;
  readonly assets: Assets;
}

function readInputs(
  entries: readonly WrittenEntry[],
  parents: Inputs,
  names: Names,
  given: Given,
  problems: Problems,
): Inputs {
  const inputs = new Map<string, JobInput>();
  for (const entry of entries) {
    inputs.set(entry.key, readInput(entry, parents, names, given, problems));
  }
  return inputs;
}

function readInput(
  { key: name, value: node }: WrittenEntry,
  parents: Inputs,
  names: Names,
  { steps, assets }: Given,
  problems: Problems,
): JobInput {
  const broken: JobInput = { kind: 'broken', name };
  const binding = bindingOf(node, 'parent.inputs.');
  const bound = binding === undefined ? undefined : parents.get(binding);
  if (bound !== undefined) {
    const ownType = textOf(child(node, 'type'));
    return bound.kind === 'data' ? { ...bound, name, type: ownType ?? bound.type } : { ...bound, name };
  }
  const other = bindingOf(node, 'parent.jobs.');
  if (other !== undefined) return fromStep(name, other, node, steps, problems) ?? broken;
  if (node.kind === 'scalar' && node.value !== null) {
    const literal = resolveScalar(node, names, problems);
    return literal === undefined ? broken : { kind: 'literal', name, node: literal };
  }
  if (node.kind !== 'map') {
    problems.error('PR1010', `the input ${name} has a value of the wrong type`, {
      where: node.at(),
      why: `found ${isNull(node) ? 'nothing' : describeNode(node)}; allowed: a number, a text, true or false, or a map with type and path`,
    });
    return broken;
  }
  return readInputMap(name, node, names, assets, problems);
}

function readInputMap(name: string, node: WrittenNode, names: Names, assets: Assets, problems: Problems): JobInput {
  const broken: JobInput = { kind: 'broken', name };
  const typeNode = child(node, 'type');
  const type = textOf(typeNode);
  if (typeNode !== undefined && !INPUT_TYPES.some((known) => known === type)) {
    problems.error('PR1011', `the input ${name} has an unknown type`, {
      where: typeNode.at(),
      why: `found ${describeNode(typeNode)}; allowed: ${listed(INPUT_TYPES)}`,
      ...ifMeant(type ?? '', INPUT_TYPES),
    });
    return broken;
  }
  const wanted = type !== undefined && LITERAL_TYPES.includes(type) ? 'default' : 'path';
  const value = child(node, wanted) ?? child(node, 'path') ?? child(node, 'default');
  if (value === undefined || isNull(value)) {
    const optional = child(node, 'optional');
    if (optional?.kind === 'scalar' && optional.value === true) return { kind: 'absent', name };
    problems.error('PR1009', `the input ${name} has no ${wanted}`, {
      where: node.at(),
      next: `add ${wanted}:, or optional: true`,
    });
    return broken;
  }
  if (value.kind !== 'scalar') {
    problems.error('PR1010', `the ${wanted} of input ${name} has a value of the wrong type`, {
      where: value.at(),
      why: `found ${describeNode(value)}; allowed: a text`,
    });
    return broken;
  }
  const resolved = resolveScalar(value, names, problems);
  if (resolved === undefined) return broken;
  if (wanted === 'default') return { kind: 'literal', name, node: resolved };
  if (typeof resolved.value !== 'string' || resolved.value === '') {
    problems.error('PR1010', `the path of input ${name} has a value of the wrong type`, {
      where: value.at(),
      why: `found ${describeFound(resolved.value)}; allowed: the path of a file or folder`,
    });
    return broken;
  }
  const asset = assets(resolved.value, type);
  if (asset?.ok === false) {
    const { code, what, ...more } = asset.error;
    problems.error(code, `the input ${name}: ${what}`, { ...more, where: value.at() });
    return broken;
  }
  return { kind: 'data', name, type, path: asset?.value ?? resolved.value, node: value };
}

/** Output of another step. */
function fromStep(
  name: string,
  binding: string,
  node: WrittenNode,
  steps: StepOutputs,
  problems: Problems,
): JobInput | undefined {
  const output = steps.get(binding);
  if (output !== undefined) {
    const { path, pending } = output;
    return { kind: 'data', name, type: textOf(child(node, 'type')) ?? output.type, path, node, pending };
  }
  const known = [...steps.keys()].map((each) => `parent.jobs.${each}`);
  const meant = similarName(`parent.jobs.${binding}`, known);
  problems.error('PR1015', `\${{parent.jobs.${binding}}} stands for nothing`, {
    where: node.at(),
    why:
      known.length === 0
        ? 'it is made by another job, and this job is looked at alone'
        : `known here: ${listed(known)}`,
    next: meant === undefined ? 'run the whole pipeline, or name the data with --set' : `did you mean \${{${meant}}}?`,
  });
  return undefined;
}
