/**
 * Reads JSON arrays of numbers straight from their bytes: the ledger of a long run is hundreds of megabytes of them.
 * Made into text and given to `JSON.parse` they take three times as long. The numbers are the very same ones.
 */

/** More than the longest record has. */
const VALUES_MAX = 32;
const [OPEN, CLOSE, COMMA, MINUS, DOT, ZERO] = [91, 93, 44, 45, 46, 48] as const;
const POWERS = Float64Array.from({ length: 23 }, (_, k) => Number(`1e${k}`));
const EXACT_BELOW = 2 ** 53;
/** From here on a number and its fraction of up to so many digits may be added: see `other`. */
const COARSE_FROM = 2 ** 40;
const COARSE_DIGITS = 12;

export class NumberScanner {
  /** Those of the last array, `count` of them. */
  readonly values = new Float64Array(VALUES_MAX);
  count = 0;
  private at = 0;

  /**
   * @param bytes hold a `]` somewhere behind `start`: every search ends there
   * @returns the offset behind the array that starts at `start`, or -1 where it holds anything but numbers
   */
  scan(bytes: Buffer, start: number): number {
    if (bytes[start] !== OPEN) return -1;
    let at = start + 1;
    for (let count = 0; count < VALUES_MAX; at++) {
      const from = at;
      let digit = 0;
      let small = 0;
      // Most are whole and short: small integers are what the processor is quickest with.
      while ((digit = byteAt(bytes, at) - ZERO) >= 0 && digit <= 9 && at < from + 9) {
        small = (small * 10 + digit) | 0;
        at++;
      }
      let value = small;
      if (at === from || !endsNumber(digit + ZERO)) {
        value = this.other(bytes, from);
        at = this.at;
        if (Number.isNaN(value)) return -1;
      }
      this.values[count++] = value;
      this.count = count;
      if (bytes[at] === CLOSE) return at + 1;
    }
    return -1;
  }

  /** The same of an array that has been parsed already; what is no number there (`null` for one that isn't finite) is NaN. */
  take(array: readonly unknown[]): void {
    this.count = Math.min(array.length, VALUES_MAX);
    for (let i = 0; i < this.count; i++) this.values[i] = typeof array[i] === 'number' ? (array[i] as number) : NaN;
  }

  /**
   * The double that is nearest to what stands there, as everywhere in JSON; NaN where it is no number.
   *
   * All digits taken as one whole number are exact below 2^53, and so are the powers of ten up to 10^22: one division
   * rounds once. Times in milliseconds have more digits: there the fraction's own rounding (below 2^-53) is too small
   * to move the sum across the middle between two doubles, which are 2^-12 apart or more, for a fraction of 12 digits
   * that isn't that middle itself is at least 5^-12 * 2^-13 away from it. Any other number goes the long way.
   */
  private other(bytes: Buffer, start: number): number {
    const from = bytes[start] === MINUS ? start + 1 : start;
    const whole = this.digits(bytes, from);
    let value = whole;
    let exact = this.at > from && whole < EXACT_BELOW;
    if (bytes[this.at] === DOT) {
      const first = this.at + 1;
      const fraction = this.digits(bytes, first);
      const places = this.at - first;
      const power = POWERS[places] ?? NaN;
      const all = whole * power + fraction;
      if (all < EXACT_BELOW) value = all / power;
      else {
        value = whole + fraction / power;
        exact &&= whole >= COARSE_FROM && places <= COARSE_DIGITS;
      }
    }
    if (!exact || !endsNumber(byteAt(bytes, this.at))) return this.long(bytes, start);
    return start === from ? value : -value;
  }

  /** The whole number that starts at `from`, its first 18 digits; exact below 2^53, and never below where it isn't. */
  private digits(bytes: Buffer, from: number): number {
    let at = from;
    let digit = 0;
    let high = 0;
    while ((digit = byteAt(bytes, at) - ZERO) >= 0 && digit <= 9 && at < from + 9) {
      high = (high * 10 + digit) | 0;
      at++;
    }
    const second = at;
    let low = 0;
    while ((digit = byteAt(bytes, at) - ZERO) >= 0 && digit <= 9 && at < from + 18) {
      low = (low * 10 + digit) | 0;
      at++;
    }
    this.at = at;
    return high * (POWERS[at - second] as number) + low;
  }

  /** By the engine's own parser. */
  private long(bytes: Buffer, from: number): number {
    let at = from;
    while (!endsNumber(byteAt(bytes, at))) at++;
    this.at = at;
    return at === from ? NaN : Number(bytes.toString('latin1', from, at));
  }
}

/** Within the bounds by how it is called. */
function byteAt(bytes: Buffer, at: number): number {
  return bytes[at] as number;
}

function endsNumber(byte: number): boolean {
  return byte === COMMA || byte === CLOSE;
}
