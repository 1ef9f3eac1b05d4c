/** Where the rows of a mini-batch lie, of formats whose rows are found by their number. */
import type { ItemRange } from '../domain/minibatch.ts';
import { readRange } from './slice.ts';
import type { RowsSource } from './slice.ts';

/** Rows of a file, by their numbers. */
export type Rows = readonly [path: string, start: number, end: number];

/** The rows of `range`, one behind the other; by partition keys they come from anywhere. @throws as `readRange` */
export function rowsOf(source: RowsSource, { from, to }: ItemRange): readonly Rows[] {
  return source.keys
    ? withinPart(groupedRows(source), from, to)
    : [[source.data ?? source.file, source.start + from, source.start + to]];
}

function groupedRows(source: RowsSource): Rows[] {
  const folder = source.file.endsWith('/') ? source.file : `${source.file}/`;
  const lines = readRange(source).toString('utf8').split('\n').slice(0, -1);
  return lines.map((line) => {
    const [below, start, end] = JSON.parse(line) as Rows;
    // of one file
    return [below === '' ? source.file : folder + below, start, end];
  });
}

/** Of the rows, taken one behind the other, those from `from` up to `to`. */
function withinPart(rows: readonly Rows[], from: number, to: number): Rows[] {
  const found: Rows[] = [];
  let at = 0;
  for (const [path, start, end] of rows) {
    const first = Math.max(start, start + from - at);
    const last = Math.min(end, start + to - at);
    if (first < last) found.push([path, first, last]);
    at += end - start;
  }
  return found;
}
