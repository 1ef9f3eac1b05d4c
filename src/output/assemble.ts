import { open, rename, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from '../domain/crc32.ts';
import { SpoolDamagedError } from './damaged.ts';
import type { ExtentTable } from './extents.ts';
import { SpoolReader, WINDOW_BYTES } from './spoolreader.ts';
import { writeAll } from './write.ts';

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
    sink.add(header);
    const reader = new SpoolReader(spool);
    for (const run of runsOf(extents)) {
      if (run.bytes > WINDOW_BYTES) await copyLarge(reader, sink, run);
      else sink.add(checked(run, reader.held(run.offset, run.bytes) ?? (await reader.read(run.offset, run.bytes))));
      if (sink.isFull) await sink.flush();
    }
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

function checked(run: ExtentRun, bytes: Buffer): Buffer {
  let at = 0;
  for (const part of run.parts) {
    check(part, crc32(bytes.subarray(at, at + part.bytes)));
    at += part.bytes;
  }
  return bytes;
}

/** One extent larger than the window. */
async function copyLarge(spool: SpoolReader, sink: Sink, run: ExtentRun): Promise<void> {
  let crc = 0;
  for (let at = 0; at < run.bytes; at += WINDOW_BYTES) {
    const buffer = await spool.read(run.offset + at, Math.min(WINDOW_BYTES, run.bytes - at));
    crc = crc32(buffer, crc);
    sink.add(buffer);
    await sink.flush();
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
    const reader = new SpoolReader(spool);
    for (let at = 0; at < extent.bytes; at += WINDOW_BYTES)
      crc = crc32(await reader.read(extent.offset + at, Math.min(WINDOW_BYTES, extent.bytes - at)), crc);
    if (crc !== extent.crc32)
      throw new SpoolDamagedError(`the ${extent.bytes} bytes at ${extent.offset} of the spool have a wrong checksum`);
  } finally {
    await spool.close();
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

  add(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.pieces.push(bytes);
    this.size += bytes.length;
  }

  get isFull(): boolean {
    return this.size >= WINDOW_BYTES;
  }

  async flush(): Promise<void> {
    const all = Buffer.concat(this.pieces, this.size);
    this.pieces = [];
    this.size = 0;
    await writeAll(this.file, all, this.written);
    this.written += all.length;
  }
}
