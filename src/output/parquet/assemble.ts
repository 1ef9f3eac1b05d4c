import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { invariant } from '../../domain/assert.ts';
import type { Assembled } from '../assemble.ts';
import type { ExtentTable } from '../extents.ts';
import { committedBytes } from '../readspool.ts';
import { writeWhole } from '../whole.ts';
import { blocksOf } from './blocks.ts';
import type { Block } from './blocks.ts';
import { converterOf } from './cells.ts';
import type { ParquetValue } from './cells.ts';
import { ColumnSettler } from './columns.ts';
import type { SettledColumn } from './columns.ts';
import { RowGroupWriter } from './write.ts';

/**
 * Writes the result in mini-batch order as Parquet: once through the rows for the columns and their types, once more to
 * write them. Whole or not there; can be repeated after a crash at any point, and gives the same bytes again.
 */
export async function assembleParquet(
  spoolPath: string,
  target: string,
  extents: ExtentTable,
): Promise<Assembled & { readonly crc32: number }> {
  const spool = await open(spoolPath, 'r');
  try {
    const settler = new ColumnSettler();
    for await (const { head } of blocksOf(committedBytes(spool, extents))) settler.add(head);
    invariant(settler.rows === extents.rows, `${settler.rows} rows in blocks, ${extents.rows} in the ledger`);
    const columns = settler.settled();
    const written = await writeWhole(target, (file) => writeRows(file, spool, extents, columns));
    return { rows: extents.rows, ...written };
  } finally {
    await spool.close();
  }
}

async function writeRows(
  file: FileHandle,
  spool: FileHandle,
  extents: ExtentTable,
  columns: readonly SettledColumn[],
): Promise<{ readonly bytes: number; readonly crc32: number }> {
  const writer = new RowGroupWriter(file, columns);
  for await (const block of blocksOf(committedBytes(spool, extents))) {
    const append = appender(block, columns);
    await writer.add(block.head.rows, block.head.bytes, append);
  }
  await writer.finish();
  return writer.written;
}

function appender(
  { head, cells }: Block,
  columns: readonly SettledColumn[],
): (values: ParquetValue[], column: number) => void {
  const here = new Map(head.columns.map((column, at) => [column.name, { column, at }]));
  const parsed = cells();
  return (values, i) => {
    const settled = columns[i];
    const found = settled && here.get(settled.name);
    const own = found && parsed[found.at];
    if (!own) {
      for (let row = 0; row < head.rows; row++) values.push(null);
      return;
    }
    invariant(own.length === head.rows, 'a column of a block has a cell for each of its rows');
    const convert = converterOf(found.column, settled);
    for (const cell of own) values.push(cell === null ? null : convert(cell));
  };
}
