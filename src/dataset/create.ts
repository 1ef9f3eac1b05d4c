import { unreachable } from '../domain/assert.ts';
import type { Column, Cutting, InputSpec } from '../domain/plan.ts';
import type { MiniBatchDraft } from './draft.ts';
import { cutFiles } from './files.ts';
import { cutGroups, gathering } from './group/groups.ts';
import type { KnownFiles } from './known.ts';
import { cutTables } from './tables.ts';
import type { Picked } from './transform/pick.ts';

/** By the root of an input: the files that its selection takes, in the order of a walk, each once it is there. */
export type Arriving = ReadonlyMap<string, () => AsyncIterable<readonly string[]>>;

export interface CreationOptions {
  /** Absolute folders below an input that are never listed: the folder of the runs, the output folder. */
  readonly exclude: readonly string[];
  /** Something was left out that the input names; `rows`: of a table so many rows, the others are there. Paths as text. */
  readonly onSkip?: (path: string, reason: string, rows?: number) => void;
  /** How many rows the steps of an MLTable leave, once that is known. */
  readonly onPicked?: (picked: Picked) => void;
  /** Ends the stream by throwing its reason; a stream that ends without throwing is complete. */
  readonly signal?: AbortSignal;
  /** Notes what each file looks like, just before it becomes part of a mini-batch. */
  readonly stamps?: boolean;
  /** Folder for copies of compressed files; without one mini-batches can be listed, not read. */
  readonly copies?: string;
  /** Of tables: those of all files. */
  readonly columns?: readonly Column[] | undefined;
  /** With partition keys: file that says which files were grouped. */
  readonly groupedFiles?: string;
  /** Bytes that grouping holds; default 256 MiB. */
  readonly memoryBytes?: number;
  /** Only what isn't known becomes mini-batches. Chunks may then be empty. */
  readonly known?: KnownFiles;
  /** Inputs whose files are still being fetched. Of files alone. */
  readonly arriving?: Arriving;
}

const RANKS_PER_CHUNK = 1024;

/**
 * Cuts the input into mini-batches, in the order that decides the order of the output: inputs as listed; folders depth
 * first, each folder's entries by the bytes of their names; tables by file, then by position. The stream yields as
 * soon as it has something and never holds more than a chunk, plus the names of the folders it is in.
 * @throws DatasetError (on iteration) where the input is missing, unreadable or no proper CSV
 */
export function createMiniBatches(
  inputs: readonly InputSpec[],
  cutting: Cutting,
  options: CreationOptions,
): AsyncGenerator<MiniBatchDraft[], void, undefined> {
  const gathered = gathering(inputs, cutting);
  if (gathered) return cutGroups(inputs, gathered, options);
  switch (cutting.by) {
    case 'files':
      return cutFiles(inputs, cutting.files, options);
    case 'bytes':
      return cutTables(inputs, { bytes: cutting.bytes, rows: Infinity }, options);
    case 'rows':
      return cutTables(inputs, { bytes: Infinity, rows: cutting.rows }, options);
    case 'keys':
      return cutGroups(inputs, cutting, options);
    case 'rank':
      return makeRanks(cutting.count, options.signal);
    default:
      return unreachable(cutting);
  }
}

// a generator like the others, though it has nothing to wait for
// eslint-disable-next-line @typescript-eslint/require-await
async function* makeRanks(count: number, signal?: AbortSignal): AsyncGenerator<MiniBatchDraft[], void, undefined> {
  for (let from = 0; from < count; from += RANKS_PER_CHUNK) {
    signal?.throwIfAborted();
    const length = Math.min(RANKS_PER_CHUNK, count - from);
    yield Array.from({ length }, (_, i) => ({ source: { kind: 'rank', rank: from + i }, items: 0 }) as const);
  }
}
