/** Outputs of a pipeline or job as they are written, and where they lie. */
import path from 'node:path';
import type { SourceLocation } from '../domain/problem.ts';
import { fileName } from '../remote/location.ts';
import type { Names } from './expressions.ts';
import { resolveScalar, wholeExpression } from './expressions.ts';
import type { Places } from './places.ts';
import type { Problems } from './problems.ts';
import { ifMeant, listed } from './problems.ts';
import { OUTPUT_TYPES } from './shape.ts';
import type { WrittenEntry, WrittenNode, WrittenScalar } from './written.ts';
import { child, describeNode, isNull, textOf } from './written.ts';

export interface JobOutput {
  readonly name: string;
  readonly type: (typeof OUTPUT_TYPES)[number];
  /** Absent: below the run's own outputs. */
  readonly path: WrittenScalar | undefined;
  /** Below this folder, where it has no path of its own; absolute. */
  readonly home: string;
  readonly file: string;
  readonly at: () => SourceLocation;
}

/** `x` where a value, or its path, is nothing but `${{<prefix>x}}`. */
export function bindingOf(node: WrittenNode, prefix: string): string | undefined {
  const whole = wholeExpression(textOf(node) ?? textOf(child(node, 'path')) ?? '');
  return whole?.startsWith(prefix) === true ? whole.slice(prefix.length) : undefined;
}

/** Outputs of a section. One with a problem is there all the same, so that its users add no second complaint. */
export function readOutputs(
  entries: readonly WrittenEntry[],
  parents: ReadonlyMap<string, JobOutput>,
  { names, home }: { readonly names: Names; readonly home: string },
  problems: Problems,
): ReadonlyMap<string, JobOutput> {
  const outputs = new Map<string, JobOutput>();
  for (const { key: name, value: node, keyAt } of entries) {
    const binding = bindingOf(node, 'parent.outputs.');
    const bound = binding === undefined ? undefined : parents.get(binding);
    if (binding !== undefined && bound === undefined) {
      problems.error('PR1015', `\${{parent.outputs.${binding}}} stands for nothing`, {
        where: node.at(),
        why: `the pipeline's outputs: ${listed([...parents.keys()])}`,
      });
    } else if (node.kind !== 'map' && !isNull(node) && bound === undefined) {
      problems.error('PR1010', `the output ${name} has a value of the wrong type`, {
        where: node.at(),
        why: `found ${describeNode(node)}; allowed: a map with type and path, or \${{parent.outputs.<name>}}`,
      });
    }
    const type = outputType(name, child(node, 'type'), bound, problems);
    const ownPath = child(node, 'path');
    const path = binding === undefined ? readPath(name, ownPath, names, problems) : bound?.path;
    // of a step it lies where that of the pipeline does, under its name
    const place =
      bound === undefined || bound.home === home ? { home, file: name } : { home: bound.home, file: bound.file };
    outputs.set(name, { name, type, path, ...place, at: ownPath?.at ?? keyAt });
  }
  return outputs;
}

function readPath(
  name: string,
  node: WrittenNode | undefined,
  names: Names,
  problems: Problems,
): WrittenScalar | undefined {
  if (node === undefined || isNull(node)) return undefined;
  if (node.kind === 'scalar' && typeof node.value === 'string') return resolveScalar(node, names, problems);
  problems.error('PR1010', `the path of output ${name} has a value of the wrong type`, {
    where: node.at(),
    why: `found ${describeNode(node)}; allowed: a text`,
  });
  return undefined;
}

function outputType(
  name: string,
  node: WrittenNode | undefined,
  bound: JobOutput | undefined,
  problems: Problems,
): JobOutput['type'] {
  const type = textOf(node);
  if (node === undefined) return bound?.type ?? 'uri_folder';
  const known = OUTPUT_TYPES.find((other) => other === type);
  if (known !== undefined) return known;
  problems.error('PR1011', `the output ${name} has an unknown type`, {
    where: node.at(),
    why: `found ${describeNode(node)}; allowed: ${listed(OUTPUT_TYPES)}`,
    ...ifMeant(type ?? '', OUTPUT_TYPES),
  });
  return 'uri_folder';
}

/**
 * @returns the absolute path of an output; of one that goes elsewhere where it is written first. What is wrong with it is for
 *   `output.ts` to say.
 */
export function outputLocation({ path: written, home, file, type }: JobOutput, base: string, places: Places): string {
  const here = path.join(home, file);
  if (written === undefined || written.text === '') return here;
  const place = places.placeOf(written.text, base, 'output');
  if (place.kind === 'local') return place.path;
  return place.kind === 'remote' && type === 'uri_file' ? path.join(here, fileName(place.location)) : here;
}
