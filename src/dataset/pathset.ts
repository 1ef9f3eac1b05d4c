import { hash, high, low } from './hash.ts';

const EMPTY = 0;
const PRESENT = 1;
const TAKEN = 2;
const SLOTS_MIN = 1024;

/**
 * A multiset of paths in nine bytes a slot, two slots a path: of each path 64 bits of a hash are kept, so that among a
 * million of them two are taken for one once in some ten million times.
 */
export class PathSet {
  #low = new Uint32Array(SLOTS_MIN);
  #high = new Uint32Array(SLOTS_MIN);
  #state = new Uint8Array(SLOTS_MIN);
  #used = 0;
  #present = 0;

  /** Paths that are in the set. */
  get size(): number {
    return this.#present;
  }

  add(path: string): void {
    if (2 * (this.#used + 1) > this.#state.length) this.#grow();
    hash(path);
    this.#put(low, high);
    this.#used += 1;
    this.#present += 1;
  }

  /** Takes a path out, once where it is in there several times. @returns false where it isn't */
  take(path: string): boolean {
    hash(path);
    const mask = this.#state.length - 1;
    for (let slot = low & mask; this.#state[slot] !== EMPTY; slot = (slot + 1) & mask) {
      if (this.#state[slot] !== PRESENT || this.#low[slot] !== low || this.#high[slot] !== high) continue;
      this.#state[slot] = TAKEN;
      this.#present -= 1;
      return true;
    }
    return false;
  }

  #put(lowBits: number, highBits: number): void {
    const mask = this.#state.length - 1;
    let slot = lowBits & mask;
    while (this.#state[slot] !== EMPTY) slot = (slot + 1) & mask;
    this.#low[slot] = lowBits;
    this.#high[slot] = highBits;
    this.#state[slot] = PRESENT;
  }

  #grow(): void {
    const [lows, highs, states] = [this.#low, this.#high, this.#state];
    const slots = 2 * states.length;
    this.#low = new Uint32Array(slots);
    this.#high = new Uint32Array(slots);
    this.#state = new Uint8Array(slots);
    this.#used = 0;
    for (let slot = 0; slot < states.length; slot++) {
      if (states[slot] !== PRESENT) continue;
      this.#put(lows[slot] as number, highs[slot] as number);
      this.#used += 1;
    }
  }
}
