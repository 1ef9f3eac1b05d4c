/**
 * Rows on their way into a Parquet result: blocks, each a line that describes its columns and a line with their cells,
 * column by column. Workers of both languages write them, `output` reads them. Blocks follow each other as they are: rows
 * of several parts, or of many mini-batches, need no other frame.
 */

export interface BlockHead {
  readonly rows: number;
  /** Of the line of cells, its line break included. */
  readonly bytes: number;
  /** By name, each once. */
  readonly columns: readonly BlockColumn[];
}

/**
 * | type            | cell, where it isn't null                                                     |
 * |-----------------|-------------------------------------------------------------------------------|
 * | null            | there is none                                                                 |
 * | bool            | true, false                                                                   |
 * | int32 to uint64 | number; beyond 2^53 - 1 its digits as a text                                  |
 * | float32, float64| number; `NaN`, `Infinity` or `-Infinity` as a text                            |
 * | decimal         | text of digits, with a point where it has a fraction                          |
 * | string          | text                                                                          |
 * | json            | text of a JSON value: objects, lists, columns that hold values of several kinds |
 * | binary          | base64                                                                        |
 * | date            | days since 1970-01-01                                                         |
 * | timestamp       | units since 1970-01-01 00:00, as a whole number is written                    |
 */
export type BlockColumn = { readonly name: string } & (
  | { readonly type: 'null' | 'bool' | 'float32' | 'float64' | 'string' | 'json' | 'binary' | 'date' }
  /** `range`: bounds of the values, digits; absent where there are none. */
  | { readonly type: 'int32' | 'int64' | 'uint64'; readonly range?: readonly [string, string] }
  /** `digits`: at most so many, `scale` of them behind the point. */
  | { readonly type: 'decimal'; readonly digits: number; readonly scale: number }
  | {
      readonly type: 'timestamp';
      readonly unit: TimeUnit;
      /** Points in time, told as those of UTC; else the time on a clock that nobody knows the zone of. */
      readonly utc: boolean;
      readonly range?: readonly [string, string];
    }
);

export type TimeUnit = 'ms' | 'us' | 'ns';
export type BlockCell = boolean | number | string | null;

/** Column of elements that are no objects. */
export const VALUE_COLUMN = 'value';
/** Digits of the longest decimal number that has a type. */
export const DECIMAL_DIGITS_MAX = 38;
