import type { MiniBatchIndex } from './ids.ts';

/**
 * Where the data of one mini-batch is; never the data itself. Its JSON is a line of the manifest and, byte for
 * byte, the body of the `run` message to a worker: nobody parses it on the way.
 *
 * Paths: UTF-8 text; a byte that is not valid UTF-8 stands as the lone surrogate U+DC00 + byte (Python's
 * `surrogateescape`), so every POSIX name survives JSON and compares equal.
 */
export type MiniBatchSource =
  | {
      readonly kind: 'files';
      /** Absolute folder. */ readonly root: string;
      /** Relative to root. */ readonly files: readonly string[];
    }
  | {
      readonly kind: 'rows';
      /** Absolute path. */
      readonly file: string;
      /**
       * Byte range of whole rows, header excluded. Of Parquet and Arrow, whose rows are found by their number, `start`
       * and `end` are the numbers of the first row and of the one behind the last.
       */
      readonly start: number;
      readonly end: number;
      /** Absolute path of the file that holds these bytes, where it isn't `file`: unpacked, regrouped, the rows of a query. */
      readonly data?: string;
      /** Number of the first row among the data rows of the file, from 0. */
      readonly firstRow: number;
      readonly rows: number;
      /**
       * Of CSV whose file has other columns than the table, or another order: for each column of the table the place of its
       * field in a row, or -1 where the file doesn't have it.
       */
      readonly fields?: readonly number[];
      /** Position in the `tables` of the worker's hello. */
      readonly table: number;
    }
  | { readonly kind: 'rank'; readonly rank: number };

/** Items `[from, to)` of a mini-batch, by their position in it. */
export interface ItemRange {
  readonly from: number;
  readonly to: number;
}

export interface MiniBatch {
  readonly index: MiniBatchIndex;
  readonly source: MiniBatchSource;
  /** Files, rows, or 0 for a rank mini-batch. */
  readonly items: number;
}

/** Names the items of a mini-batch, or of a part of it, for a person: first item and how many more there are. */
export function describeSource(source: MiniBatchSource, part?: ItemRange): string {
  switch (source.kind) {
    case 'files': {
      const files = part ? source.files.slice(part.from, part.to) : source.files;
      const more = files.length - 1;
      return `${source.root}/${files[0] ?? ''}${more > 0 ? ` and ${more} more` : ''}`;
    }
    case 'rows': {
      const first = source.firstRow + (part?.from ?? 0);
      const last = source.firstRow + (part?.to ?? source.rows) - 1;
      return first === last ? `${source.file} row ${first}` : `${source.file} rows ${first} to ${last}`;
    }
    case 'rank':
      return `rank ${source.rank}`;
  }
}

/** Names one item for a person: path of the file, or file and number of the row in it, from 0. Undefined: no such item. */
export function describeItem(source: MiniBatchSource, position: number): string | undefined {
  const items = source.kind === 'files' ? source.files.length : source.kind === 'rows' ? source.rows : 0;
  return position < items ? describeSource(source, { from: position, to: position + 1 }) : undefined;
}
