/** What becomes of mini-batches and workers when processes misbehave. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nodeAddress, workerId } from '../../src/domain/ids.ts';
import { isAlive } from './census.ts';
import type { EngineEvent } from '../../src/domain/ports.ts';
import { withRig } from './with-rig.ts';

const about = (events: readonly EngineEvent[], worker: string): string[] =>
  events.filter((event) => 'worker' in event && event.worker === worker).map((event) => event.type);

test('exit 0 inside run is a lost worker; what had not begun comes back; the next number takes the slot', async () => {
  await withRig({}, async (rig) => {
    const worker = await rig.ready();
    rig.give(worker, { do: 'exit', code: 0, err: 'last breath\n' }, { do: 'rows' }, { do: 'rows' });
    const outcome = await rig.event('try-outcome');
    expect(outcome).toMatchObject({
      index: 0,
      dispatch: 1,
      result: { ok: false, failure: { kind: 'worker-lost', exit: { by: 'code', code: 0 }, trace: 'last breath' } },
    });
    const returned = await rig.event('assignments-returned');
    expect(returned.assignments).toEqual([
      { index: 1, dispatch: 2 },
      { index: 2, dispatch: 3 },
    ]);
    expect((await rig.event('worker-initialized', 2)).worker).toBe('10.1.2.3/Process-2');
    expect(about(rig.events, worker).slice(3)).toEqual([
      'try-begun',
      'try-outcome',
      'assignments-returned',
      'worker-ended',
    ]);
    expect(rig.all('worker-ended')[0]).toMatchObject({ exit: { by: 'code', code: 0 }, expected: false });
  });
});

test('a signal is named, with what the process last wrote in this mini-batch', async () => {
  await withRig({}, async (rig) => {
    const worker = await rig.ready();
    rig.give(
      worker,
      { do: 'print', err: 'an older line\n' },
      { do: 'signal', name: 'SIGSEGV', err: 'Fatal Python error\n' },
    );
    const outcome = await rig.event('try-outcome', 2);
    expect(outcome.result).toMatchObject({
      ok: false,
      failure: {
        kind: 'worker-lost',
        exit: { by: 'signal', signal: 'SIGSEGV', outOfMemory: false },
        trace: 'Fatal Python error',
      },
      lastLines: ['Fatal Python error'],
    });
  });
});

test('run over its limit: stacks, then killed; a new worker follows', async () => {
  await withRig({ limits: { runTimeoutMs: 300 } }, async (rig) => {
    const worker = await rig.ready();
    rig.give(worker, { do: 'spin' }, { do: 'rows' });
    const outcome = await rig.event('try-outcome');
    expect(outcome.result).toMatchObject({
      ok: false,
      failure: { kind: 'timeout', limitMs: 300, stacks: `stacks of ${outcome.pid} in 10.1.2.3-Process-1.stderr` },
    });
    expect(outcome.timing.runSeconds).toBeGreaterThanOrEqual(0.3);
    expect((await rig.event('assignments-returned')).assignments).toEqual([{ index: 1, dispatch: 2 }]);
    expect(await rig.event('worker-ended')).toMatchObject({
      exit: { by: 'signal', signal: 'SIGKILL' },
      expected: true,
    });
    await rig.event('worker-initialized', 2);
  });
});

test('a worker that takes a mini-batch and never begins it: overhead-timeout for that one only', async () => {
  await withRig({ limits: { overheadTimeoutMs: 300 } }, async (rig) => {
    const worker = await rig.ready();
    rig.give(worker, { do: 'neverBegin' }, { do: 'rows' });
    expect((await rig.event('try-outcome')).result).toMatchObject({
      ok: false,
      failure: { kind: 'overhead-timeout', limitMs: 300 },
    });
    expect((await rig.event('assignments-returned')).assignments).toEqual([{ index: 1, dispatch: 2 }]);
  });
});

test('an outcome that was sent just before the death counts', async () => {
  await withRig({}, async (rig) => {
    const worker = await rig.ready();
    rig.give(worker, { do: 'doneThenDie' }, { do: 'rows' });
    await rig.event('worker-ended');
    expect(rig.all('try-outcome')).toHaveLength(1);
    expect(rig.all('try-outcome')[0]?.result).toMatchObject({ ok: true, returned: 1 });
    expect(rig.all('assignments-returned')[0]?.assignments).toEqual([{ index: 1, dispatch: 2 }]);
  });
});

test.each([
  ['bytes that are no frame', { do: 'garbage' }, /header of \d+ bytes/],
  ['a begin out of turn', { do: 'wrongBegin' }, /^begin of mini-batch 1, which is not the next one$/],
])('%s end the worker', async (_name, order, detail) => {
  await withRig({}, async (rig) => {
    rig.give(await rig.ready(), order);
    if (order.do === 'wrongBegin') expect((await rig.event('assignments-returned')).assignments).toHaveLength(1);
    else {
      const { result } = await rig.event('try-outcome');
      expect(result).toMatchObject({
        ok: false,
        failure: { kind: 'protocol-error', detail: expect.stringMatching(detail) },
      });
    }
    expect(await rig.event('worker-ended')).toMatchObject({ expected: false });
  });
});

test('work for a worker that is not there comes back', async () => {
  await withRig({}, async (rig) => {
    await rig.ready();
    rig.engine.dispatch([rig.assignment(workerId(nodeAddress('10.1.2.3'), 9), 5, { do: 'rows' })]);
    expect(await rig.event('assignments-returned')).toMatchObject({
      worker: '10.1.2.3/Process-9',
      assignments: [{ index: 5, dispatch: 1 }],
    });
  });
});

test('a grandchild in a session of its own, with the channel in its hands, delays nothing and is gone after', async () => {
  await withRig({}, async (rig) => {
    const file = rig.file('grandchild');
    rig.give(await rig.ready(), { do: 'grandchildThenDie', file });
    expect((await rig.event('try-outcome')).result).toMatchObject({
      failure: { kind: 'worker-lost', exit: { signal: 'SIGKILL', outOfMemory: false } },
    });
    await rig.event('worker-ended');
    expect(isAlive(Number(readFileSync(file, 'utf8')))).toBe(false);
    expect(rig.all('warning')).toEqual([]);
  });
});

test('a grandchild that outlives its mini-batch is killed at the end of the worker', async () => {
  await withRig({}, async (rig) => {
    const file = rig.file('grandchild');
    rig.give(await rig.ready(), { do: 'grandchild', file });
    await rig.event('try-outcome');
    const pid = Number(readFileSync(file, 'utf8'));
    expect(isAlive(pid)).toBe(true);
    await rig.stop();
    expect(isAlive(pid)).toBe(false);
  });
});

test.each([
  ['load', 'error', 'load-exception', 'load failed'],
  ['init', 'error', 'init-exception', 'init failed'],
])('%s that raises: three starts per process, then the node leaves', async (stage, what, kind, message) => {
  await withRig({ orders: { [stage]: what } }, async (rig) => {
    await rig.start();
    expect(await rig.event('node-left')).toMatchObject({ why: 'init-budget' });
    expect(rig.all('worker-start-failed')).toMatchObject(
      [1, 2, 3].map((n) => ({
        worker: `10.1.2.3/Process-${n}`,
        seconds: 0.5,
        failure: { kind, message, exceptionType: 'ValueError' },
      })),
    );
    expect(rig.all('worker-ended')).toMatchObject(
      [1, 2, 3].map(() => ({ exit: { by: 'code', code: 1 }, expected: false })),
    );
    await rig.stop();
    expect(rig.all('node-left')).toHaveLength(1);
  });
});

test('a start that failed once is made good by the next one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'once-'));
  const rigFile = join(folder, 'failed');
  await withRig({ orders: { initFirstFails: rigFile } }, async (rig) => {
    await rig.start();
    expect(await rig.event('worker-start-failed')).toMatchObject({
      failure: { kind: 'exit', stage: 'init', exit: { by: 'code', code: 9 } },
    });
    expect((await rig.event('worker-initialized')).worker).toBe('10.1.2.3/Process-2');
    expect(existsSync(rigFile)).toBe(true);
  }).finally(() => rmSync(folder, { recursive: true }));
});

test.each([
  [{ hello: 'never' }, 'load-timeout'],
  [{ load: 'hang' }, 'load-timeout'],
  [{ init: 'hang' }, 'init-timeout'],
])('a start that hangs (%o) is killed at its limit', async (orders, kind) => {
  await withRig({ orders, limits: { initTimeoutMs: 400, overheadTimeoutMs: 200 } }, async (rig) => {
    await rig.start();
    const failed = await rig.event('worker-start-failed');
    expect(failed.failure).toMatchObject({
      kind,
      limitMs: 400,
      stacks: expect.stringContaining(`stacks of ${failed.pid}`),
    });
    expect(await rig.event('worker-ended')).toMatchObject({ expected: true });
  });
});

test.each([
  [{ hello: 'garbage' }, /^header of 4294967295 bytes/],
  [{ protocol: 99 }, /^worker host speaks protocol 99, not 1$/],
])('a host that is none of ours (%o) is refused', async (orders, detail) => {
  await withRig({ orders }, async (rig) => {
    await rig.start();
    expect((await rig.event('worker-start-failed')).failure).toMatchObject({
      kind: 'protocol-error',
      detail: expect.stringMatching(detail),
    });
  });
});

test('an interpreter that is not there is a failed start of its own kind', async () => {
  await withRig({ command: '/nowhere/python3', language: 'python' }, async (rig) => {
    await rig.start();
    expect(await rig.event('worker-start-failed')).toMatchObject({
      pid: 0,
      failure: { kind: 'spawn', command: '/nowhere/python3', reason: expect.stringContaining('ENOENT') },
    });
    expect(await rig.event('worker-ended')).toMatchObject({ pid: 0, exit: { by: 'code', code: 127 } });
  });
});
