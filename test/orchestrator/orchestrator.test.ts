import { expect, test } from 'vitest';
import type { RunEvent } from '../../src/domain/event.ts';
import { epochMs, miniBatchIndex } from '../../src/domain/ids.ts';
import type { Assignment } from '../../src/domain/ports.ts';
import { Rig, failedOutcome, okOutcome, raised } from './rig.ts';

const types = (events: readonly RunEvent[]) => events.map((e) => e.type);

test('a whole run: every mini-batch committed once, events in order, the result assembled, verdict last', async () => {
  const rig = new Rig(1000);
  const verdict = await rig.orchestrator.run();
  expect(verdict).toEqual({ state: 'Completed', exitCode: 0 });
  const done = rig.committed.flatMap((e) => (e.type === 'try-finished' && e.settles === 'done' ? [e] : []));
  expect(done.map((e) => Number(e.index)).sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  for (const e of done) {
    const text = Buffer.concat(rig.spooled)
      .subarray(e.rows?.offset, (e.rows?.offset ?? 0) + (e.rows?.bytes ?? 0))
      .toString();
    expect(text).toBe(`row ${e.index}\n`);
  }
  expect(rig.assembled).toEqual(['whole']);
  expect(types(rig.published).at(-1)).toBe('run-ended');
  expect(rig.engine.stops).toEqual(['orderly']);
});

test('the list of mini-batches and the reservation are on the disk before the first hand-out', async () => {
  const rig = new Rig(1);
  rig.engine.onDispatch = () => {
    expect(types(rig.committed)).toContain('dispatch-reserved');
    expect(rig.disk.indexOf('manifest')).toBeLessThan(rig.disk.lastIndexOf('ledger'));
    expect(rig.disk).toContain('manifest');
  };
  await rig.orchestrator.run();
  expect(rig.engine.dispatched).toHaveLength(1);
});

test('rows are synced before the ledger says done, and nothing is shown before that', async () => {
  const rig = new Rig(20);
  rig.commit = (events) => {
    for (const e of events) {
      expect(rig.published).not.toContain(e);
      if (e.type === 'try-finished') expect(rig.disk.at(-1)).toBe('sync');
    }
    return Promise.resolve();
  };
  await rig.orchestrator.run();
  expect(rig.published.filter((e) => e.type === 'try-finished')).toHaveLength(20);
});

test('a second hand-out is recorded before it leaves', async () => {
  const rig = new Rig(3);
  rig.engine.answer = (a) =>
    a.index === 1 && a.dispatch === 1 ? [failedOutcome(a, raised)] : [okOutcome(a, Buffer.from(`row ${a.index}\n`))];
  rig.engine.onDispatch = (a: Assignment) => {
    if (a.dispatch < 2) return;
    expect(rig.committed).toContainEqual(
      expect.objectContaining({ type: 'redispatched', index: 1, dispatch: 2, try: 2 }),
    );
  };
  expect((await rig.orchestrator.run()).state).toBe('Completed');
  expect(rig.engine.dispatched.filter((a) => a.dispatch === 2)).toHaveLength(1);
  const finished = rig.committed.flatMap((e) =>
    e.type === 'try-finished' && e.index === 1 ? [[e.settles, e.detail]] : [],
  );
  expect(finished).toEqual([
    ['retry', '/d/f1'],
    ['done', undefined],
  ]);
});

test('a late outcome is recorded, its rows are not, its part file goes', async () => {
  const rig = new Rig(1);
  rig.engine.answer = (a) => [okOutcome(a, Buffer.from('row\n')), okOutcome(a, { part: '/p/late', bytes: 9 })];
  await rig.orchestrator.run();
  expect(rig.spooled).toHaveLength(1);
  expect(rig.released).toEqual(['/p/late']);
  expect(types(rig.committed)).toContain('outcome-late');
});

test('a part file is copied, and released only after the commit', async () => {
  const rig = new Rig(1);
  rig.engine.answer = (a) => [okOutcome(a, { part: '/p/1', bytes: 100_000 }, 7)];
  rig.commit = (events) => {
    if (types(events).includes('try-finished')) expect(rig.released).toEqual([]);
    return Promise.resolve();
  };
  await rig.orchestrator.run();
  expect(rig.released).toEqual(['/p/1']);
  expect(rig.committed).toContainEqual(
    expect.objectContaining({ type: 'try-finished', rows: expect.objectContaining({ rows: 7 }) as unknown }),
  );
});

test('a late duplicate of an accepted outcome doesn’t take the part away that its commit needs', async () => {
  const rig = new Rig(1);
  rig.engine.answer = (a) => [okOutcome(a, { part: '/p/1', bytes: 9 }), okOutcome(a, { part: '/p/1', bytes: 9 })];
  rig.spool = () => {
    expect(rig.released).toEqual([]);
    return Promise.resolve();
  };
  expect((await rig.orchestrator.run()).state).toBe('Completed');
  expect(rig.released).toEqual(['/p/1']);
});

test('an end that can’t be stored is no success', async () => {
  const rig = new Rig(3);
  rig.commit = (events) => (types(events).includes('run-ended') ? Promise.reject(new Error('io')) : Promise.resolve());
  expect(await rig.orchestrator.run()).toMatchObject({ state: 'Failed', exitCode: 3 });
});

const noSpace = () => Object.assign(new Error('no space left'), { code: 'ENOSPC' });

test('a disk that fails stops the run, resumable, and no more is shown as done', async () => {
  const rig = new Rig(5000);
  rig.commit = (events) =>
    types(events).includes('try-finished') ? Promise.reject(new Error('input/output error')) : Promise.resolve();
  const verdict = await rig.orchestrator.run();
  expect(verdict).toMatchObject({ state: 'Failed', exitCode: 3, reason: { kind: 'output-failed' } });
  expect(rig.published.filter((e) => e.type === 'try-finished')).toEqual([]);
  expect(rig.engine.stops).toContain('now');
  expect(rig.assembled).toEqual([]);
});

test.each(['spool', 'ledger'] as const)(
  'a full %s is waited for: the same again until there is space, then exact',
  async (which) => {
    const rig = new Rig(300);
    let refusals = 2;
    const refuse = (): Promise<void> => (refusals-- > 0 ? Promise.reject(noSpace()) : Promise.resolve());
    if (which === 'spool') rig.spool = refuse;
    else rig.commit = (events) => (types(events).includes('try-finished') ? refuse() : Promise.resolve());
    expect(await rig.orchestrator.run()).toEqual({ state: 'Completed', exitCode: 0 });
    const done = rig.committed.flatMap((e) =>
      e.type === 'try-finished' && e.settles === 'done' ? [Number(e.index)] : [],
    );
    expect(done.sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, i) => i));
    const told = rig.published.flatMap((e) =>
      e.type === 'warning' && e.warning.kind === 'disk-full' ? [e.warning.waiting] : [],
    );
    expect(told).toEqual([true, false]);
  },
);

test('nothing new is handed out while the disk is full; Ctrl-C then stops the run, resumable', async () => {
  const rig = new Rig(5000);
  rig.spool = () => Promise.reject(noSpace());
  const running = rig.orchestrator.run();
  await expect.poll(() => rig.published.some((e) => e.type === 'warning' && e.warning.kind === 'disk-full')).toBe(true);
  const handedOut = rig.engine.dispatched.length;
  rig.orchestrator.cancel('orderly', 'SIGINT');
  expect(await running).toMatchObject({ state: 'Failed', exitCode: 3, reason: { kind: 'disk-full' } });
  expect(rig.engine.dispatched.length).toBeLessThanOrEqual(handedOut);
  expect(rig.published.filter((e) => e.type === 'try-finished')).toEqual([]);
});

test('a run that fails assembles what succeeded as partial', async () => {
  const rig = new Rig(10, {
    tries: { maxTries: 1 },
    thresholds: { errorThreshold: -1, miniBatchErrorThreshold: 0, failedPercent: 100 },
  });
  rig.engine.answer = (a) => (a.index === 5 ? [failedOutcome(a, raised)] : [okOutcome(a, Buffer.from('r\n'))]);
  const verdict = await rig.orchestrator.run();
  expect(verdict).toMatchObject({ state: 'Failed', exitCode: 1, reason: { kind: 'mini-batch-error-threshold' } });
  expect(rig.assembled).toEqual(['partial']);
  expect(types(rig.committed)).toContain('run-aborting');
});

test('an input that can’t be listed to its end fails the run with the reason', async () => {
  const rig = new Rig(5, {}, { failCreation: new Error('EACCES /d/x') });
  const verdict = await rig.orchestrator.run();
  expect(verdict).toMatchObject({
    state: 'Failed',
    exitCode: 1,
    reason: { kind: 'creation-failed', reason: 'Error: EACCES /d/x' },
  });
});

test('cancel: no new hand-out, state Canceled, exit code by signal', async () => {
  const rig = new Rig(1000);
  let answered = 0;
  let dispatched = 0;
  rig.engine.answer = (a) => {
    if (++answered === 3) {
      rig.orchestrator.cancel('orderly', 'SIGTERM');
      dispatched = rig.engine.dispatched.length;
    }
    return [okOutcome(a, Buffer.from('r\n'))];
  };
  const verdict = await rig.orchestrator.run();
  expect(verdict).toEqual({ state: 'Canceled', exitCode: 143 });
  expect(rig.engine.dispatched.length).toBe(dispatched);
  expect(dispatched).toBeLessThan(1000);
  expect(rig.published.map((e) => (e.type === 'run-state' ? e.state : ''))).toContain('CancelRequested');
});

test('an engine event that breaks an invariant of ours ends the run with exit code 4', async () => {
  const rig = new Rig(1);
  rig.engine.answer = (a) => {
    rig.drafts.length = 0;
    return [failedOutcome(a, raised)];
  };
  expect(await rig.orchestrator.run()).toMatchObject({ state: 'Failed', exitCode: 4, reason: { kind: 'internal' } });
});

test('the begin of a short try stays out of the ledger, that of a long one is noted there', async () => {
  const rig = new Rig(2);
  rig.engine.answer = (a) => [
    {
      type: 'try-begun',
      at: epochMs(a.index === 1 ? Date.now() : Date.now() - 5000),
      index: a.index,
      dispatch: a.dispatch,
      worker: a.worker,
      pid: 1,
    },
  ];
  const running = rig.orchestrator.run();
  await expect.poll(() => types(rig.committed).filter((t) => t === 'try-begun').length).toBe(1);
  expect(rig.committed.find((e) => e.type === 'try-begun')).toMatchObject({
    index: miniBatchIndex(0),
    items: 1,
    try: 1,
  });
  expect(rig.published.filter((e) => e.type === 'try-begun')).toHaveLength(2);
  for (const a of rig.engine.dispatched) rig.engine.listener([okOutcome(a, Buffer.from('r\n'))]);
  await running;
});
