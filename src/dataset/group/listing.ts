/**
 * The files that were grouped, in listed order, with what they looked like: a line of JSON each, then one that says how
 * many. There only once all of them have been read.
 */
import { createWriteStream } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import { bytesOf } from '../bytepath.ts';
import { Stamper, UNKNOWN } from '../stamp.ts';
import type { FileStamp } from '../stamp.ts';
import { syncPath } from '../write.ts';

export interface GroupedFile extends FileStamp {
  /** Absolute, as text. */
  readonly path: string;
}

export class GroupedFilesWriter {
  readonly #path: string;
  readonly #stream: ReturnType<typeof createWriteStream>;
  readonly #stamper = new Stamper();

  constructor(path: string) {
    this.#path = path;
    this.#stream = createWriteStream(`${path}.part`, { mode: 0o600 });
    // told when it is waited for
    this.#stream.on('error', () => undefined);
  }

  /** @param stamped false: what it looks like says nothing */
  async add(path: string, stamped: boolean): Promise<void> {
    const [stamp = 'gone'] = stamped ? await this.#stamper.stamps([bytesOf(path)]) : [UNKNOWN];
    const file: GroupedFile = { path, ...(stamp === 'gone' ? UNKNOWN : stamp) };
    if (!this.#stream.write(`${JSON.stringify(file)}\n`)) await once(this.#stream, 'drain');
  }

  async finish(): Promise<void> {
    this.#stream.end();
    await finished(this.#stream);
    await syncPath(`${this.#path}.part`);
    await rename(`${this.#path}.part`, this.#path);
  }

  drop(): void {
    this.#stream.destroy();
  }
}

/** @returns undefined where there is none: the input wasn't read to its end */
export async function* groupedFiles(path: string): AsyncGenerator<GroupedFile, void, undefined> {
  const file = await open(path, 'r');
  try {
    for await (const line of file.readLines()) yield JSON.parse(line) as GroupedFile;
  } finally {
    await file.close();
  }
}
