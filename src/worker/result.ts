import type { DoneMessage, FailedMessage, AgentHello } from '../domain/protocol.ts';
import { typedRows } from './arrowcolumns.ts';
import { rowEncoder } from './encode.ts';
import type { RowEncoder } from './encode.ts';
import type { ExceptionReader } from './exception.ts';
import type { Returned } from './returned.ts';
import { RowSink } from './sink.ts';

/** What a try came to: the part of its last message that does not depend on clocks. */
export type TryResult =
  | {
      readonly ok: true;
      readonly body?: Uint8Array;
      readonly fields: Pick<DoneMessage, 'k' | 'part' | 'columns'>;
      /** Undo: the rows are not wanted after all. */
      readonly abandon: () => void;
    }
  | {
      readonly ok: false;
      readonly error: FailedMessage['error'];
      /** Position, among the items of the hand-out, of the one it is about. */
      readonly item?: number;
    };

/** An element of the result has no form in the output. */
class RowError extends Error {
  override readonly name = 'RowError';
  readonly row: number;
  constructor(row: number, cause: unknown) {
    super('row cannot be written', { cause });
    this.row = row;
  }
}

/**
 * Takes all rows of a result. Synchronous where the rows are, so that a small result costs no turn of the loop.
 * @param count items of the hand-out
 */
export function takeRows(
  returned: Extract<Returned, { readonly ok: true }>,
  count: number,
  output: AgentHello['output'],
  partPath: string,
  exceptions: ExceptionReader,
): TryResult | Promise<TryResult> {
  const taker =
    output.action === 'append_row'
      ? new EncodingTaker(rowEncoder(output.format, returned.columns), partPath)
      : new CountingTaker();
  const fail = (error: unknown): TryResult => {
    taker.abandon();
    if (!(error instanceof RowError)) return { ok: false, error: { kind: 'exception', ...exceptions.read(error) } };
    const { row } = error;
    // a row belongs to the item of its number where the script can be one that returns a row an item
    const item = row < count && (returned.length ?? count) === count ? { item: row } : {};
    return { ok: false, error: { kind: 'unencodable-row', row, ...exceptions.read(error.cause) }, ...item };
  };
  try {
    const isTyped = output.action === 'append_row' && output.format === 'parquet' && returned.table !== undefined;
    const rows = isTyped ? typedRows(returned.table) : returned.rows;
    if (Symbol.asyncIterator in rows) return drainAsync(rows, taker).then(() => taker.result(), fail);
    drainReturnedRows(rows, taker);
    return taker.result();
  } catch (error) {
    return fail(error);
  }
}

interface Taker {
  take(element: unknown): void;
  result(): TryResult;
  abandon(): void;
}

/** Its name marks the border between our frames and those of a generator of the script in a stack text. */
function drainReturnedRows(rows: Iterable<unknown>, taker: Taker): void {
  for (const row of rows) taker.take(row);
}

async function drainAsync(rows: AsyncIterable<unknown>, taker: Taker): Promise<void> {
  for await (const row of rows) taker.take(row);
}

/** summary_only: values are ignored, their number counts. */
class CountingTaker implements Taker {
  #count = 0;
  take(): void {
    this.#count += 1;
  }
  result(): TryResult {
    return { ok: true, fields: { k: this.#count }, abandon: nothing };
  }
  abandon(): void {
    // nothing was kept
  }
}

class EncodingTaker implements Taker {
  readonly #encoder: RowEncoder;
  readonly #sink: RowSink;
  #count = 0;

  constructor(encoder: RowEncoder, partPath: string) {
    this.#encoder = encoder;
    this.#sink = new RowSink(partPath);
  }

  take(element: unknown): void {
    let line: string;
    try {
      line = encodeReturnedRow(this.#encoder, element);
    } catch (cause) {
      throw new RowError(this.#count, cause);
    }
    this.#sink.push(line);
    this.#count += 1;
  }

  result(): TryResult {
    this.#sink.push(this.#encoder.finish?.() ?? '');
    const rows = this.#sink.finish();
    const columns = this.#encoder.columns;
    const named = columns === undefined ? {} : { columns };
    const abandon = (): void => this.#sink.abandon();
    if (rows.kind === 'inline') return { ok: true, body: rows.bytes, fields: { k: this.#count, ...named }, abandon };
    const part = { path: rows.path, bytes: rows.bytes };
    return { ok: true, fields: { k: this.#count, part, ...named }, abandon };
  }

  abandon(): void {
    this.#sink.abandon();
  }
}

/** Its name marks the border between our frames and those of a `toJSON` of the script in a stack text. */
function encodeReturnedRow(encoder: RowEncoder, element: unknown): string {
  return encoder.encode(element);
}

function nothing(): void {
  // summary_only keeps no rows
}
