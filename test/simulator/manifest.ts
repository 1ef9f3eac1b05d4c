import type { Rng } from './rng.ts';
import { holds } from './violation.ts';

/** The stored list of mini-batches; its lines are those of the input, only how many there are can be lost. */
export class Manifest {
  private size = 0;
  private durable = 0;
  private readonly items: readonly number[];

  constructor(items: readonly number[]) {
    this.items = items;
  }

  append(from: number, count: number): void {
    holds(from === this.size, 'manifest', () => `${from} is appended behind ${this.size}`);
    this.size += count;
  }

  sync(): void {
    this.durable = this.size;
  }

  read(index: number): number {
    holds(index < this.size, 'manifest', () => `${index} is not in the manifest`);
    return this.items[index] ?? 0;
  }

  itemsBelow(count: number): number {
    return this.items.slice(0, count).reduce((sum, n) => sum + n, 0);
  }

  crash(power: boolean, rng: Rng): void {
    if (power) this.size = rng.between(this.durable, this.size);
    this.durable = Math.min(this.durable, this.size);
  }

  /** Kept up to what is reserved; what lies behind it is listed again. */
  reopen(count: number): void {
    holds(this.size >= count, 'manifest', () => `${count} are reserved, ${this.size} are left`);
    this.size = count;
    this.durable = count;
  }
}
