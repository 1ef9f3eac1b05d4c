import { readSync } from 'node:fs';

/** Reads synchronously. @returns fewer bytes than wanted only where the file ends */
export function fill(file: number, offset: number, wanted: number): Buffer {
  const buffer = Buffer.allocUnsafe(wanted);
  let filled = 0;
  while (filled < wanted) {
    const read = readSync(file, buffer, filled, wanted - filled, offset + filled);
    if (read === 0) break;
    filled += read;
  }
  return buffer.subarray(0, filled);
}
