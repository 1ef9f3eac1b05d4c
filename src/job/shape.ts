/**
 * Which keys may stand where in a v2 pipeline with a parallel job. The options come from the table; the rest is the
 * frame around them. Also the source of the JSON Schema.
 */
import { OPTION_KEYS, optionSpec } from './options.ts';
import type { OptionKey } from './options.ts';

/** A value whose inside is nobody's business (`tags`), or that an option reads. */
export interface LeafShape {
  readonly kind: 'leaf';
  readonly option?: OptionKey;
  readonly help?: string;
}
export interface MapShape {
  readonly kind: 'map';
  readonly keys: ReadonlyMap<string, Shape>;
  /** Shape of the values below names the user chooses (`inputs.*`); then any key is known. */
  readonly each?: Shape;
  /** Shapes by the value of the key `type`, in place of this one. */
  readonly byType?: ReadonlyMap<string, MapShape>;
}
export type Shape = LeafShape | MapShape;

export const leaf = (help?: string): LeafShape => ({ kind: 'leaf', ...(help === undefined ? {} : { help }) });
export const leaves = (...names: readonly string[]): [string, Shape][] => names.map((name) => [name, leaf()]);
export const map = (keys: readonly (readonly [string, Shape])[]): MapShape => ({ kind: 'map', keys: new Map(keys) });
export const each = (shape: Shape): MapShape => ({ kind: 'map', keys: new Map(), each: shape });

export const INPUT_TYPES = [
  'uri_folder',
  'uri_file',
  'mltable',
  'mlflow_model',
  'custom_model',
  'triton_model',
  'string',
  'number',
  'integer',
  'boolean',
] as const;
export const OUTPUT_TYPES = ['uri_folder', 'uri_file', 'mltable'] as const;

const INPUT = map(leaves('type', 'path', 'mode', 'description', 'optional', 'default', 'min', 'max', 'enum'));
const OUTPUT = map(leaves('type', 'path', 'mode', 'description', 'name', 'version'));
/** `python` and `docker` of version 1 hold maps of their own. */
export const ENVIRONMENT = map([
  ...leaves(
    'name',
    'version',
    'image',
    'build',
    'os_type',
    'description',
    'tags',
    'properties',
    'inference_config',
    '$schema',
  ),
  ['conda_file', leaf('path of a conda file, or its content')],
  ['requirements', leaf('path of a pip requirements file, or a list of requirements')],
  ['python', leaf('path of an interpreter; of version 1: a map with interpreterPath, condaDependencies and the like')],
  ['docker', leaf('of version 1: a map with baseImage')],
  ['environmentVariables', leaf('of version 1: set in the worker processes')],
]);

/** Frame of the parallel job without the options of the table. */
const JOB_FRAME: readonly (readonly [string, Shape])[] = [
  ...leaves(
    '$schema',
    'type',
    'name',
    'version',
    'display_name',
    'description',
    'experiment_name',
    'tags',
    'properties',
    'compute',
    'component',
    'identity',
    'services',
    'is_deterministic',
    'queue_settings',
    'limits',
  ),
  ['inputs', each(INPUT)],
  ['outputs', each(OUTPUT)],
];
const TASK_FRAME: readonly (readonly [string, Shape])[] = [
  ...leaves('type', 'model'),
  ['append_row_file_name', leaf('name of the result file in the folder that append_row_to names')],
];
const RESOURCES_NAMES = [
  'instance_type',
  'properties',
  'shm_size',
  'docker_args',
  'max_instance_count',
  'locations',
] as const;
const RESOURCES_FRAME = leaves(...RESOURCES_NAMES);

/** Shape of `jobs.<name>` with `type: parallel`. */
export const PARALLEL_JOB: MapShape = buildJob();

/** Shape of `jobs.<name>` with `type: command`. */
export const COMMAND_JOB: MapShape = map([
  ...JOB_FRAME.filter(([key]) => key !== 'limits'),
  ['command', leaf('line for the shell, run once; its expressions are replaced first')],
  ['code', leaf('folder that the command starts in; a copy of it is made')],
  ['environment', ENVIRONMENT],
  ['environment_variables', leaf('variables for the command')],
  ['models', leaf('names of models to paths, or to models of the registry, as of a parallel job')],
  ['limits', map([['timeout', leaf('seconds after which the command is ended')]])],
  ['resources', map(leaves('instance_count', ...RESOURCES_NAMES))],
  ...leaves('distribution'),
]);

export const PIPELINE: MapShape = map([
  ...leaves(
    '$schema',
    'type',
    'name',
    'version',
    'display_name',
    'description',
    'experiment_name',
    'tags',
    'properties',
    'compute',
    'identity',
    'services',
    'schedule',
  ),
  [
    'settings',
    map(
      leaves(
        'default_compute',
        'default_datastore',
        'default_environment',
        'continue_on_step_failure',
        'continue_run_on_step_failure',
        'force_rerun',
        'on_init',
        'on_finalize',
      ),
    ),
  ],
  ['inputs', each(INPUT)],
  ['outputs', each(OUTPUT)],
  ['jobs', each({ ...PARALLEL_JOB, byType: new Map([['command', COMMAND_JOB]]) })],
]);

/** A file that a job refers to. */
export const COMPONENT: MapShape = { ...PARALLEL_JOB, byType: new Map([['command', COMMAND_JOB]]) };

function buildJob(): MapShape {
  const groups = new Map<string, [string, Shape][]>([
    ['', [...JOB_FRAME] as [string, Shape][]],
    ['task', [...TASK_FRAME] as [string, Shape][]],
    ['resources', RESOURCES_FRAME],
    ['retry_settings', []],
  ]);
  for (const option of OPTION_KEYS) {
    const path = optionSpec(option).yaml;
    if (path === undefined) continue;
    const cut = path.lastIndexOf('.');
    const group = groups.get(cut < 0 ? '' : path.slice(0, cut));
    group?.push([path.slice(cut + 1), shapeOf(option)]);
  }
  const inner = [...groups].filter(([name]) => name !== '').map(([name, keys]) => [name, map(keys)] as const);
  return map([...(groups.get('') ?? []), ...inner]);
}

function shapeOf(option: OptionKey): Shape {
  return option === 'environment' ? ENVIRONMENT : { kind: 'leaf', option };
}

/** Where each key of a parallel job belongs (`append_row_to` to `task.append_row_to`); v1 and flag names included. */
export function knownPlaces(): ReadonlyMap<string, string> {
  const places = new Map<string, string>();
  for (const option of OPTION_KEYS) {
    const { yaml, v1, runtimeFlag } = optionSpec(option);
    if (yaml === undefined) continue;
    places.set(yaml.slice(yaml.lastIndexOf('.') + 1), yaml);
    for (const name of [v1, runtimeFlag]) if (name !== undefined && !places.has(name)) places.set(name, yaml);
  }
  for (const option of OPTION_KEYS) {
    const { yaml, runtimeFlag } = optionSpec(option);
    if (yaml === undefined && runtimeFlag !== undefined && !places.has(runtimeFlag))
      places.set(runtimeFlag, `task.program_arguments, as --${runtimeFlag}`);
  }
  places.set('conda_file', 'task.environment.conda_file');
  places.set('output_action', 'task.append_row_to');
  return places;
}
