/** Blocks (`domain/block.ts`) out of the bytes of committed rows. */
import type { BlockCell, BlockHead } from '../../domain/block.ts';
import { SpoolDamagedError } from '../damaged.ts';

const LF = 10;

export interface Block {
  readonly head: BlockHead;
  /** By column. Parsed when it is asked for. */
  readonly cells: () => readonly (readonly BlockCell[])[];
}

/**
 * @param pieces the bytes of whole blocks, cut anywhere
 * @throws SpoolDamagedError where they are no blocks
 */
export async function* blocksOf(pieces: AsyncIterable<Buffer>): AsyncGenerator<Block, void, undefined> {
  let waiting: Buffer[] = [];
  let size = 0;
  let wanted = 1;
  for await (const piece of pieces) {
    waiting.push(piece);
    size += piece.length;
    if (size < wanted) continue;
    const bytes = waiting.length === 1 ? piece : Buffer.concat(waiting, size);
    let at = 0;
    for (;;) {
      const end = bytes.indexOf(LF, at);
      if (end < 0) {
        wanted = bytes.length - at + 1;
        break;
      }
      const head = headOf(bytes.toString('utf8', at, end));
      const behind = end + 1 + head.bytes;
      if (behind > bytes.length) {
        wanted = behind - at;
        break;
      }
      yield { head, cells: () => JSON.parse(bytes.toString('utf8', end + 1, behind)) as BlockCell[][] };
      at = behind;
    }
    waiting = at < bytes.length ? [bytes.subarray(at)] : [];
    size = bytes.length - at;
  }
  if (size > 0) throw new SpoolDamagedError(`the committed rows end within a block, ${size} bytes behind its start`);
}

function headOf(line: string): BlockHead {
  try {
    const head = JSON.parse(line) as BlockHead;
    if (Array.isArray(head.columns) && Number.isSafeInteger(head.rows) && Number.isSafeInteger(head.bytes)) return head;
  } catch {
    // told below
  }
  throw new SpoolDamagedError(`the committed rows hold no block where one begins: ${line.slice(0, 80)}`);
}
