/** Formats whose rows are found by their number, in groups: row groups of Parquet, record batches of Arrow. */
import type { Column, TableFormat } from '../../domain/plan.ts';
import { readArrowFacts } from './arrow.ts';
import { readParquetFacts } from './parquet.ts';

export type NumberedFormat = Extract<TableFormat, { format: 'parquet' | 'arrow' }>;

export interface RowGroup {
  readonly rows: number;
  /** Of Parquet uncompressed, of Arrow as they lie in the file. */
  readonly bytes: number;
}

/** What a file says of itself. */
export interface NumberedFacts {
  readonly columns: readonly Column[];
  readonly groups: readonly RowGroup[];
}

/** @param path absolute, as text. @throws DatasetError PR3003, PR3011, PR3020 */
export function readFacts(path: string, { format }: NumberedFormat): Promise<NumberedFacts> {
  return format === 'parquet' ? readParquetFacts(path) : readArrowFacts(path);
}
