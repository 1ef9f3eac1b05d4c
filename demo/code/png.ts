/** Reads 8-bit greyscale PNG files with nothing but Node. */
import { readFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');

/** The file is not the image that its name promises; the message says why. */
export class BrokenImage extends Error {}

export interface GreyImage {
  readonly width: number;
  readonly height: number;
  /** One byte a pixel, rows from the top. */
  readonly pixels: Uint8Array;
}

/** Throws BrokenImage, or the error of the file system. */
export function readGrey(path: string): GreyImage {
  const data = readFileSync(path);
  if (data.length === 0) throw new BrokenImage('the file is empty');
  if (!data.subarray(0, 8).equals(SIGNATURE)) throw new BrokenImage('not a PNG file');
  let header: Buffer | undefined;
  let complete = false;
  const packed: Buffer[] = [];
  for (const { kind, body } of chunks(data)) {
    if (kind === 'IHDR') header = body;
    if (kind === 'IDAT') packed.push(body);
    if (kind === 'IEND') complete = true;
  }
  if (!complete) throw new BrokenImage(`cut off after ${data.length} bytes`);
  if (header?.length !== 13 || header.readUIntBE(8, 5) !== 0x0800000000) {
    throw new BrokenImage('not an 8-bit greyscale image');
  }
  const width = header.readUInt32BE(0);
  const height = header.readUInt32BE(4);
  const raw = inflate(Buffer.concat(packed));
  if (raw.length !== height * (width + 1)) {
    throw new BrokenImage(`it holds ${raw.length} bytes of pixels instead of ${height * (width + 1)}`);
  }
  return { width, height, pixels: unfilter(raw, width, height) };
}

function* chunks(data: Buffer): Generator<{ kind: string; body: Buffer }> {
  for (let position = SIGNATURE.length; position + 12 <= data.length;) {
    const end = position + 8 + data.readUInt32BE(position);
    if (end + 4 > data.length) return;
    const kind = data.toString('latin1', position + 4, position + 8);
    if (data.readUInt32BE(end) !== crc32(data.subarray(position + 4, end))) {
      throw new BrokenImage(`the checksum of its part ${kind} is wrong`);
    }
    yield { kind, body: data.subarray(position + 8, end) };
    position = end + 4;
  }
}

function inflate(packed: Buffer): Buffer {
  try {
    return inflateSync(packed);
  } catch (error) {
    throw new BrokenImage(`its pixels can't be unpacked: ${String(error)}`);
  }
}

function unfilter(raw: Buffer, width: number, height: number): Uint8Array {
  const pixels = new Uint8Array(width * height);
  const at = (x: number, y: number) => (x < 0 || y < 0 ? 0 : (pixels[y * width + x] ?? 0));
  for (let y = 0; y < height; y++) {
    const method = raw[y * (width + 1)] ?? 0;
    if (method > 4) throw new BrokenImage(`row ${y} has the unknown filter ${method}`);
    for (let x = 0; x < width; x++) {
      const value = raw[y * (width + 1) + 1 + x] ?? 0;
      pixels[y * width + x] = value + prediction(method, at(x - 1, y), at(x, y - 1), at(x - 1, y - 1));
    }
  }
  return pixels;
}

function prediction(method: number, left: number, up: number, corner: number): number {
  if (method === 0) return 0;
  if (method === 1) return left;
  if (method === 2) return up;
  if (method === 3) return (left + up) >> 1;
  const estimate = left + up - corner;
  const [a, b, c] = [Math.abs(estimate - left), Math.abs(estimate - up), Math.abs(estimate - corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let crc = n;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ byte) & 255] ?? 0);
  return ~crc >>> 0;
}
