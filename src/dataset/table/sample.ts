/** Runs rows of a file past a sink: all of a part of it, or those of a sample taken from the middle. */
import type { CsvDialect } from '../../domain/plan.ts';
import { readChunks } from '../read.ts';
import { scannerFor } from './scanner.ts';
import type { FieldSink } from '../../domain/dialect.ts';
import { ROW_BYTES_MAX } from './ranges.ts';
import { findFault } from './cut.ts';

const LF = 10;
const CR = 13;

/**
 * @param part.start start of a row. @param part.end a row that goes beyond it is left out
 * @throws DatasetError PR3003, PR3005
 */
export async function scanRows(
  path: string,
  csv: CsvDialect,
  facts: FieldSink,
  part: { readonly start: number; readonly end?: number; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const scanner = scannerFor(csv, facts);
  let rest = Buffer.alloc(0);
  for await (const chunk of readChunks(path, { ...part, encoding: csv.encoding })) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    const next = scanner.scan(bytes, 0, false);
    // a copy: the chunk's memory is filled anew
    rest = Buffer.from(bytes.subarray(next));
    if (rest.length > ROW_BYTES_MAX) throw await findFault(path, { ...csv, format: 'csv' });
  }
  if (part.end !== undefined) return;
  if (scanner.scan(rest, 0, true) < rest.length) throw await findFault(path, { ...csv, format: 'csv' });
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
 * Looks at a window in the middle of a file, where nobody knows whether a quote is open. Both are tried, and believed
 * if all rows come out at the right width. A window that makes sense both ways, or neither, tells nothing.
 */
export async function scanSample(path: string, csv: CsvDialect, facts: FieldSink, part: SamplePart): Promise<void> {
  const window = await readWindow(path, part.start, part.bytes);
  const ended = part.start + window.length >= part.size;
  const fitting = (part.exact ? [0] : possibleStarts(window, csv.quote ?? '"')).filter((start) => {
    const check = new WidthCheck(part.columns);
    scannerFor(csv, check).scan(window, start, ended);
    return check.fits;
  });
  const [start] = fitting;
  if (start !== undefined && fitting.length === 1) scannerFor(csv, facts).scan(window, start, ended);
}

async function readWindow(path: string, start: number, bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of readChunks(path, { start, end: start + bytes })) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** Where the first row starts if no quote is open at the front of the window, and where if one is. */
function possibleStarts(window: Buffer, quote: string): number[] {
  const quoteByte = quote.charCodeAt(0);
  const starts: (number | undefined)[] = [undefined, undefined];
  let quotes = 0;
  for (let i = 0; i + 1 < window.length && starts.includes(undefined); i++) {
    const byte = window[i];
    if (byte === quoteByte) quotes += 1;
    else if (byte === LF || (byte === CR && window[i + 1] !== LF)) starts[quotes % 2] ??= i + 1;
  }
  return starts.filter((start) => start !== undefined);
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
