import type { MiniBatchIndex } from './ids.ts';

/** Partition keys and their values, as texts; null: the value is missing. In the order in which they were asked for. */
export type KeyValues = readonly (readonly [name: string, value: string | null])[];

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
      /** URL that the root stands for, of data that lies elsewhere: what people are shown. */
      readonly origin?: string;
      /** Of a mini-batch by partition keys. */ readonly keys?: KeyValues;
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
      /** URL that `file` stands for, of data that lies elsewhere. */
      readonly origin?: string;
      /** Of rows of a query: the database it was put to; `file` holds its rows. */
      readonly query?: string;
      /**
       * Of CSV whose file has other columns than the table, or another order: for each column of the table the place of its
       * field in a row, or -1 where the file doesn't have it.
       */
      readonly fields?: readonly number[];
      /** Position in the `tables` of the worker's hello. */
      readonly table: number;
      /**
       * Of a mini-batch by partition keys, whose rows come from anywhere in the input: `file` is then the folder of it.
       * Of rows that are found by their number, `data` holds lines `["path below the folder",first row,row behind the last]`
       * and `start` and `end` are a range of its bytes. Without any key: rows that steps of an MLTable have left of one
       * `file`, whose path is empty in these lines; `firstRow` is the number of the first among these.
       */
      readonly keys?: KeyValues;
      /** Columns that the path of `file` names, with their values. */
      readonly paths?: KeyValues;
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
      return `${describeKeys(source.keys)}${source.origin ?? (source.root === '/' ? '' : source.root)}/${files[0] ?? ''}${more > 0 ? ` and ${more} more` : ''}`;
    }
    case 'rows': {
      const first = source.firstRow + (part?.from ?? 0);
      const last = source.firstRow + (part?.to ?? source.rows) - 1;
      if (source.keys?.length === 0) return `${describeTaken(first, last)} that are taken of ${describeFile(source)}`;
      if (source.keys) return `${describeKeys(source.keys)}${describeGroup(source, part)}`;
      const from = describeFile(source);
      return first === last ? `${from} row ${first}` : `${from} rows ${first} to ${last}`;
    }
    case 'rank':
      return `rank ${source.rank}`;
  }
}

const KEY_CHARACTERS_MAX = 60;

/** `Store=1, Brand="a b": `; nothing without keys. */
function describeKeys(keys: KeyValues | undefined): string {
  return keys ? `${keys.map(([name, value]) => `${name}=${describeValue(value)}`).join(', ')}: ` : '';
}

function describeValue(value: string | null): string {
  if (value === null) return 'null';
  const cut = value.length > KEY_CHARACTERS_MAX ? `${value.slice(0, KEY_CHARACTERS_MAX)}...` : value;
  return /^[\p{L}\p{N}_.:/+-]+$/u.test(cut) && cut !== 'null' ? cut : JSON.stringify(cut);
}

const describeTaken = (first: number, last: number): string =>
  first === last ? `row ${first} of those` : `rows ${first} to ${last} of those`;

function describeFile({ file, origin, query }: Extract<MiniBatchSource, { kind: 'rows' }>): string {
  return query === undefined ? (origin ?? file) : `${query} query`;
}

/** Rows of a mini-batch by partition keys have no numbers of their own: they count from 0 in it. */
function describeGroup(source: Extract<MiniBatchSource, { kind: 'rows' }>, part?: ItemRange): string {
  const { rows } = source;
  const from = describeFile(source);
  if (!part) return `${rows} ${rows === 1 ? 'row' : 'rows'} of ${from}`;
  return part.to - part.from === 1
    ? `row ${part.from} of these in ${from}`
    : `rows ${part.from} to ${part.to - 1} of these in ${from}`;
}

/** Names one item for a person: path of the file, or file and number of the row in it, from 0. Undefined: no such item. */
export function describeItem(source: MiniBatchSource, position: number): string | undefined {
  const items = source.kind === 'files' ? source.files.length : source.kind === 'rows' ? source.rows : 0;
  return position < items ? describeSource(source, { from: position, to: position + 1 }) : undefined;
}
