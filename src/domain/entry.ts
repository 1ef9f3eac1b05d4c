/** What a TypeScript or JavaScript entry script gets from us and may give back: contract 2, in types. */

/** Second argument of `run`. */
export interface MiniBatchContext {
  /** Position of the mini-batch in the order of the input, from 0. */
  readonly minibatchIndex: number;
  /** Partition key to value, of columns as rows have it; empty for inputs that aren't split by partition keys. */
  readonly partitionKeyValue: Readonly<Record<string, TableCell>>;
  /** Name of the input the items come from, where it is known. */
  readonly dataset: string | null;
  /** 1 for the first try. Losses that are not the script's fault don't raise it. */
  readonly tryNumber: number;
}

/** A value of JSON. Whole numbers beyond 2^53 come as `bigint`. */
export type JsonValue =
  number | bigint | string | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** A cell of a table row. Whole numbers beyond 2^53 come as `bigint`, missing ones as `null`. */
export type TableCell = JsonValue;
export type TableRow = Readonly<Record<string, TableCell>>;

/**
 * What `run` gets for table inputs: a `Table` of the package apache-arrow (cast it to that type for everything Arrow
 * can do) with `rows`, the same rows as plain objects. In the Arrow columns whole numbers are `bigint` throughout.
 */
export interface TableMiniBatch {
  readonly numRows: number;
  readonly numCols: number;
  readonly schema: { readonly fields: readonly { readonly name: string }[] };
  readonly rows: readonly TableRow[];
  getChild(name: string): { readonly length: number; get(index: number): unknown; toArray(): unknown } | null;
  get(index: number): unknown;
  [Symbol.iterator](): Iterator<unknown>;
}

/** `string[]` of absolute paths for files, a table for tables, `[]` for a rank mini-batch. */
export type MiniBatchItems = readonly string[] | TableMiniBatch;

/** What an entry script exports, by name, as its default export or as `module.exports`. Each may be async. */
export interface EntryFunctions {
  readonly init?: () => unknown;
  readonly run: (miniBatch: MiniBatchItems, context: MiniBatchContext) => unknown;
  readonly shutdown?: () => unknown;
}
