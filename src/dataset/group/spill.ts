/**
 * Records on disk, divided into parts. What a part takes in memory while it is written is one block; records with the same
 * key that come to a part one behind the other become one.
 */
import { closeSync, openSync, readSync, rmSync } from 'node:fs';
import { writeAllSync } from '../write.ts';

/** Items from the `first` one of the input on, in their order; `bytes` of `buffer` are theirs. */
export interface SpilledRecord {
  readonly first: number;
  readonly items: number;
  /** As UTF-8. */
  readonly key: Buffer;
  /** What it holds; empty, with only its `length` known, where the spill keeps no contents. */
  readonly content: Buffer;
  readonly length: number;
}

/** f64 first, f64 length of the content, u32 items, u32 length of the key. */
const HEAD_BYTES = 24;
const READ_BYTES = 1024 * 1024;

export class SpillPart {
  records = 0;
  /** In the file, once it is closed. */
  bytes = 0;
  /** The key of all records; undefined where there are several. */
  onlyKey: string | undefined;
  readonly path: string;
  readonly #keepsContent: boolean;
  readonly #blockBytes: number;
  #block: Buffer | undefined;
  #used = 0;
  #file: number | undefined;
  #lastKey: string | undefined;
  /** Offset of the last record in the block. */
  #lastAt = 0;

  constructor(path: string, blockBytes: number, keepsContent: boolean) {
    this.path = path;
    this.#blockBytes = Math.max(blockBytes, HEAD_BYTES);
    this.#keepsContent = keepsContent;
  }

  /** @param key well-formed. @param length of the content, which lies in `bytes` from `from` on */
  append(key: string, first: number, items: number, bytes: Uint8Array, from: number, length: number): void {
    const kept = this.#keepsContent ? length : 0;
    const block = (this.#block ??= Buffer.allocUnsafe(this.#blockBytes));
    if (key === this.#lastKey && this.#used + kept <= block.length) {
      block.writeDoubleLE(block.readDoubleLE(this.#lastAt + 8) + length, this.#lastAt + 8);
      block.writeUInt32LE(block.readUInt32LE(this.#lastAt + 16) + items, this.#lastAt + 16);
      this.#put(block, bytes, from, kept);
      return;
    }
    const keyBytes = Buffer.byteLength(key);
    if (this.#used + HEAD_BYTES + keyBytes + kept > block.length) this.#flush();
    this.onlyKey = this.records === 0 ? key : this.onlyKey === key ? key : undefined;
    this.records += 1;
    const large = HEAD_BYTES + keyBytes + kept > block.length;
    const at = this.#used;
    const head = large ? Buffer.allocUnsafe(HEAD_BYTES + keyBytes) : block.subarray(at);
    head.writeDoubleLE(first, 0);
    head.writeDoubleLE(length, 8);
    head.writeUInt32LE(items, 16);
    head.writeUInt32LE(keyBytes, 20);
    head.write(key, HEAD_BYTES);
    if (large) {
      this.#write(head);
      this.#write(bytes.subarray(from, from + kept));
      return;
    }
    this.#used += HEAD_BYTES + keyBytes;
    this.#put(block, bytes, from, kept);
    this.#lastKey = key;
    this.#lastAt = at;
  }

  /** Nothing more comes; gives its block back. */
  close(): void {
    this.#flush();
    this.#block = undefined;
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  /** The whole part, read into `buffer` where that is large enough. */
  load(buffer: Buffer): Buffer {
    const bytes = buffer.length >= this.bytes ? buffer.subarray(0, this.bytes) : Buffer.allocUnsafeSlow(this.bytes);
    this.#reading((file) => {
      for (let at = 0; at < bytes.length;) at += readMore(file, bytes, at, bytes.length - at);
    });
    return bytes;
  }

  /** Its records in order, a piece of the file at a time. Each is valid until the next is asked for. */
  *read(): Generator<SpilledRecord, void, undefined> {
    if (this.records === 0) return;
    const file = openSync(this.path, 'r');
    try {
      let bytes: Buffer = Buffer.alloc(0);
      for (let taken = 0; taken < this.bytes;) {
        const more = Math.min(READ_BYTES, this.bytes - taken);
        const next = Buffer.allocUnsafe(bytes.length + more);
        bytes.copy(next);
        for (let at = 0; at < more;) at += readMore(file, next, bytes.length + at, more - at);
        taken += more;
        let from = 0;
        for (let end = this.recordEnd(next, 0); end !== undefined; end = this.recordEnd(next, from)) {
          yield this.recordAt(next, from);
          from = end;
        }
        bytes = next.subarray(from);
      }
    } finally {
      closeSync(file);
    }
  }

  remove(): void {
    rmSync(this.path, { force: true });
  }

  /** Where the record that begins at `from` ends; undefined where the bytes don't hold all of it. */
  recordEnd(bytes: Buffer, from: number): number | undefined {
    if (from + HEAD_BYTES > bytes.length) return undefined;
    const kept = this.#keepsContent ? bytes.readDoubleLE(from + 8) : 0;
    const end = from + HEAD_BYTES + bytes.readUInt32LE(from + 20) + kept;
    return end <= bytes.length ? end : undefined;
  }

  recordAt(bytes: Buffer, from: number): SpilledRecord {
    const length = bytes.readDoubleLE(from + 8);
    const content = from + HEAD_BYTES + bytes.readUInt32LE(from + 20);
    return {
      first: bytes.readDoubleLE(from),
      items: bytes.readUInt32LE(from + 16),
      key: bytes.subarray(from + HEAD_BYTES, content),
      content: bytes.subarray(content, this.#keepsContent ? content + length : content),
      length,
    };
  }

  #put(block: Buffer, bytes: Uint8Array, from: number, length: number): void {
    // `set` costs more than a loop for the few bytes of a row
    if (length > 64) block.set(bytes.subarray(from, from + length), this.#used);
    else for (let i = 0; i < length; i++) block[this.#used + i] = bytes[from + i] as number;
    this.#used += length;
  }

  #flush(): void {
    this.#lastKey = undefined;
    if (this.#used > 0 && this.#block) this.#write(this.#block.subarray(0, this.#used));
    this.#used = 0;
  }

  #write(bytes: Uint8Array): void {
    this.#file ??= openSync(this.path, 'w', 0o600);
    writeAllSync(this.#file, bytes);
    this.bytes += bytes.length;
  }

  #reading(use: (file: number) => void): void {
    const file = openSync(this.path, 'r');
    try {
      use(file);
    } finally {
      closeSync(file);
    }
  }
}

function readMore(file: number, bytes: Buffer, at: number, length: number): number {
  const read = readSync(file, bytes, at, length, null);
  if (read === 0) throw new Error('a file of what is being grouped has become shorter');
  return read;
}
