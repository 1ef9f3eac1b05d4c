/** Committed rows, read from the spool and checked. */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { crc32 } from './checksum.ts';
import { SpoolDamagedError } from './damaged.ts';
import type { ExtentTable } from './extents.ts';
import { SpoolReader, WINDOW_BYTES } from './spoolreader.ts';

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
 * one larger than the window while it is. Pieces are not to be written to.
 * @throws SpoolDamagedError
 */
export async function* committedBytes(
  spool: FileHandle,
  extents: ExtentTable,
): AsyncGenerator<Buffer, void, undefined> {
  const reader = new SpoolReader(spool);
  for (const run of runsOf(extents)) {
    let crc = 0;
    const [first] = run.parts;
    if (first && run.bytes > WINDOW_BYTES) {
      for (let at = 0; at < run.bytes; at += WINDOW_BYTES) {
        const piece = await reader.read(run.offset + at, Math.min(WINDOW_BYTES, run.bytes - at));
        crc = crc32(piece, crc);
        yield piece;
      }
      check(first, crc);
      continue;
    }
    const bytes = reader.held(run.offset, run.bytes) ?? (await reader.read(run.offset, run.bytes));
    let at = 0;
    for (const part of run.parts) {
      check(part, crc32(bytes.subarray(at, at + part.bytes)));
      at += part.bytes;
    }
    yield bytes;
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
    const reader = new SpoolReader(spool);
    for (let at = 0; at < extent.bytes; at += WINDOW_BYTES)
      crc = crc32(await reader.read(extent.offset + at, Math.min(WINDOW_BYTES, extent.bytes - at)), crc);
    if (crc !== extent.crc32)
      throw new SpoolDamagedError(`the ${extent.bytes} bytes at ${extent.offset} of the spool have a wrong checksum`);
  } finally {
    await spool.close();
  }
}
