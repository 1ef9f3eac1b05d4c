import { open, rename, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from '../domain/crc32.ts';
import { SpoolDamagedError } from './damaged.ts';
import type { ExtentTable } from './extents.ts';
import { writeAll } from './write.ts';

const WINDOW_BYTES = 256 * 1024;

export interface Assembled {
  readonly rows: number;
  readonly bytes: number;
}

/**
 * Writes the result in mini-batch order: into a temporary file beside it, synced, then renamed, so that the result is
 * whole or not there. Can be repeated after a crash at any point. Each extent's checksum is verified on the way.
 *
 * @param header bytes in front of the rows (CSV column names), may be empty
 */
export async function assemble(
  spoolPath: string,
  target: string,
  extents: ExtentTable,
  header: Uint8Array,
): Promise<Assembled> {
  const temporary = `${target}.assembling`;
  const spool = await open(spoolPath, 'r');
  let out: FileHandle | undefined;
  try {
    out = await open(temporary, 'w', 0o666);
    const sink = new Sink(out);
    await sink.write(header);
    for (const run of runsOf(extents)) await copyRun(spool, sink, run);
    await sink.flush();
    await out.sync();
    await out.close();
    out = undefined;
    await rename(temporary, target);
    await syncFolder(dirname(target));
    return { rows: extents.rows, bytes: sink.written };
  } catch (error) {
    await out?.close();
    await unlink(temporary).catch(() => undefined);
    throw error;
  } finally {
    await spool.close();
  }
}

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

async function copyRun(spool: FileHandle, sink: Sink, run: ExtentRun): Promise<void> {
  if (run.bytes > WINDOW_BYTES) return copyLarge(spool, sink, run);
  const buffer = Buffer.allocUnsafe(run.bytes);
  await readFully(spool, buffer, run.offset);
  let at = 0;
  for (const part of run.parts) {
    check(part, crc32(buffer.subarray(at, at + part.bytes)));
    at += part.bytes;
  }
  await sink.write(buffer);
}

/** One extent larger than the window. */
async function copyLarge(spool: FileHandle, sink: Sink, run: ExtentRun): Promise<void> {
  let crc = 0;
  for (let at = 0; at < run.bytes; at += WINDOW_BYTES) {
    const buffer = Buffer.allocUnsafe(Math.min(WINDOW_BYTES, run.bytes - at));
    await readFully(spool, buffer, run.offset + at);
    crc = crc32(buffer, crc);
    await sink.write(buffer);
  }
  const part = run.parts[0];
  if (part) check(part, crc);
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

/** Makes a rename in it durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Gathers small pieces into large writes. */
class Sink {
  written = 0;
  private readonly file: FileHandle;
  private pieces: Uint8Array[] = [];
  private size = 0;

  constructor(file: FileHandle) {
    this.file = file;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    this.pieces.push(bytes);
    this.size += bytes.length;
    if (this.size >= WINDOW_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    const all = Buffer.concat(this.pieces, this.size);
    this.pieces = [];
    this.size = 0;
    await writeAll(this.file, all, this.written);
    this.written += all.length;
  }
}
