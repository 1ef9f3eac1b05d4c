/**
 * The committer of the simulator against the real one: the same additions and the same answers of the disk must cause
 * the same effects in the same order. Otherwise a million simulated runs say nothing about the product.
 */
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { RunEvent, SpoolExtent, TryFinished } from '../../src/domain/event.ts';
import { dispatchNumber, epochMs, miniBatchIndex, nodeAddress, tryNumber, workerId } from '../../src/domain/ids.ts';
import { Committer } from '../../src/orchestrator/committer.ts';
import type { RowsPiece } from '../../src/orchestrator/ports.ts';
import { CommitterModel } from './committer.ts';
import { SimFile } from './disk.ts';
import { LedgerModel, createLedger } from './ledgerfile.ts';

type Step =
  | { readonly do: 'note' }
  | { readonly do: 'rows'; readonly part: boolean }
  | { readonly do: 'barrier' }
  /** The disk answers what it was asked last; where it was asked nothing, the gathering ends. */
  | { readonly do: 'disk'; readonly ok: boolean };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ do: 'note' as const }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('rows' as const), part: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ do: 'barrier' as const }) },
  { weight: 5, arbitrary: fc.constant({ do: 'disk' as const, ok: true }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('disk' as const), ok: fc.constant(false) }) },
);

/** What both are driven through, and what they did. */
interface Driven {
  note(event: RunEvent): void;
  rows(event: TryFinished, rows: RowsPiece): void;
  barrier(name: string): void;
  disk(ok: boolean): Promise<void>;
  readonly effects: string[];
}

/** Stands for a sync, whose end the test decides. */
const SYNC = 7;
const at = epochMs(1);
const note = (n: number): RunEvent => ({ type: 'warning', at, warning: { kind: 'note', text: `n${n}` } });
function done(n: number): TryFinished {
  const timing = { start1: at, end1: at, start2: 0, end2: 0, runSeconds: 0, elapsedSeconds: 0 };
  return {
    type: 'try-finished',
    at,
    index: miniBatchIndex(n),
    dispatch: dispatchNumber(1),
    try: tryNumber(1),
    worker: workerId(nodeAddress('n'), n % 3),
    pid: 1,
    status: 'RUN_DONE',
    items: 1,
    succeeded: 1,
    failed: 0,
    timing,
    settles: 'done',
  };
}
function nameOf(event: RunEvent): string {
  if (event.type === 'try-finished') return `t${event.index}${event.rows ? `@${event.rows.offset}` : ''}`;
  return event.type === 'warning' && event.warning.kind === 'note' ? event.warning.text : event.type;
}
const namesOf = (events: readonly RunEvent[]): string => events.map(nameOf).join(' ');
const bytesOf = (n: number): Uint8Array => Buffer.alloc(1 + (n % 5), 97);

/** One question of the committer to the disk, open until the test answers. */
class Disk {
  private pending: ((ok: boolean) => void) | undefined;

  ask(answer: (ok: boolean) => void): void {
    expect(this.pending).toBeUndefined();
    this.pending = answer;
  }

  /** False where nothing was asked. */
  answer(ok: boolean): boolean {
    const answer = this.pending;
    this.pending = undefined;
    answer?.(ok);
    return answer !== undefined;
  }
}

function real(): Driven {
  const effects: string[] = [];
  const disk = new Disk();
  let end = 0;
  const asked = (what: string): Promise<void> =>
    new Promise((resolve, reject) => {
      disk.ask((ok) => {
        effects.push(`${what} ${ok ? 'ok' : 'fails'}`);
        if (ok) resolve();
        else reject(Object.assign(new Error('input/output error'), { code: 'EIO' }));
      });
    });
  const committer = new Committer(
    {
      clock: { now: () => at, monotonic: () => 0 },
      ledger: { commit: (events) => asked(`ledger ${namesOf(events)}`) },
      spool: {
        write: async (pieces) => {
          await asked('spool');
          return pieces.map((piece): SpoolExtent => {
            const bytes = 'bytes' in piece ? piece.bytes.length : 'part' in piece ? piece.length : 0;
            end += bytes;
            return { offset: end - bytes, bytes, rows: 1, crc32: 0 };
          });
        },
        releasePart: (part) => {
          effects.push(`release ${part}`);
          return Promise.resolve();
        },
      },
    },
    {
      publish: (events) => effects.push(`publish ${namesOf(events)}`),
      onFailure: () => effects.push('failed'),
      onPressure: () => undefined,
      onCommitted: (workers) => effects.push(`committed ${workers.join(' ')}`),
      onWaiting: () => effects.push('waiting'),
    },
  );
  return {
    effects,
    note: (event) => committer.add(event),
    rows: (event, rows) => committer.addDone(event, rows),
    barrier: (name) => void committer.barrier().then(() => effects.push(name)),
    disk: async (ok) => {
      if (!disk.answer(ok)) vi.advanceTimersByTime(5);
      await turns();
    },
  };
}

/** Lets everything happen that waits for nothing but its turn. */
async function turns(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

function model(): Driven {
  const effects: string[] = [];
  const disk = new Disk();
  const timers: (() => void)[] = [];
  const soon: (() => void)[] = [];
  const file = new SimFile();
  createLedger(file);
  let frame: readonly RunEvent[] = [];
  let answer = true;
  const ledger = new LedgerModel(file, file.cache.size);
  const spool = new SimFile();
  const parts = new Map<string, Uint8Array>();
  const committer = new CommitterModel(
    {
      // Writes take no time, a sync is answered by the test: that is what the real ports' one promise stands for.
      later: (micros, run) => {
        if (micros === 0) soon.push(run);
        else if (micros === SYNC)
          disk.ask((ok) => {
            answer = ok;
            run();
          });
        else timers.push(run);
      },
      writeTime: () => 0,
      syncTime: () => SYNC,
      room: () => 1,
      synced: (of) => {
        const what = of === spool ? 'spool' : `ledger ${namesOf(frame)}`;
        effects.push(`${what} ${answer ? 'ok' : 'fails'}`);
        if (answer) of.sync();
        return answer;
      },
      part: (name) => parts.get(name),
      releasePart: (name) => effects.push(`release ${name}`),
      frameBegun: (events) => (frame = events),
      durable: () => undefined,
      publish: (events) => effects.push(`publish ${namesOf(events)}`),
      onFailure: () => effects.push('failed'),
      onPressure: () => undefined,
      onCommitted: (workers) => effects.push(`committed ${workers.join(' ')}`),
    },
    ledger,
    spool,
    0,
    1e9,
  );
  const settle = (): void => {
    for (let run = soon.shift(); run; run = soon.shift()) run();
  };
  return {
    effects,
    note: (event) => {
      committer.add(event);
      settle();
    },
    rows: (event, rows) => {
      if ('part' in rows) parts.set(rows.part, bytesOf(event.index));
      committer.addDone(event, rows);
      settle();
    },
    barrier: (name) => {
      committer.barrier(() => effects.push(name));
      settle();
    },
    disk: (ok) => {
      if (!disk.answer(ok)) for (const run of timers.splice(0)) run();
      settle();
      return Promise.resolve();
    },
  };
}

async function drive(driven: Driven, steps: readonly Step[]): Promise<readonly string[]> {
  let n = 0;
  for (const each of steps) {
    n += 1;
    if (each.do === 'note') driven.note(note(n));
    else if (each.do === 'barrier') driven.barrier(`barrier ${n}`);
    else if (each.do === 'disk') await driven.disk(each.ok);
    else {
      const bytes = bytesOf(n);
      driven.rows(done(n), each.part ? { part: `p${n}`, length: bytes.length, rows: 1 } : { bytes, rows: 1 });
    }
    await turns();
  }
  // What is still open comes to its end.
  for (let i = 0; i < 12; i++) await driven.disk(true);
  return driven.effects;
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test('the same additions and answers of the disk have the same effects', async () => {
  let failures = 0;
  let groups = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80, size: 'max' }), async (steps) => {
      const [left, right] = [await drive(real(), steps), await drive(model(), steps)];
      expect(right).toEqual(left);
      if (left.includes('failed')) failures += 1;
      groups += left.filter((effect) => effect.startsWith('ledger')).length;
    }),
    { numRuns: 300 },
  );
  expect(failures).toBeGreaterThan(10);
  expect(groups).toBeGreaterThan(300);
});
