import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Receiver, Sender } from '../../src/engine/nats/channel.ts';

const bytes = (n: number): Uint8Array => Uint8Array.of(n & 255, n >> 8);
const number = (b: Uint8Array): number => (b[0] ?? 0) + 256 * (b[1] ?? 0);

/** What may happen between two sides; everything else is a consequence. */
type Step =
  'add' | 'publish' | 'publish-unsure' | 'fail' | 'deliver' | 'double' | 'swap' | 'wipe' | 'beat' | 'stale-beat';
const STEPS: readonly Step[] = [
  ...(['add', 'publish', 'publish-unsure', 'fail', 'deliver'] as const),
  ...(['double', 'swap', 'wipe', 'beat', 'stale-beat'] as const),
];

/** Two sides and a broker that does to messages what brokers do. */
class World {
  readonly sender = new Sender();
  readonly receiver = new Receiver();
  stream: { number: number; bytes: Uint8Array }[] = [];
  readonly got: number[] = [];
  added = 0;
  #lastBeat = 0;

  step(step: Step): void {
    switch (step) {
      case 'add':
        this.sender.add(bytes(++this.added));
        return;
      case 'publish':
        this.publish();
        return;
      case 'publish-unsure': {
        // it got there, and the answer did not come back
        const message = this.publish();
        if (message) this.sender.failed(message.number);
        return;
      }
      case 'fail': {
        const message = this.sender.take();
        if (message) this.sender.failed(message.number);
        return;
      }
      case 'deliver':
        this.deliver();
        return;
      case 'double':
        if (this.stream[0]) this.stream.push(this.stream[0]);
        return;
      case 'swap': {
        const first = this.stream.shift();
        if (first) this.stream.splice(1, 0, first);
        return;
      }
      case 'wipe':
        this.stream = [];
        this.sender.rewind();
        return;
      case 'beat':
        this.beat();
        return;
      case 'stale-beat':
        this.sender.confirm(this.#lastBeat);
        return;
    }
  }

  publish() {
    const message = this.sender.take();
    if (message) this.stream.push(message);
    return message;
  }
  deliver(): void {
    const message = this.stream.shift();
    if (message) this.got.push(...this.receiver.receive(message.number, message.bytes).map(number));
  }
  beat(): void {
    this.#lastBeat = this.receiver.taken;
    this.sender.confirm(this.receiver.taken);
  }
  /** No more faults. */
  settle(): void {
    for (let round = 0; round < 3; round++) {
      this.sender.rewind();
      while (this.sender.hasUnsent) this.publish();
      while (this.stream.length > 0) this.deliver();
      this.beat();
    }
  }
}

describe('a channel over a broker that loses, doubles and reorders', () => {
  it('gives every message once and in order, and forgets nothing that is not confirmed', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...STEPS), { maxLength: 300 }), (steps) => {
        const world = new World();
        for (const step of steps) {
          world.step(step);
          expect(world.got).toEqual(world.got.map((_, i) => i + 1));
          expect(world.sender.kept).toBeGreaterThanOrEqual(world.added - world.receiver.taken);
        }
        world.settle();
        expect(world.got).toEqual(Array.from({ length: world.added }, (_, i) => i + 1));
        expect(world.sender.kept).toBe(0);
        expect(world.sender.keptBytes).toBe(0);
        expect(world.receiver.hasGap).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('knows of a gap, so that the other side can send again', () => {
    const receiver = new Receiver();
    expect(receiver.receive(2, bytes(2))).toEqual([]);
    expect(receiver.hasGap).toBe(true);
    expect(receiver.receive(1, bytes(1)).map(number)).toEqual([1, 2]);
    expect(receiver.hasGap).toBe(false);
    expect(receiver.taken).toBe(2);
  });

  it('takes no confirmation of what it never sent for one', () => {
    const sender = new Sender();
    sender.add(bytes(1));
    sender.take();
    sender.confirm(Number.NaN);
    sender.confirm(-5);
    expect(sender.kept).toBe(1);
    sender.confirm(1_000_000);
    sender.add(bytes(2));
    expect(sender.take()).toEqual({ number: 2, bytes: bytes(2) });
  });
});
