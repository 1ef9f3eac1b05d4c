/** A set of mini-batch indexes, one bit each. */
export class IndexSet {
  private bits = new Uint8Array(1024);

  add(index: number): void {
    const byte = index >>> 3;
    if (byte >= this.bits.length) this.grow(byte + 1);
    this.bits[byte] = (this.bits[byte] ?? 0) | (1 << (index & 7));
  }

  remove(index: number): void {
    const byte = index >>> 3;
    if (byte < this.bits.length) this.bits[byte] = (this.bits[byte] ?? 0) & ~(1 << (index & 7));
  }

  has(index: number): boolean {
    return ((this.bits[index >>> 3] ?? 0) & (1 << (index & 7))) !== 0;
  }

  /** Ranges of indexes in [from, to) that are not in the set, ascending. */
  *gaps(from: number, to: number): Generator<{ readonly from: number; readonly to: number }> {
    let start = -1;
    for (let i = from; i < to; i++) {
      if ((i & 7) === 0 && start < 0) {
        // Whole bytes of settled ones are passed over at once.
        while (i + 8 <= to && this.bits[i >>> 3] === 0xff) i += 8;
        if (i >= to) break;
      }
      if (this.has(i)) {
        if (start >= 0) yield { from: start, to: i };
        start = -1;
      } else if (start < 0) start = i;
    }
    if (start >= 0) yield { from: start, to };
  }

  private grow(bytes: number): void {
    const bits = new Uint8Array(Math.max(bytes, this.bits.length * 2));
    bits.set(this.bits);
    this.bits = bits;
  }
}
