import { pathToFileURL } from 'node:url';
import type { EntryFunctions } from '../domain/entry.ts';

type UserFunction = (...args: unknown[]) => unknown;

export type LoadedEntry =
  | {
      readonly ok: true;
      readonly entry: EntryFunctions;
      /** `run` as the script wrote it. */ readonly written: UserFunction;
    }
  | { readonly ok: false; /** Names the module does export. */ readonly defined: readonly string[] };

/** Loads the script, module or CommonJS. Rejects with whatever its module-level code threw. */
export async function loadEntry(script: string): Promise<LoadedEntry> {
  return resolveEntry(await importEntryScript(pathToFileURL(script).href));
}

/** Its name marks the border between our frames and the script's in a stack text. */
async function importEntryScript(url: string): Promise<unknown> {
  return (await import(url)) as unknown;
}

/**
 * Finds `run`: a named export, or a member of the default export (an object, an instance, `module.exports`; also the
 * `default` inside it, where TypeScript was compiled to CommonJS). `init` and `shutdown` are taken from the same place.
 */
export function resolveEntry(module: unknown): LoadedEntry {
  const outer = member(module, 'default');
  for (const owner of [module, outer, member(outer, 'default')]) {
    const written = functionOf(owner, 'run');
    if (written === undefined) continue;
    // an exported instance finds its own fields; a function of a module has no `this`
    const self = owner === module ? undefined : owner;
    const run = written.bind(self);
    const init = functionOf(owner, 'init')?.bind(self);
    const shutdown = functionOf(owner, 'shutdown')?.bind(self);
    return { ok: true, written, entry: { run, ...(init && { init }), ...(shutdown && { shutdown }) } };
  }
  return { ok: false, defined: [...new Set([...names(module), ...names(outer)])] };
}

function functionOf(owner: unknown, name: string): UserFunction | undefined {
  const found = member(owner, name);
  return typeof found === 'function' ? (found as UserFunction) : undefined;
}

function member(owner: unknown, name: string): unknown {
  if ((typeof owner !== 'object' && typeof owner !== 'function') || owner === null) return undefined;
  return Reflect.get(owner, name);
}

function names(owner: unknown): string[] {
  if (typeof owner !== 'object' || owner === null) return [];
  return Object.keys(owner).filter((name) => name !== 'default' && name !== 'module.exports');
}
