import { expect, test } from 'vitest';
import { withRig } from './with-rig.ts';

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
