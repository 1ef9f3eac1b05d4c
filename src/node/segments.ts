/**
 * What of a captured stream is shown: of each stretch (one mini-batch, or what lies between two) the first and the
 * last bytes, with a line between them that says how much was dropped. Positions count from the start of the stream,
 * whatever was cut off the file since. Bytes in the middle of a flood are never read.
 *
 * No clock and no I/O of its own: bytes come from `read`, lines go to `line`.
 */
import { LineCutter } from './lines.ts';

/** Bytes read at once. */
const CHUNK_BYTES = 256 * 1024;
const LINE_FEED = 0x0a;

export interface RenderPorts {
  /** Bytes `from` to `to` of the stream. */
  read(from: number, to: number): Buffer;
  /** A whole line or a piece of a very long one, without line break, and the try in which it began. */
  line(bytes: Buffer, of: PrintedBy | undefined): void;
  dropped(bytes: number, index: number | undefined): void;
}

/** The try during which something was printed. */
export interface PrintedBy {
  readonly index: number;
  readonly try: number;
}

interface Stretch {
  readonly start: number;
  /** Undefined between two mini-batches, in `init()` and in `shutdown()`. */
  readonly of: PrintedBy | undefined;
}

export class StreamRenderer {
  readonly #ports: RenderPorts;
  readonly #prefixBytes: number;
  readonly #lines: LineCutter;
  /** Bytes of head and as many of tail, prefixes included, kept of a stretch. */
  #keepBytes: number;
  /** The first is under work; each ends where the next one starts, the last one at the end of the stream. */
  #stretches: Stretch[] = [{ start: 0, of: undefined }];
  /** Where the unfinished line began. */
  #unfinishedOf: Stretch | undefined;
  /** Everything before is shown or dropped. */
  #cursor = 0;
  #size = 0;
  /** Bytes of head still to be shown; 0: the rest waits for the end of the stretch. */
  #headLeft: number;
  /** What lies in the middle is dropped; the tail is being shown, from the cursor on. */
  #inTail = false;
  #renderedBytes = 0;

  constructor(ports: RenderPorts, options: { readonly keepBytes: number; readonly prefixBytes: number }) {
    this.#ports = ports;
    this.#keepBytes = options.keepBytes;
    this.#headLeft = options.keepBytes;
    this.#prefixBytes = options.prefixBytes;
    this.#lines = new LineCutter((bytes) => this.#emit(bytes));
  }

  get size(): number {
    return this.#size;
  }
  /** Bytes given to `line` so far, prefixes included. */
  get renderedBytes(): number {
    return this.#renderedBytes;
  }

  /** From the next stretch on less is kept. */
  keepLess(bytes: number): void {
    this.#keepBytes = Math.min(this.#keepBytes, bytes);
  }

  /** What is printed from `at` on belongs to this try, or to none. */
  mark(at: number, of: PrintedBy | undefined): void {
    const last = this.#stretches.at(-1);
    const start = Math.max(at, last?.start ?? 0);
    if (start === last?.start) {
      this.#stretches[this.#stretches.length - 1] = { start, of };
      return;
    }
    this.#stretches.push({ start, of });
    this.#size = Math.max(this.#size, start);
  }

  grow(size: number): void {
    this.#size = Math.max(this.#size, size);
  }

  /** Shows what can be shown, about `budgetBytes` at most. @returns true where more could be shown at once. */
  pump(budgetBytes: number): boolean {
    let left = budgetBytes;
    while (left > 0) {
      const used = this.#step();
      if (used === 0) return false;
      left -= used;
    }
    return true;
  }

  /** An unfinished line has waited long enough. A progress bar (it has a `\r`) waits for its end. */
  flushUnfinished(): void {
    if (!this.#lines.hasCarriageReturn) this.#lines.flush();
  }
  get hasUnfinished(): boolean {
    return this.#lines.hasUnfinished;
  }

  /** The stream has ended: nothing will be marked any more. `pump` until false, then `close`. */
  end(): void {
    this.#stretches.push({ start: this.#size, of: undefined });
  }
  close(): void {
    this.#lines.flush();
  }

  /**
   * The file is about to be cut at its present end: whatever is not shown by then is dropped, all but the last bytes.
   * @returns position and bytes that must stay readable.
   */
  beforeCut(): { readonly from: number; readonly bytes: Buffer } {
    if (this.#cursor < this.#size) {
      const of = this.#stretches.at(-1)?.of;
      this.#leaveTail();
      this.#stretches = [{ start: this.#cursor, of }];
      this.#headLeft = 0;
    }
    const from = Math.max(this.#cursor, this.#size - this.#keepBytes);
    return { from, bytes: this.#ports.read(from, this.#size) };
  }

  /** @returns bytes of work done, 0 where nothing is to be done now. */
  #step(): number {
    const next = this.#stretches[1];
    const end = next ? next.start : this.#size;
    if (this.#headLeft > 0 && this.#cursor < end) return this.#showHead(end);
    if (!next) return 0;
    if (this.#cursor < end) {
      return this.#inTail ? this.#showTail(end) : this.#dropMiddle(end, this.#stretches[0]?.of?.index);
    }
    this.#leaveTail();
    this.#stretches.shift();
    // a mark that came late: what is shown already counts as the beginning of the new stretch
    this.#headLeft = Math.max(0, this.#keepBytes - Math.max(0, this.#cursor - end));
    return 1;
  }

  #showHead(end: number): number {
    const chunk = this.#ports.read(this.#cursor, Math.min(end, this.#cursor + CHUNK_BYTES));
    if (chunk.length === 0) {
      // the bytes are gone (somebody cut the file): nothing to wait for
      this.#cursor = end;
      return 1;
    }
    const taken = this.#lines.feed(chunk, (length) => this.#headLeft - this.#prefixBytes - length - 1);
    this.#cursor += taken;
    if (this.#lines.hasUnfinished) this.#unfinishedOf ??= this.#stretches[0];
    if (taken < chunk.length) {
      this.#lines.flush();
      this.#headLeft = 0;
    }
    return Math.max(1, taken);
  }

  #dropMiddle(end: number, index: number | undefined): number {
    const from = Math.max(this.#cursor, end - this.#keepBytes);
    let start = tailStart(this.#ports, { from, end }, this.#keepBytes, this.#prefixBytes);
    // the line break of a line whose bytes are dropped is no empty line
    if (start === from && from > this.#cursor && this.#ports.read(from, from + 1)[0] === LINE_FEED) start += 1;
    const dropped = start - this.#cursor;
    this.#lines.flush();
    if (dropped > 0) {
      this.#emit(Buffer.from(`... ${dropped} bytes dropped ...`));
      this.#ports.dropped(dropped, index);
    }
    this.#cursor = start;
    this.#inTail = true;
    return Math.max(1, Math.min(CHUNK_BYTES, end - start));
  }

  /** A piece at a time: megabytes at once would be in memory several times over. */
  #showTail(end: number): number {
    const chunk = this.#ports.read(this.#cursor, Math.min(end, this.#cursor + CHUNK_BYTES));
    this.#lines.feed(chunk, () => Infinity);
    // none: the bytes are gone
    this.#cursor = chunk.length === 0 ? end : this.#cursor + chunk.length;
    return Math.max(1, chunk.length);
  }

  #leaveTail(): void {
    if (this.#inTail) this.#lines.flush();
    this.#inTail = false;
  }

  #emit(bytes: Buffer): void {
    const cost = bytes.length + this.#prefixBytes + 1;
    this.#headLeft = Math.max(0, this.#headLeft - cost);
    this.#renderedBytes += cost;
    const began = this.#unfinishedOf ?? this.#stretches[0];
    this.#unfinishedOf = undefined;
    this.#ports.line(bytes, began?.of);
  }
}

/**
 * Where the longest end of a range begins that costs at most `budget` when each of its lines carries a prefix. Reads
 * backwards, a piece at a time.
 */
export function tailStart(
  ports: Pick<RenderPorts, 'read'>,
  { from, end }: { readonly from: number; readonly end: number },
  budget: number,
  prefixBytes: number,
): number {
  const breaks = new BreaksBackwards(ports, from, end);
  let start = end;
  let cost = 0;
  while (start > from) {
    // the line break right before `start` ends this line, the one before that starts it
    const lineBreak = breaks.before(start) === start - 1 ? 1 : 0;
    const lineStart = breaks.before(start - 1) + 1;
    const length = start - lineStart - lineBreak;
    const more = length + prefixBytes + 1;
    if (cost + more > budget) {
      const part = budget - cost - prefixBytes - 1;
      return part > 0 ? start - lineBreak - part : start;
    }
    cost += more;
    start = lineStart;
  }
  return from;
}

/** Finds line breaks of a range from its end to its start. */
class BreaksBackwards {
  readonly #ports: Pick<RenderPorts, 'read'>;
  readonly #from: number;
  /** The bytes in hand begin here and end where those began that were in hand before. */
  #at: number;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(ports: Pick<RenderPorts, 'read'>, from: number, end: number) {
    this.#ports = ports;
    this.#from = from;
    this.#at = end;
  }

  /** @returns position of the last line break before `position`, which never grows; `from - 1` where there is none */
  before(position: number): number {
    for (;;) {
      const found = position > this.#at ? this.#bytes.lastIndexOf(LINE_FEED, position - 1 - this.#at) : -1;
      if (found >= 0) return this.#at + found;
      if (this.#at <= this.#from) return this.#from - 1;
      const at = Math.max(this.#from, this.#at - CHUNK_BYTES);
      this.#bytes = this.#ports.read(at, this.#at);
      this.#at = at;
    }
  }
}
