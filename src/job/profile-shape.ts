/** Which keys a profile file may hold, what they are called elsewhere, and the JSON Schema made of them. Pure. */
import type { OptionKey, ScalarOptionKey } from './options.ts';
import { optionSpec, SCALAR_OPTION_KEYS } from './options.ts';
import type { LeafShape, MapShape, Shape } from './shape.ts';
import { each, ENVIRONMENT, leaf, map } from './shape.ts';
import type { KeyBook } from './unknown-keys.ts';

export const PROFILE_PAGE = 'docs/profile.md';

/** They say what a job is, not how it is run here; or they have a key of their own at the top. */
const NOT_SETTINGS: ReadonlySet<OptionKey> = new Set<OptionKey>([
  'entryScript',
  'code',
  'query',
  'output',
  'name',
  'python',
  'requirements',
  'root',
]);

/** Options that `settings` and `computes` of a profile may set. */
export const PROFILE_OPTIONS: readonly ScalarOptionKey[] = SCALAR_OPTION_KEYS.filter((key) => !NOT_SETTINGS.has(key));

/** As in a job file, or where it has none, as everywhere else. */
export const profilePath = (key: OptionKey): string => optionSpec(key).yaml ?? optionSpec(key).name;

/** Short names below a compute, and what they stand for. */
export const COMPUTE_ALIASES: ReadonlyMap<string, ScalarOptionKey> = new Map([
  ['processes', 'processes'],
  ['nodes', 'nodeCount'],
]);

const option = (key: OptionKey): LeafShape => ({ kind: 'leaf', option: key });

/** `retry_settings: {timeout: 5m}` as in a job file, and `retry_settings.timeout: 5m`. */
function settingsShape(aliases: ReadonlyMap<string, OptionKey>): MapShape {
  const keys = new Map<string, Shape>();
  const groups = new Map<string, [string, Shape][]>();
  for (const key of PROFILE_OPTIONS) {
    const path = profilePath(key);
    keys.set(path, option(key));
    const [group = '', inner] = path.split('.');
    if (inner !== undefined) groups.set(group, [...(groups.get(group) ?? []), [inner, option(key)]]);
  }
  for (const [group, inner] of groups) keys.set(group, map(inner));
  for (const [alias, key] of aliases) keys.set(alias, option(key));
  return { kind: 'map', keys };
}

const HELP = {
  python:
    'interpreter that runs the entry script, whatever environment the job names; a path (relative to this file) or a name on the PATH',
  requirements:
    'pip requirements that are installed besides those of the job: a list, or the path of a requirements file',
  pins: 'replacements of requirements: "tensorflow==1.15.0": "tensorflow==2.15.*"; null leaves it out',
  root: 'folder that holds the run folders',
  worker_command:
    'words that stand before interpreter and arguments of a worker, such as a container; {image} is the image of the job',
  worker_python: 'interpreter behind worker_command, where it is not that of the environment',
} as const;

export const PROFILE: MapShape = map([
  ['$schema', leaf()],
  ['python', leaf(HELP.python)],
  ['requirements', leaf(HELP.requirements)],
  ['pins', each(leaf(HELP.pins))],
  ['environments', each(ENVIRONMENT)],
  ['computes', each(settingsShape(COMPUTE_ALIASES))],
  ['datastores', each(leaf('path or URL that stands for the datastore'))],
  ['data', each(leaf('path or URL that stands for the data asset'))],
  ['settings', settingsShape(new Map())],
  ['environment_variables', each(leaf('text'))],
  ['root', leaf(HELP.root)],
  ['worker_command', leaf(HELP.worker_command)],
  ['worker_python', leaf(HELP.worker_python)],
]);

/** Where keys belong that people put elsewhere in the file, or know by another name. */
export const PROFILE_BOOK: KeyBook = {
  places: places(),
  whose: ' in the profile',
  top: 'at the top of the profile',
  page: PROFILE_PAGE,
};

function places(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const key of PROFILE_OPTIONS) {
    const path = profilePath(key);
    const { v1, runtimeFlag } = optionSpec(key);
    for (const name of [path.slice(path.lastIndexOf('.') + 1), v1, runtimeFlag])
      if (name !== undefined && !found.has(name)) found.set(name, `settings.${path}`);
  }
  for (const key of PROFILE.keys.keys()) found.set(key, key);
  return found;
}
