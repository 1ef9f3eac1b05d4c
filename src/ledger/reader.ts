import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { RunEvent } from '../domain/event.ts';
import { Decoder } from './codec.ts';
import { MAGIC, decodeFrame } from './frames.ts';

const CHUNK_BYTES = 128 * 1024;

/** A few frames at a time: what is alive while a long ledger is folded stays small, and so does the work of the collector. */
const EVENTS_PER_READ = 128;

/** More than this behind the last whole frame is looked at only so far. */
const TAIL_BYTES_MAX = 64 * 1024 * 1024;

/** The file is no ledger of ours, or not one this version can read. */
export class LedgerFormatError extends Error {
  override readonly name = 'LedgerFormatError';
}

/**
 * Reads a ledger from its start, live or finished. `read()` gives the events that have become whole since the last
 * call; a torn or unfinished tail is simply not there (yet).
 */
export class LedgerReader {
  private readonly decoder = new Decoder();
  private rest: Buffer = Buffer.alloc(0);
  private position = 0;
  private readonly file: FileHandle;
  /** Set where bytes that can't be a frame follow the last whole one. */
  corrupt: string | undefined;

  private constructor(file: FileHandle) {
    this.file = file;
  }

  /** @throws LedgerFormatError; ENOENT of the file system where there is none. */
  static async open(path: string): Promise<LedgerReader> {
    const file = await open(path, 'r');
    const head = Buffer.alloc(MAGIC.length);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    if (head.toString('latin1', 0, bytesRead) !== MAGIC.slice(0, bytesRead)) {
      await file.close();
      throw new LedgerFormatError(`${path} is not a ledger this version can read`);
    }
    const reader = new LedgerReader(file);
    reader.position = MAGIC.length;
    return reader;
  }

  /** Where the last whole frame starts; the magic line where there is none. */
  lastFrameAt = 0;

  /** Byte offset behind the last whole frame: where a writer goes on. */
  get wholeBytes(): number {
    return this.position - this.rest.length;
  }

  /** Events of the next whole frames, some hundred at a time; empty at the present end of the file. */
  async read(): Promise<RunEvent[]> {
    const events: RunEvent[] = [];
    this.takeFrames(events);
    while (events.length === 0 && this.corrupt === undefined) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const { bytesRead } = await this.file.read(chunk, 0, CHUNK_BYTES, this.position);
      if (bytesRead === 0) break;
      this.position += bytesRead;
      this.rest =
        this.rest.length === 0
          ? chunk.subarray(0, bytesRead)
          : Buffer.concat([this.rest, chunk.subarray(0, bytesRead)]);
      this.takeFrames(events);
    }
    return events;
  }

  private takeFrames(events: RunEvent[]): void {
    let at = 0;
    while (events.length < EVENTS_PER_READ && this.corrupt === undefined) {
      const scan = decodeFrame(this.rest.subarray(at));
      if (scan.kind === 'corrupt') this.corrupt = scan.reason;
      if (scan.kind !== 'frame') break;
      this.lastFrameAt = this.position - this.rest.length + at;
      at += scan.bytes;
      for (const record of scan.records) {
        const event = this.decoder.decode(record);
        if (event) events.push(event);
      }
    }
    this.rest = this.rest.subarray(at);
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
    if (decodeFrame(rest.subarray(at - 8)).kind === 'frame') return true;
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
