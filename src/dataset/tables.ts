import { invariant } from '../domain/assert.ts';
import type { CsvDialect, InputSpec } from '../domain/plan.ts';
import type { MiniBatchDraft } from './draft.ts';
import { bytesOf } from './bytepath.ts';
import type { CreationOptions } from './create.ts';
import { DatasetError, datasetProblem } from './error.ts';
import { lineAt, markLength, readChunks } from './read.ts';
import { ROW_BYTES_MAX, RowCutter } from './rowcutter.ts';
import type { RangeLimits, RowFault, RowRange } from './rowcutter.ts';
import { Stamper, UNKNOWN } from './stamp.ts';
import { walk } from './walk.ts';
import type { WalkOptions } from './walk.ts';

/**
 * Cuts the rows of tables into mini-batches, none of which spans two files. `table` of a mini-batch is the position
 * of its input in `inputs`. Files without rows give no mini-batch; `onSkip` hears of them.
 */
export async function* cutTables(
  inputs: readonly InputSpec[],
  limits: RangeLimits,
  options: CreationOptions,
): AsyncGenerator<MiniBatchDraft[], void, undefined> {
  const { known } = options;
  const stamper = options.stamps === true ? new Stamper() : undefined;
  for (const [table, input] of inputs.entries()) {
    invariant(input.kind === 'table', 'only tables are cut by rows or bytes');
    for await (const listed of walk(input, options)) {
      const names = known ? await known.unknown(input, listed) : listed;
      if (known) yield [];
      for (const name of names) {
        const file = joinText(input.root, name);
        const tail = known?.tail?.file === file ? known.tail : undefined;
        const [stamp] = (await stamper?.stamps([bytesOf(file)])) ?? [];
        for await (const found of cutFile(file, input.csv, limits, options)) {
          const ranges = tail ? tail.unknown(found) : found;
          yield ranges.map((range) => ({
            source: { kind: 'rows', file, ...range, table },
            items: range.rows,
            ...(stamp && range.firstRow === 0 && { stamps: [stamp === 'gone' ? UNKNOWN : stamp] }),
          }));
        }
        tail?.end();
      }
    }
  }
}

/** Whether a table has a row; reads no further than to the first one. @throws DatasetError as `cutFile` */
export async function hasRows(path: string, csv: CsvDialect): Promise<boolean> {
  for await (const ranges of cutFile(path, csv, { bytes: Infinity, rows: 1 })) if (ranges.length > 0) return true;
  return false;
}

export function joinText(root: string, name: string): string {
  return root.endsWith('/') ? root + name : `${root}/${name}`;
}

/**
 * Row ranges of one file, as they are found.
 * @throws DatasetError PR3003, PR3005, PR3006
 */
export async function* cutFile(
  path: string,
  csv: CsvDialect,
  limits: RangeLimits,
  options: Pick<WalkOptions, 'onSkip' | 'signal'> & {
    readonly chunkBytes?: number;
    readonly rowBytesMax?: number;
  } = {},
): AsyncGenerator<RowRange[], void, undefined> {
  let cutter: RowCutter | undefined;
  const { signal, chunkBytes, rowBytesMax } = options;
  for await (const chunk of readChunks(path, { signal, ...(chunkBytes !== undefined && { chunkBytes }) })) {
    const mark: number = cutter ? 0 : markLength(chunk, path);
    cutter ??= new RowCutter({ ...csv, limits, start: mark, ...(rowBytesMax !== undefined && { rowBytesMax }) });
    const ranges = cutter.push(mark > 0 ? chunk.subarray(mark) : chunk);
    if (ranges.length > 0) yield ranges;
    if (cutter.fault) throw await rowFault(path, cutter.fault);
  }
  const last = cutter?.finish() ?? [];
  if (last.length > 0) yield last;
  if (cutter?.fault) throw await rowFault(path, cutter.fault);
  if (!cutter || cutter.rowsTotal === 0) options.onSkip?.(path, emptiness(cutter));
}

function emptiness(cutter: RowCutter | undefined): string {
  return cutter?.headerSeen ? 'the table has a header and no rows' : 'the table is empty';
}

/** What keeps rows of this file from having an end; for a caller that noticed, and wants it named. */
export async function findFault(path: string, csv: CsvDialect): Promise<DatasetError> {
  try {
    const ranges = cutFile(path, csv, { bytes: Infinity, rows: Infinity });
    while (!(await ranges.next()).done);
  } catch (error) {
    if (error instanceof DatasetError) return error;
    throw error;
  }
  return rowFault(path, { kind: 'row-too-long', offset: 0 });
}

async function rowFault(path: string, { kind, offset }: RowFault): Promise<DatasetError> {
  const line = await lineAt(path, offset);
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
