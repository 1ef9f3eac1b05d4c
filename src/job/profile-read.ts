/** What a profile file says, checked. Pure. */
import { homedir } from 'node:os';
import path from 'node:path';
import { nearest } from '../domain/nearest.ts';
import type { SourceLocation } from '../domain/problem.ts';
import type { ScalarOptionKey } from './options.ts';
import type { Pin } from './overrides.ts';
import { makePin } from './overrides.ts';
import type { Problems } from './problems.ts';
import { COMPUTE_ALIASES, PROFILE, PROFILE_BOOK, PROFILE_OPTIONS, profilePath } from './profile-shape.ts';
import type { JobRequest } from './request.ts';
import { warnOfUnknownKeys } from './unknown-keys.ts';
import type { WrittenMap, WrittenNode, WrittenScalar } from './written.ts';
import { child, describeNode, entriesOf, isNull, lookUp, textOf } from './written.ts';

export interface Placed<T> {
  readonly value: T;
  readonly at: SourceLocation;
}

export interface Profile {
  /** Absolute. */
  readonly file: string;
  /** Base of its relative paths. */
  readonly folder: string;
  /** Absolute path, or a name on the PATH. */
  readonly python: Placed<string> | undefined;
  /** Lines; or the absolute path of a file of them. */
  readonly requirements: readonly (Placed<string> & { readonly isFile: boolean })[];
  readonly pins: readonly Pin[];
  /** Normal name of an environment of a workspace to what stands for it. */
  readonly environments: readonly { readonly name: string; readonly node: WrittenNode }[];
  /** Compute name to its settings. */
  readonly computes: ReadonlyMap<string, WrittenNode>;
  /** Name of a datastore to an absolute local path, or a URL. */
  readonly datastores: ReadonlyMap<string, string>;
  /** Name of a data asset, perhaps with `:version`, likewise. */
  readonly data: ReadonlyMap<string, string>;
  readonly settings: WrittenNode | undefined;
  readonly environmentVariables: WrittenNode | undefined;
  /** Absolute. */
  readonly root: Placed<string> | undefined;
  readonly workerCommand: Placed<readonly string[]> | undefined;
  readonly workerPython: Placed<string> | undefined;
}

/** @returns undefined where it is no map; reported */
export function profileOf(
  tree: WrittenNode,
  file: string,
  env: JobRequest['env'],
  problems: Problems,
): Profile | undefined {
  const map = isNull(tree) ? emptyMap(tree) : tree;
  if (map.kind !== 'map') {
    problems.error('PR1602', 'the profile is not a map', {
      where: tree.at(),
      why: `found ${describeNode(tree)}; allowed: keys such as python, pins, computes, settings`,
      next: 'see docs/profile.md',
    });
    return undefined;
  }
  warnOfUnknownKeys(map, PROFILE, problems, PROFILE_BOOK);
  const read = new Reader(map, path.dirname(file), env, problems);
  return {
    file,
    folder: path.dirname(file),
    python: read.interpreter('python'),
    requirements: read.requirements(),
    pins: read.pins(),
    environments: read.maps('environments').map(({ key, value }) => ({ name: environmentName(key), node: value })),
    computes: new Map(read.maps('computes').map(({ key, value }) => [computeName(key), read.mapOrNothing(value, key)])),
    datastores: read.places('datastores'),
    data: new Map([...read.places('data')].map(([name, place]) => [name.trim().replace(/^azureml:/i, ''), place])),
    settings: read.section('settings'),
    environmentVariables: read.section('environment_variables'),
    root: read.localPath('root'),
    workerCommand: read.words('worker_command'),
    workerPython: read.text('worker_python'),
  };
}

/** `azureml:gpu-cluster` and `gpu-cluster` are one compute. */
export const computeName = (text: string): string => text.trim().replace(/^azureml:/i, '');

/** Without scheme, registry and the like: `azureml:AzureML-sklearn-1.0@latest` is `AzureML-sklearn-1.0@latest`. */
export function environmentName(text: string): string {
  const asset = /^azureml:\/\/(?:.*\/)?environments\/([^/]+)(?:\/(?:versions|labels)\/([^/]+))?\/?$/i.exec(text.trim());
  if (asset?.[1] !== undefined) return asset[2] === undefined ? asset[1] : `${asset[1]}:${asset[2]}`;
  return text.trim().replace(/^azureml:/i, '');
}

/** That very version first, then the name for all versions. */
export function environmentOf(profile: Profile | undefined, reference: string): WrittenNode | undefined {
  const name = environmentName(reference);
  const bare = name.replace(/[:@][^:@]*$/, '');
  const found =
    profile?.environments.find((entry) => entry.name === name) ??
    profile?.environments.find((entry) => entry.name === bare);
  return found?.node;
}

/** A name in `environments` that looks like the one that is missing. */
export const similarEnvironment = (profile: Profile | undefined, reference: string): string | undefined =>
  nearest(environmentName(reference), profile?.environments.map(({ name }) => name) ?? []);

/** Value of an option for a compute: what is said of the compute itself, then what is said of all. */
export function settingOf(
  profile: Profile | undefined,
  key: ScalarOptionKey,
  compute: string | undefined,
): WrittenNode | undefined {
  if (profile === undefined || !PROFILE_OPTIONS.includes(key)) return undefined;
  const ownPath = profilePath(key);
  const names = [...[...COMPUTE_ALIASES].filter(([, option]) => option === key).map(([alias]) => alias), ownPath];
  const section = compute === undefined ? undefined : profile.computes.get(computeName(compute));
  return (
    names.map((name) => member(section, name)).find((node) => node !== undefined) ?? member(profile.settings, ownPath)
  );
}

const member = (section: WrittenNode | undefined, name: string): WrittenNode | undefined => {
  const node = lookUp(section, name) ?? child(section, name);
  return node === undefined || isNull(node) ? undefined : node;
};

const emptyMap = (tree: WrittenNode): WrittenMap => ({
  kind: 'map',
  entries: new Map(),
  origin: tree.origin,
  at: () => tree.at(),
});

const isRequirementsFile = (text: string): boolean => /\.txt$/i.test(text) && !text.includes('://');

class Reader {
  readonly #map: WrittenMap;
  readonly #folder: string;
  readonly #home: string;
  readonly #problems: Problems;

  constructor(map: WrittenMap, folder: string, env: JobRequest['env'], problems: Problems) {
    this.#map = map;
    this.#folder = folder;
    this.#home = env?.['HOME'] ?? homedir();
    this.#problems = problems;
  }

  text(key: string): Placed<string> | undefined {
    const node = this.#given(key);
    if (node === undefined) return undefined;
    const value = textOf(node);
    if (value !== undefined && value.trim() !== '') return { value, at: node.at() };
    this.#wrong(key, node, 'a text');
    return undefined;
  }

  localPath(key: string): Placed<string> | undefined {
    const found = this.text(key);
    return found && { ...found, value: this.#absolute(found.value) };
  }

  /** A bare name is one on the PATH. */
  interpreter(key: string): Placed<string> | undefined {
    const found = this.text(key);
    return found && { ...found, value: /[/~]/.test(found.value) ? this.#absolute(found.value) : found.value };
  }

  words(key: string): Placed<readonly string[]> | undefined {
    const node = this.#given(key);
    if (node === undefined) return undefined;
    if (node.kind === 'list' && node.items.length > 0 && node.items.every(isWord)) {
      const [program = '', ...words] = node.items.filter(isWord).map((item) => item.text);
      // A program with a path is one beside the profile; the others are words, whatever they look like.
      const isPath = /^[^{]*\//.test(program) || program.startsWith('~/');
      return { value: [isPath ? this.#absolute(program) : program, ...words], at: node.at() };
    }
    this.#wrong(key, node, 'a list of words, such as [podman, run, --rm, "{image}"]; what holds braces needs quotes');
    return undefined;
  }

  requirements(): Profile['requirements'] {
    const node = this.#given('requirements');
    if (node === undefined) return [];
    const items = node.kind === 'list' ? node.items : [node];
    return items.flatMap((item) => {
      const text = textOf(item);
      if (text === undefined || text.trim() === '') {
        this.#wrong('requirements', item, 'the path of a requirements file, or a list of requirements');
        return [];
      }
      // A text on its own is a file; in a list both may stand.
      const isFile = node.kind !== 'list' || isRequirementsFile(text);
      return [{ value: isFile ? this.#absolute(text) : text.trim(), at: item.at(), isFile }];
    });
  }

  pins(): readonly Pin[] {
    const seen = new Set<string>();
    return this.maps('pins').flatMap(({ key, keyAt, value }) => {
      if (value.kind !== 'scalar' || typeof value.value === 'boolean') {
        this.#wrong(`pins.${key}`, value, 'a requirement, a version, or null to leave it out');
        return [];
      }
      const pin = makePin(
        key,
        value.value === null ? undefined : value.text,
        value.value === null ? keyAt() : value.at(),
      );
      if (typeof pin !== 'string') {
        const identity = `${pin.name} ${pin.version ?? ''}`;
        if (seen.has(identity)) return [];
        seen.add(identity);
        return [pin];
      }
      this.#problems.error('PR1011', `pins has an entry that is not allowed`, { where: value.at(), why: pin });
      return [];
    });
  }

  places(section: 'datastores' | 'data'): ReadonlyMap<string, string> {
    const found = new Map<string, string>();
    for (const { key, value } of this.maps(section)) {
      const text = textOf(value);
      if (text === undefined || text.trim() === '') this.#wrong(`${section}.${key}`, value, 'a path or a URL');
      else found.set(key, /^[A-Za-z][A-Za-z0-9+.-]+:\/\//.test(text) ? text : this.#absolute(text));
    }
    return found;
  }

  /** Entries of a map of names. */
  maps(key: string): ReturnType<typeof entriesOf> {
    return entriesOf(this.section(key));
  }

  section(key: string): WrittenNode | undefined {
    const node = this.#given(key);
    return node === undefined ? undefined : this.mapOrNothing(node, key);
  }

  mapOrNothing(node: WrittenNode, key: string): WrittenNode {
    if (node.kind === 'map' || isNull(node)) return node;
    this.#wrong(key, node, 'a map');
    return emptyMap(node);
  }

  #given(key: string): WrittenNode | undefined {
    const node = child(this.#map, key);
    return node === undefined || isNull(node) ? undefined : node;
  }

  #absolute(text: string): string {
    const trimmed = text.trim();
    const expanded = trimmed === '~' || trimmed.startsWith('~/') ? this.#home + trimmed.slice(1) : trimmed;
    return path.resolve(this.#folder, expanded);
  }

  #wrong(key: string, node: WrittenNode, allowed: string): void {
    this.#problems.error('PR1010', `${key} has a value of the wrong type`, {
      where: node.at(),
      why: `found ${describeNode(node)}; allowed: ${allowed}`,
    });
  }
}

const isWord = (node: WrittenNode): node is WrittenScalar => node.kind === 'scalar' && node.value !== null;
