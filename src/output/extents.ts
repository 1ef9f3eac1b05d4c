import type { SpoolExtent } from '../domain/event.ts';
import type { MiniBatchIndex } from '../domain/ids.ts';

/** Mini-batches a block: a table that grows by blocks never holds itself twice. */
const BLOCK = 64 * 1024;

/** Of `BLOCK` mini-batches, one after the other. */
interface Block {
  /** -1: no extent. */
  readonly offsets: Float64Array;
  readonly lengths: Float64Array;
  readonly checks: Uint32Array;
  readonly rowCounts: Uint32Array;
}

/** Extents of the spool by mini-batch, 24 bytes each. Filled from the ledger in its order, walked in that of the mini-batches. */
export class ExtentTable {
  /** By number; undefined where no mini-batch of it has an extent. */
  private readonly blocks: (Block | undefined)[] = [];
  rows = 0;

  set(index: MiniBatchIndex, extent: SpoolExtent): void {
    const number = Math.floor(index / BLOCK);
    while (this.blocks.length <= number) this.blocks.push(undefined);
    const block = (this.blocks[number] ??= emptyBlock());
    this.clear(index);
    const at = index % BLOCK;
    block.offsets[at] = extent.offset;
    block.lengths[at] = extent.bytes;
    block.checks[at] = extent.crc32;
    block.rowCounts[at] = extent.rows;
    this.rows += extent.rows;
  }

  /** The mini-batch is open again: its rows don't count any more. */
  clear(index: MiniBatchIndex): void {
    const block = this.blocks[Math.floor(index / BLOCK)];
    const at = index % BLOCK;
    if (block === undefined || (block.offsets[at] ?? -1) < 0) return;
    this.rows -= block.rowCounts[at] ?? 0;
    block.offsets[at] = -1;
  }

  /** Extents in mini-batch order, empty ones and mini-batches without rows left out. */
  *inOrder(): Generator<{
    readonly index: number;
    readonly offset: number;
    readonly bytes: number;
    readonly crc32: number;
  }> {
    for (const [number, block] of this.blocks.entries()) {
      if (block === undefined) continue;
      for (let at = 0; at < BLOCK; at++) {
        const offset = block.offsets[at] ?? -1;
        const bytes = block.lengths[at] ?? 0;
        if (offset >= 0 && bytes > 0) yield { index: number * BLOCK + at, offset, bytes, crc32: block.checks[at] ?? 0 };
      }
    }
  }
}

const emptyBlock = (): Block => ({
  offsets: new Float64Array(BLOCK).fill(-1),
  lengths: new Float64Array(BLOCK),
  checks: new Uint32Array(BLOCK),
  rowCounts: new Uint32Array(BLOCK),
});
