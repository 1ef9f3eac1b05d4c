/**
 * Frames of the worker protocol, for both ends: `u32 LE header length, u32 LE body length, header, body`.
 * Pure: bytes in, messages out. The header is JSON in ASCII, so a length in bytes is a length in characters and a
 * header cut at any byte can never end inside a character.
 */
import { HEADER_BYTES_MAX } from './protocol.ts';

/** Bytes before the header. */
export const FRAME_PREFIX_BYTES = 8;
/** A body longer than this is a broken frame, not a large result: large results travel as part files. */
export const BODY_BYTES_MAX = 1024 * 1024 * 1024;

export interface Frame {
  readonly header: Record<string, unknown>;
  /** A view on the received bytes, not a copy: valid as long as it is held, never written to. */
  readonly body: Uint8Array;
}

/** The peer broke the protocol: nothing after this point can be trusted, the channel must be closed. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

// own references: a script that replaces them in its process must not reach the protocol
const { parse, stringify } = JSON;
const EMPTY = new Uint8Array(0);
const NOT_ASCII = /[\u0080-\uffff]/;
const EVERY_NOT_ASCII = /[\u0080-\uffff]/g;
const encoder = new TextEncoder();
// not fatal: any byte above 127 becomes some character beyond ASCII, which NOT_ASCII then finds
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** JSON with everything beyond ASCII as `\uXXXX`; lone surrogates survive the way. Throws on what JSON cannot hold. */
export function asciiJson(value: object): string {
  const json = stringify(value);
  if (!NOT_ASCII.test(json)) return json;
  return json.replace(EVERY_NOT_ASCII, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** @throws FrameError where header or body exceed the limits of the protocol. */
export function encodeFrame(header: object, body: Uint8Array = EMPTY): Uint8Array {
  return encodeFrames([{ header, body }]);
}

/** Several messages in one piece of memory: one write, and nothing copied twice. @throws FrameError as `encodeFrame` */
export function encodeFrames(messages: readonly { readonly header: object; readonly body: Uint8Array }[]): Uint8Array {
  const jsons = messages.map(({ header, body }) => checkedJson(header, body));
  let size = 0;
  for (const [i, { body }] of messages.entries()) size += FRAME_PREFIX_BYTES + (jsons[i] ?? '').length + body.length;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [i, { body }] of messages.entries()) {
    const json = jsons[i] ?? '';
    view.setUint32(at, json.length, true);
    view.setUint32(at + 4, body.length, true);
    at += FRAME_PREFIX_BYTES;
    encoder.encodeInto(json, bytes.subarray(at));
    bytes.set(body, at + json.length);
    at += json.length + body.length;
  }
  return bytes;
}

function checkedJson(header: object, body: Uint8Array): string {
  const json = asciiJson(header);
  if (json.length > HEADER_BYTES_MAX) {
    throw new FrameError(`header of ${json.length} bytes, at most ${HEADER_BYTES_MAX} are allowed`);
  }
  if (body.length > BODY_BYTES_MAX) {
    throw new FrameError(`body of ${body.length} bytes, at most ${BODY_BYTES_MAX} are allowed`);
  }
  return json;
}

/**
 * Takes bytes as they come and gives whole frames: `push` a chunk, then `next` until it gives `undefined`. A frame
 * that lies in one chunk is never copied; one that is spread over many is put together once, when it is complete.
 * Pushed chunks must not be written to afterwards.
 */
export class FrameDecoder {
  /** Bytes not yet given out; `offset` counts from the start of the first one. */
  readonly #chunks: Uint8Array[] = [];
  #offset = 0;
  #available = 0;
  /** Size of the frame at the front, prefix included; 0 while its prefix has not been read. */
  #frameBytes = 0;
  #headerBytes = 0;

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#available += chunk.length;
  }

  /** Bytes of a frame that has begun but is not complete; at the end of a stream more than 0 means it was cut. */
  get pending(): number {
    return this.#available;
  }

  /** @throws FrameError on a frame that breaks the protocol; the decoder must not be used after that. */
  next(): Frame | undefined {
    if (this.#frameBytes === 0 && !this.#readPrefix()) return undefined;
    if (this.#available < this.#frameBytes) return undefined;
    const bytes = this.#take(this.#frameBytes);
    const bodyStart = FRAME_PREFIX_BYTES + this.#headerBytes;
    this.#frameBytes = 0;
    return { header: parseHeader(bytes.subarray(FRAME_PREFIX_BYTES, bodyStart)), body: bytes.subarray(bodyStart) };
  }

  #readPrefix(): boolean {
    if (this.#available < FRAME_PREFIX_BYTES) return false;
    const { bytes, at } = this.#front(FRAME_PREFIX_BYTES);
    const prefix = new DataView(bytes.buffer, bytes.byteOffset + at, FRAME_PREFIX_BYTES);
    const headerBytes = prefix.getUint32(0, true);
    const bodyBytes = prefix.getUint32(4, true);
    if (headerBytes < 2 || headerBytes > HEADER_BYTES_MAX) {
      throw new FrameError(`header of ${headerBytes} bytes, 2 to ${HEADER_BYTES_MAX} are allowed`);
    }
    if (bodyBytes > BODY_BYTES_MAX) {
      throw new FrameError(`body of ${bodyBytes} bytes, at most ${BODY_BYTES_MAX} are allowed`);
    }
    this.#headerBytes = headerBytes;
    this.#frameBytes = FRAME_PREFIX_BYTES + headerBytes + bodyBytes;
    return true;
  }

  #take(length: number): Uint8Array {
    const { bytes, at } = this.#front(length);
    this.#offset += length;
    this.#available -= length;
    if (this.#offset === bytes.length) {
      this.#chunks.shift();
      this.#offset = 0;
    }
    return bytes.subarray(at, at + length);
  }

  /** Makes the next `length` bytes lie in the first chunk; copies only where they don't. */
  #front(length: number): { readonly bytes: Uint8Array; readonly at: number } {
    const first = this.#chunks[0] ?? EMPTY;
    if (first.length - this.#offset >= length) return { bytes: first, at: this.#offset };
    const joined = new Uint8Array(this.#available);
    let filled = 0;
    for (const [index, chunk] of this.#chunks.entries()) {
      const part = index === 0 ? chunk.subarray(this.#offset) : chunk;
      joined.set(part, filled);
      filled += part.length;
    }
    this.#chunks.length = 0;
    this.#chunks.push(joined);
    this.#offset = 0;
    return { bytes: joined, at: 0 };
  }
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  const json = decoder.decode(bytes);
  if (NOT_ASCII.test(json)) throw new FrameError('header is not ASCII');
  let header: unknown;
  try {
    header = parse(json);
  } catch (cause) {
    throw new FrameError(`header is not JSON: ${json.slice(0, 80)}`, { cause });
  }
  if (!isObject(header)) throw new FrameError(`header is not a JSON object: ${json.slice(0, 80)}`);
  if (typeof header['m'] !== 'string') throw new FrameError(`header names no message: ${json.slice(0, 80)}`);
  return header;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
