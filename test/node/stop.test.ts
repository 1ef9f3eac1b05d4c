import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isAlive } from './census.ts';
import { withRig } from './with-rig.ts';

test('orderly: the running mini-batch finishes, the rest comes back, shutdown is called', async () => {
  await withRig({}, async (rig) => {
    const worker = await rig.ready();
    rig.give(worker, { do: 'sleep', ms: 150, dropRest: true }, { do: 'rows' });
    await rig.event('try-begun');
    await rig.stop();
    const types = rig.types();
    expect(types.slice(types.indexOf('try-begun'))).toEqual([
      'try-begun',
      'try-outcome',
      'worker-shut-down',
      'assignments-returned',
      'worker-ended',
      'node-left',
    ]);
    expect(rig.all('try-outcome')[0]).toMatchObject({ index: 0, result: { ok: true } });
    expect(rig.all('assignments-returned')[0]?.assignments).toEqual([{ index: 1, dispatch: 2 }]);
  });
});

test('now: the running mini-batch is canceled, its tree is gone', async () => {
  await withRig({}, async (rig) => {
    const worker = await rig.ready();
    const file = rig.file('pid');
    rig.give(worker, { do: 'hang', file }, { do: 'rows' });
    await rig.event('try-begun');
    await rig.until(() => readable(file), 'the hang');
    await rig.stop('now');
    expect(rig.all('try-outcome')).toMatchObject([{ index: 0, result: { ok: false, failure: { kind: 'canceled' } } }]);
    expect(rig.all('assignments-returned')).toMatchObject([{ assignments: [{ index: 1, dispatch: 2 }] }]);
    expect(rig.all('worker-ended')).toMatchObject([{ expected: true, exit: { by: 'signal', signal: 'SIGKILL' } }]);
    expect(isAlive(Number(readFileSync(file, 'utf8')))).toBe(false);
    expect(rig.events.at(-1)).toMatchObject({ type: 'node-left', why: 'finished' });
  });
});

test('now after orderly: a worker that does not finish is killed', async () => {
  await withRig({}, async (rig) => {
    rig.give(await rig.ready(), { do: 'hang' });
    await rig.event('try-begun');
    const orderly = rig.engine.stop('orderly');
    await rig.stop('now');
    await orderly;
    expect(rig.all('try-outcome')).toMatchObject([{ result: { ok: false, failure: { kind: 'canceled' } } }]);
  });
});

test('before workers are ready: they are killed, and that is no failed start', async () => {
  await withRig({ orders: { init: 'hang' }, processes: 2 }, async (rig) => {
    await rig.start();
    await rig.event('worker-loaded', 2);
    await rig.stop();
    expect(rig.all('worker-start-failed')).toEqual([]);
    expect(rig.all('worker-ended')).toMatchObject([{ expected: true }, { expected: true }]);
  });
});

test.each([
  ['hang', 'SHUTDOWN_TIMEOUT', undefined, { by: 'signal', signal: 'SIGKILL', outOfMemory: false }],
  ['error', 'SHUTDOWN_EXCEPTION', 'shutdown failed', { by: 'code', code: 0 }],
])('a shutdown that ends in %s', async (shutdown, status, traceback, exit) => {
  await withRig({ orders: { shutdown }, limits: { shutdownTimeoutMs: 200 } }, async (rig) => {
    await rig.ready();
    await rig.stop();
    expect(rig.all('worker-shut-down')).toMatchObject([{ status, ...(traceback && { traceback }) }]);
    expect(rig.all('worker-ended')).toMatchObject([{ exit, expected: true }]);
  });
});

test('numbers of workers go on after those of an earlier agent of the run', async () => {
  await withRig({}, async (first) => {
    await first.ready();
    await first.stop();
    const { createEmbeddedEngine } = await import('../../src/engine/embedded/index.ts');
    const engine = createEmbeddedEngine(first.options);
    const started: string[] = [];
    await engine.start((events) => events.forEach((e) => e.type === 'worker-started' && started.push(e.worker)));
    await first.until(() => started.length > 0, 'a worker');
    await engine.stop('now');
    expect(started).toEqual(['10.1.2.3/Process-2']);
  });
});

function readable(file: string): boolean {
  try {
    return readFileSync(file, 'utf8') !== '';
  } catch {
    return false;
  }
}
