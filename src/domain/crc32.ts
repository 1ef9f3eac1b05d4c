/** CRC-32 (IEEE 802.3), as zlib's; ours because Node 20.0 has none. Eight bytes a step ("slicing by 8"). */
const STEP = 8;
const TABLE = makeTable();

/** Table k holds the checksum of a byte with k zero bytes behind it. */
function makeTable(): Uint32Array {
  const table = new Uint32Array(STEP * 256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    table[n] = c >>> 0;
  }
  for (let n = 256; n < table.length; n++) {
    const shorter = table[n - 256] as number;
    table[n] = (shorter >>> 8) ^ (table[shorter & 0xff] as number);
  }
  return table;
}

/**
 * Of the bytes from `from` up to, not including, `to`.
 * @param seed the checksum of the bytes before, to go on from. @returns an unsigned 32-bit number.
 */
export function crc32(bytes: Uint8Array, seed = 0, from = 0, to = bytes.length): number {
  const t = TABLE;
  let crc = ~seed;
  let i = from;
  for (const end = to - STEP; i <= end; i += STEP) {
    const low = crc ^ (at(bytes, i) | (at(bytes, i + 1) << 8) | (at(bytes, i + 2) << 16) | (at(bytes, i + 3) << 24));
    crc =
      at(t, 1792 + (low & 0xff)) ^
      at(t, 1536 + ((low >>> 8) & 0xff)) ^
      at(t, 1280 + ((low >>> 16) & 0xff)) ^
      at(t, 1024 + (low >>> 24)) ^
      at(t, 768 + at(bytes, i + 4)) ^
      at(t, 512 + at(bytes, i + 5)) ^
      at(t, 256 + at(bytes, i + 6)) ^
      at(t, at(bytes, i + 7));
  }
  for (; i < to; i++) crc = (crc >>> 8) ^ at(t, (crc ^ at(bytes, i)) & 0xff);
  return ~crc >>> 0;
}

/** Within the bounds by how it is called; the compiler inlines it. */
function at(array: Uint8Array | Uint32Array, index: number): number {
  return array[index] as number;
}
