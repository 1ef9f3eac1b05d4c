/**
 * Errors that reach nobody: rejections without a handler, exceptions in callbacks. While user code of a stage or a
 * mini-batch is under way they belong to it; between mini-batches they are printed.
 */

/** After a rejection without a handler, this long is waited for `run` itself to end: it may name the cause better. */
const SETTLE_GRACE_MS = 1000;

export interface Fault {
  readonly error: unknown;
  /** The process cannot be trusted with another mini-batch. */
  readonly fatal: boolean;
}

export type Settled<T> =
  | { readonly kind: 'returned'; readonly value: T }
  | { readonly kind: 'threw'; readonly error: unknown }
  | { readonly kind: 'fault'; readonly fault: Fault };

export class FaultWatch {
  #active = false;
  #fault: Fault | undefined;
  #wake: ((fault: Fault) => void) | undefined;
  readonly #print: (error: unknown) => void;

  /** @param print for errors that belong to nothing. */
  constructor(print: (error: unknown) => void) {
    this.#print = print;
  }

  install(): void {
    process.on('unhandledRejection', (reason) => {
      // a script with a handler of its own has decided what becomes of these
      if (process.listenerCount('unhandledRejection') === 1) this.#note({ error: reason, fatal: false });
    });
    process.on('uncaughtException', (error, origin) => {
      if (origin === 'uncaughtException' && process.listenerCount('uncaughtException') === 1) {
        this.#note({ error, fatal: true });
      }
    });
  }

  begin(): void {
    this.#active = true;
    this.#fault = undefined;
  }

  /** @returns what went astray since `begin`. */
  end(): Fault | undefined {
    const fault = this.#fault;
    this.#active = false;
    this.#fault = undefined;
    return fault;
  }

  /**
   * Waits for a promise of user code, or for a fault that makes waiting pointless: at once after an exception nobody
   * caught; after a grace where a rejection went astray and the promise doesn't settle, as it then often never does.
   */
  settle<T>(promise: PromiseLike<T>): Promise<Settled<T>> {
    return new Promise((resolve) => {
      let grace: NodeJS.Timeout | undefined;
      const done = (settled: Settled<T>): void => {
        clearTimeout(grace);
        this.#wake = undefined;
        resolve(settled);
      };
      this.#wake = (fault) => {
        // what did not settle goes on in the background: it must not meet the next mini-batch
        if (fault.fatal) done({ kind: 'fault', fault });
        else grace ??= setTimeout(() => done({ kind: 'fault', fault: { ...fault, fatal: true } }), SETTLE_GRACE_MS);
      };
      if (this.#fault !== undefined) this.#wake(this.#fault);
      promise.then(
        (value) => done({ kind: 'returned', value }),
        (error: unknown) => done({ kind: 'threw', error }),
      );
    });
  }

  #note(fault: Fault): void {
    if (!this.#active) {
      this.#print(fault.error);
      return;
    }
    // the first one is the cause, a fatal one decides what becomes of the process
    this.#fault = this.#fault === undefined ? fault : { ...this.#fault, fatal: this.#fault.fatal || fault.fatal };
    this.#wake?.(this.#fault);
  }
}
