import zlib from 'node:zlib';
import { crc32 } from '../domain/crc32.ts';

/** Node's own, where it has one (from 20.15 on). */
const native = (zlib as { readonly crc32?: (bytes: Uint8Array) => number }).crc32;
/** Below this a call of it costs more than it saves. */
const NATIVE_FROM_BYTES = 256;

/** CRC-32 of the bytes from `from` up to, not including, `to`. Long ledgers are read as fast as this goes. */
export function checksum(bytes: Buffer, from: number, to: number): number {
  if (native && to - from >= NATIVE_FROM_BYTES) return native(bytes.subarray(from, to));
  return crc32(bytes, 0, from, to);
}
