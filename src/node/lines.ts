/**
 * Bytes of a stream cut into lines. Only a line feed ends a line: a progress bar with its carriage returns stays one.
 * Longer lines than `LINE_BYTES_MAX` come in pieces, cut between characters of UTF-8 where there are such. Bytes are
 * never changed: invalid UTF-8, NUL and control characters go through, and are made harmless where they are shown.
 */
export const LINE_BYTES_MAX = 64 * 1024;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

export class LineCutter {
  readonly #line: (bytes: Buffer) => void;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #carriageReturn = false;

  constructor(line: (bytes: Buffer) => void) {
    this.#line = line;
  }

  get hasUnfinished(): boolean {
    return this.#heldBytes > 0;
  }
  get hasCarriageReturn(): boolean {
    return this.#carriageReturn;
  }

  /**
   * Takes lines as long as there is room; an unfinished one at the end is held.
   * @param room what would be left after a line of this length; negative: it doesn't fit
   * @returns bytes taken; fewer than given where the room is used up
   */
  feed(chunk: Buffer, room: (length: number) => number): number {
    let at = 0;
    while (at < chunk.length) {
      const found = chunk.indexOf(LINE_FEED, at);
      const end = found < 0 ? chunk.length : found;
      const length = this.#heldBytes + end - at;
      const left = room(length);
      if (left < 0) return this.#takePart(chunk, at, length + left - this.#heldBytes);
      if (length > LINE_BYTES_MAX) {
        at += this.#takePiece(chunk.subarray(at, at + LINE_BYTES_MAX - this.#heldBytes));
      } else if (found < 0) {
        this.#hold(chunk.subarray(at));
        at = chunk.length;
      } else {
        this.#finish(chunk.subarray(at, end));
        at = end + 1;
      }
    }
    return at;
  }

  /** Gives out the unfinished line as it is. */
  flush(): void {
    if (this.#heldBytes > 0) this.#finish(Buffer.alloc(0));
  }

  /** Room for a part of a line only: as much as fits, none where that is nothing. */
  #takePart(chunk: Buffer, at: number, bytes: number): number {
    if (bytes <= 0) return at;
    return at + this.#takePiece(chunk.subarray(at, at + Math.min(bytes, LINE_BYTES_MAX - this.#heldBytes)));
  }

  #takePiece(piece: Buffer): number {
    const whole = wholeCharacters(piece);
    this.#finish(piece.subarray(0, whole));
    return whole;
  }

  #hold(bytes: Buffer): void {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    this.#carriageReturn ||= bytes.includes(CARRIAGE_RETURN);
  }

  #finish(bytes: Buffer): void {
    const line = this.#heldBytes === 0 ? bytes : Buffer.concat([...this.#held, bytes]);
    this.#held = [];
    this.#heldBytes = 0;
    this.#carriageReturn = false;
    this.#line(line);
  }
}

/** Length without an incomplete UTF-8 character at the end; the whole length where there is no such. */
export function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length - 1); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) break;
    if (byte < 0xc0) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return needed > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
