/** What is at a place, told by one question or two: nothing is fetched. */
import { RemoteError } from './error.ts';
import { prefixOf } from './listing.ts';
import type { Env, RemoteLocation } from './location.ts';
import { openStore } from './open.ts';
import { withRetries } from './retry.ts';
import type { RetryPolicy } from './retry.ts';
import type { RemoteStore } from './store.ts';

/** Somebody waits for the answer in front of a terminal. */
const POLICY: RetryPolicy = { tries: 4, firstMs: 250, maxMs: 2000 };
const NAMES = 1000;

export type Peeked =
  | { readonly kind: 'file' }
  /** With the names right below it, of the first objects. */
  | { readonly kind: 'folder'; readonly names: readonly string[] }
  | { readonly kind: 'nothing' };

/** @throws RemoteError */
export async function peek(location: RemoteLocation, env: Env): Promise<Peeked> {
  const { signal } = new AbortController();
  const store = await openStore(location, env);
  const options = { policy: POLICY, signal, doing: location.url };
  return withRetries(() => look(store, location, signal), options);
}

async function look(store: RemoteStore, location: RemoteLocation, signal: AbortSignal): Promise<Peeked> {
  if (!location.isPrefix && (await store.head(location.path, signal)) !== undefined) return { kind: 'file' };
  if (location.store === 'http') return { kind: 'nothing' };
  const prefix = prefixOf(location);
  for await (const page of store.list(prefix, signal, NAMES)) {
    const names = page
      .map(({ name }) => name.slice(prefix.length))
      .filter((name) => name !== '' && !name.includes('/'));
    if (page.length > 0) return { kind: 'folder', names };
  }
  return { kind: 'nothing' };
}

/**
 * A small text, such as the description of a table.
 * @returns undefined where there is no such object. @throws RemoteError, also where it is larger than `bytesMax`
 */
export async function readText(location: RemoteLocation, env: Env, bytesMax: number): Promise<string | undefined> {
  const { signal } = new AbortController();
  const store = await openStore(location, env);
  const read = async (): Promise<string | undefined> => {
    const object = await store.head(location.path, signal);
    if (object === undefined) return undefined;
    if (object.size > bytesMax)
      throw new RemoteError('other', `it has ${object.size} bytes; at most ${bytesMax} are read`);
    const pieces: Uint8Array[] = [];
    for await (const piece of await store.get(object, 0, signal)) pieces.push(piece);
    return Buffer.concat(pieces).toString('utf8');
  };
  return withRetries(read, { policy: POLICY, signal, doing: location.url });
}

/** @throws RemoteError */
export async function exists(location: RemoteLocation, env: Env): Promise<boolean> {
  const { signal } = new AbortController();
  const store = await openStore(location, env);
  const found = await withRetries(() => store.head(location.path, signal), {
    policy: POLICY,
    signal,
    doing: location.url,
  });
  return found !== undefined;
}
