/**
 * The last lines that a try printed, to stand beside its failure. Pure. The two streams are files of their own, so how
 * their lines lay between each other isn't known: those of standard output come first.
 */

export const LAST_LINES_MAX = 10;
export const LINE_CHARS_MAX = 500;
/** Of all lines together, line breaks included. */
export const LAST_LINES_BYTES_MAX = 4096;
/** The end of a stream that is read for them. */
export const LAST_LINES_READ_BYTES = 32 * 1024;

/** @returns at most `LAST_LINES_MAX` lines, none of them blank. Each stream has room for half of them at least. */
export function lastPrinted(stdout: Uint8Array, stderr: Uint8Array): string[] {
  const out = linesOf(stdout);
  const err = linesOf(stderr);
  const ofErr = Math.min(err.length, Math.max(LAST_LINES_MAX / 2, LAST_LINES_MAX - out.length));
  const ofOut = Math.min(out.length, LAST_LINES_MAX - ofErr);
  const lines = [...out.slice(out.length - ofOut), ...err.slice(err.length - ofErr)];
  let bytes = lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
  while (bytes > LAST_LINES_BYTES_MAX) bytes -= Buffer.byteLength(lines.shift() ?? '') + 1;
  return lines;
}

function linesOf(bytes: Uint8Array): string[] {
  return Buffer.from(bytes)
    .toString('utf8')
    .split('\n')
    .map(shown)
    .filter((line) => line !== '')
    .slice(-LAST_LINES_MAX);
}

/** Of a progress bar, which overwrites its line again and again, its last state. */
function shown(line: string): string {
  const text = line.trimEnd();
  const last = text.slice(text.lastIndexOf('\r') + 1);
  return last.length <= LINE_CHARS_MAX ? last : `${last.slice(0, wholeChars(last, LINE_CHARS_MAX - 3))}...`;
}

/** Not between the halves of one character. */
function wholeChars(text: string, length: number): number {
  const code = text.charCodeAt(length - 1);
  return code >= 0xd800 && code < 0xdc00 ? length - 1 : length;
}
