import { accessSync, constants } from 'node:fs';
import type { MiniBatchSource } from '../domain/minibatch.ts';
import type { WorkerTable } from '../domain/protocol.ts';
import { inputError } from './input.ts';
import type { InputError, ReadItems } from './input.ts';

const LONE_SURROGATE = /\p{Surrogate}/u;
/** Codes of the system that speak of the input, not of the script. */
const INPUT_ERRNOS: ReadonlySet<string> = new Set(['ENOENT', 'EACCES', 'EPERM', 'EIO', 'ESTALE', 'ENXIO', 'ENODEV']);

/** What `run` gets for file and rank mini-batches; a fresh array each time, because scripts change theirs. */
export function listItems(source: Exclude<MiniBatchSource, { kind: 'rows' }>): ReadItems {
  if (source.kind === 'rank') return { ok: true, items: [], count: 0 };
  const prefix = source.root.endsWith('/') ? source.root : `${source.root}/`;
  const items = source.files.map((file) => prefix + file);
  const unreadable = items.find((item) => LONE_SURROGATE.test(item));
  if (unreadable === undefined) return { ok: true, items, count: items.length };
  const reason =
    'the name of the file is not valid UTF-8, and Node.js cannot open such a name given as text; ' +
    'rename the file, or leave it out of the input';
  return { ok: false, error: inputError(unreadable, reason), count: items.length };
}

/** Reads the rows of a table mini-batch. What it needs is loaded with the first one. */
export async function readRows(
  source: Extract<MiniBatchSource, { kind: 'rows' }>,
  tables: readonly WorkerTable[],
): Promise<ReadItems> {
  const table = tables[source.table];
  if (table === undefined) throw new RangeError(`mini-batch of table ${source.table}, hello named ${tables.length}`);
  const { readTableSlice } = await import('./table.ts');
  return readTableSlice(source, table);
}

/**
 * The script failed because an item of its mini-batch cannot be read: then the input is named, not the script. Only
 * where the error itself names the item and the item is still unreadable now.
 */
export function inputErrorBehind(thrown: unknown, source: MiniBatchSource): InputError | undefined {
  if (source.kind !== 'files' || !(thrown instanceof Error) || !('code' in thrown) || !('path' in thrown))
    return undefined;
  const { code, path } = thrown;
  if (typeof code !== 'string' || typeof path !== 'string' || !INPUT_ERRNOS.has(code)) return undefined;
  const prefix = source.root.endsWith('/') ? source.root : `${source.root}/`;
  if (!path.startsWith(prefix) || !source.files.includes(path.slice(prefix.length))) return undefined;
  try {
    accessSync(path, constants.R_OK);
    return undefined;
  } catch {
    return inputError(path, thrown.message, code);
  }
}
