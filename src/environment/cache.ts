import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

export type Env = Readonly<Record<string, string | undefined>>;

/** Absolute folder of everything that is built once and used by many runs. */
export function defaultCacheFolder(env: Env): string {
  if (env['PARALLELRUN_CACHE']) return resolve(env['PARALLELRUN_CACHE']);
  const xdg = env['XDG_CACHE_HOME'];
  // The XDG rules say that a relative path is to be ignored.
  if (xdg && isAbsolute(xdg)) return join(xdg, 'parallelrun');
  return join(env['HOME'] ?? homedir(), '.cache', 'parallelrun');
}
