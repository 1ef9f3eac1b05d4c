const LF = 10;
const CR = 13;

/** Counts lines of text that comes in pieces: LF, CRLF and CR end one, in quotes too. Pure. */
export class LineCounter {
  /** In which the next byte lies, from 1. */
  line = 1;
  #afterCr = false;

  take(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (byte === CR || (byte === LF && !this.#afterCr)) this.line += 1;
      this.#afterCr = byte === CR;
    }
  }
}
