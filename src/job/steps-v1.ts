/** One step of a pipeline YAML of version 1, as a job of version 2; undefined where there is none to go on with. Pure. */
import { Builder, warnOfOthers } from './builder.ts';
import { fromConfig } from './config-v1.ts';
import { similarName } from './expressions.ts';
import type { FilesOfStep } from './pipeline-v1.ts';
import type { Problems } from './problems.ts';
import { listed } from './problems.ts';
import type { WrittenEntry, WrittenMap, WrittenNode, WrittenScalar } from './written.ts';
import { child, describeNode, entriesOf, isNull, scalarFrom, textOf } from './written.ts';

/** What a step can take its data from. */
export interface Sources {
  readonly parameters: ReadonlyMap<string, WrittenNode>;
  /** Inputs of the pipeline. */
  readonly data: ReadonlySet<string>;
  /** Name to `<step>.outputs.<output>`. */
  readonly destinations: ReadonlyMap<string, string>;
}

const COMMON = [
  'type', 'name', 'display_name', 'allow_reuse', 'inputs', 'outputs', 'arguments', 'parameters', 'params', 'compute',
  'compute_target', 'runconfig', 'script_name', 'source_directory', 'environment', 'environment_variables', 'description',
  'hash_paths', 'version', 'tags',
]; // prettier-ignore
const PARALLEL = [...COMMON, 'parallel_run_config', 'side_inputs'];

const STEP_NAME = /^[a-z](?:[-a-z0-9]*[a-z0-9])?$/;
const STEP_NAME_RULE = '3 to 32 of a to z, 0 to 9 and dashes, the first a letter, the last no dash';

export function parallelStep(
  key: string,
  step: WrittenMap,
  files: FilesOfStep,
  sources: Sources,
  problems: Problems,
): WrittenMap | undefined {
  warnOfOthers(step, PARALLEL, 'a ParallelRunStep', problems);
  checkName(step, problems);
  const wiring = new Wiring(step, sources, problems);
  const split = wiring.inputs('inputs');
  const sides = wiring.inputs('side_inputs');
  const words = wiring.words();
  const inline = child(step, 'parallel_run_config');
  const written = files.config ?? (inline?.kind === 'map' ? inline : undefined);
  if (written === undefined) {
    // a file that can't be read has been told
    if (textOf(inline) === undefined)
      problems.error('PR1009', `the step ${key} has no parallel_run_config`, {
        where: (inline ?? step).at(),
        why: inline === undefined ? 'it is missing' : `found ${describeNode(inline)}; allowed: a map, or the path of its file`,
        next: 'add parallel_run_config: with entry_script and the other settings, or the path of a file with them',
      }); // prettier-ignore
    return undefined;
  }
  const inner = child(written, 'parallel_run_config');
  const settings = inner?.kind === 'map' ? inner : written;
  const asked = new Builder(settings);
  asked.move(step, 'script_name', 'entry_script');
  for (const [name, entry] of settings.entries) asked.put(name, entry.value);
  asked.move(step, 'source_directory', 'source_directory');
  for (const name of ['environment', 'environment_variables', 'description']) asked.move(step, name, name);
  asked.move(step, 'compute_target', 'compute_target');
  asked.move(step, 'compute', 'compute_target');
  asked.put('inputs', together(step, [...split, ...sides]));
  const given = split.map(({ key: name, keyAt }) => scalarFrom(`\${{inputs.${name}}}`, step.origin, keyAt()));
  const [only] = given;
  if (only !== undefined)
    asked.put(
      'input_data',
      given.length === 1 ? only : { kind: 'list', items: given, origin: step.origin, at: only.at },
    );
  if (child(step, 'outputs') !== undefined) asked.put('outputs', wiring.outputs());
  if (words.length > 0) asked.put('arguments', { kind: 'list', items: words.map(({ node }) => node), origin: step.origin, at: step.at }); // prettier-ignore
  if (wiring.broken) return undefined;
  const job = fromConfig(keepPlaces(asked.map(), settings, step), problems);
  return { ...job, entries: new Map([...job.entries, ...finish(step, new Builder(step)).entries]) };
}

/** Runs once: `python script_name arguments`. */
export function commandStep(
  key: string,
  step: WrittenMap,
  files: FilesOfStep,
  sources: Sources,
  problems: Problems,
): WrittenMap | undefined {
  warnOfOthers(step, COMMON, 'a PythonScriptStep', problems);
  const wiring = new Wiring(step, sources, problems);
  const job = new Builder(step);
  job.put('type', job.text('command'));
  job.put('inputs', together(step, wiring.inputs('inputs')));
  job.put('outputs', wiring.outputs());
  const script = child(step, 'script_name');
  if (textOf(script) === undefined) {
    problems.error('PR1033', `the step ${key} has no script_name`, {
      where: (script ?? step).at(),
      next: 'add script_name: with the Python file to run, below source_directory',
    });
  }
  const words = wiring.words().map(({ node, isPath }) => (isPath ? node.text : quoted(node.text)));
  const line = ['python', quoted(slashes(textOf(script) ?? '')), ...words].join(' ');
  job.put('command', scalarFrom(line, step.origin, (script ?? step).at()));
  job.put('code', slashed(child(step, 'source_directory')) ?? job.text('.'));
  const { runconfig } = files;
  if (runconfig !== undefined) job.move(runconfig, 'environment', 'environment');
  job.move(step, 'environment', 'environment');
  job.put('environment_variables', wiring.variables(runconfig));
  if (wiring.broken) return undefined;
  for (const name of ['description', 'compute']) job.move(step, name, name);
  if (child(step, 'compute') === undefined) job.move(step, 'compute_target', 'compute');
  return finish(step, job);
}

/** What all steps have; the original takes an earlier result unless it is told not to. */
function finish(step: WrittenMap, job: Builder): WrittenMap {
  job.move(step, 'name', 'display_name');
  job.move(step, 'display_name', 'display_name');
  const reuse = child(step, 'allow_reuse');
  job.put('is_deterministic', reuse === undefined || isNull(reuse) ? scalarFrom(true, 'default', step.at()) : reuse);
  return job.map();
}

function checkName(step: WrittenMap, problems: Problems): void {
  const name = child(step, 'name');
  if (name === undefined || isNull(name)) return;
  const text = textOf(name) ?? '';
  if (text.length >= 3 && text.length <= 32 && STEP_NAME.test(text)) return;
  problems.error('PR1011', 'the name of a ParallelRunStep is not a possible one', {
    where: name.at(),
    why: `found ${describeNode(name)}; allowed: ${STEP_NAME_RULE}`,
    next: 'change name:; the step is called by its key below steps: here',
  });
}

interface Word {
  readonly node: WrittenScalar;
  /** An expression that stands for a path. */
  readonly isPath: boolean;
}

/** Inputs, outputs and arguments of one step, and where they come from. */
class Wiring {
  readonly #step: WrittenMap;
  readonly #sources: Sources;
  readonly #problems: Problems;
  /** Something of it stands for nothing; reported. */
  broken = false;

  constructor(step: WrittenMap, sources: Sources, problems: Problems) {
    this.#step = step;
    this.#sources = sources;
    this.#problems = problems;
  }

  inputs(section: 'inputs' | 'side_inputs'): readonly WrittenEntry[] {
    return entriesOf(child(this.#step, section)).flatMap((entry): WrittenEntry[] => {
      const { value } = entry;
      if (value.kind === 'map')
        warnOfOthers(value, ['source', 'bind_mode', 'mode', 'path_on_compute', 'overwrite'], `an input of a step`, this.#problems); // prettier-ignore
      const source = child(value, 'source') ?? (value.kind === 'scalar' && !isNull(value) ? value : undefined);
      const expression = this.#expressionOf(source ?? scalarFrom(entry.key, value.origin, entry.keyAt()));
      return expression === undefined ? [] : [{ ...entry, value: expression }];
    });
  }

  /** All of them folders: what a script of version 1 gets is a path below which it writes. */
  outputs(): WrittenMap {
    const outputs = entriesOf(child(this.#step, 'outputs')).map((entry): WrittenEntry => {
      const { value } = entry;
      if (value.kind === 'map')
        warnOfOthers(value, ['destination', 'datastore', 'bind_mode', 'mode', 'path_on_compute', 'overwrite', 'type'], `an output of a step`, this.#problems); // prettier-ignore
      const builder = new Builder(value.kind === 'map' ? value : this.#step);
      return { ...entry, value: builder.put('type', builder.text('uri_folder')).map() };
    });
    return together(this.#step, outputs);
  }

  words(): readonly Word[] {
    const node = child(this.#step, 'arguments');
    if (node === undefined || isNull(node)) return [];
    const items = node.kind === 'list' ? node.items : [node];
    return items.flatMap((item): Word[] => {
      if (item.kind === 'scalar') return this.#word(item);
      this.#problems.error('PR1010', 'an argument of a step has a value of the wrong type', {
        where: item.at(),
        why: `found ${describeNode(item)}; allowed: a text, a number, true or false`,
      });
      return [];
    });
  }

  /** Parameters of a PythonScriptStep, and what its runconfig sets. */
  variables(runconfig: WrittenMap | undefined): WrittenMap {
    const builder = new Builder(this.#step);
    const maps = [child(child(runconfig, 'environment'), 'environmentVariables'), child(runconfig, 'environment_variables'), child(this.#step, 'environment_variables')]; // prettier-ignore
    for (const { key } of this.#parameters()) {
      const value = this.#parameter(key);
      if (value?.isPath === false) builder.put(`AML_PARAMETER_${key}`, value.node);
    }
    for (const map of maps) for (const { key, value } of entriesOf(map)) builder.put(key, value);
    return builder.map();
  }

  #word(item: WrittenScalar): Word[] {
    const [, kind, name = ''] = /^(parameter|input|side_input|output):(.+)$/.exec(item.text) ?? [];
    if (kind === undefined) return [{ node: item, isPath: false }];
    const section = kind === 'output' ? 'outputs' : 'inputs';
    const known = this.#known(kind);
    if (!known.includes(name)) {
      this.#unknown(item, `${kind}:${name}`, known, `the step has no ${kind} ${name}`);
      return [];
    }
    if (kind !== 'parameter') return [{ node: scalarFrom(`\${{${section}.${name}}}`, item.origin, item.at()), isPath: true }]; // prettier-ignore
    const value = this.#parameter(name);
    return value === undefined ? [] : [value];
  }

  #known(kind: string): readonly string[] {
    const names = (section: string) => entriesOf(child(this.#step, section)).map(({ key }) => key);
    if (kind === 'parameter') return this.#parameters().map(({ key }) => key);
    return kind === 'output' ? names('outputs') : [...names('inputs'), ...names('side_inputs')];
  }

  #parameters(): readonly WrittenEntry[] {
    return [...entriesOf(child(this.#step, 'parameters')), ...entriesOf(child(this.#step, 'params'))];
  }

  #parameter(name: string): Word | undefined {
    const node = this.#parameters().find(({ key }) => key === name)?.value;
    const source = child(node, 'source');
    const called = source?.kind === 'scalar' ? source.text : undefined;
    if (node?.kind === 'scalar') return { node, isPath: false };
    if (source === undefined || called === undefined) return undefined;
    if (this.#sources.data.has(called))
      return { node: scalarFrom(`\${{parent.inputs.${called}}}`, source.origin, source.at()), isPath: true };
    const parameter = this.#sources.parameters.get(called);
    const value = parameter?.kind === 'map' ? child(parameter, 'default') : parameter;
    if (value?.kind === 'scalar' && !isNull(value)) return { node: value, isPath: false };
    if (parameter === undefined)
      this.#unknown(source, called, [...this.#sources.parameters.keys()], `the pipeline has no parameter ${called}`); // prettier-ignore
    else
      this.#problems.error('PR1009', `the parameter ${called} has no value`, {
        where: parameter.at(),
        next: `add default: to it, or --set pipeline.parameters.${called}.default=VALUE`,
      });
    return undefined;
  }

  #expressionOf(source: WrittenNode): WrittenNode | undefined {
    const name = source.kind === 'scalar' ? source.text : '';
    const { data, destinations, parameters } = this.#sources;
    const made = destinations.get(name);
    const expression =
      made !== undefined ? `parent.jobs.${made}` : data.has(name) ? `parent.inputs.${name}` : undefined;
    if (expression !== undefined) return scalarFrom(`\${{${expression}}}`, source.origin, source.at());
    // what is wrong with its value has been told
    if (parameters.has(name)) this.broken = true;
    else this.#unknown(source, name, [...data, ...destinations.keys()], `the source ${name} stands for nothing`);
    return undefined;
  }

  #unknown(node: WrittenNode, name: string, known: readonly string[], what: string): void {
    this.broken = true;
    const meant = similarName(name.replace(/^\w+:/, ''), known);
    this.#problems.error('PR1015', what, {
      where: node.at(),
      why: `known here: ${listed(known)}`,
      ...(meant !== undefined && { next: `did you mean ${meant}?` }),
    });
  }
}

/** The places of the keys are those of the file. */
function keepPlaces(map: WrittenMap, settings: WrittenMap, step: WrittenMap): WrittenMap {
  const entries = [...map.entries].map(([key, entry]): [string, WrittenEntry] => {
    const source = slashed(key === 'source_directory' ? entry.value : undefined);
    const keyAt = (settings.entries.get(key) ?? step.entries.get(key) ?? entry).keyAt;
    return [key, { key, keyAt, value: source ?? entry.value }];
  });
  return { ...map, entries: new Map(entries) };
}

function together(like: WrittenMap, entries: readonly WrittenEntry[]): WrittenMap {
  return { ...like, entries: new Map(entries.map((entry) => [entry.key, entry])) };
}

/** Files of version 1 were often written on Windows: `.\scripts` is `./scripts`. */
export const slashes = (text: string): string =>
  text.includes('\\') && !/[/:]/.test(text) ? text.replaceAll('\\', '/') : text;

function slashed(node: WrittenNode | undefined): WrittenNode | undefined {
  if (node?.kind !== 'scalar' || isNull(node)) return undefined;
  return scalarFrom(slashes(node.text), node.origin, node.at());
}

/** One word for the shell. */
const quoted = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
