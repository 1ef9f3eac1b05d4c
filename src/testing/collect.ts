import type { OutputFormat } from '../domain/plan.ts';
import { wellFormed } from '../domain/wellformed.ts';
import { rowEncoder } from '../worker/encode.ts';
import { readReturned } from '../worker/returned.ts';
import { EntryTestError } from './error.ts';

/** Parquet has no text. */
export type TextFormat = Exclude<OutputFormat, 'parquet'>;

export interface EntryResult {
  /** What `run` returned, element by element. Rows of an Arrow table are arrays of its cells. */
  readonly rows: readonly unknown[];
  /** min(items, rows): what counts as succeeded. */
  readonly succeeded: number;
  /** max(0, items - rows): what counts as failed. */
  readonly failed: number;
  /** What append_row would write for this mini-batch, without the header of a csv file. */
  readonly text: string;
  /** csv only: column names, where rows have them. */
  readonly columns?: readonly string[];
}

/** Checks and writes what `run` returned, as a worker does. */
export async function collect(value: unknown, items: number, format: TextFormat): Promise<EntryResult> {
  const returned = readReturned(Array.isArray(value) ? await Promise.all(value as readonly unknown[]) : value);
  if (!returned.ok) {
    throw new EntryTestError(
      `run() returned ${returned.returned}; it must return an array, an iterable or an Arrow table with one element ` +
        'per item that succeeded',
    );
  }
  const encoder = rowEncoder(format, returned.columns);
  const rows: unknown[] = [];
  let text = '';
  for await (const row of returned.rows) {
    try {
      text += wellFormed(encoder.encode(row));
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new EntryTestError(`element ${rows.length} of what run() returned cannot be written as ${format}: ${why}`, {
        cause,
      });
    }
    rows.push(row);
  }
  const succeeded = Math.min(items, rows.length);
  const named = encoder.columns === undefined ? {} : { columns: encoder.columns };
  return { rows, succeeded, failed: items - succeeded, text, ...named };
}
