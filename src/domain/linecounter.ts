const LF = 10;
const CR = 13;

/** Counts lines of text that comes in pieces: LF, CRLF and CR end one, in quotes too. Pure. */
export class LineCounter {
  /** In which the next byte lies, from 1. */
  line = 1;
  #afterCr = false;

  take(bytes: Uint8Array): void {
    let { line } = this;
    let afterCr = this.#afterCr;
    // a `for of` takes half as long again
    let at = 0;
    while (at < bytes.length) {
      const byte = bytes[at++];
      if (byte === CR || (byte === LF && !afterCr)) line += 1;
      afterCr = byte === CR;
    }
    this.line = line;
    this.#afterCr = afterCr;
  }
}
