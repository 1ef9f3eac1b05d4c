import { invariant } from '../domain/assert.ts';
import { encodingOf } from '../domain/input.ts';
import type { Column, InputSpec, TableFormat } from '../domain/plan.ts';
import type { MiniBatchDraft } from './draft.ts';
import { bytesOf, joinText } from './bytepath.ts';
import type { CreationOptions } from './create.ts';
import { cutFile } from './table/cut.ts';
import { placesOf } from './table/drift.ts';
import { readHead } from './table/head.ts';
import type { RangeLimits } from './table/ranges.ts';
import { fileColumns } from '../domain/transform.ts';
import { pathValues } from './transform/paths.ts';
import { Stamper, UNKNOWN } from './stamp.ts';
import { copyOf } from './unpack.ts';
import { walk } from './walk.ts';

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
    const query = input.query && { query: input.query.database };
    for await (const listed of walk(input, options)) {
      const names = known ? await known.unknown(input, listed) : listed;
      if (known) yield [];
      for (const name of names) {
        const file = joinText(input.root, name);
        const tail = known?.tail?.file === file ? known.tail : undefined;
        // Rows of a query have a mark of their own that they are whole, and move with the run folder.
        const [stamp] = query ? [UNKNOWN] : ((await stamper?.stamps([bytesOf(file)])) ?? []);
        const data = copyOf(options.copies, file, encodingOf(input.table));
        const paths = pathValues(input, name);
        const fields = await fieldsOf(file, input.table, options.columns);
        for await (const found of cutFile(file, input.table, limits, { ...options, copyTo: data })) {
          const ranges = tail ? tail.unknown(found) : found;
          yield ranges.map((range) => ({
            source: {
              kind: 'rows',
              file,
              ...range,
              table,
              ...(data !== undefined && { data }),
              ...(fields && { fields }),
              ...(paths.length > 0 && { paths }),
              ...(input.origin !== undefined && { origin: `${input.origin}/${name}` }),
              ...query,
            },
            items: range.rows,
            ...(stamp && range.firstRow === 0 && { stamps: [stamp === 'gone' ? UNKNOWN : stamp] }),
          }));
        }
        tail?.end();
      }
    }
  }
}

/** Where the columns of all files lie in the rows of this one; undefined: as they are. */
async function fieldsOf(
  file: string,
  table: TableFormat,
  columns: readonly Column[] | undefined,
): Promise<readonly number[] | undefined> {
  if (table.format !== 'csv' || table.drift !== 'by_name' || !columns) return undefined;
  const head = await readHead(file, table);
  return (
    head &&
    placesOf(
      fileColumns(columns).map(({ name }) => name),
      head.names,
    )
  );
}
