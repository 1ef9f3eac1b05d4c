import { setImmediate as nextTurn } from 'node:timers/promises';
import type { MiniBatchSource } from '../domain/minibatch.ts';
import type { ManifestReader } from './manifestreader.ts';
import { joinText } from './bytepath.ts';

/** Lines looked at before others get their turn: about a millisecond. */
const LINES_PER_TURN = 512;

const decoder = new TextDecoder();

export function sourceAt(manifest: ManifestReader, index: number): MiniBatchSource {
  return JSON.parse(decoder.decode(manifest.read(index).source)) as MiniBatchSource;
}

/**
 * Absolute paths of the files of the first `count` mini-batches, in their order; of a table file, once. Chunks may be
 * empty.
 */
export async function* storedFiles(
  manifest: ManifestReader,
  count: number,
): AsyncGenerator<readonly string[], void, undefined> {
  for (let from = 0; from < count; from += LINES_PER_TURN) {
    const paths: string[] = [];
    for (let index = from; index < Math.min(count, from + LINES_PER_TURN); index++) {
      const source = sourceAt(manifest, index);
      if (source.kind === 'files') for (const file of source.files) paths.push(joinText(source.root, file));
      else if (source.kind === 'rows' && !source.keys && source.firstRow === 0) paths.push(source.file);
    }
    yield paths;
    await nextTurn();
  }
}
