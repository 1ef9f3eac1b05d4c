import { closeSync, constants, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { INLINE_ROWS_BYTES_MAX } from '../domain/protocol.ts';
import { wellFormed } from '../domain/wellformed.ts';

/** Lines are collected up to about this size before they become bytes. */
const CHUNK_CHARACTERS = 48 * 1024;
/** A result that finds the disk full travels in the frame: the orchestrator waits for space, the script loses no try. */
const HELD_BYTES_MAX = 256 * 1024 * 1024;
const NO_ROOM: readonly unknown[] = ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE'];
const EMPTY = new Uint8Array(0);

export type SunkRows =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'part'; readonly path: string; readonly bytes: number };

/**
 * Takes the lines of one result. Small results stay in memory, larger ones go to a part file as they come; those that
 * the disk has no room for stay in memory too.
 */
export class RowSink {
  readonly #path: string;
  #text = '';
  #chunks: Buffer[] = [];
  #held = 0;
  #written = 0;
  #file: number | undefined;
  #created = false;
  /** Why there is no part file although the result is large. */
  #noRoom: Error | undefined;

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
    if (this.#noRoom !== undefined) {
      if (this.#held > HELD_BYTES_MAX) throw this.#noRoom;
    } else if (this.#file !== undefined || this.#held > INLINE_ROWS_BYTES_MAX) this.#spill();
  }

  #spill(): void {
    try {
      this.#file ??= openSync(this.#path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
      this.#created = true;
      let at = this.#written;
      for (const chunk of this.#chunks) at = writeAll(this.#file, chunk, at);
    } catch (error) {
      if (!isNoRoom(error) || this.#written + this.#held > HELD_BYTES_MAX) throw error;
      this.#noRoom = error;
      this.#takeBack();
      return;
    }
    this.#written += this.#held;
    this.#held = 0;
    this.#chunks = [];
  }

  /** What is in the file already comes back to memory, in front of what isn't; the file goes. */
  #takeBack(): void {
    const back = this.#file === undefined ? Buffer.alloc(0) : readAll(this.#file, this.#written);
    const chunks = this.#chunks;
    this.abandon();
    this.#created = false;
    this.#chunks = [back, ...chunks];
    this.#held += this.#written;
    this.#written = 0;
  }
}

function isNoRoom(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && NO_ROOM.includes(error.code);
}

/** @returns the position behind the bytes */
function writeAll(file: number, bytes: Uint8Array, position: number): number {
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at, bytes.length - at, position + at);
  return position + bytes.length;
}

function readAll(file: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length;) {
    const read = readSync(file, bytes, at, length - at, at);
    if (read === 0) throw new Error('the part file is shorter than what was written to it');
    at += read;
  }
  return bytes;
}
