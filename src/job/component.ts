/** A job that refers to a component, as one map with all that both say. Pure. */
import { nearest } from '../domain/nearest.ts';
import type { Problems } from './problems.ts';
import { listed } from './problems.ts';
import type { WrittenEntry, WrittenMap, WrittenNode } from './written.ts';
import { child, entriesOf, isNull, textOf } from './written.ts';

/** About the component itself, not about what it does. */
const OWN = new Set(['$schema', 'name', 'version', 'inputs', 'outputs']);
/** Maps in which the job may replace a single key. */
const MERGED = new Set(['resources', 'retry_settings', 'environment_variables', 'limits']);

/** @param entry the job as its file has it, a map with `component` */
export function withComponent(
  entry: WrittenEntry,
  job: WrittenMap,
  component: WrittenMap,
  problems: Problems,
): WrittenMap {
  const entries = new Map<string, WrittenEntry>();
  for (const [key, each] of component.entries) if (!OWN.has(key)) entries.set(key, each);
  for (const [key, each] of job.entries) {
    if (key === 'component' || key === 'inputs' || key === 'outputs' || key === 'type') continue;
    const below = entries.get(key)?.value;
    entries.set(key, MERGED.has(key) && below ? { ...each, value: merged(below, each.value) } : each);
  }
  const inputs = givenInputs(entry.key, job, component, problems);
  if (inputs) entries.set('inputs', inputs);
  const outputs = givenOutputs(job, component);
  if (outputs) entries.set('outputs', outputs);
  return { ...job, entries };
}

function merged(below: WrittenNode, above: WrittenNode): WrittenNode {
  if (below.kind !== 'map' || above.kind !== 'map') return above;
  return { ...above, entries: new Map([...below.entries, ...above.entries]) };
}

/** What the component declares, each with the value that the job gives it. */
function givenInputs(
  jobName: string,
  job: WrittenMap,
  component: WrittenMap,
  problems: Problems,
): WrittenEntry | undefined {
  const declared = entriesOf(child(component, 'inputs'));
  const given = new Map(entriesOf(child(job, 'inputs')).map((each) => [each.key, each]));
  const known = declared.map((each) => each.key);
  for (const { key, keyAt } of given.values()) {
    if (known.includes(key)) continue;
    const meant = nearest(key, known);
    problems.error('PR1031', `the component of ${jobName} has no input ${key}`, {
      where: keyAt(),
      why: `its inputs: ${listed(known)}`,
      next: meant === undefined ? 'remove it' : `did you mean ${meant}?`,
    });
  }
  const inputs = new Map<string, WrittenEntry>();
  for (const one of declared) {
    const value = given.get(one.key);
    if (value !== undefined && !isNull(value.value)) inputs.set(one.key, { ...value, value: typed(value.value, one) });
    else if (isOptional(one.value) || child(one.value, 'default') !== undefined) inputs.set(one.key, one);
    else
      problems.error('PR1031', `the job ${jobName} gives no value for the input ${one.key} of its component`, {
        where: (child(job, 'inputs') ?? job).at(),
        why: `the component declares it at ${placeOf(one)}, without optional: true and without default`,
        next: `add ${one.key}: below inputs: of the job`,
      });
  }
  const at = job.entries.get('inputs') ?? component.entries.get('inputs');
  return at && { ...at, value: { kind: 'map', entries: inputs, origin: job.origin, at: at.value.at } };
}

function isOptional(node: WrittenNode): boolean {
  const optional = child(node, 'optional');
  return optional?.kind === 'scalar' && (optional.value === true || optional.value === 'true');
}

/** A binding, and a text given for data, doesn't say what it is: that stands in the component. */
function typed(value: WrittenNode, declared: WrittenEntry): WrittenNode {
  const type = declaredEntry(declared, 'type');
  if (type === undefined) return value;
  if (value.kind === 'map') {
    if (value.entries.has('type')) return value;
    return { ...value, entries: new Map([...value.entries, ['type', type]]) };
  }
  const isText = value.kind === 'scalar' && typeof value.value === 'string' && value.value !== '';
  if (!isText || LITERAL.has(textOf(type.value) ?? '')) return value;
  const path: WrittenEntry = { key: 'path', keyAt: value.at, value };
  return { kind: 'map', origin: value.origin, at: value.at, entries: new Map([['type', type], ['path', path]]) }; // prettier-ignore
}

const LITERAL = new Set(['string', 'number', 'integer', 'boolean']);

function declaredEntry(declared: WrittenEntry, key: string): WrittenEntry | undefined {
  return declared.value.kind === 'map' ? declared.value.entries.get(key) : undefined;
}

function givenOutputs(job: WrittenMap, component: WrittenMap): WrittenEntry | undefined {
  const outputs = new Map<string, WrittenEntry>();
  for (const one of entriesOf(child(component, 'outputs'))) outputs.set(one.key, one);
  for (const one of entriesOf(child(job, 'outputs'))) {
    const declared = outputs.get(one.key);
    outputs.set(
      one.key,
      declared && !isNull(one.value) ? { ...one, value: typed(one.value, declared) } : (declared ?? one),
    );
  }
  const at = job.entries.get('outputs') ?? component.entries.get('outputs');
  return at && { ...at, value: { kind: 'map', entries: outputs, origin: job.origin, at: at.value.at } };
}

function placeOf({ keyAt }: WrittenEntry): string {
  const { file, line } = keyAt();
  return line === undefined ? file : `${file}:${line}`;
}
