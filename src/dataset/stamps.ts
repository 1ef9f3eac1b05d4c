import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import { fill } from './fill.ts';
import { STAMPS_HEADER_BYTES, STAMP_BYTES, isStampsHeader, readStamp, writeStamp } from './stampformat.ts';
import type { StampRecord } from './stampformat.ts';
import type { FileStamp } from './stamp.ts';

/** Stamps read ahead where mini-batches are asked for one after the other. */
const WINDOW_STAMPS = 1024;

/**
 * The stored stamps of a run. Reading is synchronous, about a microsecond each where mini-batches are asked for in
 * order. What is damaged is as if it weren't there: its file counts as one of which nothing is known.
 */
export class Stamps {
  readonly count: number;
  readonly #path: string;
  readonly #file: number;
  #writable: number | undefined;
  #window: Buffer = Buffer.alloc(0);
  #windowFrom = 0;
  /** Where the search for the next mini-batch begins. */
  #hint = 0;

  /** @returns undefined where there are none: the run was started by a version that kept none */
  static open(path: string): Stamps | undefined {
    let file: number;
    try {
      file = openSync(path, 'r');
    } catch {
      return undefined;
    }
    if (isStampsHeader(fill(file, 0, STAMPS_HEADER_BYTES))) return new Stamps(path, file);
    closeSync(file);
    return undefined;
  }

  private constructor(path: string, file: number) {
    this.#path = path;
    this.#file = file;
    this.count = Math.max(0, Math.floor((fstatSync(file).size - STAMPS_HEADER_BYTES) / STAMP_BYTES));
  }

  /** Position of the first stamp of mini-batch `index` or a later one; `count` where there is none. */
  firstFrom(index: number): number {
    // Most are asked for in order: look ahead in growing steps from where the last one was.
    let low = this.#isBefore(this.#hint - 1, index) ? this.#hint : 0;
    let high = low;
    for (let step = 1; high < this.count && this.#isBefore(high, index); step *= 2) {
      low = high + 1;
      high += step;
    }
    high = Math.min(high, this.count);
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#isBefore(middle, index)) low = middle + 1;
      else high = middle;
    }
    this.#hint = low;
    return low;
  }

  /** The stamp at a position; undefined at the end and where it is damaged. */
  at(position: number): StampRecord | undefined {
    if (position < 0 || position >= this.count) return undefined;
    let offset = (position - this.#windowFrom) * STAMP_BYTES;
    if (offset < 0 || offset + STAMP_BYTES > this.#window.length) {
      this.#windowFrom = position;
      this.#window = this.#read(position, Math.min(WINDOW_STAMPS, this.count - position));
      offset = 0;
    }
    return this.#window.length < offset + STAMP_BYTES ? undefined : readStamp(this.#window, offset);
  }

  /** The stamp that holds for a mini-batch of table rows, and its position. */
  covering(index: number): { readonly position: number; readonly stamp: FileStamp } | undefined {
    const next = this.firstFrom(index);
    const own = this.at(next);
    const position = own?.index === index ? next : next - 1;
    const record = own?.index === index ? own : this.at(position);
    return record && { position, stamp: record.stamp };
  }

  /** The file is taken as it is now. Not synced: what is lost of it is only told once more. */
  replace(position: number, index: number, stamp: FileStamp): void {
    const bytes = Buffer.alloc(STAMP_BYTES);
    writeStamp(bytes, 0, index, stamp);
    this.#writable ??= openSync(this.#path, 'r+');
    writeSync(this.#writable, bytes, 0, STAMP_BYTES, STAMPS_HEADER_BYTES + position * STAMP_BYTES);
    const offset = (position - this.#windowFrom) * STAMP_BYTES;
    if (offset >= 0 && offset + STAMP_BYTES <= this.#window.length) bytes.copy(this.#window, offset);
  }

  close(): void {
    closeSync(this.#file);
    if (this.#writable !== undefined) closeSync(this.#writable);
  }

  /** Whether the stamp at a position belongs to an earlier mini-batch. What is damaged counts as its neighbour. */
  #isBefore(position: number, index: number): boolean {
    for (let at = position; at < this.count; at++) {
      if (at < 0) return true;
      const offset = (at - this.#windowFrom) * STAMP_BYTES;
      const inWindow = offset >= 0 && offset + STAMP_BYTES <= this.#window.length;
      const bytes = inWindow ? this.#window : this.#read(at, 1);
      const record = bytes.length < STAMP_BYTES ? undefined : readStamp(bytes, inWindow ? offset : 0);
      if (record) return record.index < index;
    }
    return false;
  }

  #read(position: number, stamps: number): Buffer {
    return fill(this.#file, STAMPS_HEADER_BYTES + position * STAMP_BYTES, stamps * STAMP_BYTES);
  }
}
