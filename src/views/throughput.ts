/**
 * How fast a run goes, over a sliding window: the last 30 s, or further back where fewer than 20 mini-batches ended in
 * them, so that long mini-batches don't make the rate jump. Checkpoints are thinned as they get old: memory is fixed.
 */

const WINDOW_MS = 30_000;
const WINDOW_MINI_BATCHES_MIN = 20;
const CHECKPOINT_EVERY_MS = 1000;
const CHECKPOINTS_MAX = 128;
/** Below this span a rate says nothing. */
const SPAN_MS_MIN = 200;

interface Checkpoint {
  readonly at: number;
  readonly miniBatches: number;
  readonly items: number;
}

export class Throughput {
  private miniBatches = 0;
  private items = 0;
  private lastAt = -Infinity;
  private checkpoints: Checkpoint[] = [];

  /** The first work of the run began; rates count from here. Later calls do nothing. */
  start(at: number): void {
    if (this.checkpoints.length === 0) this.checkpoint(at);
  }

  /** A mini-batch was settled. */
  add(at: number, items: number): void {
    // A wall clock that went back: what was measured before can't be compared with what comes now.
    if (at < this.lastAt - WINDOW_MS) this.checkpoints = [];
    if (this.checkpoints.length === 0 || at - this.lastAt >= CHECKPOINT_EVERY_MS) this.checkpoint(at);
    this.miniBatches += 1;
    this.items += items;
  }

  private checkpoint(at: number): void {
    this.lastAt = at;
    this.checkpoints.push({ at, miniBatches: this.miniBatches, items: this.items });
    if (this.checkpoints.length <= CHECKPOINTS_MAX) return;
    const old = CHECKPOINTS_MAX / 2;
    this.checkpoints = this.checkpoints.filter((_, place) => place >= old || place % 2 === 0);
  }

  rates(now: number): { readonly itemsPerSecond?: number; readonly miniBatchesPerSecond?: number } {
    const from = this.windowStart(now);
    if (from === undefined || this.miniBatches === 0) return {};
    const spanMs = now - from.at;
    if (spanMs < SPAN_MS_MIN) return {};
    return {
      itemsPerSecond: ((this.items - from.items) * 1000) / spanMs,
      miniBatchesPerSecond: ((this.miniBatches - from.miniBatches) * 1000) / spanMs,
    };
  }

  /** The newest checkpoint that is old enough and has enough after it; else the oldest. */
  private windowStart(now: number): Checkpoint | undefined {
    for (let place = this.checkpoints.length - 1; place > 0; place -= 1) {
      const point = this.checkpoints[place];
      if (point === undefined) break;
      if (now - point.at >= WINDOW_MS && this.miniBatches - point.miniBatches >= WINDOW_MINI_BATCHES_MIN) return point;
    }
    return this.checkpoints[0];
  }
}
