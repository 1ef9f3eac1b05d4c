/** What an Arrow IPC file says: its columns, and its rows by batches. No values are read. */
import type { FileHandle } from 'node:fs/promises';
import {
  ARROW_BYTES_MIN,
  ARROW_MAGIC,
  ARROW_TAIL_BYTES,
  footerBytes,
  parseBatch,
  parseFooter,
} from '../../domain/arrowfile.ts';
import type { ArrowBatch, ArrowBlock, ArrowFooter } from '../../domain/arrowfile.ts';
import { DatasetError, datasetProblem, unreadable } from '../error.ts';
import { isOfSystem, readExactly, withFile } from '../read.ts';
import type { NumberedFacts } from './numbered.ts';

/** @param path absolute, as text. @throws DatasetError PR3003, PR3020 */
export async function readArrowFacts(path: string): Promise<NumberedFacts> {
  return withFile(path, async (file) => {
    try {
      return await factsOf(file);
    } catch (error) {
      if (isOfSystem(error)) throw unreadable(path, 'file', error);
      throw noArrow(path, (error as Error).message);
    }
  });
}

async function factsOf(file: FileHandle): Promise<NumberedFacts> {
  const { size } = await file.stat();
  const bytes = async (from: number, to: number) => new Uint8Array(await readExactly(file, from, to));
  const front = await bytes(0, Math.min(size, ARROW_MAGIC.length));
  const other = otherFormat(front);
  if (other !== undefined) throw new Error(other);
  if (size < ARROW_BYTES_MIN) throw new Error(`it has ${size} bytes, fewer than the smallest there is`);
  const tailAt = size - ARROW_TAIL_BYTES;
  const length = footerBytes(await bytes(tailAt, size));
  if (length === undefined || length > tailAt)
    throw new Error('its end is missing: it was not written to the end, or cut off');
  const footer = parseFooter(await bytes(tailAt - length, tailAt));
  const read = async ({ offset, metadataBytes, bodyBytes }: ArrowBlock): Promise<ArrowBatch> => {
    if (offset + metadataBytes + bodyBytes > tailAt - length) throw new Error('a batch of it lies beyond its end');
    return parseBatch(await bytes(offset, offset + metadataBytes));
  };
  const groups = [];
  const missing = new Set<number>();
  for (const block of footer.batches) {
    const { rows, nulls } = await read(block);
    for (const [node, count] of nulls.entries()) if (count > 0) missing.add(node);
    groups.push({ rows, bytes: block.bodyBytes });
  }
  return { columns: await columnsOf(footer, missing, read), groups };
}

/** @param missing nodes with missing values */
async function columnsOf(
  { columns, dictionaries }: ArrowFooter,
  missing: ReadonlySet<number>,
  read: (block: ArrowBlock) => Promise<ArrowBatch>,
): Promise<NumberedFacts['columns']> {
  // A missing value may also be one of the categories.
  const incomplete = new Set<number | undefined>();
  for (const block of dictionaries) {
    const { dictionary, nulls } = await read(block);
    if ((nulls[0] ?? 0) > 0) incomplete.add(dictionary);
  }
  return columns.map(({ name, type, node, dictionary }) => {
    const gaps = missing.has(node) || (dictionary !== undefined && incomplete.has(dictionary));
    return { name, type: 'native', native: type, ...(gaps && { missing: true }) };
  });
}

function otherFormat(front: Uint8Array): string | undefined {
  const text = String.fromCharCode(...front);
  if (ARROW_MAGIC.startsWith(text)) return undefined;
  if (text.startsWith('FEA1')) return 'it is Feather in its first version; what is read is version 2';
  if (text.startsWith('\xff\xff\xff\xff'))
    return 'it is an Arrow stream, where nobody can begin in the middle; what is read is the file format';
  return 'it does not begin as an Arrow file does';
}

function noArrow(path: string, why: string): DatasetError {
  return new DatasetError(
    datasetProblem({
      code: 'PR3020',
      what: 'a file is no Arrow IPC file, or a damaged one',
      file: path,
      why,
      next: 'leave it out with a pattern such as data/*.arrow, or write it anew: pyarrow.ipc.new_file, pyarrow.feather.write_feather',
    }),
  );
}
