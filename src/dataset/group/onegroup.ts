/** The rows of one mini-batch by partition keys, where the copy of all of them isn't there (any more). */
import { closeSync, mkdirSync, openSync } from 'node:fs';
import type { MiniBatchSource } from '../../domain/minibatch.ts';
import { DatasetError, datasetProblem } from '../error.ts';
import { isWhole } from '../unpack.ts';
import { writeAllSync } from '../write.ts';
import { RowPicker } from '../transform/pick.ts';
import type { CopyContext } from '../unpack.ts';
import { feed } from './feed.ts';
import type { ItemSink } from './feed.ts';
import type { GatheredFile } from './gather.ts';
import { folderOf, gathering, keysOf } from './groups.ts';
import { keyOf } from './keys.ts';

type RowsSource = Extract<MiniBatchSource, { kind: 'rows' }>;

/**
 * Goes through the whole input for it.
 * @param folder of the copies. @throws DatasetError; PR3307 where other rows have these keys now
 */
export async function withGroup(source: RowsSource, folder: string, context: CopyContext): Promise<MiniBatchSource> {
  const { inputs, columns, exclude } = context;
  const cutting = gathering(inputs, context.cutting);
  if (!cutting || (source.data !== undefined && (await isWhole(source.data)))) return source;
  mkdirSync(folder, { recursive: true });
  const data = `${folder}/group`;
  const rows =
    cutting.by === 'keys'
      ? new OneGroup(keyOf((source.keys ?? []).map(([, value]) => value)), data)
      : new OneSlice(source, data);
  try {
    await feed(inputs, folderOf(inputs), keysOf(inputs, cutting, columns), rows, {
      exclude,
      picker: RowPicker.of(inputs, columns),
    });
  } finally {
    rows.close();
  }
  if (rows.items !== source.rows) throw otherRows(source, rows.items);
  return { ...source, data, start: 0, end: rows.bytes };
}

class OneGroup implements ItemSink {
  items = 0;
  bytes = 0;
  readonly #key: string;
  readonly #file: number;

  constructor(key: string, path: string) {
    this.#key = key;
    this.#file = openSync(path, 'w', 0o600);
  }

  add(key: string, bytes: Uint8Array, from: number, to: number, items = 1): void {
    if (key !== this.#key) return;
    this.items += items;
    this.bytes += to - from;
    writeAllSync(this.#file, bytes.subarray(from, to));
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Rows of one mini-batch that was cut of those that steps of an MLTable leave. */
class OneSlice implements ItemSink {
  items = 0;
  bytes = 0;
  readonly #source: RowsSource;
  readonly #file: number;
  /** Rows that were taken of the file under way. */
  #at = 0;
  #here = false;

  constructor(source: RowsSource, path: string) {
    this.#source = source;
    this.#file = openSync(path, 'w', 0o600);
  }

  begin({ path, table }: GatheredFile): void {
    this.#here = path === this.#source.file && table === this.#source.table;
    this.#at = 0;
  }

  room(): number {
    const { firstRow, rows } = this.#source;
    const edge = [firstRow, firstRow + rows].find((row) => row > this.#at);
    return this.#here && edge !== undefined ? edge - this.#at : Infinity;
  }

  add(_: string, bytes: Uint8Array, from: number, to: number, items = 1): void {
    const { firstRow, rows } = this.#source;
    const isWanted = this.#here && this.#at >= firstRow && this.#at < firstRow + rows;
    this.#at += items;
    if (!isWanted) return;
    this.items += items;
    this.bytes += to - from;
    writeAllSync(this.#file, bytes.subarray(from, to));
  }

  close(): void {
    closeSync(this.#file);
  }
}

function otherRows(source: RowsSource, found: number): DatasetError {
  return new DatasetError(
    datasetProblem({
      code: 'PR3307',
      what: 'a table has changed since its rows were grouped',
      file: source.file,
      why: `${found} rows have these partition keys, ${source.rows} had them when the mini-batch was made`,
      next: 'put the input back as it was, or start a new run',
    }),
  );
}
