/** Row ranges of one file of a table, whatever its format. */
import { unreachable } from '../../domain/assert.ts';
import type { TableFormat } from '../../domain/plan.ts';
import { DatasetError, datasetProblem } from '../error.ts';
import { lineAt, markLength, readChunks } from '../read.ts';
import { writingCopy } from '../unpack.ts';
import type { WalkOptions } from '../walk.ts';
import { LineCutter } from './linecutter.ts';
import { RaggedRows } from './ragged.ts';
import { readFacts } from './numbered.ts';
import type { NumberedFormat } from './numbered.ts';
import { ROW_BYTES_MAX } from './ranges.ts';
import { RowCutter } from './rowcutter.ts';
import type { RangeLimits, RowFault, RowRange } from './ranges.ts';
import { WidthCutter } from './widthcutter.ts';

export interface CutOptions extends Pick<WalkOptions, 'onSkip' | 'signal'> {
  readonly chunkBytes?: number;
  readonly rowBytesMax?: number;
  /** What is read is written there: the bytes of a range are there when it comes. */
  readonly copyTo?: string | undefined;
}

/**
 * Row ranges of one file, as they are found.
 * @throws DatasetError PR3003, PR3005, PR3006, PR3011, PR3014, PR3020
 */
export function cutFile(
  path: string,
  table: TableFormat,
  limits: RangeLimits,
  options: CutOptions = {},
): AsyncGenerator<RowRange[], void, undefined> {
  switch (table.format) {
    case 'csv':
    case 'jsonl':
      return cutText(path, table, limits, options);
    case 'parquet':
    case 'arrow':
      return cutNumbered(path, table, limits, options);
    default:
      return unreachable(table);
  }
}

/** Whether a table has a row; reads no further than to the first one. @throws DatasetError as `cutFile` */
export async function hasRows(
  path: string,
  table: TableFormat,
  options: Pick<CutOptions, 'onSkip' | 'signal'> = {},
): Promise<boolean> {
  for await (const ranges of cutFile(path, table, { bytes: Infinity, rows: 1 }, options))
    if (ranges.length > 0) return true;
  return false;
}

type TextFormat = Extract<TableFormat, { format: 'csv' | 'jsonl' }>;

async function* cutText(
  path: string,
  table: TextFormat,
  limits: RangeLimits,
  options: CutOptions,
): AsyncGenerator<RowRange[], void, undefined> {
  let cutter: RowCutter | LineCutter | WidthCutter | undefined;
  const ragged = table.format === 'csv' && table.ragged ? new RaggedRows(path, table.ragged) : undefined;
  const { signal, chunkBytes, rowBytesMax, copyTo } = options;
  const chunks = readChunks(path, {
    signal,
    encoding: table.encoding,
    ...(chunkBytes !== undefined && { chunkBytes }),
  });
  for await (const chunk of copyTo === undefined ? chunks : writingCopy(copyTo, chunks)) {
    const mark: number = cutter ? 0 : markLength(chunk, path);
    const start = { limits, start: mark, ...(rowBytesMax !== undefined && { rowBytesMax }) };
    if (table.format !== 'csv') cutter ??= new LineCutter(start);
    else
      cutter ??= ragged ? new WidthCutter({ ...table, ...start }, ragged.take) : new RowCutter({ ...table, ...start });
    const ranges = cutter.push(mark > 0 ? chunk.subarray(mark) : chunk);
    if (ranges.length > 0) yield ranges;
    if (cutter.fault) throw await rowFault(path, cutter.fault, table.encoding);
  }
  const last = cutter?.finish() ?? [];
  if (last.length > 0) yield last;
  if (cutter?.fault) throw await rowFault(path, cutter.fault, table.encoding);
  ragged?.tell(options.onSkip);
  if (!cutter || cutter.rowsTotal === 0)
    options.onSkip?.(path, cutter?.headerSeen === true ? 'the table has a header and no rows' : 'the table is empty');
}

const RANGES_PER_CHUNK = 1024;

/** Of formats whose rows are found by their number: start and end are numbers of rows. */
async function* cutNumbered(
  path: string,
  table: NumberedFormat,
  limits: RangeLimits,
  { onSkip, signal }: CutOptions,
): AsyncGenerator<RowRange[], void, undefined> {
  const { groups } = await readFacts(path, table);
  const rowsTotal = groups.reduce((sum, { rows }) => sum + rows, 0);
  if (rowsTotal === 0) onSkip?.(path, 'the table has no rows');
  let ranges: RowRange[] = [];
  let from = 0;
  // By rows they are cut as if there were no groups; by bytes never across two: most are read once then.
  for (const { rows, bytes } of limits.bytes === Infinity ? [{ rows: rowsTotal, bytes: 0 }] : groups) {
    const end = from + rows;
    const perRange = bytes === 0 ? limits.rows : Math.max(1, Math.round((rows * limits.bytes) / bytes));
    while (from < end) {
      const to = Math.min(end, from + perRange);
      ranges.push({ start: from, end: to, firstRow: from, rows: to - from });
      from = to;
      if (ranges.length < RANGES_PER_CHUNK) continue;
      signal?.throwIfAborted();
      yield ranges;
      ranges = [];
    }
  }
  if (ranges.length > 0) yield ranges;
}

/** What keeps rows of this file from having an end; for a caller that noticed, and wants it named. */
export async function findFault(path: string, table: TextFormat): Promise<DatasetError> {
  try {
    const ranges = cutText(path, table, { bytes: Infinity, rows: Infinity }, {});
    while (!(await ranges.next()).done);
  } catch (error) {
    if (error instanceof DatasetError) return error;
    throw error;
  }
  return rowFault(path, { kind: 'row-too-long', offset: 0 }, table.encoding);
}

async function rowFault(path: string, { kind, offset }: RowFault, encoding: string | undefined): Promise<DatasetError> {
  const line = await lineAt(path, offset, encoding);
  const limit = `${ROW_BYTES_MAX / 1024 / 1024} MB`;
  return new DatasetError(
    datasetProblem({
      code: 'PR3005',
      what: kind === 'open-quote' ? 'a quote in a table is never closed' : `a row of a table is longer than ${limit}`,
      file: path,
      line,
      why:
        kind === 'open-quote'
          ? `the quote at byte ${offset} opens a field that doesn't end within ${limit} or the file`
          : `the row that starts at byte ${offset} has no end within ${limit}`,
      next: 'look at that line; a quote that belongs to the text is written twice, and its field within quotes',
    }),
  );
}
