/** sfc32: small, fast, good enough, the same on every machine. */
export class Rng {
  private a: number;
  private b: number;
  private c: number;
  private d = 1;
  private readonly seed: number;

  constructor(seed: number) {
    this.seed = seed >>> 0;
    this.a = mix(this.seed + 0x9e3779b9);
    this.b = mix(this.a + 0x85ebca6b);
    this.c = mix(this.b + Math.floor(seed / 2 ** 32));
    for (let i = 0; i < 12; i++) this.next();
  }

  /** A generator of its own for one component: what it draws does not move what others draw. */
  split(component: number): Rng {
    return new Rng(mix(this.seed ^ mix(component * 0x27d4eb2f + 1)) + component * 2 ** 32);
  }

  /** An unsigned 32-bit number. */
  next(): number {
    const t = (((this.a + this.b) | 0) + this.d) | 0;
    this.d = (this.d + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (this.c << 21) | (this.c >>> 11);
    this.c = (this.c + t) | 0;
    return t >>> 0;
  }

  /** In [0, 1). */
  float(): number {
    return this.next() / 2 ** 32;
  }

  /** An integer in [0, n). */
  below(n: number): number {
    return Math.floor(this.float() * n);
  }

  /** An integer in [from, to]. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  chance(p: number): boolean {
    return p > 0 && this.float() < p;
  }

  /** Microseconds in [from, to], most of them small. */
  span(from: number, to: number): number {
    return Math.round(from * (to / from) ** this.float());
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

function mix(n: number): number {
  let x = n >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}
