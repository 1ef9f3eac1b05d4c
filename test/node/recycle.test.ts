/** Workers that are replaced for their age: nothing is lost, nothing runs twice, the next one takes the slot. */
import { expect, test } from 'vitest';
import type { WorkerId } from '../../src/domain/ids.ts';
import type { Rig } from './rig.ts';
import { withRig } from './with-rig.ts';

/** Hands out `orders` as a core does: two at a time to a ready worker, what comes back first in line. */
async function runAll(rig: Rig, orders: readonly object[]): Promise<number[]> {
  const waiting = orders.map((_, index) => index);
  const done: number[] = [];
  const holds = new Map<WorkerId, number>();
  let seen = 0;
  const settle = (): boolean => {
    for (; seen < rig.events.length; seen++) {
      const event = rig.events[seen];
      if (event?.type === 'worker-initialized') holds.set(event.worker, 0);
      if (event?.type === 'worker-ended') holds.delete(event.worker);
      if (event?.type === 'assignments-returned') waiting.unshift(...event.assignments.map(({ index }) => index));
      if (event?.type === 'try-outcome') {
        done.push(event.index);
        holds.set(event.worker, (holds.get(event.worker) ?? 0) - 1);
      }
    }
    for (const [worker, held] of holds) {
      const batch = waiting.splice(0, 2 - held);
      holds.set(worker, held + batch.length);
      rig.engine.dispatch(batch.map((index) => rig.assignment(worker, index, orders[index] ?? {})));
    }
    return done.length >= orders.length;
  };
  await rig.until(settle, 'the end of all');
  return done;
}

const recycled = (rig: Rig) =>
  rig.all('warning').flatMap(({ warning }) => (warning.kind === 'worker-recycled' ? [warning] : []));

test('after N mini-batches each, without loss, in order of the events', async () => {
  await withRig({ more: { recycle: { afterMiniBatches: 3 } } }, async (rig) => {
    await rig.start();
    const orders = Array.from({ length: 8 }, () => ({ do: 'rows' }));
    expect(await runAll(rig, orders)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(recycled(rig)).toMatchObject([
      { worker: '10.1.2.3/Process-1', why: 'mini-batches', amount: 3 },
      { worker: '10.1.2.3/Process-2', why: 'mini-batches', amount: 3 },
    ]);
    const ofFirst = rig.events.flatMap((event) =>
      'worker' in event && event.worker === '10.1.2.3/Process-1' ? [event.type] : [],
    );
    expect(ofFirst.slice(-3)).toEqual(['worker-shut-down', 'assignments-returned', 'worker-ended']);
    expect(rig.all('worker-ended')[0]).toMatchObject({ exit: { by: 'code', code: 0 }, expected: true });
    // one process after the other
    const lives = rig.events.flatMap((event) =>
      event.type === 'worker-started' || event.type === 'worker-ended' ? [event.type] : [],
    );
    expect(lives.slice(0, 4)).toEqual(['worker-started', 'worker-ended', 'worker-started', 'worker-ended']);
  });
});

test('after it has grown, looked at between mini-batches', async () => {
  await withRig({ more: { recycle: { afterGrowthBytes: 100 * 1024 ** 2 } } }, async (rig) => {
    const first = await rig.ready();
    for (let n = 1; recycled(rig).length === 0; n++) {
      rig.give(first, { do: 'alloc', mb: 64, ms: 120, dropRest: n > 1 });
      await rig.event('try-outcome', n);
      expect(n).toBeLessThan(5);
    }
    const [warning] = recycled(rig);
    expect(warning).toMatchObject({ worker: first, why: 'growth' });
    expect(warning?.amount).toBeGreaterThanOrEqual(100 * 1024 ** 2);
    expect((await rig.event('worker-initialized', 2)).worker).toBe('10.1.2.3/Process-2');
    expect(rig.all('worker-shut-down')).toMatchObject([{ worker: first, status: 'SHUTDOWN_DONE' }]);
  });
});
