/** How much more memory a worker holds than when it was ready. */
import { readHeld } from './treememory.ts';

/** A look costs some ten microseconds: tiny mini-batches don't pay it each. */
const LOOK_AGAIN_MS = 100;

export class GrowthWatch {
  readonly #maxBytes: number;
  readonly #pid: number;
  readonly #atReady: number | undefined;
  #nextAt: number;

  /** To be made when the worker is ready. */
  constructor(maxBytes: number, pid: number, now: number) {
    this.#maxBytes = maxBytes;
    this.#pid = pid;
    this.#atReady = readHeld(pid);
    this.#nextAt = now + LOOK_AGAIN_MS;
  }

  /** To be asked between two mini-batches. @returns bytes it grew by, once that is too much */
  tooMuch(now: number): number | undefined {
    if (this.#atReady === undefined || now < this.#nextAt) return undefined;
    this.#nextAt = now + LOOK_AGAIN_MS;
    const grown = (readHeld(this.#pid) ?? 0) - this.#atReady;
    return grown >= this.#maxBytes ? grown : undefined;
  }
}
