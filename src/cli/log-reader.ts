import type { FileHandle } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';
import { safeLines } from '../views/text/words.ts';
import type { Output } from './deps.ts';

const CHUNK_BYTES = 64 * 1024;

/** Copies a growing file to an output: raw into a pipe, harmless onto a terminal. Memory: one chunk. */
export class LogReader {
  private position = 0;
  private readonly buffer = Buffer.alloc(CHUNK_BYTES);
  private readonly decoder = new StringDecoder('utf8');
  private readonly handle: FileHandle;
  private readonly output: Output;

  constructor(handle: FileHandle, output: Output) {
    this.handle = handle;
    this.output = output;
  }

  /** Copies everything there is now. @returns false where the reader of the output has gone. */
  async copyOn(): Promise<boolean> {
    for (;;) {
      const { bytesRead } = await this.handle.read(this.buffer, 0, CHUNK_BYTES, this.position);
      if (bytesRead === 0) return !this.output.closed;
      this.position += bytesRead;
      const chunk = this.buffer.subarray(0, bytesRead);
      // The buffer is used again only after the output took the bytes.
      await this.output.write(this.output.isTerminal ? safeLines(this.decoder.write(chunk)) : chunk);
      if (this.output.closed) return false;
    }
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}
