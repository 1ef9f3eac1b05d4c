/** The group commit alone: every answer of the disk and every millisecond is the test's. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { RunEvent, SpoolExtent, TryBegun, TryFinished } from '../../src/domain/event.ts';
import { dispatchNumber, epochMs, miniBatchIndex, nodeAddress, tryNumber, workerId } from '../../src/domain/ids.ts';
import type { EpochMs } from '../../src/domain/ids.ts';
import { Committer, UNCOMMITTED_BYTES_MAX } from '../../src/orchestrator/committer.ts';
import type { OneRowsPiece } from '../../src/orchestrator/ports.ts';

const MIB = 1024 * 1024;
const NODE = nodeAddress('n');
const START = 1_000_000;
const timing = { start1: epochMs(0), end1: epochMs(0), start2: 0, end2: 0, runSeconds: 0, elapsedSeconds: 0 };

const note = (text: string): RunEvent => ({ type: 'warning', at: epochMs(0), warning: { kind: 'note', text } });
const begun = (index: number, at: number): TryBegun => ({
  ...{ type: 'try-begun', at: epochMs(at), index: miniBatchIndex(index), dispatch: dispatchNumber(1) },
  ...{ try: tryNumber(1), worker: workerId(NODE, 1), pid: 1, items: 1 },
});
const finished = (index: number, worker = index): TryFinished => ({
  ...{ type: 'try-finished', at: epochMs(0), index: miniBatchIndex(index), dispatch: dispatchNumber(1), timing },
  ...{ try: tryNumber(1), worker: workerId(NODE, worker), pid: 1, status: 'RUN_DONE' },
  ...{ items: 1, succeeded: 1, failed: 0, settles: 'done' },
});
const bytes = (length: number): OneRowsPiece => ({ part: '', length, rows: 1 });
const part = (name: string, length = 1): OneRowsPiece => ({ part: name, length, rows: 1 });

function nameOf(event: RunEvent): string {
  if (event.type === 'try-finished') return `end ${event.index}${event.rows ? `@${event.rows.offset}` : ''}`;
  if (event.type === 'try-begun') return `begin ${event.index}`;
  return event.type === 'warning' && event.warning.kind === 'note' ? event.warning.text : event.type;
}
const namesOf = (events: readonly RunEvent[]): string => events.map(nameOf).join(', ');

/** The committer, what it did, and the disk, which answers when told to. */
class Bench {
  readonly done: string[] = [];
  time = START;
  private readonly asked: ((error?: unknown) => void)[] = [];
  private end = 0;
  readonly committer: Committer;

  constructor(failpoint?: (at: string) => Promise<void>) {
    this.committer = new Committer(
      {
        clock: { now: (): EpochMs => epochMs(this.time), monotonic: () => 0 },
        ledger: { commit: (events) => this.ask(`ledger: ${namesOf(events)}`) },
        spool: {
          write: async (pieces) => {
            await this.ask(`spool: ${pieces.length}`);
            return pieces.map((): SpoolExtent => ({ offset: this.end++, bytes: 1, rows: 1, crc32: 0 }));
          },
          releasePart: (name) => {
            this.done.push(`release ${name}`);
            return Promise.resolve();
          },
        },
        ...(failpoint && { failpoint }),
      },
      {
        publish: (events) => this.done.push(`show: ${namesOf(events)}`),
        onFailure: (error) => this.done.push(`failed: ${String(error)}`),
        onPressure: (on) => this.done.push(`pressure ${on ? 'on' : 'off'}`),
        onCommitted: (workers) => this.done.push(`committed: ${workers.join(', ')}`),
        onWaiting: (waiting) => this.done.push(`waiting ${waiting ? 'on' : 'off'}`),
      },
    );
  }

  private ask(what: string): Promise<void> {
    this.done.push(what);
    return new Promise((resolve, reject) => {
      this.asked.push((error) => {
        if (error === undefined) resolve();
        else reject(error instanceof Error ? error : new Error('unknown'));
      });
    });
  }

  get open(): number {
    return this.asked.length;
  }

  /** The oldest question is answered. */
  async answer(error?: Error): Promise<void> {
    await turns();
    const answer = this.asked.shift();
    if (!answer) throw new Error(`the disk was asked nothing: ${this.done.join(' | ')}`);
    answer(error);
    await turns();
  }

  /** Everything is answered until nothing is asked any more. */
  async settle(): Promise<void> {
    await turns();
    while (this.open > 0) await this.answer();
  }

  /** What was done since it was asked for last. */
  async since(): Promise<string[]> {
    await turns();
    return this.done.splice(0);
  }
}

/** Lets everything happen that waits for nothing but its turn. */
async function turns(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

const broken = new Error('input/output error');
const noSpace = (): Error => Object.assign(new Error('no space'), { code: 'ENOSPC' });

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a group', () => {
  test('is what came while the one before was under way; one at a time, rows before the ledger, shown last', async () => {
    const bench = new Bench();
    const { committer } = bench;
    committer.add(note('a'));
    committer.addDone(finished(1), part('p1'));
    committer.add(note('b'));
    committer.addDone(finished(2, 7), {
      pieces: [part('p2'), { bytes: Buffer.alloc(3), rows: 1 }, part('p3')],
      rows: 3,
    });
    expect(bench.open).toBe(1);
    await bench.answer();
    expect(await bench.since()).toEqual(['ledger: a', 'show: a', 'spool: 2']);
    expect([committer.needs('p1'), committer.needs('p2'), committer.needs('p3')]).toEqual([true, true, true]);
    await bench.answer();
    expect(await bench.since()).toEqual(['ledger: end 1@0, b, end 2@1']);
    expect(committer.needs('p1')).toBe(true);
    await bench.answer();
    expect(await bench.since()).toEqual([
      ...['release p1', 'release p2', 'release p3', 'show: end 1@0, b, end 2@1', 'committed: n/Process-1, n/Process-7'],
    ]);
    expect([committer.needs('p1'), committer.needs('p2'), committer.needs('p3')]).toEqual([false, false, false]);
    expect(bench.open).toBe(0);
  });

  test('without an outcome tells no worker', async () => {
    const bench = new Bench();
    bench.committer.add(note('a'));
    await bench.settle();
    expect(await bench.since()).toEqual(['ledger: a', 'show: a']);
  });

  /** Commits one group of so many and begins the next. */
  async function after(count: number): Promise<Bench> {
    const bench = new Bench();
    bench.committer.add(note('first'));
    for (let i = 0; i < count; i++) bench.committer.add(note(String(i)));
    await bench.settle();
    // of a loop that has ended, the next one remembers how many came
    bench.committer.add(note('next'));
    await bench.since();
    return bench;
  }

  test('after one of seven goes at once', async () => {
    const bench = await after(7);
    expect(bench.open).toBe(1);
  });

  test('after one of eight waits five milliseconds for others', async () => {
    const bench = await after(8);
    expect(bench.open).toBe(0);
    vi.advanceTimersByTime(4);
    bench.committer.add(note('too'));
    expect(await bench.since()).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(await bench.since()).toEqual(['ledger: next, too']);
    // a small one again: nobody waits for the next
    await bench.settle();
    bench.committer.add(note('last'));
    expect(bench.open).toBe(1);
  });

  test('that gathers goes at once where somebody waits for it, and leaves no timer', async () => {
    const bench = await after(8);
    const woken: string[] = [];
    for (const name of ['a', 'b']) void bench.committer.barrier().then(() => woken.push(name));
    expect(await bench.since()).toEqual(['ledger: next']);
    expect(vi.getTimerCount()).toBe(0);
    expect(woken).toEqual([]);
    await bench.settle();
    expect(woken).toEqual(['a', 'b']);
  });

  test('for which somebody waits already does not gather', async () => {
    const bench = new Bench();
    bench.committer.add(note('first'));
    for (let i = 0; i < 8; i++) bench.committer.add(note(String(i)));
    await bench.answer();
    bench.committer.add(note('next'));
    void bench.committer.barrier();
    await bench.answer();
    expect((await bench.since()).at(-1)).toBe('ledger: next');
  });
});

describe('a barrier', () => {
  /** Whether it has been passed. */
  function watch(promise: Promise<void>): () => Promise<boolean> {
    let passed = false;
    void promise.then(() => (passed = true));
    return async () => {
      await turns();
      return passed;
    };
  }

  test('is open where nothing is under way', async () => {
    const bench = new Bench();
    expect(await watch(bench.committer.barrier())()).toBe(true);
    bench.committer.add(note('a'));
    await bench.settle();
    expect(await watch(bench.committer.barrier())()).toBe(true);
  });

  test('opens when what was added before is shown', async () => {
    const bench = new Bench();
    bench.committer.add(note('a'));
    const first = watch(bench.committer.barrier());
    bench.committer.add(note('b'));
    const second = watch(bench.committer.barrier());
    expect(await first()).toBe(false);
    await bench.answer();
    // both waited when the second group was taken; the first one is through with the first
    expect(await second()).toBe(false);
    await bench.answer();
    expect([await first(), await second()]).toEqual([true, true]);
  });

  test('asked for while the last group is under way opens with its end', async () => {
    const bench = new Bench();
    bench.committer.add(note('a'));
    await turns();
    const late = watch(bench.committer.barrier());
    expect(await late()).toBe(false);
    await bench.answer();
    expect(await late()).toBe(true);
  });

  test('is open after a failure', async () => {
    const bench = new Bench();
    bench.committer.add(note('a'));
    await bench.answer(broken);
    expect(bench.committer.broken).toBe(true);
    bench.committer.add(note('b'));
    expect(await watch(bench.committer.barrier())()).toBe(true);
  });
});

describe('a failure', () => {
  test.each(['spool', 'ledger'])(
    'of the %s is told once; rows are not shown from then on, all else is',
    async (which) => {
      const bench = new Bench();
      bench.committer.addDone(finished(1), part('p1'));
      bench.committer.add(finished(2));
      bench.committer.add(note('a'));
      if (which === 'ledger') await bench.answer();
      expect(bench.committer.broken).toBe(false);
      await bench.answer(broken);
      expect((await bench.since()).slice(which === 'ledger' ? 2 : 1)).toEqual([
        'failed: Error: input/output error',
        'show: ',
        'show: end 2, a',
      ]);
      expect(bench.committer.needs('p1')).toBe(true);
      bench.committer.addDone(finished(3), part('p3'));
      bench.committer.add(finished(4));
      for (let i = 0; i < 9; i++) bench.committer.add(note(String(i)));
      bench.committer.add(note('z'));
      const after = await bench.since();
      expect(after.join('; ')).toContain('end 4, 0, 1');
      expect(after.join('; ')).toContain('z');
      expect(after.filter((what) => !what.startsWith('show: '))).toEqual([]);
      expect([bench.open, vi.getTimerCount()]).toEqual([0, 0]);
    },
  );

  test('in a group with others keeps what needs no disk', async () => {
    const bench = new Bench();
    bench.committer.add(note('first'));
    bench.committer.addDone(finished(1), part('p1'));
    bench.committer.add(finished(2));
    await bench.answer();
    await bench.since();
    await bench.answer(broken);
    expect(await bench.since()).toEqual(['failed: Error: input/output error', 'show: end 2']);
  });

  test('is no full disk: that is waited for, and holds new work back', async () => {
    const bench = new Bench();
    bench.committer.add(note('a'));
    await bench.answer(noSpace());
    expect(await bench.since()).toEqual(['ledger: a', 'waiting on', 'pressure on']);
    vi.advanceTimersByTime(1000);
    await bench.settle();
    expect(await bench.since()).toEqual(['ledger: a', 'waiting off', 'pressure off', 'show: a']);
  });

  test('is what a full disk becomes when nobody waits any longer', async () => {
    const bench = new Bench();
    bench.committer.add(note('a'));
    await bench.answer(noSpace());
    bench.committer.giveUp();
    await turns();
    await bench.answer(noSpace());
    expect(await bench.since()).toContain('failed: Error: no space');
    expect(bench.committer.broken).toBe(true);
  });
});

describe('pressure', () => {
  test('begins above 64 MiB that are not stored, and ends at half of it', async () => {
    expect(UNCOMMITTED_BYTES_MAX).toBe(64 * MIB);
    const bench = new Bench();
    bench.committer.addDone(finished(1), bytes(20 * MIB));
    bench.committer.addDone(finished(2), { pieces: [bytes(12 * MIB), bytes(32 * MIB)], rows: 2 });
    expect(bench.done.filter((what) => what.startsWith('pressure'))).toEqual([]);
    bench.committer.addDone(finished(3), bytes(1));
    expect(bench.done.filter((what) => what.startsWith('pressure'))).toEqual(['pressure on']);
    // 44 MiB and a byte are left: above half
    await bench.answer();
    await bench.answer();
    expect(bench.done.filter((what) => what.startsWith('pressure'))).toEqual(['pressure on']);
    await bench.answer();
    bench.committer.addDone(finished(4), bytes(32 * MIB));
    await bench.answer();
    expect(bench.done.filter((what) => what.startsWith('pressure'))).toEqual(['pressure on', 'pressure off']);
    await bench.settle();
    expect(bench.done.filter((what) => what.startsWith('pressure'))).toHaveLength(2);
  });

  test('stays while a byte more than half is left', async () => {
    const bench = new Bench();
    bench.committer.addDone(finished(1), bytes(40 * MIB));
    bench.committer.addDone(finished(2), bytes(32 * MIB + 1));
    await bench.answer();
    await bench.answer();
    expect(bench.done.filter((what) => what.startsWith('pressure'))).toEqual(['pressure on']);
    await bench.settle();
    expect(bench.done.filter((what) => what.startsWith('pressure'))).toEqual(['pressure on', 'pressure off']);
  });

  test('counts bytes in memory like those in files', () => {
    const bench = new Bench();
    bench.committer.addDone(finished(1), bytes(64 * MIB - 2));
    bench.committer.addDone(finished(2), { bytes: Buffer.alloc(3), rows: 1 });
    expect(bench.done).toContain('pressure on');
  });
});

describe('the begin of a try', () => {
  test('is shown at once and stored only when the try has run for a second', async () => {
    const bench = new Bench();
    const { committer } = bench;
    committer.add(begun(1, START));
    committer.add(begun(2, START + 1));
    await bench.settle();
    expect(await bench.since()).toEqual(['ledger: ', 'show: begin 1', 'ledger: ', 'show: begin 2']);
    bench.time = START + 999;
    committer.tick();
    expect(await bench.since()).toEqual([]);
    bench.time = START + 1000;
    committer.tick();
    expect(await bench.since()).toEqual(['ledger: begin 1']);
    // one at a time
    bench.time = START + 5000;
    committer.tick();
    expect(await bench.since()).toEqual([]);
    committer.add(note('a'));
    await bench.settle();
    // it goes with the next group, behind what that brings, and is not shown again
    expect(await bench.since()).toEqual(['ledger: a, begin 2', 'show: a']);
    committer.tick();
    expect(await bench.since()).toEqual([]);
  });

  test('is forgotten when the try ends before, and only that of this one', async () => {
    const bench = new Bench();
    const { committer } = bench;
    committer.add(begun(1, START));
    committer.add(begun(2, START));
    committer.add(finished(1));
    await bench.settle();
    bench.time = START + 2000;
    await bench.since();
    committer.add(note('a'));
    await bench.settle();
    expect(await bench.since()).toEqual(['ledger: a, begin 2', 'show: a']);
  });

  test('anew stands behind those that began meanwhile, and is not forgotten with the end of the try before', async () => {
    const bench = new Bench();
    const { committer } = bench;
    committer.add(begun(1, START));
    committer.add(begun(2, START + 500));
    committer.add({ ...begun(1, START + 1500), dispatch: dispatchNumber(2) });
    await bench.settle();
    await bench.since();
    bench.time = START + 1600;
    committer.add(note('a'));
    await bench.settle();
    expect(await bench.since()).toEqual(['ledger: a, begin 2', 'show: a']);
    committer.add(finished(1));
    await bench.settle();
    await bench.since();
    bench.time = START + 2500;
    committer.add(note('b'));
    await bench.settle();
    expect(await bench.since()).toEqual(['ledger: b, begin 1', 'show: b']);
  });

  test('is not stored any more after a failure', async () => {
    const bench = new Bench();
    bench.committer.add(begun(1, START));
    await bench.settle();
    bench.committer.add(note('a'));
    await bench.answer(broken);
    await bench.since();
    bench.time = START + 5000;
    bench.committer.tick();
    expect(await bench.since()).toEqual([]);
  });

  test('that is stored by itself holds the others back like any commit', async () => {
    const bench = new Bench();
    bench.committer.add(begun(1, START));
    await bench.settle();
    bench.time = START + 1000;
    bench.committer.tick();
    bench.committer.add(note('a'));
    await turns();
    expect(bench.open).toBe(1);
    await bench.since();
    const passed = bench.committer.barrier();
    await bench.settle();
    await passed;
    expect(await bench.since()).toEqual(['ledger: a', 'show: a']);
  });
});

test('places where a process may be ended are passed in order, only where rows are committed', async () => {
  const passed: string[] = [];
  const bench = new Bench((at) => {
    bench.done.push(at);
    passed.push(at);
    return Promise.resolve();
  });
  bench.committer.add(note('a'));
  await bench.settle();
  expect(passed).toEqual([]);
  await bench.since();
  bench.committer.addDone(finished(1), part('p1'));
  await bench.settle();
  expect(await bench.since()).toEqual([
    ...['result-taken', 'spool: 1', 'rows-durable', 'ledger: end 1@0', 'committed', 'release p1', 'show: end 1@0'],
    'committed: n/Process-1',
  ]);
});

test('closed, it takes nothing more, once all is stored', async () => {
  const bench = new Bench();
  bench.committer.add(note('a'));
  let closed = false;
  void bench.committer.close().then(() => (closed = true));
  await turns();
  bench.committer.add(note('b'));
  expect(closed).toBe(false);
  await bench.settle();
  expect(closed).toBe(true);
  await bench.since();
  bench.committer.add(note('c'));
  expect([await bench.since(), bench.open]).toEqual([[], 0]);
});
