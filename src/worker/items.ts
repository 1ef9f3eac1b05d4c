import { accessSync, constants } from 'node:fs';
import type { ItemRange, MiniBatchSource } from '../domain/minibatch.ts';
import type { RunMessage, WorkerTable } from '../domain/protocol.ts';
import { inputError } from './input.ts';
import type { InputError, ReadItems } from './input.ts';

const LONE_SURROGATE = /\p{Surrogate}/u;
/** Codes of the system that speak of the input, not of the script. */
const INPUT_ERRNOS: ReadonlySet<string> = new Set(['ENOENT', 'EACCES', 'EPERM', 'EIO', 'ESTALE', 'ENXIO', 'ENODEV']);

/**
 * The items of a source that a hand-out is about: those of `p`, or all.
 * @throws RangeError where there are no such items: the agent broke the protocol
 */
export function handedItems(source: MiniBatchSource, p: RunMessage['p']): ItemRange {
  const count = source.kind === 'files' ? source.files.length : source.kind === 'rows' ? source.rows : 0;
  if (p === undefined) return { from: 0, to: count };
  const [from, to] = p;
  if (from >= 0 && from < to && to <= count) return { from, to };
  throw new RangeError(`part ${from} to ${to} of a mini-batch of ${count} items`);
}

/** What `run` gets for file and rank mini-batches; a fresh array each time, because scripts change theirs. */
export function listItems(source: Exclude<MiniBatchSource, { kind: 'rows' }>, { from, to }: ItemRange): ReadItems {
  if (source.kind === 'rank') return { ok: true, items: [], count: 0 };
  const prefix = prefixOf(source.root);
  const items = source.files.slice(from, to).map((file) => prefix + file);
  const item = items.findIndex((name) => LONE_SURROGATE.test(name));
  const unreadable = items[item];
  if (unreadable === undefined) return { ok: true, items, count: items.length };
  const reason =
    'the name of the file is not valid UTF-8, and Node.js cannot open such a name given as text; ' +
    'rename the file, or leave it out of the input';
  return { ok: false, error: inputError(unreadable, reason), count: items.length, item };
}

/** Reads the rows of a table mini-batch. What it needs is loaded with the first one. */
export async function readRows(
  source: Extract<MiniBatchSource, { kind: 'rows' }>,
  tables: readonly WorkerTable[],
  range: ItemRange,
): Promise<ReadItems> {
  const table = tables[source.table];
  if (table === undefined) throw new RangeError(`mini-batch of table ${source.table}, hello named ${tables.length}`);
  const { readTableSlice } = await import('./table.ts');
  return readTableSlice(source, table, range);
}

/** What an error of the script says about the input. */
export interface Blamed {
  /** Position, among the items of the hand-out, of the file that the error or its cause names. */
  readonly item?: number;
  /** The script failed because that file cannot be read: then the input is named, not the script. */
  readonly input?: InputError;
}

/** The input is to blame only where the error itself names a file of the hand-out that is still unreadable now. */
export function blamedInput(thrown: unknown, source: MiniBatchSource, { from, to }: ItemRange): Blamed {
  if (source.kind !== 'files') return {};
  const prefix = prefixOf(source.root);
  const files = source.files.slice(from, to);
  for (const error of [thrown, thrown instanceof Error ? thrown.cause : undefined]) {
    const { path, code, message } = namedFile(error);
    const item = path.startsWith(prefix) ? files.indexOf(path.slice(prefix.length)) : -1;
    if (item < 0) continue;
    const isInput = error === thrown && INPUT_ERRNOS.has(code) && !isReadable(path);
    return isInput ? { item, input: inputError(path, message, code) } : { item };
  }
  return {};
}

/** Texts that an error of the system carries, empty where it has none. */
function namedFile(error: unknown): { readonly path: string; readonly code: string; readonly message: string } {
  if (!(error instanceof Error)) return { path: '', code: '', message: '' };
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  const path = text('path' in error && error.path);
  return { path, code: text('code' in error && error.code), message: error.message };
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

function prefixOf(root: string): string {
  return root.endsWith('/') ? root : `${root}/`;
}
