/**
 * A file as a crash sees it. What is written is seen by every reader at once (page cache) and is on the disk after
 * `sync`. Killing the process keeps the cache, but a write under way may be cut short. A power loss keeps what was
 * synced, a prefix of the writes since, and perhaps a torn one behind it: fewer bytes, or zeros in some of its pages.
 */
import type { Rng } from './rng.ts';

type Op = { readonly at: number; readonly bytes: Uint8Array } | { readonly truncate: number };

/** Sectors may be torn apart; small, so that small files have several. */
const PAGE_BYTES = 512;

class Image {
  bytes = Buffer.alloc(4096);
  size = 0;

  write(at: number, bytes: Uint8Array): void {
    const end = at + bytes.length;
    this.grow(end);
    this.bytes.set(bytes, at);
    this.size = Math.max(this.size, end);
  }

  truncate(size: number): void {
    this.grow(size);
    if (size < this.size) this.bytes.fill(0, size, this.size);
    this.size = size;
  }

  copyFrom(other: Image): void {
    this.truncate(0);
    this.write(0, other.bytes.subarray(0, other.size));
  }

  private grow(size: number): void {
    if (size <= this.bytes.length) return;
    const grown = Buffer.alloc(Math.max(size, 2 * this.bytes.length));
    grown.set(this.bytes);
    this.bytes = grown;
  }
}

export class SimFile {
  readonly cache = new Image();
  readonly disk = new Image();
  private pending: Op[] = [];
  private underWay: { at: number; bytes: Uint8Array } | undefined;

  /** A write begins; until `written` a kill may cut it short. */
  beginWrite(at: number, bytes: Uint8Array): void {
    this.underWay = { at, bytes };
  }

  /** @param part of it that got through, 1 = all. */
  written(part = 1): void {
    const op = this.underWay;
    this.underWay = undefined;
    if (op) this.write(op.at, part === 1 ? op.bytes : op.bytes.subarray(0, Math.floor(op.bytes.length * part)));
  }

  write(at: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.pending.push({ at, bytes });
    this.cache.write(at, bytes);
  }

  truncate(size: number): void {
    this.pending.push({ truncate: size });
    this.cache.truncate(size);
  }

  sync(): void {
    for (const op of this.pending) apply(this.disk, op);
    this.pending = [];
  }

  /** What is read from there on is written once more. */
  rewrite(from: number): void {
    this.write(from, Uint8Array.from(this.cache.bytes.subarray(from, this.cache.size)));
  }

  dropUnsynced(): void {
    this.pending = [];
  }

  kill(rng: Rng): void {
    this.written(this.underWay ? rng.float() : 1);
  }

  powerLoss(rng: Rng): void {
    this.written(this.underWay ? rng.float() : 1);
    const kept = rng.below(this.pending.length + 1);
    for (const op of this.pending.slice(0, kept)) apply(this.disk, op);
    const next = this.pending[kept];
    if (next && 'at' in next && rng.chance(0.7)) this.tear(next.at, next.bytes, rng);
    this.pending = [];
    this.cache.copyFrom(this.disk);
  }

  private tear(at: number, bytes: Uint8Array, rng: Rng): void {
    if (rng.chance(0.5)) {
      this.disk.write(at, bytes.subarray(0, rng.below(bytes.length + 1)));
      return;
    }
    // The size is there; some pages hold what they held before, zeros behind the former end.
    const image = Uint8Array.from(bytes);
    const before = this.disk.bytes.subarray(at, Math.max(at, this.disk.size));
    for (let from = 0; from < image.length;) {
      const to = Math.min(image.length, from + PAGE_BYTES - ((at + from) % PAGE_BYTES));
      if (rng.chance(0.5)) image.fill(0, from, to).set(before.subarray(from, to), from);
      from = to;
    }
    this.disk.write(at, image);
  }
}

function apply(image: Image, op: Op): void {
  if ('at' in op) image.write(op.at, op.bytes);
  else image.truncate(op.truncate);
}
