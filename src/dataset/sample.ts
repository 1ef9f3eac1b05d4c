/** Runs rows of a file past a sink: all of a part of it, or those of a sample taken from the middle. */
import type { CsvDialect } from '../domain/plan.ts';
import type { ColumnFacts } from './columns.ts';
import { readChunks } from './read.ts';
import { RecordScanner } from './recordscan.ts';
import type { FieldSink } from './recordscan.ts';
import { ROW_BYTES_MAX } from './rowcutter.ts';
import { findFault } from './tables.ts';

/**
 * @param part.start start of a row. @param part.end a row that goes beyond it is left out
 * @throws DatasetError PR3003, PR3005
 */
export async function scanRows(
  path: string,
  csv: CsvDialect,
  facts: ColumnFacts,
  part: { readonly start: number; readonly end?: number; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const scanner = new RecordScanner(csv.delimiter, facts);
  let rest = Buffer.alloc(0);
  for await (const chunk of readChunks(path, part)) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    const next = scanner.scan(bytes, 0, false);
    // a copy: the chunk's memory is filled anew
    rest = Buffer.from(bytes.subarray(next));
    if (rest.length > ROW_BYTES_MAX) throw await findFault(path, csv);
  }
  if (part.end !== undefined) return;
  if (scanner.scan(rest, 0, true) < rest.length) throw await findFault(path, csv);
}

interface SamplePart {
  readonly start: number;
  readonly bytes: number;
  /** `start` is the start of a row. */
  readonly exact: boolean;
  readonly columns: number;
  /** Bytes of the file. */
  readonly size: number;
}

/**
 * Looks at a window in the middle of a file, where nobody knows whether a quote is open. Both are tried; the first
 * that gives rows of the right width only is believed. A window that makes no sense either way tells nothing.
 */
export async function scanSample(path: string, csv: CsvDialect, facts: ColumnFacts, part: SamplePart): Promise<void> {
  const window = await readWindow(path, part.start, part.bytes);
  const ended = part.start + window.length >= part.size;
  const starts = part.exact ? [0] : [afterLineBreak(window, 0), afterLineBreak(window, window.indexOf(34))];
  for (const start of starts) {
    if (start === undefined) continue;
    const check = new WidthCheck(part.columns);
    new RecordScanner(csv.delimiter, check).scan(window, start, ended);
    if (!check.fits) continue;
    new RecordScanner(csv.delimiter, facts).scan(window, start, ended);
    return;
  }
}

async function readWindow(path: string, start: number, bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of readChunks(path, { start, end: start + bytes })) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** Offset after the first line break at or after `from`; undefined where there is none. */
function afterLineBreak(window: Buffer, from: number): number | undefined {
  if (from < 0) return undefined;
  const lf = window.indexOf(10, from);
  const at = lf >= 0 ? lf : window.indexOf(13, from);
  return at >= 0 ? at + 1 : undefined;
}

class WidthCheck implements FieldSink {
  #rows = 0;
  #odd = 0;
  readonly #columns: number;
  constructor(columns: number) {
    this.#columns = columns;
  }
  get fits(): boolean {
    return this.#rows > 0 && this.#odd === 0;
  }
  beginRow(): void {
    // nothing to take back: only whole rows count
  }
  field(): void {
    // the width is enough
  }
  endRow(fields: number): boolean {
    this.#rows += 1;
    if (fields !== this.#columns) this.#odd += 1;
    return this.#odd === 0;
  }
}
