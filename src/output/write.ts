import type { FileHandle } from 'node:fs/promises';

/** Writes all bytes at a position, however many calls the kernel makes of it. */
export async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let at = 0;
  while (at < bytes.length) at += (await file.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
}
