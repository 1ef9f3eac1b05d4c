/** The store of a place. Each kind is loaded when it is needed. */
import { unreachable } from '../domain/assert.ts';
import type { Env, RemoteLocation } from './location.ts';
import type { RemoteStore } from './store.ts';

/** @throws RemoteError where its client library is missing, or the credentials make no sense */
export async function openStore(location: RemoteLocation, env: Env): Promise<RemoteStore> {
  switch (location.store) {
    case 'azure':
      return (await import('./azure.ts')).azureStore(location, env);
    case 's3':
      return (await import('./s3.ts')).s3Store(location, env);
    case 'http':
      return (await import('./http.ts')).httpStore(location);
    default:
      return unreachable(location);
  }
}
