/** A bound on the raw output files of ended workers: a script that floods and dies again and again must not fill the disk. */
import { appendFileSync, readFileSync, statSync, truncateSync } from 'node:fs';

/** A raw file of an ended worker that is larger goes at once: what is worth showing of it is in the logs. */
export const RETIRED_FILE_BYTES_MAX = 4 * 1024 * 1024;

/** Kept per node; their shown part stays in the logs whatever happens here. */
export const RETIRED_BYTES_MAX = 1024 * 1024 * 1024;

export class RawBudget {
  readonly #bytesMax: number;
  #files: { readonly path: string; readonly bytes: number }[] = [];
  #bytes = 0;

  constructor(bytesMax: number = RETIRED_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** Nobody writes to these any more: large ones go, and the oldest of all where there are too many bytes. */
  retire(paths: readonly string[]): void {
    for (const path of paths) {
      const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
      if (bytes > RETIRED_FILE_BYTES_MAX) {
        empty(path, bytes);
        continue;
      }
      this.#files.push({ path, bytes });
      this.#bytes += bytes;
    }
    let oldest = 0;
    while (this.#bytes > this.#bytesMax && oldest < this.#files.length) {
      const file = this.#files[oldest];
      oldest += 1;
      if (!file) break;
      empty(file.path, file.bytes);
      this.#bytes -= file.bytes;
    }
    this.#files = this.#files.slice(oldest);
  }
}

/**
 * The file itself stays: its name keeps the worker's number taken. Its index says from where on the stream is there,
 * so that the ranges which tries printed keep their meaning.
 */
function empty(path: string, bytes: number): void {
  try {
    truncateSync(path, 0);
    const last = readFileSync(`${path}.idx`, 'latin1').trimEnd().split('\n').at(-1) ?? '';
    const [ms = '0', base = '0'] = last.split(' ');
    const end = Number(base) + bytes;
    appendFileSync(`${path}.idx`, `${ms} ${end} ${end}\n`);
  } catch {
    // gone already, or a full disk: the index then says too little, nothing else
  }
}
