import zlib from 'node:zlib';
import { crc32 as scripted } from '../domain/crc32.ts';

/** Node's own, where it has one (from 20.15 on). */
const native = (zlib as { readonly crc32?: (bytes: Uint8Array, seed?: number) => number }).crc32;
/** Below this a call of it costs more than it saves. */
const NATIVE_FROM_BYTES = 256;

/** CRC-32 of rows; `seed`: of the bytes before, to go on from. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return native && bytes.length >= NATIVE_FROM_BYTES ? native(bytes, seed) : scripted(bytes, seed);
}
