/**
 * Files that are read front to back as something else: compressed ones (by their names, `.gz` and `.zst`) as what they
 * hold, text of other encodings as UTF-8.
 */
import { Readable } from 'node:stream';
import * as zlib from 'node:zlib';
import { DatasetError, datasetProblem } from './error.ts';

type Packing = 'gzip' | 'zstd';

export function packingOf(path: string): Packing | undefined {
  if (/\.gz$/i.test(path)) return 'gzip';
  return /\.zst$/i.test(path) ? 'zstd' : undefined;
}

/** @param chunks the compressed bytes; each is taken before the next is asked for. @throws DatasetError PR3013 */
export async function* unpacked(
  path: string,
  packing: Packing,
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void, undefined> {
  try {
    yield* packing === 'gzip' ? throughStream(chunks, zlib.createGunzip()) : zstd(chunks);
  } catch (error) {
    if (error instanceof DatasetError) throw error;
    if (!isDamage(error)) throw error;
    throw new DatasetError(
      datasetProblem({
        code: 'PR3013',
        what: 'a compressed file of the input is damaged',
        file: path,
        why: (error as Error).message,
        next: `look at it with ${packing === 'gzip' ? 'gzip -t' : 'zstd -t'}, and leave it out or put it back whole`,
      }),
    );
  }
}

/** @throws DatasetError PR3006 */
export async function* transcoded(
  path: string,
  encoding: string,
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void, undefined> {
  const decoder = new TextDecoder(encoding, { fatal: true });
  const utf8 = (chunk?: Buffer): Buffer => {
    try {
      return Buffer.from(chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode());
    } catch (cause) {
      throw new DatasetError(
        datasetProblem({
          code: 'PR3006',
          what: `a table is not in ${encoding}`,
          file: path,
          why: 'it holds bytes that mean nothing in this encoding',
          next: 'look which encoding it has, with the command file, and give it with --table-encoding',
        }),
        { cause },
      );
    }
  };
  for await (const chunk of chunks) {
    const text = utf8(chunk);
    if (text.length > 0) yield text;
  }
  const rest = utf8();
  if (rest.length > 0) yield rest;
}

/** Errors of the system and cancellation are not the file's. */
function isDamage(error: unknown): boolean {
  if (!(error instanceof Error) || error.name === 'AbortError' || 'syscall' in error) return false;
  const code = 'code' in error ? error.code : undefined;
  return typeof code === 'number' || (typeof code === 'string' && /^(?:Z_|ZSTD_)/.test(code));
}

async function* throughStream(
  chunks: AsyncIterable<Buffer>,
  stream: zlib.Gunzip,
): AsyncGenerator<Buffer, void, undefined> {
  const source = Readable.from(copies(chunks), { objectMode: false });
  source.on('error', (error) => stream.destroy(error));
  try {
    for await (const chunk of source.pipe(stream)) yield chunk as Buffer;
  } finally {
    source.destroy();
    stream.destroy();
  }
}

/** The reader fills its memory anew with each chunk; a stream holds several. */
async function* copies(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of chunks) yield Buffer.from(chunk);
}

function zstd(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  // Node 22.15 on; a decompressor in JavaScript before.
  const native = (zlib as { createZstdDecompress?: () => zlib.Gunzip }).createZstdDecompress;
  return native ? throughStream(chunks, native()) : zstdInScript(chunks);
}

async function* zstdInScript(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  let found: Buffer[] = [];
  const { Decompress } = await import('fzstd');
  const decompress = new Decompress((data) => {
    found.push(Buffer.from(data.buffer, data.byteOffset, data.length));
  });
  const taken = (): Buffer[] => {
    const all = found;
    found = [];
    return all;
  };
  for await (const chunk of copies(chunks)) {
    decompress.push(chunk);
    yield* taken();
  }
  decompress.push(new Uint8Array(0), true);
  yield* taken();
}
