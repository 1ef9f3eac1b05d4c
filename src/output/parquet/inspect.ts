/** What a Parquet result on the disk is. */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { parquetMetadataAsync } from 'hyparquet';
import { crc32 } from '../checksum.ts';

const WINDOW_BYTES = 256 * 1024;

export interface ParquetInspection {
  readonly bytes: number;
  readonly crc32: number;
  /** As its end says; a text where it can't be read: why not. */
  readonly rows: number | string;
}

/** @returns undefined where there is no such file */
export async function inspectParquet(path: string): Promise<ParquetInspection | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
  try {
    const { size } = await file.stat();
    return { bytes: size, crc32: await checksum(file), rows: await rowsOf(file, size) };
  } finally {
    await file.close();
  }
}

async function checksum(file: FileHandle): Promise<number> {
  const buffer = Buffer.allocUnsafe(WINDOW_BYTES);
  let crc = 0;
  for (let at = 0; ;) {
    const { bytesRead } = await file.read(buffer, 0, WINDOW_BYTES, at);
    if (bytesRead === 0) return crc;
    crc = crc32(buffer.subarray(0, bytesRead), crc);
    at += bytesRead;
  }
}

async function rowsOf(file: FileHandle, size: number): Promise<number | string> {
  const slice = async (from: number, to = size): Promise<ArrayBuffer> => {
    const bytes = new Uint8Array(Math.max(0, to - from));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, from);
    if (bytesRead < bytes.length) throw new Error(`it ends at byte ${from + bytesRead}`);
    return bytes.buffer;
  };
  try {
    const { row_groups: groups } = await parquetMetadataAsync({ byteLength: size, slice });
    return groups.reduce((sum, group) => sum + Number(group.num_rows), 0);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
