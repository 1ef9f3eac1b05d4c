/** Local results to remote places. What a run has written it may write again; what others wrote stays, unless told. */
import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import { RemoteError, remoteProblem } from './error.ts';
import type { Env, RemoteLocation } from './location.ts';
import { openStore } from './open.ts';
import { withRetries } from './retry.ts';
import type { RetryPolicy } from './retry.ts';
import type { RemoteStore } from './store.ts';

const AT_ONCE = 8;

export interface UploadRequest {
  /** Of the output, for people. */
  readonly name: string;
  readonly location: RemoteLocation;
  /** Absolute file or folder. */
  readonly local: string;
  readonly kind: 'file' | 'folder';
  readonly overwrite: boolean;
}

export interface UploadOptions {
  readonly env: Env;
  readonly runId: string;
  readonly signal?: AbortSignal;
  /** Of what has to be tried again. */
  readonly onProgress?: (line: string) => void;
  readonly policy?: RetryPolicy;
}

/** Says what people read: the server's words, and where. */
export class UploadFailed extends Error {
  override readonly name = 'UploadFailed';
  /** For the reason of the run's end. */
  readonly path: string;
  constructor(error: RemoteError, url: string) {
    const { code, what, why = '', next = '' } = remoteProblem(error, url);
    super(`${what} (${code}): ${why}; ${next}`, { cause: error });
    this.path = url;
  }
}

/** @throws UploadFailed; errors of the local file system as they are */
export async function upload(
  request: UploadRequest,
  options: UploadOptions,
): Promise<{ files: number; bytes: number }> {
  const { location, local, kind } = request;
  const files = kind === 'file' ? [''] : await filesBelow(local);
  let bytes = 0;
  try {
    const store = await openStore(location, options.env);
    let next = 0;
    const work = async (): Promise<void> => {
      for (let at = next++; at < files.length; at = next++) {
        const file = files[at] ?? '';
        const size = await putOne(store, request, file, options);
        bytes += size;
      }
    };
    const ends = await Promise.allSettled(Array.from({ length: Math.min(AT_ONCE, files.length) }, work));
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
  } catch (error) {
    throw error instanceof RemoteError ? new UploadFailed(error, location.url) : error;
  }
  return { files: files.length, bytes };
}

async function putOne(
  store: RemoteStore,
  { name, location, local, overwrite }: UploadRequest,
  file: string,
  options: UploadOptions,
): Promise<number> {
  const { runId, policy, onProgress: say, signal = new AbortController().signal } = options;
  const from = file === '' ? local : path.join(local, file);
  const to = [location.path, file].filter((part) => part !== '').join('/');
  const { size } = await lstat(from);
  const retry = {
    signal,
    doing: to,
    ...(policy && { policy }),
    ...(say && { onRetry: (line: string) => say(`output ${name}: ${line}`) }),
  };
  const put = (onlyNew: boolean): Promise<void> =>
    withRetries(() => store.put(to, from, { size, onlyNew, runId, signal }), retry);
  try {
    await put(!overwrite);
  } catch (error) {
    if (!(error instanceof RemoteError) || error.kind !== 'exists') throw error;
    // An answer that got lost, or an upload that was cut off and begun again: it is ours.
    const there = await withRetries(() => store.head(to, signal), retry);
    if (there?.writtenBy !== runId) throw new RemoteError('exists', `${to}: ${error.said}`, { cause: error });
    await put(false);
  }
  return size;
}

/** Paths below a folder, in order; links are not followed. */
async function filesBelow(folder: string, below = ''): Promise<string[]> {
  const found: string[] = [];
  const entries = await readdir(path.join(folder, below), { withFileTypes: true }).catch(() => []);
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const name = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) found.push(...(await filesBelow(folder, name)));
    else if (entry.isFile()) found.push(name);
  }
  return found;
}
