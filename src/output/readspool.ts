/** Committed rows, read from the spool and checked. */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { crc32 } from '../domain/crc32.ts';
import { SpoolDamagedError } from './damaged.ts';
import type { ExtentTable } from './extents.ts';

export const WINDOW_BYTES = 256 * 1024;

interface Extent {
  readonly index: number;
  readonly offset: number;
  readonly bytes: number;
  readonly crc32: number;
}
interface ExtentRun {
  readonly offset: number;
  readonly bytes: number;
  readonly parts: readonly Extent[];
}

/** Neighbours in the result that are neighbours in the spool too are read together. */
function* runsOf(extents: ExtentTable): Generator<ExtentRun> {
  let parts: Extent[] = [];
  let bytes = 0;
  for (const extent of extents.inOrder()) {
    const last = parts[parts.length - 1];
    if (last && (last.offset + last.bytes !== extent.offset || bytes + extent.bytes > WINDOW_BYTES)) {
      yield { offset: parts[0]?.offset ?? 0, bytes, parts };
      parts = [];
      bytes = 0;
    }
    parts.push(extent);
    bytes += extent.bytes;
  }
  if (parts.length > 0) yield { offset: parts[0]?.offset ?? 0, bytes, parts };
}

/**
 * The bytes of all extents in mini-batch order, checked: those of one are given when its checksum has been verified, of
 * one larger than the window while it is. Each piece is the caller's.
 * @throws SpoolDamagedError
 */
export async function* committedBytes(
  spool: FileHandle,
  extents: ExtentTable,
): AsyncGenerator<Buffer, void, undefined> {
  for (const run of runsOf(extents)) {
    let crc = 0;
    const [first] = run.parts;
    if (first && run.bytes > WINDOW_BYTES) {
      for (let at = 0; at < run.bytes; at += WINDOW_BYTES) {
        const buffer = Buffer.allocUnsafe(Math.min(WINDOW_BYTES, run.bytes - at));
        await readFully(spool, buffer, run.offset + at);
        crc = crc32(buffer, crc);
        yield buffer;
      }
      check(first, crc);
      continue;
    }
    const buffer = Buffer.allocUnsafe(run.bytes);
    await readFully(spool, buffer, run.offset);
    let at = 0;
    for (const part of run.parts) {
      check(part, crc32(buffer.subarray(at, at + part.bytes)));
      at += part.bytes;
    }
    yield buffer;
  }
}

function check(part: Extent, actual: number): void {
  if (actual !== part.crc32) {
    throw new SpoolDamagedError(
      `rows of mini-batch ${part.index} (${part.bytes} bytes at ${part.offset} of the spool) have a wrong checksum`,
    );
  }
}

/** @throws SpoolDamagedError where the bytes of an extent aren't those that were committed */
export async function verifyExtent(
  spoolPath: string,
  extent: { offset: number; bytes: number; crc32: number },
): Promise<void> {
  const spool = await open(spoolPath, 'r');
  try {
    let crc = 0;
    for (let at = 0; at < extent.bytes; at += WINDOW_BYTES) {
      const buffer = Buffer.allocUnsafe(Math.min(WINDOW_BYTES, extent.bytes - at));
      await readFully(spool, buffer, extent.offset + at);
      crc = crc32(buffer, crc);
    }
    if (crc !== extent.crc32)
      throw new SpoolDamagedError(`the ${extent.bytes} bytes at ${extent.offset} of the spool have a wrong checksum`);
  } finally {
    await spool.close();
  }
}

async function readFully(file: FileHandle, buffer: Buffer, position: number): Promise<void> {
  let at = 0;
  while (at < buffer.length) {
    const { bytesRead } = await file.read(buffer, at, buffer.length - at, position + at);
    if (bytesRead === 0)
      throw new SpoolDamagedError(`the spool ends at ${position + at}, ${buffer.length - at} bytes too early`);
    at += bytesRead;
  }
}
