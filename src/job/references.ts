/** Inputs and outputs of pipeline and job, and what their names stand for in expressions. */
import type { Meaning, Names } from './expressions.ts';
import { resolveScalar, scalarMeaning, textMeaning } from './expressions.ts';
import type { JobOutput } from './job-outputs.ts';
import { bindingOf, readOutputs } from './job-outputs.ts';
import type { Places } from './places.ts';
import type { ParallelJob } from './pipeline.ts';
import { jobEntries, parentEntries } from './pipeline.ts';
import type { Problems } from './problems.ts';
import { listed } from './problems.ts';
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
    };
export interface References {
  readonly inputs: ReadonlyMap<string, JobInput>;
  readonly parentInputs: ReadonlyMap<string, JobInput>;
  readonly outputs: ReadonlyMap<string, JobOutput>;
  readonly parentOutputs: ReadonlyMap<string, JobOutput>;
  readonly names: Names;
}

const LITERAL_TYPES: readonly string[] = ['string', 'number', 'integer', 'boolean'];

/**
 * @param base folder of the job file
 * @param runName what `${{name}}` stands for
 * @param outputPath absolute path of an output of the job
 * @param places where paths lead
 */
export function resolveReferences(
  job: ParallelJob | undefined,
  base: string,
  runName: string,
  outputPath: (output: JobOutput) => string,
  places: Places,
  problems: Problems,
): References {
  const parentInputs = readInputs(parentEntries(job, 'inputs'), new Map(), new Map(), problems);
  const parentNames = new Map<string, Meaning>(
    [...parentInputs].map(([name, input]) => [`parent.inputs.${name}`, meaningOf(input, base, places)]),
  );
  parentNames.set('name', textMeaning(runName));
  const inputs = readInputs(jobEntries(job, 'inputs'), parentInputs, parentNames, problems);
  const names = new Map<string, Meaning>(
    [...inputs].map(([name, input]) => [`inputs.${name}`, meaningOf(input, base, places)]),
  );
  for (const [name, meaning] of parentNames) names.set(name, meaning);
  const parentOutputs = readOutputs(parentEntries(job, 'outputs'), new Map(), names, problems);
  const outputs = readOutputs(jobEntries(job, 'outputs'), parentOutputs, names, problems);
  for (const [name, output] of outputs) names.set(`outputs.${name}`, textMeaning(outputPath(output)));
  for (const [name, output] of parentOutputs) {
    // One output with two names: the job's own name decides where it is.
    const bound = boundOutput(job, name);
    names.set(
      `parent.outputs.${name}`,
      textMeaning(outputPath(bound === undefined ? output : (outputs.get(bound) ?? output))),
    );
  }
  return { inputs, parentInputs, outputs, parentOutputs, names };
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

function readInputs(entries: readonly WrittenEntry[], parents: Inputs, names: Names, problems: Problems): Inputs {
  const inputs = new Map<string, JobInput>();
  for (const entry of entries) {
    inputs.set(entry.key, readInput(entry, parents, names, problems));
  }
  return inputs;
}

function readInput(
  { key: name, value: node }: WrittenEntry,
  parents: Inputs,
  names: Names,
  problems: Problems,
): JobInput {
  const broken: JobInput = { kind: 'broken', name };
  const binding = bindingOf(node, 'parent.inputs.');
  const bound = binding === undefined ? undefined : parents.get(binding);
  if (bound !== undefined) {
    const ownType = textOf(child(node, 'type'));
    return bound.kind === 'data' ? { ...bound, name, type: ownType ?? bound.type } : { ...bound, name };
  }
  if (reportOtherJob(node, problems)) return broken;
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
  return readInputMap(name, node, names, problems);
}

function readInputMap(name: string, node: WrittenNode, names: Names, problems: Problems): JobInput {
  const broken: JobInput = { kind: 'broken', name };
  const typeNode = child(node, 'type');
  const type = textOf(typeNode);
  if (typeNode !== undefined && !INPUT_TYPES.some((known) => known === type)) {
    problems.error('PR1011', `the input ${name} has an unknown type`, {
      where: typeNode.at(),
      why: `found ${describeNode(typeNode)}; allowed: ${listed(INPUT_TYPES)}`,
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
  return { kind: 'data', name, type, path: resolved.value, node: value };
}

function reportOtherJob(node: WrittenNode, problems: Problems): boolean {
  const other = bindingOf(node, 'parent.jobs.');
  if (other !== undefined)
    problems.error('PR1007', 'inputs from other jobs are not supported yet', {
      where: node.at(),
      next: 'give the path of the folder that the other job writes',
    });
  return other !== undefined;
}
