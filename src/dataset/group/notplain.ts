import { DatasetError, datasetProblem } from '../error.ts';

/** Called for each group of rows of a file; `values` by column, none where the file lacks it. */
export type VisitKeys = (
  firstRow: number,
  rows: number,
  values: readonly (readonly (string | null)[])[],
) => void | Promise<void>;

/** PR3304: a column is none whose values can be keys. */
export function notPlain(path: string, name: string, isThere: boolean): DatasetError {
  return new DatasetError(
    datasetProblem({
      code: 'PR3304',
      what: `the column ${JSON.stringify(name)} cannot be a partition key`,
      file: path,
      why: isThere ? 'its values are lists, maps or structures' : 'this file has no such column',
      next: 'name columns of plain values: texts, numbers, truth values, dates and times',
    }),
  );
}
