/**
 * Copies of compressed files, and of text in other encodings, in the run folder, written while they are cut: a mini-batch is a range of bytes, and nobody
 * can begin in the middle of such a file. A copy counts as whole once its marker is there.
 */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { open, readFile, stat, writeFile } from 'node:fs/promises';
import type { MiniBatchSource } from '../domain/minibatch.ts';
import { encodingOf } from '../domain/input.ts';
import type { Column, Cutting, InputSpec } from '../domain/plan.ts';
import { DatasetError } from './error.ts';
import type { ManifestReader } from './manifestreader.ts';
import { isDerived, readChunks } from './read.ts';
import type { Stamps } from './stamps.ts';
import { sourceAt } from './storedfiles.ts';
import { syncPath, writeAll } from './write.ts';

/** Where the copy of a file lies; undefined: it is read as it is. @param folder of the copies */
export function copyOf(folder: string | undefined, file: string, encoding: string | undefined): string | undefined {
  if (folder === undefined || !isDerived(file, encoding)) return undefined;
  return `${folder}/${createHash('sha256').update(file).digest('hex').slice(0, 32)}`;
}

const marker = (copy: string): string => `${copy}.whole`;

/** Passes the chunks on, each once it is in the copy. */
export async function* writingCopy(
  copy: string,
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void, undefined> {
  mkdirSync(copy.slice(0, copy.lastIndexOf('/')), { recursive: true });
  // Not emptied: after a crash workers may be reading what is there, and the same bytes come again.
  const file = await open(copy, 'a')
    .then((created) => created.close())
    .then(() => open(copy, 'r+'));
  try {
    let at = 0;
    for await (const chunk of chunks) {
      await writeAll(file, chunk, at);
      at += chunk.length;
      yield chunk;
    }
    await file.truncate(at);
    await file.sync();
    await markWhole(copy, at);
  } finally {
    await file.close();
  }
}

/** The copy has all its bytes on the disk. */
export async function markWhole(copy: string, bytes: number): Promise<void> {
  await writeFile(marker(copy), String(bytes), { mode: 0o600 });
}

/** The same of a copy that can't be made again: a crash of the machine doesn't take its mark away. */
export async function markKept(copy: string): Promise<void> {
  await markWhole(copy, (await stat(copy)).size);
  for (const path of [marker(copy), dirname(copy)]) await syncPath(path);
}

/** What a copy is made of. */
export interface CopyContext {
  readonly inputs: readonly InputSpec[];
  readonly cutting: Cutting;
  /** Of table inputs. */
  readonly columns?: readonly Column[] | undefined;
  /** As in `CreationOptions`. */
  readonly exclude: readonly string[];
}

/** The copy below this folder, where the rows need one; written first where it isn't whole. @throws as `ensureCopy` */
export async function copyFor(
  { file, table }: Extract<MiniBatchSource, { kind: 'rows' }>,
  folder: string,
  inputs: readonly InputSpec[],
): Promise<string | undefined> {
  const encoding = encodingAt(inputs, table);
  const data = copyOf(folder, file, encoding);
  if (data !== undefined) await ensureCopy(folder, file, encoding);
  return data;
}

/** @param table position among the inputs */
function encodingAt(inputs: readonly InputSpec[], table: number): string | undefined {
  const input = inputs[table];
  return input?.kind === 'table' ? encodingOf(input.table) : undefined;
}

/** Writes the copy anew where it isn't whole. @throws DatasetError, or the system's error of the copy */
async function ensureCopy(folder: string, file: string, encoding: string | undefined): Promise<void> {
  const copy = copyOf(folder, file, encoding);
  if (copy === undefined || (await isWhole(copy))) return;
  const chunks = writingCopy(copy, readChunks(file, { encoding }));
  while (!(await chunks.next()).done);
}

export async function isWhole(copy: string): Promise<boolean> {
  try {
    const [bytes, { size }] = await Promise.all([readFile(marker(copy), 'utf8'), stat(copy)]);
    return bytes === String(size);
  } catch {
    return false;
  }
}

/**
 * Before a run goes on: a crash may have cut copies short, and the end of a run takes them away. A file that can't be
 * read is passed over: its mini-batches will say so.
 */
export async function ensureCopies(
  manifest: ManifestReader,
  stamps: Stamps,
  { below, folder, inputs }: { readonly below: number; readonly folder: string; readonly inputs: readonly InputSpec[] },
): Promise<void> {
  for (let position = 0; position < stamps.count; position++) {
    const index = stamps.at(position)?.index;
    if (index === undefined || index >= below) continue;
    const source = sourceAt(manifest, index);
    if (source.kind !== 'rows' || source.data === undefined) continue;
    await ensureCopy(folder, source.file, encodingAt(inputs, source.table)).catch((error: unknown) => {
      if (!(error instanceof DatasetError)) throw error;
    });
  }
}
