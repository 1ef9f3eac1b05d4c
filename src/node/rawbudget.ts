/** A bound on the raw output files of ended workers: a script that floods and dies again and again must not fill the disk. */
import { rmSync, statSync, truncateSync } from 'node:fs';

/** Kept per node; their shown part stays in the logs whatever happens here. */
export const RETIRED_BYTES_MAX = 1024 * 1024 * 1024;

export class RawBudget {
  readonly #bytesMax: number;
  #files: { readonly path: string; readonly bytes: number }[] = [];
  #bytes = 0;

  constructor(bytesMax: number = RETIRED_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** Nobody writes to these any more; the oldest of all such go where there are too many bytes. */
  retire(paths: readonly string[]): void {
    for (const path of paths) {
      const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
      this.#files.push({ path, bytes });
      this.#bytes += bytes;
    }
    let oldest = 0;
    while (this.#bytes > this.#bytesMax && oldest < this.#files.length) {
      const file = this.#files[oldest];
      oldest += 1;
      if (!file) break;
      // the file itself stays, empty: its name keeps the worker's number taken
      truncateQuietly(file.path);
      this.#bytes -= file.bytes;
    }
    this.#files = this.#files.slice(oldest);
  }
}

function truncateQuietly(path: string): void {
  try {
    truncateSync(path, 0);
    rmSync(`${path}.idx`, { force: true });
  } catch {
    // gone already
  }
}
