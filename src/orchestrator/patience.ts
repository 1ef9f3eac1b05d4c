/** Space may come back within this time after somebody made some. */
const RETRY_MS = 1_000;

export function isDiskFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}

/** Does a piece of work again and again for as long as the disk is full; any other failure goes through at once. */
export class Patience {
  private gaveUp = false;
  private waiters = 0;
  private wake: () => void = () => undefined;
  private readonly onWaiting: (waiting: boolean) => void;

  /** @param onWaiting called when the first begins to wait for space, and when the last has got it */
  constructor(onWaiting: (waiting: boolean) => void) {
    this.onWaiting = onWaiting;
  }

  /** @param work must be repeatable as a whole after any failure */
  async run<T>(work: () => Promise<T>): Promise<T> {
    for (let waiting = false; ; waiting = true) {
      try {
        const result = await work();
        if (waiting && --this.waiters === 0) this.onWaiting(false);
        return result;
      } catch (error) {
        if (!isDiskFull(error) || this.gaveUp) {
          // Otherwise the end of waiting would never be told to those who do get their space.
          if (waiting) this.waiters -= 1;
          throw error;
        }
        if (!waiting && this.waiters++ === 0) this.onWaiting(true);
        await this.pause();
      }
    }
  }

  /** The next failure counts: nobody waits any longer. */
  giveUp(): void {
    this.gaveUp = true;
    this.wake();
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, RETRY_MS);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
