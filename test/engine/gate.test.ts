import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dispatchNumber, epochMs, miniBatchIndex, nodeAddress, tryNumber, workerId } from '../../src/domain/ids.ts';
import type { WorkerId } from '../../src/domain/ids.ts';
import type { Assignment, EngineEvent } from '../../src/domain/ports.ts';
import { Gate } from '../../src/engine/nats/gate.ts';

interface Load {
  readonly share: number;
  readonly priority?: number;
  /** Of each of its mini-batches. */
  readonly ms: number;
  /** When it comes. */
  readonly from?: number;
}

interface Running {
  readonly id: string;
  readonly worker: WorkerId;
  readonly ms: number;
  endsAt: number;
  queue: number;
}

/** A node under virtual time whose runs always have work: each worker holds two mini-batches. */
class Node {
  readonly gate: Gate;
  now = 0;
  readonly usedMs = new Map<string, number>();
  readonly firstAt = new Map<string, number>();
  readonly lastAt = new Map<string, number>();
  most = 0;
  #running: Running[] = [];
  #next = 0;

  constructor(places: number, loads: Readonly<Record<string, Load>>, untilMs: number) {
    this.gate = new Gate(places);
    const coming = Object.entries(loads).sort(([, a], [, b]) => (a.from ?? 0) - (b.from ?? 0));
    while (this.now < untilMs) {
      while (coming[0] && (coming[0][1].from ?? 0) <= this.now) {
        const [id, load] = coming.shift() as [string, Load];
        this.#add(id, load, places);
      }
      const first = this.#running.reduce<Running | undefined>((a, b) => (a && a.endsAt <= b.endsAt ? a : b), undefined);
      const arrival = coming[0]?.[1].from ?? Infinity;
      if (!first || arrival < first.endsAt) {
        if (!Number.isFinite(arrival)) break;
        this.now = arrival;
        continue;
      }
      this.now = first.endsAt;
      this.#end(first, loads[first.id] as Load);
    }
  }

  #add(id: string, load: Load, places: number): void {
    const pass = (assignments: readonly Assignment[]): void => {
      for (const { worker } of assignments) {
        const busy = this.#running.find((one) => one.id === id && one.worker === worker);
        if (busy) busy.queue += 1;
        else this.#running.push({ id, worker, endsAt: this.now + load.ms, ms: load.ms, queue: 0 });
      }
      this.most = Math.max(this.most, this.#running.length);
      if (!this.firstAt.has(id)) this.firstAt.set(id, this.now);
      this.lastAt.set(id, this.now);
    };
    this.gate.add(id, { share: load.share, priority: load.priority ?? 0, pass }, this.now);
    for (let n = 1; n <= places; n++) for (let i = 0; i < 2; i++) this.#give(id, n);
  }

  #give(id: string, process: number): void {
    const assignment: Assignment = {
      worker: workerId(nodeAddress(id), process),
      index: miniBatchIndex(this.#next++),
      dispatch: dispatchNumber(1),
      try: tryNumber(1),
      items: 1,
      source: new Uint8Array(0),
    };
    this.gate.assign(id, [assignment], this.now);
  }

  #end(one: Running, load: Load): void {
    this.usedMs.set(one.id, (this.usedMs.get(one.id) ?? 0) + one.ms);
    if (one.queue > 0) {
      one.queue -= 1;
      one.endsAt = this.now + load.ms;
    } else {
      this.#running = this.#running.filter((other) => other !== one);
    }
    this.gate.note(one.id, [outcome(one.worker, load.ms)], this.now);
    this.#give(one.id, Number(one.worker.split('-').at(-1)));
  }
}

const outcome = (worker: WorkerId, ms: number): EngineEvent => ({
  type: 'try-outcome',
  at: epochMs(0),
  worker,
  pid: 1,
  index: miniBatchIndex(0),
  dispatch: dispatchNumber(1),
  timing: {
    start1: epochMs(0),
    end1: epochMs(0),
    start2: 0,
    end2: 0,
    runSeconds: ms / 1000,
    elapsedSeconds: ms / 1000,
  },
  result: { ok: true, returned: 0, rows: new Uint8Array(0) },
});

describe('the places of a node, among several runs', () => {
  it('go by shares of time, whatever mini-batches take', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 400 }),
        fc.integer({ min: 1, max: 400 }),
        (places, share, a, b) => {
          const node = new Node(places, { a: { share, ms: a }, b: { share: 1, ms: b } }, 100_000);
          const [usedA, usedB] = [node.usedMs.get('a') ?? 0, node.usedMs.get('b') ?? 0];
          expect(node.most).toBeLessThanOrEqual(places + 2);
          expect(usedA / (usedA + usedB)).toBeGreaterThan((share / (share + 1)) * 0.9);
          expect(usedB / (usedA + usedB)).toBeGreaterThan((1 / (share + 1)) * 0.9);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('go to a higher priority as soon as one is free, and to the others now and then', () => {
    const loads = {
      a: { share: 3, ms: 200 },
      b: { share: 1, ms: 200 },
      c: { share: 1, ms: 200, priority: 5, from: 20_000 },
    };
    const node = new Node(4, loads, 80_000);
    expect((node.firstAt.get('c') ?? Infinity) - 20_000).toBeLessThanOrEqual(200);
    // from then on nearly all is its own, but nobody waits for ever
    expect(node.usedMs.get('c') ?? 0).toBeGreaterThan(0.8 * 60_000 * 4);
    for (const id of ['a', 'b']) expect(node.lastAt.get(id) ?? 0).toBeGreaterThan(65_000);
  });

  it('are all of a run that is alone, at once', () => {
    const passed: number[] = [];
    const gate = new Gate(1);
    gate.add('a', { share: 1, priority: 0, pass: (given) => passed.push(given.length) }, 0);
    const some = Array.from({ length: 50 }, (_, i): Assignment => ({
      worker: workerId(nodeAddress('n'), 1 + (i % 5)),
      index: miniBatchIndex(i),
      dispatch: dispatchNumber(1),
      try: tryNumber(1),
      items: 1,
      source: new Uint8Array(0),
    }));
    gate.assign('a', some, 0);
    expect(passed).toEqual([50]);
  });

  it('lose nothing: what waits comes back when its run, or its worker, ends', () => {
    const passed = { a: 0, b: 0 };
    const gate = new Gate(1);
    for (const id of ['a', 'b'] as const)
      gate.add(id, { share: 1, priority: 0, pass: (given) => (passed[id] += given.length) }, 0);
    const give = (process: number, index: number): Assignment => ({
      worker: workerId(nodeAddress('n'), process),
      index: miniBatchIndex(index),
      dispatch: dispatchNumber(1),
      try: tryNumber(1),
      items: 1,
      source: new Uint8Array(0),
    });
    gate.assign('a', [give(1, 0), give(1, 1), give(2, 2)], 0);
    gate.assign('b', [give(1, 0), give(2, 1)], 0);
    expect(passed).toEqual({ a: 1, b: 0 });
    gate.note(
      'b',
      [
        {
          type: 'worker-ended',
          at: epochMs(0),
          worker: workerId(nodeAddress('n'), 2),
          pid: 1,
          exit: { by: 'code', code: 0 },
          expected: true,
        },
      ],
      1,
    );
    expect(passed).toEqual({ a: 1, b: 1 });
    gate.remove('a', 2);
    expect(passed).toEqual({ a: 3, b: 2 });
  });
});
