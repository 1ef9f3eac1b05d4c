/** The front of a table file: its header and its first row. */
import type { CsvDialect } from '../../domain/plan.ts';
import { columnNames, numberedNames } from './names.ts';
import { markLength, notUtf8, readChunks, sizeOf } from '../read.ts';
import { scannerFor } from './scanner.ts';
import type { FieldSink } from '../../domain/dialect.ts';
import { ROW_BYTES_MAX } from './ranges.ts';
import { findFault } from './cut.ts';

export interface TableHead {
  /** Bytes of the file. */
  readonly size: number;
  /** Names as pandas gives them. */
  readonly names: readonly string[];
  /** First byte after the header. */
  readonly dataStart: number;
  /** Fields of the first data row; undefined where there is none. */
  readonly firstRowFields?: number;
}

const FRONT_BYTES = 64 * 1024;
/** A header and a row, each as long as may be. */
const FRONT_BYTES_MAX = 2 * ROW_BYTES_MAX + 16;

/**
 * Reads as much of the file as header and first row take.
 * @param path absolute, as text
 * @returns undefined where the file holds nothing at all
 * @throws DatasetError PR3003, PR3005, PR3006
 */
export async function readHead(path: string, csv: CsvDialect): Promise<TableHead | undefined> {
  const size = await sizeOf(path);
  for (let bytes = FRONT_BYTES; ; bytes = Math.min(8 * bytes, FRONT_BYTES_MAX)) {
    const front = await readFront(path, bytes, csv.encoding);
    const ended = front.length < bytes;
    const head = parseFront(front, ended, path, csv);
    if (head !== 'more') return head && { ...head, size };
    if (ended || bytes === FRONT_BYTES_MAX) throw await findFault(path, { ...csv, format: 'csv' });
  }
}

/** @returns fewer bytes only where the file has no more */
async function readFront(path: string, bytes: number, encoding: string | undefined): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of readChunks(path, { end: bytes, chunkBytes: FRONT_BYTES, encoding }))
    chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

function parseFront(
  front: Buffer,
  ended: boolean,
  path: string,
  csv: CsvDialect,
): Omit<TableHead, 'size'> | undefined | 'more' {
  const mark = markLength(front, path);
  const first = new OneRow();
  const dataStart = scannerFor(csv, first).scan(front, mark, ended);
  if (first.done === undefined) return ended && dataStart === front.length ? undefined : 'more';
  if (!csv.header) return { names: numberedNames(first.done), dataStart: mark, firstRowFields: first.done };
  const second = new OneRow();
  const end = scannerFor(csv, second).scan(front, dataStart, ended);
  if (second.done === undefined && !(ended && end === front.length)) return 'more';
  return {
    names: columnNames(first.texts(path)),
    dataStart,
    ...(second.done !== undefined && { firstRowFields: second.done }),
  };
}

class OneRow implements FieldSink {
  /** Number of its fields, once it is complete. */
  done: number | undefined;
  #fields: Buffer[] = [];

  beginRow(): void {
    this.#fields = [];
  }
  field(_column: number, bytes: Buffer, start: number, end: number): void {
    this.#fields.push(Buffer.from(bytes.subarray(start, end)));
  }
  endRow(fields: number): boolean {
    this.done = fields;
    return false;
  }
  texts(path: string): string[] {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    try {
      return this.#fields.map((field) => decoder.decode(field));
    } catch {
      throw notUtf8(path, 'a column name is not valid UTF-8');
    }
  }
}
