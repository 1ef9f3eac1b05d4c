/**
 * Text waiting to be written, as bytes. Lines are encoded when they come: keeping them as strings until the flush
 * keeps millions of little string pieces alive, and collecting these costs ten times more than encoding.
 */

const FIRST_BYTES = 4096;
/** A larger buffer is left to the garbage collector. */
const KEPT_BYTES_MAX = 1024 * 1024;
/** UTF-8 needs at most so many bytes for one UTF-16 unit. */
const BYTES_PER_UNIT_MAX = 3;

export class ChunkBuffer {
  /** Bytes waiting. */
  size = 0;
  private bytes: Buffer | undefined;

  append(chunk: string | Uint8Array): void {
    if (typeof chunk === 'string') {
      const bytes = this.room(chunk.length * BYTES_PER_UNIT_MAX);
      this.size += bytes.write(chunk, this.size);
    } else {
      this.room(chunk.length).set(chunk, this.size);
      this.size += chunk.length;
    }
  }

  /** Gives all bytes away and starts anew; undefined where there are none. */
  take(): Buffer | undefined {
    const { bytes, size } = this;
    this.bytes = undefined;
    this.size = 0;
    return size === 0 ? undefined : bytes?.subarray(0, size);
  }

  /** Takes back a buffer of `take` whose bytes are written, to be filled again. */
  giveBack(bytes: Buffer): void {
    if (this.bytes !== undefined || bytes.byteOffset !== 0 || bytes.buffer.byteLength > KEPT_BYTES_MAX) return;
    this.bytes = Buffer.from(bytes.buffer);
  }

  private room(bytes: number): Buffer {
    const needed = this.size + bytes;
    if (this.bytes !== undefined && needed <= this.bytes.length) return this.bytes;
    // Never more than twice what is there: pieces of a flood wait for the disk by the hundred.
    const grown = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, this.size * 2, needed));
    if (this.bytes !== undefined) this.bytes.copy(grown, 0, 0, this.size);
    this.bytes = grown;
    return grown;
  }
}
