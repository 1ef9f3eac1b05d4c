/** Mini-batches that are narrowed down: rows of good parts are kept, put together and committed once. */
import { expect, test } from 'vitest';
import type { TryFinished } from '../../src/domain/event.ts';
import type { TryFailure } from '../../src/domain/failure.ts';
import type { Assignment } from '../../src/domain/ports.ts';
import { Rig, failedOutcome, okOutcome, raised } from './rig.ts';

const tries = (rig: Rig): TryFinished[] => rig.committed.flatMap((e) => (e.type === 'try-finished' ? [e] : []));
const rangeOf = (a: Assignment) => a.part ?? { from: 0, to: a.items };
const rowsOf = (from: number, to: number): Buffer =>
  Buffer.from(Array.from({ length: to - from }, (_, i) => `row ${from + i}\n`).join(''));

/** Fails where one of these is handed out; the rows of an even dispatch come as a part file. */
function answers(rig: Rig, bad: readonly number[], columns?: readonly string[]): void {
  rig.engine.answer = (a) => {
    const { from, to } = rangeOf(a);
    if (bad.some((item) => item >= from && item < to)) return [failedOutcome(a, raised)];
    const rows = rowsOf(from, to);
    const ok = okOutcome(a, a.dispatch % 2 === 0 ? { part: `${from}-${to}`, bytes: rows.length } : rows, to - from);
    return [{ ...ok, result: { ...ok.result, ...(columns && { columns }) } }];
  };
}

test('the rows of good parts are one extent, in the order of the items, committed with the end', async () => {
  const rig = new Rig(1, { isolate: 'auto' }, { items: 8 });
  answers(rig, [2]);
  const verdict = await rig.orchestrator.run();
  expect(verdict).toEqual({ state: 'Completed', exitCode: 0 });
  const all = tries(rig);
  const end = all.at(-1);
  expect(all.map((e) => e.settles)).toEqual(['retry', 'narrow', 'narrow', 'part', 'part', 'narrow', 'partial']);
  expect(all.map((e) => e.part)).toEqual([
    undefined,
    undefined,
    { from: 0, to: 4 },
    { from: 4, to: 8 },
    { from: 0, to: 2 },
    { from: 2, to: 3 },
    { from: 3, to: 4 },
  ]);
  expect(end).toMatchObject({ items: 8, succeeded: 7, failed: 1, status: 'RUN_DONE' });
  expect(end?.dead).toEqual([{ from: 2, to: 3, dispatch: 6 }]);
  expect(end?.rows?.rows).toBe(7);
  expect(all.filter((e) => e.rows)).toHaveLength(1);
  const stored = Buffer.concat(rig.spooled).toString();
  // parts 0-2, 3-4 and 4-8 in the order of the items; those of an even dispatch lie in a file
  expect(stored).toBe('row 0\nrow 1\nrow 3\npart 4-8 24\n');
  expect(rig.released).toEqual(['4-8']);
  expect(all.map((e) => e.detail)).toEqual([
    '/d/f0.0 and 7 more',
    '/d/f0.0 and 7 more',
    '/d/f0.0 and 3 more',
    undefined,
    undefined,
    '/d/f0.2',
    undefined,
  ]);
});

test('nothing of the parts is committed before the end, and a part file is kept until then', async () => {
  const rig = new Rig(1, { isolate: 'auto' }, { items: 8 });
  answers(rig, [7]);
  rig.engine.onDispatch = () => {
    expect(rig.spooled).toEqual([]);
    expect(rig.released).toEqual([]);
  };
  await rig.orchestrator.run();
  expect(rig.spooled).toHaveLength(1);
});

test('a duplicate of a good part does not take its file away', async () => {
  const rig = new Rig(1, { isolate: 'auto' }, { items: 8 });
  answers(rig, [0]);
  const once = rig.engine.answer;
  rig.engine.answer = (a) => [...once(a), ...once(a)];
  await rig.orchestrator.run();
  const named = tries(rig).filter((e) => e.rows);
  expect(named).toHaveLength(1);
  expect(new Set(rig.released).size).toBe(rig.released.length);
});

test('column names of the parts are stored with the end', async () => {
  const rig = new Rig(1, { isolate: 'auto' }, { items: 4 });
  answers(rig, [3], ['a', 'b']);
  await rig.orchestrator.run();
  expect(tries(rig).map((e) => e.columns)).toEqual([undefined, undefined, undefined, undefined, ['a', 'b']]);
});

test('dropped parts leave no file, and the end says why the mini-batch failed', async () => {
  const rig = new Rig(1, { isolate: 'auto' }, { items: 4 });
  answers(rig, [3]);
  const right = rig.engine.answer;
  rig.engine.answer = (a) => (a.part && a.dispatch > 4 ? [okOutcome(a, { part: 'p', bytes: 1 }, 2)] : right(a));
  const verdict = await rig.orchestrator.run();
  const end = tries(rig).at(-1);
  expect(end).toMatchObject({ settles: 'failed', status: 'RUN_EXCEPTION', succeeded: 0, failed: 4, failure: raised });
  expect(end?.dead).toBeUndefined();
  expect(rig.spooled).toEqual([]);
  expect(rig.released).toContain('p');
  expect(rig.committed.filter((e) => e.type === 'warning')).toMatchObject([
    { warning: { kind: 'isolation-off', why: { kind: 'mixes-items', items: 1, returned: 2 } } },
  ]);
  expect(verdict.reason?.kind).toBe('nothing-succeeded');
});

test('what is known of a failed try is recorded with it', async () => {
  const rig = new Rig(1, { isolate: 'off' }, { items: 1 });
  rig.engine.answer = (a) => {
    const failed = failedOutcome(a, raised);
    return [
      { ...failed, result: { ...failed.result, item: 0, peakMemoryBytes: 5, lastLines: ['bye'] } } as typeof failed,
    ];
  };
  await rig.orchestrator.run();
  expect(tries(rig).at(-1)).toMatchObject({ item: 0, peakMemoryBytes: 5, lastLines: ['bye'] });
});

test('a mini-batch whose input has changed is not handed out; many of them in a row neither', async () => {
  const changed: TryFailure = { kind: 'input-changed', path: '/d/f1', was: 'unknown', is: 'gone' };
  const rig = new Rig(20_000, {}, { checkInput: (index) => (index === 0 ? undefined : changed) });
  const verdict = await rig.orchestrator.run();
  expect(verdict.state).toBe('Completed');
  expect(rig.engine.dispatched.map((a) => Number(a.index))).toEqual([0]);
  const all = tries(rig);
  expect(all).toHaveLength(20_000);
  expect(all.filter((e) => e.settles === 'failed' && e.failure === changed && e.pid === 0)).toHaveLength(19_999);
});

test('a slow mini-batch leaves only when the one before is durable and shown', async () => {
  const rig = new Rig(6);
  const slow = rig.engine.answer;
  rig.engine.answer = (a) =>
    slow(a).map((e) => (e.type === 'try-outcome' ? { ...e, timing: { ...e.timing, runSeconds: 0.2 } } : e));
  rig.engine.onDispatch = (a) => {
    const ended = tries(rig).filter((e) => e.worker === a.worker).length;
    const sent = rig.engine.dispatched.filter((each) => each.worker === a.worker).length;
    expect(sent - ended).toBe(1);
  };
  expect((await rig.orchestrator.run()).state).toBe('Completed');
  expect(rig.engine.dispatched).toHaveLength(6);
});
