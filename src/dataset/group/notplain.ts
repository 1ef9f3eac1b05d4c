import { DatasetError, datasetProblem } from '../error.ts';

/** Called for each group of rows of a file; `values` by column, none where the file lacks it. */
export type VisitKeys = (
  firstRow: number,
  rows: number,
  values: readonly (readonly (string | null)[])[],
) => void | Promise<void>;

const WHY = {
  absent: 'this file has no such column',
  nested: 'its values are lists, maps or structures',
  int96: 'its times are of the old type INT96',
} as const;

/** PR3304: a column is none whose values can be keys. */
export function notPlain(path: string, name: string, why: keyof typeof WHY): DatasetError {
  return new DatasetError(
    datasetProblem({
      code: 'PR3304',
      what: `the column ${JSON.stringify(name)} cannot be a partition key, nor be looked at by a filter`,
      file: path,
      why: WHY[why],
      next: 'name columns of plain values: texts, numbers, truth values, dates and times',
    }),
  );
}
