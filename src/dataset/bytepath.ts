/**
 * File names are bytes. Inside `dataset/` they are *byte paths*: strings in which every character is one byte
 * (latin1), so that comparing strings compares bytes and nothing is ever lost. The rest of the program sees text:
 * UTF-8 decoded, a byte that is no valid UTF-8 as the lone surrogate U+DC00 + byte.
 */
import { isUtf8 } from 'node:buffer';

export type BytePath = string;

const BEYOND_ASCII = /[\u0080-\uffff]/;
const ESCAPED_BYTE = /[\udc80-\udcff]/u;
const ESCAPE_BASE = 0xdc00;

/** The text form of a byte path; same rules as Python's `surrogateescape`. */
export function textOf(path: BytePath): string {
  if (!BEYOND_ASCII.test(path)) return path;
  const bytes = Buffer.from(path, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : decodeWithEscapes(bytes);
}

/** The byte path that `text` stands for: the inverse of `textOf`. */
export function bytesOf(text: string): BytePath {
  if (!BEYOND_ASCII.test(text)) return text;
  if (!ESCAPED_BYTE.test(text)) return Buffer.from(text, 'utf8').toString('latin1');
  let bytes = '';
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const escaped = code >= ESCAPE_BASE + 0x80 && code <= ESCAPE_BASE + 0xff;
    bytes += escaped ? String.fromCharCode(code - ESCAPE_BASE) : Buffer.from(character, 'utf8').toString('latin1');
  }
  return bytes;
}

/** What `node:fs` takes for a byte path. */
export function forFs(path: BytePath): string | Buffer {
  return BEYOND_ASCII.test(path) ? Buffer.from(path, 'latin1') : path;
}

export function joinBytes(folder: BytePath, name: BytePath): BytePath {
  return folder.endsWith('/') ? folder + name : `${folder}/${name}`;
}

/** True where `path` lies below `folder`, at any depth; not for the folder itself. */
export function isBelow(path: BytePath, folder: BytePath): boolean {
  return path.length > folder.length && path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

function decodeWithEscapes(bytes: Buffer): string {
  let text = '';
  let from = 0;
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at);
    if (length > 0) {
      at += length;
      continue;
    }
    text += bytes.toString('utf8', from, at) + String.fromCharCode(ESCAPE_BASE + (bytes[at] ?? 0));
    at += 1;
    from = at;
  }
  return text + bytes.toString('utf8', from, at);
}

/** Bytes of the valid UTF-8 sequence that starts at `at`; 0 where none does. */
function sequenceLength(bytes: Buffer, at: number): number {
  const lead = bytes[at] ?? 0;
  if (lead < 0x80) return 1;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  return at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}

/** Path of a file below a root, as text. */
export function joinText(root: string, name: string): string {
  return root.endsWith('/') ? root + name : `${root}/${name}`;
}
