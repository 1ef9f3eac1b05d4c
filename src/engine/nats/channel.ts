/**
 * A channel of numbered messages over a broker that may lose, double and reorder them: each side keeps what it sent
 * until the other side (not the broker) has confirmed it, and takes each number once, in order. No I/O, no clock.
 */

export interface Numbered {
  /** From 1, without gaps. */
  readonly number: number;
  readonly bytes: Uint8Array;
}

export class Sender {
  /** What is not confirmed, from `#first` on. */
  #kept: Uint8Array[] = [];
  #first = 1;
  /** Number that is published next. */
  #cursor = 1;
  #bytes = 0;

  /** Bytes that the other side has not confirmed. */
  get keptBytes(): number {
    return this.#bytes;
  }
  get kept(): number {
    return this.#kept.length;
  }
  get hasUnsent(): boolean {
    return this.#cursor < this.#first + this.#kept.length;
  }

  add(bytes: Uint8Array): void {
    this.#kept.push(bytes);
    this.#bytes += bytes.length;
  }

  /** The next one to publish. */
  take(): Numbered | undefined {
    const bytes = this.#kept[this.#cursor - this.#first];
    return bytes && { number: this.#cursor++, bytes };
  }

  /** Whether it got to the broker isn't known: it is published again, and all behind it. */
  failed(number: number): void {
    this.#cursor = Math.max(this.#first, Math.min(this.#cursor, number));
  }

  /** The broker lost what it had: all that is not confirmed is published again. */
  rewind(): void {
    this.#cursor = this.#first;
  }

  /** The other side has taken everything up to this number. Older words are ignored, and numbers never sent too. */
  confirm(upTo: number): void {
    const count = Math.min(upTo - this.#first + 1, this.#kept.length);
    if (!(count > 0)) return;
    for (const bytes of this.#kept.splice(0, count)) this.#bytes -= bytes.length;
    this.#first += count;
    this.#cursor = Math.max(this.#cursor, this.#first);
  }
}

/** Early messages that are held; more are dropped, and come again when the gap is told. */
const EARLY_MAX = 4096;

export class Receiver {
  #taken = 0;
  readonly #early = new Map<number, Uint8Array>();

  /** Everything up to this number has been given out. */
  get taken(): number {
    return this.#taken;
  }
  /** Something is missing in front of what has arrived. */
  get hasGap(): boolean {
    return this.#early.size > 0;
  }

  /** @returns what is in order now; empty for a double or an early one */
  receive(number: number, bytes: Uint8Array): readonly Uint8Array[] {
    if (number !== this.#taken + 1) {
      if (number > this.#taken && this.#early.size < EARLY_MAX) this.#early.set(number, bytes);
      return [];
    }
    const ready = [bytes];
    this.#taken = number;
    for (let next = this.#early.get(number + 1); next; next = this.#early.get(this.#taken + 1)) {
      this.#early.delete(++this.#taken);
      ready.push(next);
    }
    return ready;
  }
}
