import { dirname } from 'node:path';
import type { MiniBatchSource } from '../domain/minibatch.ts';
import { bytesOf } from './bytepath.ts';
import { UNKNOWN, keepsInodes } from './stamp.ts';
import type { FileStamp } from './stamp.ts';
import type { Stamps } from './stamps.ts';
import { joinText } from './bytepath.ts';

const FOLDERS_MAX = 1024;

export interface StampedFile {
  /** Absolute, as text. */
  readonly path: string;
  readonly was: FileStamp;
  /** Of a stamp that is this file's in this mini-batch alone. */
  readonly position?: number;
}

/** The files of a mini-batch and what is known of them. */
export function stampedFiles(
  source: MiniBatchSource,
  index: number,
  stamps: Stamps | undefined,
): readonly StampedFile[] {
  // Rows that were grouped are those of the copy, whatever has become of the files.
  if (source.kind === 'rank' || (source.kind === 'rows' && source.keys)) return [];
  if (source.kind === 'rows') return [{ path: source.file, was: stamps?.covering(index)?.stamp ?? UNKNOWN }];
  const { root, files } = source;
  const first = stamps?.firstFrom(index) ?? 0;
  // One stamp too many or too few: some are damaged, and which is whose can't be told.
  const whole =
    stamps?.at(first + files.length - 1)?.index === index && stamps.at(first + files.length)?.index !== index;
  return files.map((file, i) => {
    const path = joinText(root, file);
    const record = whole ? stamps.at(first + i) : undefined;
    return record?.index === index ? { path, was: record.stamp, position: first + i } : { path, was: UNKNOWN };
  });
}

/** Whether inode numbers mean anything, asked once a folder. */
export class InodeWorth {
  readonly #ever: boolean;
  readonly #known = new Map<string, boolean>();

  /** @param ever false: nowhere */
  constructor(ever: boolean) {
    this.#ever = ever;
  }

  at(path: string): boolean {
    if (!this.#ever) return false;
    const folder = dirname(path);
    let worth = this.#known.get(folder);
    if (worth === undefined) {
      if (this.#known.size >= FOLDERS_MAX) this.#known.clear();
      worth = keepsInodes(bytesOf(folder));
      this.#known.set(folder, worth);
    }
    return worth;
  }
}
