/**
 * The stamps of a manifest: a header of 16 bytes, then 32 bytes a file, little endian: u48 mini-batch, u48 bytes
 * (all ones: unknown), f64 time of change, f64 inode, u32 check over the rest, which no torn or zero-filled tail
 * satisfies. Of a mini-batch of files each of them has one, in its order; of a table only the first mini-batch of each
 * file has, and it holds for those that follow.
 */
import { UNKNOWN, isKnown } from './stamp.ts';
import type { FileStamp } from './stamp.ts';

export const STAMP_BYTES = 32;
export const STAMPS_HEADER_BYTES = 16;
const MAGIC = 'PRSTAMPS';
const VERSION = 1;
const UNKNOWN_BYTES = 2 ** 48 - 1;

export interface StampRecord {
  /** Mini-batch. */
  readonly index: number;
  readonly stamp: FileStamp;
}

export function encodeStampsHeader(): Buffer {
  const header = Buffer.alloc(STAMPS_HEADER_BYTES);
  header.write(MAGIC, 0, 'latin1');
  header.writeUInt32LE(VERSION, 8);
  return header;
}

export function isStampsHeader(header: Buffer): boolean {
  return header.equals(encodeStampsHeader());
}

export function writeStamp(target: Buffer, at: number, index: number, stamp: FileStamp): void {
  target.writeUIntLE(index, at, 6);
  target.writeUIntLE(isKnown(stamp) ? Math.min(stamp.bytes, UNKNOWN_BYTES - 1) : UNKNOWN_BYTES, at + 6, 6);
  target.writeDoubleLE(stamp.modifiedMs, at + 12);
  target.writeDoubleLE(stamp.inode, at + 20);
  target.writeUInt32LE(checkOf(target, at), at + 28);
}

/** @returns undefined where the bytes are no stamp */
export function readStamp(source: Buffer, at: number): StampRecord | undefined {
  if (source.readUInt32LE(at + 28) !== checkOf(source, at)) return undefined;
  const bytes = source.readUIntLE(at + 6, 6);
  const stamp: FileStamp =
    bytes === UNKNOWN_BYTES
      ? UNKNOWN
      : { bytes, modifiedMs: source.readDoubleLE(at + 12), inode: source.readDoubleLE(at + 20) };
  return { index: source.readUIntLE(at, 6), stamp };
}

/** FNV-1a over the 28 bytes; not 0 for zeros. */
function checkOf(bytes: Buffer, at: number): number {
  let hash = 0x811c9dc5;
  for (let i = at; i < at + 28; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return hash >>> 0;
}
