import { closeSync, constants, openSync, rmSync, writeSync } from 'node:fs';
import { INLINE_ROWS_BYTES_MAX } from '../domain/protocol.ts';
import { wellFormed } from './encode.ts';

/** Lines are collected up to about this size before they become bytes. */
const CHUNK_CHARACTERS = 48 * 1024;
const EMPTY = new Uint8Array(0);

export type SunkRows =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'part'; readonly path: string; readonly bytes: number };

/** Takes the lines of one result. Small results stay in memory, larger ones go to a part file as they come. */
export class RowSink {
  readonly #path: string;
  #text = '';
  #chunks: Buffer[] = [];
  #held = 0;
  #written = 0;
  #file: number | undefined;
  #created = false;

  /** @param path of the part file, which must not exist. */
  constructor(path: string) {
    this.#path = path;
  }

  push(line: string): void {
    this.#text += line;
    if (this.#text.length >= CHUNK_CHARACTERS) this.#encode();
  }

  /** Closes the part file, where there is one: it is complete then. */
  finish(): SunkRows {
    this.#encode();
    if (this.#file === undefined) {
      const [only] = this.#chunks;
      const bytes = this.#chunks.length > 1 ? Buffer.concat(this.#chunks, this.#held) : (only ?? EMPTY);
      return { kind: 'inline', bytes };
    }
    closeSync(this.#file);
    this.#file = undefined;
    return { kind: 'part', path: this.#path, bytes: this.#written };
  }

  /** Nothing of this result is kept. */
  abandon(): void {
    this.#chunks = [];
    this.#text = '';
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
    if (this.#created) rmSync(this.#path, { force: true });
  }

  #encode(): void {
    if (this.#text === '') return;
    // whole lines: no surrogate pair is ever cut in two here
    const bytes = Buffer.from(wellFormed(this.#text), 'utf8');
    this.#text = '';
    this.#chunks.push(bytes);
    this.#held += bytes.length;
    if (this.#file !== undefined || this.#held > INLINE_ROWS_BYTES_MAX) this.#spill();
  }

  #spill(): void {
    this.#file ??= openSync(this.#path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    this.#created = true;
    for (const chunk of this.#chunks) writeAll(this.#file, chunk);
    this.#written += this.#held;
    this.#held = 0;
    this.#chunks = [];
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at, bytes.length - at);
}
