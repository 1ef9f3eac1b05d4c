/** Where paths of a job lead: here, or elsewhere; and what of a job lies elsewhere. I/O: asks stores, fetches nothing. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { RemoteInput, RemoteOutput, RemotePlaces } from '../domain/plan.ts';
import type { Problem, SourceLocation } from '../domain/problem.ts';
import { isDatastorePath, resolveDatastore, sayWhere } from '../remote/datastore.ts';
import type { Datastores } from '../remote/datastore.ts';
import { fileName, isRemoteScheme, joinUrl, localName, parseLocation } from '../remote/location.ts';
import type { Env, RemoteLocation } from '../remote/location.ts';
import type { Peeked } from '../remote/peek.ts';
import { looksLikeGlob, toLocalPath } from './paths.ts';
import type { Problems } from './problems.ts';

export type Place =
  | { readonly kind: 'local'; readonly path: string }
  | { readonly kind: 'remote'; readonly location: RemoteLocation; readonly written: string }
  /** A form that nobody knows. */
  | { readonly kind: 'unknown'; readonly scheme: string }
  | { readonly kind: 'refused'; readonly problem: Omit<Problem, 'severity' | 'where'> };

/** What a place comes to, asked of its store. */
export type Asked =
  | { readonly kind: 'file' }
  | { readonly kind: 'folder'; readonly names: readonly string[] }
  | { readonly kind: 'glob'; readonly root: Place & { kind: 'remote' }; readonly pattern: string }
  | { readonly kind: 'refused' };

/** A folder instead of a datastore that nobody knows here: outputs may go there, inputs only where it has them. */
export interface StandIn {
  readonly datastore: string;
  /** Absolute. */
  readonly folder: string;
}

export interface PlacesOptions {
  readonly env: Env;
  readonly datastores: Datastores;
  /** The default datastore, where no profile says what it is. */
  readonly standIn?: StandIn;
  /** Links to inputs lie here; see `runLayout`. */
  readonly inputsFolder: string;
  /** Nothing is asked: places are what they are declared to be. */
  readonly offline: boolean;
}

const SMALL_BYTES_MAX = 16 * 1024 * 1024;

/** Collects what lies elsewhere while a job is compiled. */
export class Places {
  readonly #options: PlacesOptions;
  readonly #inputs = new Map<string, RemoteInput>();
  readonly #outputs = new Map<string, RemoteOutput>();
  readonly #secrets = new Map<string, string>();
  readonly #asked = new Map<string, Promise<Peeked>>();
  #hasStoodIn = false;

  constructor(options: PlacesOptions) {
    this.#options = options;
  }

  placeOf(text: string, base: string, use: 'input' | 'output' = 'input'): Place {
    const { env, datastores } = this.#options;
    let written = text;
    if (isDatastorePath(text)) {
      const resolved = resolveDatastore(text, datastores);
      const standIn = resolved.ok ? undefined : this.#standIn(text, use);
      if (standIn !== undefined) return { kind: 'local', path: standIn };
      if (!resolved.ok) return { kind: 'refused', problem: resolved.error };
      written = resolved.value;
    }
    const local = toLocalPath(written, base);
    if (local.ok) return { kind: 'local', path: local.value };
    if (!isRemoteScheme(local.error)) return { kind: 'unknown', scheme: local.error };
    const location = parseLocation(written, env);
    if (location.ok) return { kind: 'remote', location: location.value, written };
    return {
      kind: 'refused',
      problem: {
        code: 'PR3606',
        what: `the URL ${text} is not understood`,
        why: location.error,
        next: 'allowed: https://account.blob.core.windows.net/container/path, wasbs://, abfss://, s3://bucket/path, https://',
      },
    };
  }

  /** Path in the folder that stands for the default datastore. */
  #standIn(text: string, use: 'input' | 'output'): string | undefined {
    const { standIn } = this.#options;
    if (standIn === undefined) return undefined;
    const resolved = resolveDatastore(text, new Map([[standIn.datastore, standIn.folder]]));
    if (!resolved.ok || (use === 'input' && !existsSync(resolved.value))) return undefined;
    this.#hasStoodIn = true;
    return path.resolve(resolved.value);
  }

  /** Where outputs went into it, or inputs came from it. */
  get usedStandIn(): StandIn | undefined {
    return this.#hasStoodIn ? this.#options.standIn : undefined;
  }

  /** Absolute path of what an input will be, once it is fetched. */
  localOf(location: RemoteLocation, kind: 'file' | 'folder'): string {
    const root = this.rootOf(location);
    return kind === 'file' ? path.join(root, fileName(location)) : root;
  }

  rootOf(location: RemoteLocation): string {
    return path.join(this.#options.inputsFolder, localName(location));
  }

  addInput(name: string, { location, written }: Place & { kind: 'remote' }, kind: 'file' | 'folder'): void {
    const local = this.rootOf(location);
    const before = this.#inputs.get(local);
    this.#inputs.set(local, before ? { ...before, whole: true } : { name, url: location.url, kind, local });
    this.#keep(location, written);
  }

  addOutput(output: RemoteOutput, { location, written }: Place & { kind: 'remote' }): void {
    this.#outputs.set(output.local, output);
    this.#keep(location, written);
  }

  #keep({ url }: RemoteLocation, written: string): void {
    this.keepSecret(url, written);
  }

  /** @param shown what stands in the plan in its place */
  keepSecret(shown: string, written: string): void {
    if (written !== shown) this.#secrets.set(shown, written);
  }

  /** @returns undefined where everything is here */
  get all(): RemotePlaces | undefined {
    if (this.#inputs.size + this.#outputs.size === 0) return undefined;
    return { inputs: [...this.#inputs.values()], outputs: [...this.#outputs.values()] };
  }

  /** URLs as they were written, by what is shown of them: for as long as the process lives. */
  get secrets(): ReadonlyMap<string, string> {
    return this.#secrets;
  }

  /** URL that a root stands for. */
  originOf(root: string): string | undefined {
    const input = this.#inputs.get(root);
    if (input === undefined) return undefined;
    const url = input.url.split('?')[0] ?? input.url;
    return input.kind === 'folder' ? url : url.slice(0, url.lastIndexOf('/'));
  }

  /** What is there. Problems are reported. @param type as declared */
  async ask(
    text: string,
    { location, written }: Place & { kind: 'remote' },
    type: string | undefined,
    at: SourceLocation,
    problems: Problems,
  ): Promise<Asked> {
    const { env, offline } = this.#options;
    const glob = looksLikeGlob(location.path) ? splitRemoteGlob(written, env) : undefined;
    if (offline) {
      if (glob) return { kind: 'glob', ...glob };
      return type === 'uri_file' || location.store === 'http' ? { kind: 'file' } : { kind: 'folder', names: [] };
    }
    const { RemoteError, remoteProblem } = await import('../remote/index.ts');
    const tell = (problem: Problem): Asked => {
      problems.error(problem.code, `the input ${text} cannot be used: ${problem.what}`, {
        where: at,
        ...(problem.why !== undefined && { why: problem.why }),
        ...(problem.next !== undefined && { next: problem.next }),
      });
      return { kind: 'refused' };
    };
    try {
      const found = await this.#peek(location);
      if (found.kind !== 'nothing') return found;
      if (glob && (await this.#peek(glob.root.location)).kind === 'folder') return { kind: 'glob', ...glob };
      return tell(
        remoteProblem(
          new RemoteError('not-found', 'no object has this name, or one that begins with it and a slash'),
          location.url,
        ),
      );
    } catch (error) {
      if (error instanceof RemoteError) return tell(remoteProblem(error, location.url));
      throw error;
    }
  }

  /**
   * Text of a small file in a folder that lies elsewhere. Problems are reported.
   * @returns undefined where it can't be had, or nothing is asked
   */
  async textIn(
    { written }: Place & { kind: 'remote' },
    file: string,
    at: SourceLocation,
    problems: Problems,
  ): Promise<string | undefined> {
    const { env, offline } = this.#options;
    const place = parseLocation(joinUrl(written, file), env);
    if (offline || !place.ok) return undefined;
    const { RemoteError, readText, remoteProblem } = await import('../remote/index.ts');
    const { url } = place.value;
    try {
      const text = await readText(place.value, env, SMALL_BYTES_MAX);
      if (text !== undefined) return text;
      throw new RemoteError('not-found', 'no object has this name');
    } catch (error) {
      if (!(error instanceof RemoteError)) throw error;
      const { code, what, ...more } = remoteProblem(error, url);
      const { why, next } = more;
      problems.error(code, `${url} cannot be read: ${what}`, {
        where: at,
        ...(why !== undefined && { why }),
        ...(next !== undefined && { next }),
      });
      return undefined;
    }
  }

  /** Once a place, whoever asks. */
  #peek(location: RemoteLocation): Promise<Peeked> {
    const key = location.url + (location.isPrefix ? '/' : '');
    const asking =
      this.#asked.get(key) ?? import('../remote/index.ts').then(({ peek }) => peek(location, this.#options.env));
    this.#asked.set(key, asking);
    return asking;
  }

  /** Whether a result would lie over something. What can't be told is told when it is uploaded. */
  async isTaken(location: RemoteLocation): Promise<Problem | boolean> {
    if (this.#options.offline) return false;
    const { RemoteError, exists, remoteProblem } = await import('../remote/index.ts');
    try {
      return await exists(location, this.#options.env);
    } catch (error) {
      if (error instanceof RemoteError) return remoteProblem(error, location.url);
      throw error;
    }
  }
}

export function tellStandIn(standIn: StandIn | undefined, where: SourceLocation | undefined, problems: Problems): void {
  if (standIn === undefined) return;
  problems.warning('PR3609', `a folder stands for the default datastore ${standIn.datastore}: ${standIn.folder}`, {
    ...(where && { where }),
    why: 'no profile says what it is',
    next: `to have it elsewhere, ${sayWhere(standIn.datastore)}`,
  });
}

/** Cuts a URL with a pattern behind its longest literal folder. */
function splitRemoteGlob(written: string, env: Env): { root: Place & { kind: 'remote' }; pattern: string } | undefined {
  const query = /^s3:/i.test(written) ? -1 : written.indexOf('?');
  const [text, rest] = query < 0 ? [written, ''] : [written.slice(0, query), written.slice(query)];
  const literal = /^s3:/i.test(written) ? (part: string) => part : decodeURIComponent;
  const parts = text.split('/');
  const first = parts.findIndex((part, i) => i > 2 && looksLikeGlob(literal(part)));
  if (first < 0) return undefined;
  const front = `${parts.slice(0, first).join('/')}/${rest}`;
  const root = parseLocation(front, env);
  if (!root.ok || root.value.store === 'http') return undefined;
  return {
    root: { kind: 'remote', location: root.value, written: front },
    pattern: parts.slice(first).map(literal).join('/'),
  };
}
