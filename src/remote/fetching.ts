/** Brings the objects of a listing into a tree of the cache. */
import { setMaxListeners } from 'node:events';
import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { DataCache, Tree } from './cache.ts';
import { bytesOf } from './cache.ts';
import { RemoteError } from './error.ts';
import { fetchObject } from './fetch.ts';
import type { ListedObject } from './listing.ts';
import type { RemoteLocation } from './location.ts';
import { limitOf, makeRoom } from './room.ts';
import type { StageOptions, StageRequest } from './stage.ts';
import type { RemoteStore } from './store.ts';
import { files, labelOf, number, size, tellNowAndThen } from './tell.ts';

const AT_ONCE = 16;
/** An object that another process removes between fetching and linking it is fetched again so often. */
const LINK_TRIES = 3;

/** Fills one tree, in the order of its objects. */
export class Fetching {
  readonly #request: StageRequest;
  readonly #store: RemoteStore;
  readonly #cache: DataCache;
  readonly #tree: Tree;
  readonly #objects: readonly ListedObject[];
  readonly #options: StageOptions;
  readonly #container: string;
  readonly #stop = new AbortController();
  readonly #there: boolean[];
  #missing: readonly number[] = [];
  #wake: (() => void) | undefined;
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
    this.#there = objects.map(() => false);
    // Each that is being fetched listens; Node warns of more than ten.
    setMaxListeners(2 * AT_ONCE, this.#stop.signal);
  }

  /** All that can be refused before anything is fetched. */
  async prepare(): Promise<void> {
    await this.#tree.begin(this.#request.location.url, this.#container, this.#objects);
    const missing: number[] = [];
    for (const [at, object] of this.#objects.entries()) {
      this.#options.signal?.throwIfAborted();
      if (await this.#isThere(object)) this.#isHere(at);
      else missing.push(at);
    }
    this.#missing = missing;
    const bytes = bytesOf(this.#objects.filter((_, at) => !this.#there[at]));
    const limit = limitOf(this.#options.env);
    await makeRoom(this.#cache, { bytes, total: bytesOf(this.#objects), keep: this.#tree, limit });
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
    const abort = (): void => {
      this.stop(signal?.reason);
    };
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await this.#fetchAll();
      await this.#tree.finish();
      this.#options.onNote?.(this.#text());
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  stop(reason: unknown): void {
    this.#stop.abort(reason);
  }

  /** How many objects, from the first on, are there once this is more than `count`. */
  async more(count: number): Promise<number> {
    let there = count;
    for (;;) {
      while (this.#there[there] === true) there += 1;
      if (there > count || there === this.#there.length) return there;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #isHere(at: number): void {
    this.#there[at] = true;
    this.#files += 1;
    this.#wake?.();
  }

  async #isThere(object: ListedObject): Promise<boolean> {
    // Nothing tells one version of it from the next.
    if (object.version === '' || object.size < 0) return false;
    const file = this.#cache.objectPath(this.#container, object);
    const found = await stat(file).catch(() => undefined);
    return found?.size === object.size && (await this.#tree.add(object.file, file));
  }

  async #fetchAll(): Promise<void> {
    const missing = this.#missing.values();
    const work = async (): Promise<void> => {
      for (const at of missing) {
        this.#stop.signal.throwIfAborted();
        await this.#fetchOne(this.#objects[at] as ListedObject);
        this.#isHere(at);
        this.#tell();
      }
    };
    const workers = Array.from({ length: Math.min(AT_ONCE, this.#missing.length) }, async () => {
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
    const { onNote: say, policy } = this.#options;
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
  #tell(): void {
    this.#tellNow(() => this.#text());
  }
  #text(): string {
    return `${labelOf(this.#request.name)}: ${number(this.#files)} of ${files(this.#objects.length)}, ${size(this.#bytes)} fetched`;
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
