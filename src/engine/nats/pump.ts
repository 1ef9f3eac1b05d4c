/** Moves what waits through a `Sender` into a stream: few messages under way at once, so that what waits gathers. */
import type { Sender } from './channel.ts';

/** Two: one is written while the broker answers to the other. */
const IN_FLIGHT = 2;
/** What the other side has not confirmed is bounded: whoever fills waits. */
const KEPT_BYTES_MAX = 64 * 1024 * 1024;
const AGAIN_MS = 200;

export interface PumpPorts {
  readonly sender: Sender;
  /** The next message, of what has gathered; undefined: nothing waits. */
  readonly fill: () => Uint8Array | undefined;
  /** Rejects where it isn't known to have got there. */
  readonly publish: (number: number, bytes: Uint8Array) => Promise<void>;
}

export class Pump {
  readonly #ports: PumpPorts;
  #inFlight = 0;
  #isPlanned = false;
  #isClosed = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(ports: PumpPorts) {
    this.#ports = ports;
  }

  /** Something waits. What is told in the same turn of the loop goes together. */
  kick(): void {
    if (this.#isPlanned || this.#isClosed || this.#retry) return;
    this.#isPlanned = true;
    setImmediate(() => {
      this.#isPlanned = false;
      this.#go();
    });
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
  }

  #go(): void {
    const { sender, fill, publish } = this.#ports;
    while (!this.#isClosed && !this.#retry && this.#inFlight < IN_FLIGHT) {
      if (!sender.hasUnsent) {
        if (sender.keptBytes > KEPT_BYTES_MAX) return;
        const bytes = fill();
        if (!bytes) return;
        sender.add(bytes);
      }
      const message = sender.take();
      if (!message) return;
      this.#inFlight++;
      publish(message.number, message.bytes).then(
        () => {
          this.#inFlight--;
          this.#go();
        },
        () => {
          this.#inFlight--;
          sender.failed(message.number);
          this.#later();
        },
      );
    }
  }

  #later(): void {
    if (this.#isClosed) return;
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#go();
    }, AGAIN_MS);
  }
}
