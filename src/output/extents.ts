import type { SpoolExtent } from '../domain/event.ts';
import type { MiniBatchIndex } from '../domain/ids.ts';

/** Extents of the spool by mini-batch, 24 bytes each. Filled from the ledger in its order, walked in that of the mini-batches. */
export class ExtentTable {
  private offsets = new Float64Array(1024).fill(-1);
  private lengths = new Float64Array(1024);
  private checks = new Uint32Array(1024);
  private rowCounts = new Uint32Array(1024);
  private size = 0;
  rows = 0;

  set(index: MiniBatchIndex, extent: SpoolExtent): void {
    if (index >= this.offsets.length) this.grow(index + 1);
    this.clear(index);
    this.rowCounts[index] = extent.rows;
    this.offsets[index] = extent.offset;
    this.lengths[index] = extent.bytes;
    this.checks[index] = extent.crc32;
    this.size = Math.max(this.size, index + 1);
    this.rows += extent.rows;
  }

  /** The mini-batch is open again: its rows don't count any more. */
  clear(index: MiniBatchIndex): void {
    if (index >= this.size || (this.offsets[index] ?? -1) < 0) return;
    this.rows -= this.rowCounts[index] ?? 0;
    this.offsets[index] = -1;
  }

  /** Extents in mini-batch order, empty ones and mini-batches without rows left out. */
  *inOrder(): Generator<{
    readonly index: number;
    readonly offset: number;
    readonly bytes: number;
    readonly crc32: number;
  }> {
    for (let index = 0; index < this.size; index++) {
      const offset = this.offsets[index] ?? -1;
      const bytes = this.lengths[index] ?? 0;
      if (offset >= 0 && bytes > 0) yield { index, offset, bytes, crc32: this.checks[index] ?? 0 };
    }
  }

  private grow(atLeast: number): void {
    const length = Math.max(atLeast, this.offsets.length * 2);
    const offsets = new Float64Array(length).fill(-1);
    offsets.set(this.offsets);
    const lengths = new Float64Array(length);
    lengths.set(this.lengths);
    const checks = new Uint32Array(length);
    checks.set(this.checks);
    this.offsets = offsets;
    this.lengths = lengths;
    this.checks = checks;
    const rowCounts = new Uint32Array(length);
    rowCounts.set(this.rowCounts);
    this.rowCounts = rowCounts;
  }
}
