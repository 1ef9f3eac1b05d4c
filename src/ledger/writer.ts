import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { RunEvent } from '../domain/event.ts';
import { Encoder } from './codec.ts';
import type { LedgerRecord } from './codec.ts';
import { FrameEncoder, MAGIC } from './frames.ts';

/** The one writer of a run's ledger. `commit` is the commit point: when it resolves, the events are on the disk. */
export class LedgerWriter {
  private readonly encoder = new Encoder();
  private readonly frames = new FrameEncoder();
  private readonly file: FileHandle;
  private end: number;

  private constructor(file: FileHandle, end: number) {
    this.file = file;
    this.end = end;
  }

  /** A new ledger; fails where one exists. */
  static async create(path: string): Promise<LedgerWriter> {
    const file = await open(path, 'wx', 0o600);
    await writeAll(file, Buffer.from(MAGIC, 'latin1'), 0);
    await file.datasync();
    return new LedgerWriter(file, MAGIC.length);
  }

  /**
   * Goes on behind the last whole frame of a ledger; a torn tail behind it is cut off. The last frame itself is written
   * anew: where its sync had failed it may be in the page cache only, taken for clean, and no later sync would save it.
   */
  static async reopen(
    path: string,
    at: { readonly lastFrameAt: number; readonly wholeBytes: number },
  ): Promise<LedgerWriter> {
    const { lastFrameAt, wholeBytes } = at;
    const file = await open(path, 'r+');
    try {
      const last = Buffer.alloc(wholeBytes - lastFrameAt);
      await file.read(last, 0, last.length, lastFrameAt);
      await writeAll(file, last, lastFrameAt);
      await file.truncate(wholeBytes);
      await file.datasync();
      return new LedgerWriter(file, wholeBytes);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * Writes the events as one frame and syncs. Not to be called again before it has settled. After a failure the
   * frame may be torn on the disk; the next commit, of the same events or others, overwrites it.
   */
  async commit(events: readonly RunEvent[]): Promise<void> {
    if (events.length === 0) return;
    try {
      const records: LedgerRecord[] = [];
      for (const event of events) this.encoder.encode(event, records);
      const frame = this.frames.encode(records);
      await writeAll(this.file, frame, this.end);
      await this.file.datasync();
      this.end += frame.length;
    } catch (error) {
      this.encoder.reset();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let at = 0;
  while (at < bytes.length) at += (await file.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
}
