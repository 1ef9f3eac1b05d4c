/** LZ4 in its frame format, as Arrow files have it: blocks, each of which may repeat what came in those before it. */
const MAGIC = 0x184d2204;
const UNPACKED = 0x80000000;
/** Flags of the second part of the header. */
const FLAG = { dictionary: 1, contentSize: 8, blockChecksum: 16 } as const;
const MATCH_BYTES_MIN = 4;

type Unpack = (input: Uint8Array, length: number) => Uint8Array;

/** LZ4 of nothing, as where all values of a page of Parquet are missing, is a byte that not every unpacker can read. */
export function orNothing(unpack: Unpack = (input) => input): Unpack {
  return (input, length) => (length === 0 ? new Uint8Array() : unpack(input, length));
}

/** @throws Error where it is damaged */
export function unpackLz4(frame: Uint8Array): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (view.getUint32(0, true) !== MAGIC) throw new Error('no LZ4 frame');
  const flags = view.getUint8(4);
  const sizeBytes = flags & FLAG.contentSize ? 8 : 0;
  const output = new Output(sizeBytes > 0 ? Number(view.getBigUint64(6, true)) : 4 * frame.length);
  let at = 7 + sizeBytes + (flags & FLAG.dictionary ? 4 : 0);
  for (let size = view.getUint32(at, true); size !== 0; size = view.getUint32(at, true)) {
    const length = size & ~UNPACKED;
    const block = frame.subarray(at + 4, at + 4 + length);
    if (block.length < length) throw new Error('an LZ4 block is cut off');
    if (size >>> 31 === 1) output.append(block);
    else unpackBlock(block, output);
    at += 4 + length + (flags & FLAG.blockChecksum ? 4 : 0);
  }
  return output.bytes();
}

function unpackBlock(block: Uint8Array, output: Output): void {
  let at = 0;
  const byte = (): number => {
    const found = block[at++];
    if (found === undefined) throw new Error('an LZ4 block is cut off');
    return found;
  };
  /** Lengths of 15 and more go on in the bytes that follow, up to the first that isn't 255. */
  const length = (start: number): number => {
    let sum = start;
    if (start === 15) for (let more = 255; more === 255; sum += more) more = byte();
    return sum;
  };
  while (at < block.length) {
    const token = byte();
    const literals = length(token >> 4);
    if (at + literals > block.length) throw new Error('an LZ4 block is cut off');
    output.append(block.subarray(at, at + literals));
    at += literals;
    if (at === block.length) return;
    const distance = byte() | (byte() << 8);
    output.repeat(distance, length(token & 15) + MATCH_BYTES_MIN);
  }
}

class Output {
  #buffer: Uint8Array;
  #length = 0;

  /** @param expected bytes; a guess */
  constructor(expected: number) {
    this.#buffer = new Uint8Array(Math.min(Math.max(expected, 64), 256 * 1024 * 1024));
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** What lies `distance` bytes back, `count` bytes of it; where that is more than there is, it repeats itself. */
  repeat(distance: number, count: number): void {
    if (distance === 0 || distance > this.#length) throw new Error('an LZ4 block points in front of its data');
    this.#reserve(count);
    const end = this.#length + count;
    for (let from = this.#length - distance; this.#length < end;) {
      const piece = Math.min(end - this.#length, this.#length - from);
      this.#buffer.copyWithin(this.#length, from, from + piece);
      this.#length += piece;
    }
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#buffer.length, this.#length + bytes));
    larger.set(this.bytes());
    this.#buffer = larger;
  }
}
