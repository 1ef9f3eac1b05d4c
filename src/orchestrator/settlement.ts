import type { CoreCommand } from '../core/types.ts';
import type { TryFinished } from '../domain/event.ts';
import type { TryFailure } from '../domain/failure.ts';
import type { MiniBatchIndex } from '../domain/ids.ts';
import type { TryOutcome } from '../domain/ports.ts';
import { tryFinished } from './outcome.ts';
import type { OneRowsPiece, RowsPiece } from './ports.ts';

type Settle = Extract<CoreCommand, { type: 'settle' }>;

/** What is to be recorded: the event, the rows that are committed with it, part files that nobody needs any more. */
export interface Settled {
  readonly event: TryFinished;
  readonly rows?: RowsPiece;
  readonly unneeded: readonly string[];
}

/** Of a mini-batch that is narrowed down: what its end will need. */
interface Kept {
  readonly parts: { readonly from: number; readonly piece: OneRowsPiece; readonly columns?: readonly string[] }[];
  /** Of the whole mini-batch; the reason of its end where that has none of its own. */
  failure: TryFailure | undefined;
}

/** From outcomes and the core's decisions to what is recorded. Keeps the rows of good parts until their mini-batch ends. */
export class Settlement {
  /** False: the run writes no rows. */
  private readonly wantsRows: boolean;
  private readonly kept = new Map<MiniBatchIndex, Kept>();
  private columnsKey: string | undefined;

  constructor(wantsRows: boolean) {
    this.wantsRows = wantsRows;
  }

  /** @param items of the whole mini-batch @param detail what was handed out, of a failed try */
  settle(outcome: TryOutcome, command: Settle, items: number, detail: string | undefined): Settled {
    const { as } = command.settles;
    const piece = this.pieceOf(outcome);
    const columns = outcome.result.ok ? outcome.result.columns : undefined;
    const event = tryFinished(outcome, command, items, detail, this.kept.get(outcome.index)?.failure);
    switch (as) {
      case 'part': {
        const part = piece && { from: command.part?.from ?? 0, piece, ...(columns && { columns }) };
        if (part) this.keptOf(outcome.index).parts.push(part);
        return { event, unneeded: [] };
      }
      case 'narrow':
        if (!command.part) this.keptOf(outcome.index).failure = event.failure;
        return { event, unneeded: [] };
      case 'retry':
      case 'requeue':
        return { event, unneeded: [] };
      case 'failed':
        return { event, unneeded: filesOf([...this.take(outcome.index), ...(piece ? [piece] : [])]) };
      case 'done':
      case 'partial': {
        const named = this.kept.get(outcome.index)?.parts.find((part) => part.columns)?.columns ?? columns;
        const stored = this.withColumns(event, named);
        const rows = command.part ? whole(this.take(outcome.index, command.part.from, piece)) : piece;
        return rows ? { event: stored, rows, unneeded: [] } : { event: stored, unneeded: [] };
      }
    }
  }

  /** Whether a part file is of an outcome whose mini-batch has not ended. */
  keeps(file: string): boolean {
    return [...this.kept.values()].some(({ parts }) =>
      parts.some(({ piece }) => 'part' in piece && piece.part === file),
    );
  }

  private pieceOf({ result }: TryOutcome): OneRowsPiece | undefined {
    if (!result.ok || !this.wantsRows) return undefined;
    const { rows, returned } = result;
    return rows instanceof Uint8Array
      ? { bytes: rows, rows: returned }
      : { part: rows.part, length: rows.bytes, rows: returned };
  }

  private keptOf(index: MiniBatchIndex): Kept {
    let kept = this.kept.get(index);
    if (!kept) this.kept.set(index, (kept = { parts: [], failure: undefined }));
    return kept;
  }

  /** All pieces of a mini-batch in the order of its items, with that of the part that ended it. */
  private take(index: MiniBatchIndex, from?: number, last?: OneRowsPiece): OneRowsPiece[] {
    const parts = [...(this.kept.get(index)?.parts ?? [])];
    this.kept.delete(index);
    if (from !== undefined && last) parts.push({ from, piece: last });
    return parts.sort((a, b) => a.from - b.from).map(({ piece }) => piece);
  }

  /** Column names are stored where they differ from those stored last. */
  private withColumns(event: TryFinished, columns: readonly string[] | undefined): TryFinished {
    const key = columns?.join('\u0000');
    if (!this.wantsRows || !columns || key === this.columnsKey) return event;
    this.columnsKey = key;
    return { ...event, columns };
  }
}

function whole(pieces: readonly OneRowsPiece[]): RowsPiece | undefined {
  if (pieces.length === 0) return undefined;
  return { pieces, rows: pieces.reduce((sum, piece) => sum + piece.rows, 0) };
}

function filesOf(pieces: readonly OneRowsPiece[]): string[] {
  return pieces.flatMap((piece) => ('part' in piece ? [piece.part] : []));
}
