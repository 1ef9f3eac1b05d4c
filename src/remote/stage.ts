/** Brings what lies below a remote place into a local folder, by way of the cache. */
import { randomBytes } from 'node:crypto';
import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { ParallelRunError } from '../domain/problem.ts';
import { acquireLock } from '../environment/lock.ts';
import type { Lock } from '../environment/lock.ts';
import { DataCache, bytesOf } from './cache.ts';
import type { Tree } from './cache.ts';
import { RemoteError, remoteRefusal } from './error.ts';
import { fetchObject } from './fetch.ts';
import { digestOf, listObjects } from './listing.ts';
import type { ListedObject } from './listing.ts';
import { hashOf } from './location.ts';
import type { Env, RemoteLocation } from './location.ts';
import { openStore } from './open.ts';
import type { RetryPolicy } from './retry.ts';
import { limitOf, makeRoom } from './room.ts';
import type { RemoteStore } from './store.ts';

const AT_ONCE = 16;
const TELL_MS = 2000;
/** An object that another process removes between fetching and linking it is fetched again so often. */
const LINK_TRIES = 3;

export interface StageRequest {
  /** Of the input, for people. */
  readonly name: string;
  readonly location: RemoteLocation;
  readonly kind: 'file' | 'folder';
  /** Whether a file, by its path below the folder, is wanted. */
  readonly takes?: (file: string) => boolean;
}

export interface StageOptions {
  readonly env: Env;
  /** Folder of the cache. */
  readonly cacheFolder: string;
  readonly runId: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (line: string) => void;
  readonly policy?: RetryPolicy;
}

/** What a listing came to. */
export interface Listed {
  /** The same as long as nothing has changed. */
  readonly digest: string;
  /** Of the tree that holds it. */
  readonly key: string;
  readonly objects: readonly ListedObject[];
}

export interface Staged {
  readonly folder: string;
  readonly files: number;
  readonly bytes: number;
  readonly digest: string;
  readonly key: string;
  /** From then on the cache may remove it. */
  readonly release: () => Promise<void>;
}

/** @throws ParallelRunError exit code 2, or 3 where the server can't be reached; the reason of the signal */
export async function stage(request: StageRequest, options: StageOptions): Promise<Staged> {
  const store = await opened(request, options);
  return fetchListed(request, store, await listed(request, store, options), options);
}

/** Only looks. @throws as `stage` */
export async function listRemote(request: StageRequest, options: StageOptions): Promise<Listed> {
  return listed(request, await opened(request, options), options);
}

/** A tree that is there as a whole, by the key it had. */
export async function stagedBefore(key: string, options: StageOptions): Promise<Staged | undefined> {
  const cache = await DataCache.open(options.cacheFolder);
  const tree = cache.tree(key);
  const lock = await tree.use(options.runId);
  if (!(await tree.isComplete())) {
    await lock?.release();
    return undefined;
  }
  await tree.touch();
  const { files = 0, bytes = 0 } = (await tree.head()) ?? {};
  return { folder: tree.files, files, bytes, digest: '', key, release: releaseOf(lock) };
}

/** File, size and version of what a tree was made of; empty where it is gone. */
export async function entriesBefore(key: string, cacheFolder: string): Promise<ReadonlyMap<string, string>> {
  const cache = await DataCache.open(cacheFolder);
  const entries = await cache.tree(key).entries();
  return new Map(entries.map(([file, , size, version]) => [file, `${size} ${version}`]));
}

const releaseOf = (lock: Lock | undefined) => (): Promise<void> => lock?.release() ?? Promise.resolve();

async function opened({ location }: StageRequest, { env }: StageOptions): Promise<RemoteStore> {
  return openStore(location, env).catch((error: unknown) => refuse(error, location));
}

async function listed(request: StageRequest, store: RemoteStore, options: StageOptions): Promise<Listed> {
  const { name, location, kind, takes } = request;
  const { onProgress: say, policy, signal = new AbortController().signal } = options;
  const tell = tellNowAndThen(say);
  const objects = await listObjects(store, location, kind, {
    signal,
    ...(takes && { takes }),
    ...(policy && { policy }),
    ...(say && { onRetry: (line: string) => say(`${labelOf(name)}: ${line}`) }),
    onCount: (count) => tell(() => `${labelOf(name)}: ${number(count)} files listed`),
  }).catch((error: unknown) => refuse(error, location));
  if (kind === 'file' && objects.length === 0)
    throw remoteRefusal(new RemoteError('not-found', 'no such object'), location.url);
  const digest = digestOf(objects);
  // What has no version may be another one each time.
  const once = objects.some(({ version }) => version === '') ? randomBytes(8).toString('hex') : '';
  return { digest, key: hashOf(JSON.stringify([location.id, kind, digest, once])).slice(0, 40), objects };
}

async function fetchListed(
  request: StageRequest,
  store: RemoteStore,
  { digest, key, objects }: Listed,
  options: StageOptions,
): Promise<Staged> {
  const { name, location } = request;
  const { onProgress: say, signal = new AbortController().signal } = options;
  const cache = await DataCache.open(options.cacheFolder);
  const tree = cache.tree(key);
  const building = await acquireLock(
    cache.locks,
    tree.buildLock,
    (pid) => say?.(`${labelOf(name)}: waiting for process ${pid}, which fetches the same`),
    signal,
  );
  if (!building) throw signal.reason;
  const use = await tree.use(options.runId);
  const bytes = bytesOf(objects);
  const done: Staged = { folder: tree.files, files: objects.length, bytes, digest, key, release: releaseOf(use) };
  try {
    if (await tree.isComplete()) {
      await tree.touch();
      say?.(`${labelOf(name)}: ${files(objects.length)}, ${size(bytes)}, all in the cache`);
      return done;
    }
    await new Fetching(request, store, cache, tree, objects, options).run();
    return done;
  } catch (error) {
    await use?.release();
    signal.throwIfAborted();
    return refuse(error, location);
  } finally {
    await building.release();
  }
}

/** Fills one tree. */
class Fetching {
  readonly #request: StageRequest;
  readonly #store: RemoteStore;
  readonly #cache: DataCache;
  readonly #tree: Tree;
  readonly #objects: readonly ListedObject[];
  readonly #options: StageOptions;
  readonly #container: string;
  readonly #stop = new AbortController();
  #files = 0;
  #bytes = 0;

  constructor(
    request: StageRequest,
    store: RemoteStore,
    cache: DataCache,
    tree: Tree,
    objects: readonly ListedObject[],
    options: StageOptions,
  ) {
    this.#request = request;
    this.#store = store;
    this.#cache = cache;
    this.#tree = tree;
    this.#objects = objects;
    this.#options = options;
    this.#container = containerOf(request.location);
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
    const abort = (): void => {
      this.#stop.abort(signal?.reason);
    };
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await this.#tree.begin(this.#request.location.url, this.#container, this.#objects);
      const missing = await this.#linkThoseThere();
      const limit = limitOf(this.#options.env);
      const needed = { bytes: bytesOf(missing), total: bytesOf(this.#objects), keep: this.#tree, limit };
      await makeRoom(this.#cache, needed);
      await this.#fetchAll(missing);
      await this.#tree.finish();
      this.#tell(true);
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** @returns those that are to be fetched */
  async #linkThoseThere(): Promise<ListedObject[]> {
    const missing: ListedObject[] = [];
    for (const object of this.#objects) {
      this.#stop.signal.throwIfAborted();
      if (await this.#isThere(object)) this.#files += 1;
      else missing.push(object);
    }
    return missing;
  }

  async #isThere(object: ListedObject): Promise<boolean> {
    // Nothing tells one version of it from the next.
    if (object.version === '' || object.size < 0) return false;
    const file = this.#cache.objectPath(this.#container, object);
    const found = await stat(file).catch(() => undefined);
    return found?.size === object.size && (await this.#tree.add(object.file, file));
  }

  async #fetchAll(missing: readonly ListedObject[]): Promise<void> {
    let next = 0;
    const work = async (): Promise<void> => {
      for (let object = missing[next++]; object; object = missing[next++]) {
        this.#stop.signal.throwIfAborted();
        await this.#fetchOne(object);
        this.#files += 1;
        this.#tell();
      }
    };
    const workers = Array.from({ length: Math.min(AT_ONCE, missing.length) }, async () => {
      try {
        await work();
      } catch (error) {
        // One that fails ends the others; all have ended before anybody goes on.
        this.#stop.abort(error);
        throw error;
      }
    });
    const ends = await Promise.allSettled(workers);
    if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
  }

  async #fetchOne(object: ListedObject): Promise<void> {
    const { onProgress: say, policy } = this.#options;
    const target = this.#cache.objectPath(this.#container, object);
    await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
    for (let tries = LINK_TRIES; ; tries--) {
      await fetchObject(this.#store, object, target, {
        signal: this.#stop.signal,
        ...(policy && { policy }),
        ...(say && { onRetry: (line: string) => say(`${labelOf(this.#request.name)}: ${line}`) }),
        onBytes: (bytes) => {
          this.#bytes += bytes;
          this.#tell();
        },
      });
      if (await this.#tree.add(object.file, target)) return;
      if (tries === 1) throw new RemoteError('other', `the cache loses ${object.name} as soon as it is there`);
    }
  }

  readonly #tellNow = tellNowAndThen((line) => this.#options.onProgress?.(line));
  #tell(last = false): void {
    const text = (): string =>
      `${labelOf(this.#request.name)}: ${number(this.#files)} of ${files(this.#objects.length)}, ${size(this.#bytes)} fetched`;
    this.#tellNow(text, last);
  }
}

/** Versions of an object are told apart within their container. */
function containerOf(location: RemoteLocation): string {
  switch (location.store) {
    case 'azure':
      return `${location.endpoint}/${location.container}`;
    case 's3':
      return `s3://${location.bucket}`;
    case 'http':
      return location.id;
  }
}

function refuse(error: unknown, { url }: RemoteLocation): never {
  if (error instanceof RemoteError) throw remoteRefusal(error, url);
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
  throw new ParallelRunError(
    [
      {
        code: 'PR3608',
        severity: 'error',
        what: 'there is no room on the disk for the input',
        where: { file: url },
        why: message,
        next: 'make room, or name another disk with PARALLELRUN_CACHE; what was fetched is kept',
      },
    ],
    3,
    { cause: error },
  );
}

function tellNowAndThen(say: ((line: string) => void) | undefined): (text: () => string, now?: boolean) => void {
  let last = performance.now();
  return (text, now = false) => {
    if (!now && performance.now() - last < TELL_MS) return;
    last = performance.now();
    say?.(text());
  };
}

const number = (n: number): string => n.toLocaleString('en-US');
const files = (n: number): string => `${number(n)} ${n === 1 ? 'file' : 'files'}`;

/** On the command line it has no name of its own. */
const labelOf = (name: string): string => (name === 'input' ? name : `input ${name}`);

const STEP = 1024;
function size(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  let value = bytes;
  for (; value >= STEP && at < units.length - 1; at++) value /= STEP;
  return `${at === 0 ? value : value.toFixed(1)} ${units[at] ?? ''}`;
}
