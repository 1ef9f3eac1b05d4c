/**
 * The raw file behind descriptor 1 or 2 of a worker, as a stream of bytes that is only ever appended to: where the
 * file was cut to bound the disk, positions go on counting. The worker writes into it without us (`O_APPEND`), so it
 * is never slowed down and nothing is lost when the agent dies.
 *
 * `<file>.idx` beside it: a line `<epoch ms> <base> <size>` whenever it had grown: at that time the stream was `size`
 * bytes long and the file began at its position `base`.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';

/** Read ahead for many short stretches. */
const WINDOW_BYTES = 256 * 1024;
const EMPTY = Buffer.alloc(0);
/** Who looks back (last lines, stacks) looks back less than this. */
const LOOKED_BACK_BYTES = 1024 * 1024;

export class CaptureFile {
  readonly path: string;
  readonly #fd: number;
  readonly #indexFd: number;
  /** Position in the stream of the first byte of the file. */
  #base = 0;
  #size = 0;
  #cutAtMs = 0;
  #baseBeforeCut = 0;
  /** Bytes kept over the last cut. */
  #kept: { readonly from: number; readonly bytes: Buffer } = { from: 0, bytes: EMPTY };
  #window: { readonly from: number; readonly bytes: Buffer } = { from: 0, bytes: EMPTY };
  #closed = false;

  constructor(path: string) {
    this.path = path;
    const flags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT;
    this.#fd = openSync(path, flags, 0o600);
    this.#indexFd = openSync(`${path}.idx`, 'a', 0o600);
    this.#size = fstatSync(this.#fd).size;
  }

  /** For the worker to inherit. */
  get descriptor(): number {
    return this.#fd;
  }
  get size(): number {
    return this.#size;
  }
  /** Bytes on disk. */
  get fileBytes(): number {
    return this.#size - this.#base;
  }

  /** Looks how long the stream is now, and notes the time where it has grown. */
  poll(wallMs: number): void {
    if (this.#closed) return;
    const size = this.#base + fstatSync(this.#fd).size;
    if (size === this.#size) return;
    // somebody else cut the file: its positions stay ours, what is gone reads as nothing
    if (size < this.#size) this.#base += this.#size - size;
    this.#size = Math.max(size, this.#size);
    this.#window = { from: 0, bytes: EMPTY };
    this.#note(wallMs);
  }

  /** A mark of the worker is a size of the file as it saw it, at `wallMs`: before or after the latest cut. */
  position(mark: number, wallMs: number): number {
    const isBeforeCut = this.#cutAtMs > 0 && wallMs < this.#cutAtMs;
    return Math.max(0, mark + (isBeforeCut ? this.#baseBeforeCut : this.#base));
  }

  /** Bytes `from` to `to` of the stream, as far as they are still there. */
  read(from: number, to: number): Buffer {
    if (this.#closed || from >= to) return EMPTY;
    if (from < this.#base) {
      const { from: keptFrom, bytes } = this.#kept;
      const kept = bytes.subarray(Math.max(0, from - keptFrom), Math.max(0, Math.min(to, this.#base) - keptFrom));
      return to > this.#base ? Buffer.concat([kept, this.#readFile(this.#base, to)]) : kept;
    }
    // Megabytes for each worker that once printed a lot: not for the rest of its life.
    if (this.#size - this.#base > LOOKED_BACK_BYTES) this.#kept = { from: 0, bytes: EMPTY };
    return this.#readFile(from, to);
  }

  /** Empties the file; `kept` stays readable. What is written in the microseconds meanwhile is lost, uncounted. */
  cut(kept: { readonly from: number; readonly bytes: Buffer }, wallMs: number): void {
    if (this.#closed) return;
    // never written to again: `read` gives fresh buffers
    this.#kept = kept;
    ftruncateSync(this.#fd, 0);
    this.#baseBeforeCut = this.#base;
    this.#base = this.#size;
    this.#cutAtMs = wallMs;
    this.#note(wallMs);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
    closeSync(this.#indexFd);
  }

  #readFile(from: number, to: number): Buffer {
    const { from: start, bytes } = this.#window;
    if (from >= start && to <= start + bytes.length) return bytes.subarray(from - start, to - start);
    // a fresh buffer each time: unfinished lines hold on to parts of the old one
    const wanted = Math.max(to - from, Math.min(WINDOW_BYTES, this.#size - from));
    const window = Buffer.allocUnsafe(wanted);
    const length = readSync(this.#fd, window, 0, wanted, from - this.#base);
    this.#window = { from, bytes: window.subarray(0, length) };
    return window.subarray(0, Math.min(length, to - from));
  }

  #note(wallMs: number): void {
    try {
      writeSync(this.#indexFd, `${Math.round(wallMs)} ${this.#base} ${this.#size}\n`);
    } catch {
      // a full disk costs the times of some lines, nothing else
    }
  }
}
