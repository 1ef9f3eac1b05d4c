/** Brings what lies below a remote place into a local folder, by way of the cache. */
import { randomBytes } from 'node:crypto';
import { ParallelRunError } from '../domain/problem.ts';
import { acquireLock } from '../environment/lock.ts';
import type { Lock } from '../environment/lock.ts';
import { DataCache, bytesOf } from './cache.ts';
import { RemoteError, remoteRefusal } from './error.ts';
import { Fetching } from './fetching.ts';
import { digestOf, inWalkOrder, listObjects } from './listing.ts';
import type { ListedObject } from './listing.ts';
import { hashOf } from './location.ts';
import type { Env, RemoteLocation } from './location.ts';
import { openStore } from './open.ts';
import type { RetryPolicy } from './retry.ts';
import type { RemoteStore } from './store.ts';
import { files, labelOf, number, size, tellNowAndThen } from './tell.ts';

/** Files of one chunk, as a walk gives them. */
const CHUNK_FILES_MAX = 512;

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
  /** What is worth keeping: what is tried again and why, and the end. */
  readonly onNote?: (line: string) => void;
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

/** What is being fetched. `release` ends that too. */
export interface Begun extends Staged {
  /** Resolves once all files are there. Rejects as `stage` does. */
  readonly whole: Promise<void>;
  /** Paths below the folder, in the order in which a walk would find them, as the files come; the first chunk is one. */
  readonly arriving: () => AsyncGenerator<readonly string[], void, undefined>;
}

/** @throws ParallelRunError exit code 2, or 3 where the server can't be reached; the reason of the signal */
export async function stage(request: StageRequest, options: StageOptions): Promise<Staged> {
  const { whole, arriving: _, ...staged } = await beginStage(request, options);
  try {
    await whole;
    return staged;
  } catch (error) {
    await staged.release();
    throw error;
  }
}

/** Likewise, and returns as soon as it is known what is to come. */
export async function beginStage(request: StageRequest, options: StageOptions): Promise<Begun> {
  const store = await opened(request, options);
  return begin(request, store, await listed(request, store, options), options);
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
  const { onProgress: say, onNote, policy, signal = new AbortController().signal } = options;
  const tell = tellNowAndThen(say);
  const objects = await listObjects(store, location, kind, {
    signal,
    ...(takes && { takes }),
    ...(policy && { policy }),
    ...(onNote && { onRetry: (line: string) => onNote(`${labelOf(name)}: ${line}`) }),
    onCount: (count) => tell(() => `${labelOf(name)}: ${number(count)} files listed`),
  }).catch((error: unknown) => refuse(error, location));
  if (kind === 'file' && objects.length === 0)
    throw remoteRefusal(new RemoteError('not-found', 'no such object'), location.url);
  const digest = digestOf(objects);
  // What has no version may be another one each time.
  const once = objects.some(({ version }) => version === '') ? randomBytes(8).toString('hex') : '';
  return { digest, key: hashOf(JSON.stringify([location.id, kind, digest, once])).slice(0, 40), objects };
}

async function begin(
  request: StageRequest,
  store: RemoteStore,
  { digest, key, objects }: Listed,
  options: StageOptions,
): Promise<Begun> {
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
  const letGo = releaseOf(use);
  const bytes = bytesOf(objects);
  const walked = inWalkOrder(objects);
  const names = walked.map(({ file }) => file);
  const staged = { folder: tree.files, files: objects.length, bytes, digest, key };
  try {
    if (await tree.isComplete()) {
      await tree.touch();
      say?.(`${labelOf(name)}: ${files(objects.length)}, ${size(bytes)}, all in the cache`);
      await building.release();
      const all = (): Promise<number> => Promise.resolve(names.length);
      return {
        ...staged,
        release: letGo,
        whole: Promise.resolve(),
        arriving: () => arrivals(names, all, Promise.resolve()),
      };
    }
    const fetching = new Fetching(request, store, cache, tree, walked, options);
    await fetching.prepare();
    const whole = fetching
      .run()
      .catch((error: unknown) => {
        signal.throwIfAborted();
        refuse(error, location);
      })
      .finally(() => building.release());
    whole.catch(() => undefined);
    const more = (count: number): Promise<number> =>
      Promise.race([fetching.more(count), whole.then(() => names.length)]);
    const release = async (): Promise<void> => {
      fetching.stop(new Error('nobody needs it any more'));
      await whole.catch(() => undefined);
      await letGo();
    };
    return { ...staged, release, whole, arriving: () => arrivals(names, more, whole) };
  } catch (error) {
    await building.release();
    await letGo();
    signal.throwIfAborted();
    return refuse(error, location);
  }
}

/** @param more how many are there, once that is more than so many */
async function* arrivals(
  names: readonly string[],
  more: (count: number) => Promise<number>,
  whole: Promise<void>,
): AsyncGenerator<readonly string[], void, undefined> {
  let given = 0;
  for (let size = 1; given < names.length; size = Math.min(2 * size, CHUNK_FILES_MAX)) {
    const there = await more(given);
    const chunk = names.slice(given, Math.min(there, given + size));
    given += chunk.length;
    yield chunk;
  }
  await whole;
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
