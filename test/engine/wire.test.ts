import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dispatchNumber, epochMs, miniBatchIndex, nodeAddress, tryNumber, workerId } from '../../src/domain/ids.ts';
import type { Assignment, EngineEvent } from '../../src/domain/ports.ts';
import { isOpenToNodes } from '../../src/engine/nats/arrivals.ts';
import { Outbox } from '../../src/engine/nats/outbox.ts';
import { RemoteNode } from '../../src/engine/nats/remote-node.ts';
import { token } from '../../src/engine/nats/names.ts';
import {
  decodeMessage,
  decodeOrders,
  decodeReports,
  encodeMessage,
  encodeOrders,
  encodeReports,
} from '../../src/engine/nats/wire.ts';
import type { Report } from '../../src/engine/nats/wire.ts';

const node = nodeAddress('10.0.0.1');
const worker = workerId(node, 1);
const at = epochMs(1000);
const timing = { start1: at, end1: at, start2: 0, end2: 0, runSeconds: 0, elapsedSeconds: 0 };
const raw = fc.uint8Array({ maxLength: 40 });

const assignment = (i: number, source: Uint8Array): Assignment => ({
  worker,
  index: miniBatchIndex(i),
  dispatch: dispatchNumber(1),
  try: tryNumber(1),
  items: 3,
  source,
});
const outcome = (i: number, rows: Uint8Array): EngineEvent => ({
  type: 'try-outcome',
  at,
  worker,
  pid: 7,
  index: miniBatchIndex(i),
  dispatch: dispatchNumber(1),
  timing,
  result: { ok: true, returned: 1, rows },
});
const begun = (i: number): EngineEvent => ({
  type: 'try-begun',
  at,
  index: miniBatchIndex(i),
  dispatch: dispatchNumber(1),
  worker,
  pid: 7,
});

describe('messages of the engine', () => {
  it('come out as they went in: hand-outs with their sources, outcomes with their rows, files, logs', () => {
    fc.assert(
      fc.property(fc.array(raw, { maxLength: 5 }), fc.array(raw, { maxLength: 5 }), raw, (sources, rows, piece) => {
        const assignments = sources.map((source, i) => assignment(i, source));
        expect(
          decodeOrders(
            encodeOrders([
              { m: 'work', assignments },
              { m: 'stop', how: 'now' },
            ]),
          ),
        ).toEqual([
          { m: 'work', assignments },
          { m: 'stop', how: 'now' },
        ]);
        const result = { ok: false, failure: { kind: 'node-lost', node } } as const;
        const failed = { ...outcome(9, new Uint8Array(0)), result } as EngineEvent;
        const reports: Report[] = [
          { m: 'events', events: [failed, ...rows.map((bytes, i) => outcome(i, bytes))] },
          { m: 'log', path: 'logs/x', bytes: piece },
          { m: 'piece', path: 'outputs/ä', at: 5, bytes: piece, last: true },
          { m: 'bye' },
        ];
        expect(decodeReports(encodeReports(reports))).toEqual(reports);
      }),
    );
  });

  it('say whose they are; what is cut or is no message is refused', () => {
    const frames = encodeOrders([{ m: 'stop', how: 'now' }]);
    const { session, number, frames: again } = decodeMessage(encodeMessage(4_000_000_000, 17, frames));
    expect([session, number]).toEqual([4_000_000_000, 17]);
    expect(decodeOrders(again)).toEqual([{ m: 'stop', how: 'now' }]);
    for (let cut = 1; cut < frames.length; cut++) expect(() => decodeOrders(frames.subarray(0, cut))).toThrow();
    expect(() => decodeMessage(new Uint8Array(7))).toThrow();
  });

  it('names nothing at the broker that would be something else there', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        expect(token(a)).toMatch(/^[A-Za-z0-9_-]*$/);
        if (token(a) === token(b)) expect(a.replaceAll('.', '-')).toBe(b.replaceAll('.', '-'));
      }),
    );
    expect(token('10.0.0.1')).toBe('10-0-0-1');
  });
});

describe('the outbox of a node', () => {
  it('keeps the order of what happened, with files in pieces where they were put', () => {
    const outbox = new Outbox();
    const content = new Uint8Array(600_000).fill(7);
    outbox.events([begun(1)]);
    outbox.file({
      path: 'state/parts/1',
      from: 0,
      read: (from, length) => content.subarray(from, from + length),
      done: () => undefined,
    });
    outbox.events([outcome(1, Uint8Array.of(1))]);
    outbox.bye();
    const seen: Report[] = [];
    for (let frames = outbox.next(); frames; frames = outbox.next()) {
      expect(frames.length).toBeLessThan(900_000);
      seen.push(...decodeReports(frames));
    }
    expect(seen.map(({ m }) => m)).toEqual(['events', 'piece', 'piece', 'piece', 'events', 'bye']);
    const pieces = seen.flatMap((report) => (report.m === 'piece' ? [report] : []));
    expect(Buffer.concat(pieces.map(({ bytes }) => bytes)).equals(content)).toBe(true);
    expect(pieces.map(({ last }) => last)).toEqual([false, false, true]);
  });

  it('leaves out a file that has gone meanwhile', () => {
    const outbox = new Outbox();
    outbox.file({ path: 'outputs/x', from: 0, read: () => undefined, done: () => undefined });
    outbox.note('after');
    expect(decodeReports(outbox.next() ?? new Uint8Array(0))).toEqual([{ m: 'note', text: 'after' }]);
  });
});

describe('what a node may write at the orchestrator', () => {
  it.each(['logs/x.txt', 'azureml-logs/70_driver_log.txt', 'outputs/a/b', 'records/n/p', 'files/f', 'state/parts/1.1'])(
    '%s',
    (path) => expect(isOpenToNodes(path)).toBe(true),
  );
  it.each([
    ...['state/plan.json', 'state/ledger.journal', 'outputs/../state/plan.json', '/etc/passwd', 'logs//x', 'logs/./x'],
    ...['', 'outputs', 'outputs/', 'other/x', 'state/parts/../plan.json', 'logs/a\0b'],
  ])('not %j', (path) => expect(isOpenToNodes(path)).toBe(false));
});

describe('a node that is lost', () => {
  it('gives back what had not begun, fails what had, and ends its workers', () => {
    const remote = new RemoteNode(node, 1, 0);
    remote.note([
      { type: 'node-joined', at, node, slots: 1, hostname: 'h' },
      { type: 'worker-started', at, worker, pid: 7 },
    ]);
    for (let i = 1; i <= 3; i++) remote.assign(assignment(i, new Uint8Array(0)));
    remote.note([begun(1), outcome(1, new Uint8Array(0)), begun(2)]);
    const events = remote.lose(epochMs(5), 'lost');
    expect(events.map(({ type }) => type)).toEqual([
      ...['try-outcome', 'assignments-returned', 'worker-ended', 'node-left'],
    ]);
    expect(events[0]).toMatchObject({ index: 2, result: { ok: false, failure: { kind: 'node-lost' } } });
    expect(events[1]).toMatchObject({ assignments: [{ index: 3, dispatch: 1 }] });
    expect(remote.lose(epochMs(6), 'lost').map(({ type }) => type)).toEqual(['node-left']);
  });

  it('has nothing to tell of what it never was given', () => {
    expect(new RemoteNode(node, 1, 0).lose(at, 'lost')).toEqual([]);
  });
});
