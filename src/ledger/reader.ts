import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { RunEvent } from '../domain/event.ts';
import { Decoder, LedgerFormatError } from './decoder.ts';
import { MAGIC, findFrame } from './frames.ts';

/** Read at a time; where a frame is longer the buffer grows, and shrinks again behind it. */
const BUFFER_BYTES = 1024 * 1024;

/** A few frames at a time: what is alive while a long ledger is folded stays small, and so does the work of the collector. */
const EVENTS_PER_READ = 128;

/** More than this behind the last whole frame is looked at only so far. */
const TAIL_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Reads a ledger from its start, live or finished. `read()` gives the events that have become whole since the last
 * call; a torn or unfinished tail is simply not there (yet).
 */
export class LedgerReader {
  private readonly decoder: Decoder;
  private readonly file: FileHandle;
  /** One buffer, filled again and again: events hold no bytes of it. What is unread in it lies from `from` to `to`. */
  private buffer: Buffer = Buffer.alloc(0);
  private from = 0;
  private to = 0;
  /** Offset in the file of the byte behind those. */
  private position = 0;
  /** The bytes up to the present end of the file are in the buffer. */
  private atEnd = false;

  private constructor(file: FileHandle, reuse: boolean) {
    this.file = file;
    this.decoder = new Decoder(reuse);
  }

  /**
   * @param options `reuse`: for who folds a long ledger. Events are good until the next call of `read` only; to keep
   *   one or a part of it is to keep what will be another (but for `rows`, and all of events other than done tries).
   * @throws LedgerFormatError; ENOENT of the file system where there is none.
   */
  static async open(path: string, options: { readonly reuse?: boolean } = {}): Promise<LedgerReader> {
    const file = await open(path, 'r');
    const head = Buffer.alloc(MAGIC.length);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    if (head.toString('latin1', 0, bytesRead) !== MAGIC.slice(0, bytesRead)) {
      await file.close();
      throw new LedgerFormatError(`${path} is not a ledger this version can read`);
    }
    const reader = new LedgerReader(file, options.reuse === true);
    reader.position = MAGIC.length;
    return reader;
  }

  /** Where the last whole frame starts; the magic line where there is none. */
  lastFrameAt = 0;

  /** Byte offset behind the last whole frame: where a writer goes on. */
  get wholeBytes(): number {
    return this.position - (this.to - this.from);
  }

  /**
   * Events of the next whole frames, some hundred at a time; empty at the present end of the file, and where the next
   * bytes are no frame: `tail` tells what they are.
   * @throws LedgerFormatError where a frame is whole and not one this version can read
   */
  async read(): Promise<RunEvent[]> {
    const events: RunEvent[] = [];
    this.decoder.takeBack();
    let stopped = this.takeFrames(events);
    while (stopped === 'short' && events.length === 0 && (await this.fill())) stopped = this.takeFrames(events);
    if (stopped === 'no frame' || (stopped === 'short' && this.atEnd)) this.forgetTail();
    return events;
  }

  /** @returns why there are no more: enough for one call; too few bytes; bytes that are no frame */
  private takeFrames(events: RunEvent[]): 'enough' | 'short' | 'no frame' {
    while (events.length < EVENTS_PER_READ) {
      const scan = findFrame(this.buffer, this.from, this.to);
      if (scan.kind === 'incomplete') return 'short';
      if (scan.kind === 'corrupt') return 'no frame';
      this.lastFrameAt = this.wholeBytes;
      this.decoder.decode(this.buffer, scan.from, scan.to, events);
      this.from = scan.to;
    }
    return 'enough';
  }

  /** @returns false at the present end of the file */
  private async fill(): Promise<boolean> {
    const rest = this.to - this.from;
    // Grows with what is really there, never by what a damaged length says.
    const size = rest < BUFFER_BYTES ? BUFFER_BYTES : Math.max(this.buffer.length, 2 * rest);
    const wanted = size === this.buffer.length ? this.buffer : Buffer.allocUnsafeSlow(size);
    this.buffer.copy(wanted, 0, this.from, this.to);
    this.buffer = wanted;
    this.from = 0;
    this.to = rest;
    const { bytesRead } = await this.file.read(wanted, rest, size - rest, this.position);
    this.position += bytesRead;
    this.to += bytesRead;
    this.atEnd = bytesRead < size - rest;
    return bytesRead > 0;
  }

  /** What is no whole frame may be another one by the next call: a writer cuts a torn tail off and writes over it. */
  private forgetTail(): void {
    this.position = this.wholeBytes;
    this.to = this.from;
  }

  /**
   * What lies behind the last whole frame. A crash leaves part of one frame, or bytes the disk never got (zeros): a
   * torn tail. Anything else behind it was written over or damaged later.
   */
  async tail(): Promise<'none' | 'torn' | 'damaged'> {
    const { size } = await this.file.stat();
    // Shorter than its first line: ended before that was written.
    const rest = Buffer.alloc(Math.max(0, Math.min(size - this.wholeBytes, TAIL_BYTES_MAX)));
    await this.file.read(rest, 0, rest.length, this.wholeBytes);
    if (rest.length === 0) return 'none';
    if (rest.length < 8 || rest.every((byte) => byte === 0)) return 'torn';
    // A power cut may keep later pages of the last frame and lose the first: only a whole frame behind it proves damage.
    return holdsFrame(rest) ? 'damaged' : 'torn';
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

/** Whether a whole frame starts anywhere behind the first byte. A payload is a JSON array: few offsets are worth a checksum. */
function holdsFrame(rest: Buffer): boolean {
  for (let at = rest.indexOf('[', 9); at >= 8; at = rest.indexOf('[', at + 1)) {
    if (findFrame(rest, at - 8).kind === 'frame') return true;
  }
  return false;
}

/** All events of a ledger, in order. */
export async function* readLedger(path: string): AsyncGenerator<readonly RunEvent[]> {
  const reader = await LedgerReader.open(path);
  try {
    for (;;) {
      const events = await reader.read();
      if (events.length === 0) return;
      yield events;
    }
  } finally {
    await reader.close();
  }
}
