import { expect, test } from 'vitest';
import { miniBatchIndex, tryNumber } from '../../src/domain/ids.ts';
import { runInForeground } from '../../src/node/foreground.ts';
import type { ForegroundMiniBatch, ForegroundOptions } from '../../src/node/foreground.ts';
import { withRig } from './with-rig.ts';
import type { Rig, RigSettings } from './rig.ts';

const miniBatch = (index: number, order: object): ForegroundMiniBatch => ({
  index: miniBatchIndex(index),
  items: 1,
  try: tryNumber(2),
  source: Buffer.from(JSON.stringify({ kind: 'files', root: JSON.stringify(order), files: ['a'] })),
});

async function inForeground(settings: RigSettings, orders: object[], more: Partial<ForegroundOptions> = {}) {
  let result: Awaited<ReturnType<typeof runInForeground>> | undefined;
  await withRig(settings, async (rig: Rig) => {
    result = await runInForeground({
      ...rig.options,
      miniBatches: orders.map((order, i) => miniBatch(i + 4, order)),
      ...more,
    });
    await rig.stop();
  });
  if (!result) throw new Error('no result');
  return result;
}

test('mini-batches run one after the other, then shutdown', async () => {
  const result = await inForeground({}, [{ do: 'rows', rows: 'a\n' }, { do: 'fail', text: 'no luck' }, { do: 'rows' }]);
  expect(result).toMatchObject({
    worker: '10.1.2.3/Process-1',
    version: process.version,
    start: { ok: true, loadSeconds: 0.25, initSeconds: 0.25 },
    outcomes: [
      { index: 4, result: { ok: true } },
      { index: 5, result: { ok: false, failure: { kind: 'exception', message: 'no luck' } } },
      { index: 6, result: { ok: true } },
    ],
    shutdown: { status: 'SHUTDOWN_DONE' },
    exit: { by: 'code', code: 0 },
  });
  expect(result).not.toHaveProperty('interrupted');
});

test('a failed start says why', async () => {
  const result = await inForeground({ orders: { init: 'error' } }, [{ do: 'rows' }]);
  expect(result).toMatchObject({
    start: { ok: false, failure: { kind: 'init-exception', message: 'init failed' } },
    outcomes: [],
    exit: { by: 'code', code: 1 },
  });
});

test('a lost worker ends it', async () => {
  const result = await inForeground({}, [{ do: 'exit', code: 3 }, { do: 'rows' }]);
  expect(result.outcomes).toMatchObject([
    { index: 4, result: { ok: false, failure: { kind: 'worker-lost', exit: { by: 'code', code: 3 } } } },
  ]);
});

test('limits hold, but not for a person at a debugger', async () => {
  const limits = { runTimeoutMs: 150 };
  const limited = await inForeground({ limits }, [{ do: 'sleep', ms: 5000 }]);
  expect(limited.outcomes).toMatchObject([{ result: { ok: false, failure: { kind: 'timeout', limitMs: 150 } } }]);
  const waiting: unknown[] = [];
  const debugged = await inForeground({ limits }, [{ do: 'sleep', ms: 600 }], {
    debug: { port: 5678 },
    onDebugWaiting: (at) => waiting.push(at),
  });
  expect(debugged.outcomes).toMatchObject([{ result: { ok: true } }]);
  expect(waiting).toEqual([{ port: 5678, url: 'ws://here' }]);
});

test.each([undefined, { port: 5678 }])('ended from outside, everything is gone (debug %o)', async (debug) => {
  const aborting = new AbortController();
  const result = await inForeground({}, [{ do: 'hang' }], {
    signal: aborting.signal,
    ...(debug && { debug }),
    onEvent: (event) => event.type === 'try-begun' && aborting.abort(),
  });
  expect(result).toMatchObject({
    interrupted: 'aborted',
    outcomes: [{ result: { ok: false, failure: { kind: 'canceled' } } }],
  });
});

test('ended before it began', async () => {
  const aborting = new AbortController();
  aborting.abort();
  const result = await inForeground({}, [{ do: 'hang' }], { signal: aborting.signal });
  expect(result).toMatchObject({ interrupted: 'aborted', start: { ok: false }, outcomes: [] });
});
