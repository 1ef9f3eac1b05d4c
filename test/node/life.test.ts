import { expect, test } from 'vitest';
import { withRig } from './with-rig.ts';

test('a part of a mini-batch is named in the message, a whole one has none', async () => {
  await withRig({}, async (rig) => {
    const worker = await rig.ready();
    const whole = rig.assignment(worker, 4, { do: 'tell' });
    rig.engine.dispatch([whole, { ...rig.assignment(worker, 4, { do: 'tell' }), part: { from: 2, to: 5 } }]);
    await rig.event('try-outcome', 2);
    const told = rig.all('try-outcome').map(({ result }) => {
      if (!result.ok || !(result.rows instanceof Uint8Array)) throw new Error('it failed');
      return (JSON.parse(Buffer.from(result.rows).toString()) as { run: unknown }).run;
    });
    expect(told).toEqual([
      { m: 'run', i: 4, d: 1, t: 1 },
      { m: 'run', i: 4, d: 2, t: 1, p: [2, 5] },
    ]);
  });
});

test('a worker lives from node-joined to node-left and returns rows', async () => {
  await withRig({}, async (rig) => {
    const worker = await rig.ready();
    expect(worker).toBe('10.1.2.3/Process-1');
    rig.give(worker, { do: 'rows', rows: 'a\nb\n', k: 2 }, { do: 'fail', text: 'no luck' });
    const first = await rig.event('try-outcome', 1);
    const second = await rig.event('try-outcome', 2);
    expect(first).toMatchObject({ index: 0, dispatch: 1, worker, result: { ok: true, returned: 2 } });
    expect(first.result.ok && Buffer.from(first.result.rows as Uint8Array).toString()).toBe('a\nb\n');
    expect(second).toMatchObject({
      index: 1,
      dispatch: 2,
      result: { ok: false, failure: { kind: 'exception', message: 'no luck' } },
    });
    await rig.stop();
    expect(rig.types()).toEqual([
      'node-joined',
      'worker-started',
      'worker-loaded',
      'worker-initialized',
      'try-begun',
      'try-outcome',
      'try-begun',
      'try-outcome',
      'worker-shut-down',
      'worker-ended',
      'node-left',
    ]);
    expect(rig.all('worker-shut-down')[0]).toMatchObject({ status: 'SHUTDOWN_DONE', seconds: 0.125 });
    expect(rig.all('worker-ended')[0]).toMatchObject({ exit: { by: 'code', code: 0 }, expected: true });
    expect(rig.all('node-left')[0]).toMatchObject({ node: '10.1.2.3', why: 'finished' });
  });
});
