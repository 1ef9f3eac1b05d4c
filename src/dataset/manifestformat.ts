/**
 * The index of a manifest: where each mini-batch's line lies. A header of 16 bytes, then 16 bytes a mini-batch, little
 * endian: u48 offset of the line, u32 its length without the line break, u32 items, u16 check over the rest, which no
 * torn or zero-filled tail satisfies.
 */

export const ENTRY_BYTES = 16;
export const INDEX_HEADER_BYTES = 16;
const MAGIC = 'PRMINDEX';
export const INDEX_VERSION = 1;

export interface IndexEntry {
  /** Byte offset of the line in the manifest. */
  readonly offset: number;
  /** Bytes of the line without its line break. */
  readonly length: number;
  readonly items: number;
}

export function encodeIndexHeader(): Buffer {
  const header = Buffer.alloc(INDEX_HEADER_BYTES);
  header.write(MAGIC, 0, 'latin1');
  header.writeUInt32LE(INDEX_VERSION, 8);
  return header;
}

/** @returns the version of the format, or undefined where this is no index */
export function decodeIndexHeader(header: Buffer): number | undefined {
  if (header.length < INDEX_HEADER_BYTES || header.toString('latin1', 0, MAGIC.length) !== MAGIC) return undefined;
  return header.readUInt32LE(8);
}

export function writeEntry(target: Buffer, at: number, { offset, length, items }: IndexEntry): void {
  target.writeUIntLE(offset, at, 6);
  target.writeUInt32LE(length, at + 6);
  target.writeUInt32LE(items, at + 10);
  target.writeUInt16LE(checkOf(target, at), at + 14);
}

/** @returns undefined where the bytes are no entry */
export function readEntry(source: Buffer, at: number): IndexEntry | undefined {
  if (source.readUInt16LE(at + 14) !== checkOf(source, at)) return undefined;
  return {
    offset: source.readUIntLE(at, 6),
    length: source.readUInt32LE(at + 6),
    items: source.readUInt32LE(at + 10),
  };
}

/** FNV-1a over the 14 bytes, folded to 16 bits; not 0 for zeros. */
function checkOf(bytes: Buffer, at: number): number {
  let hash = 0x811c9dc5;
  for (let i = at; i < at + 14; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return (hash ^ (hash >>> 16)) & 0xffff;
}
