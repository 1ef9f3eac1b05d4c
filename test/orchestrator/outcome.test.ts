/** The event that an outcome and a decision make: every field, and none that is not known. */
import { describe, expect, test } from 'vitest';
import type { CoreCommand, Settles } from '../../src/core/types.ts';
import type { TryFinished } from '../../src/domain/event.ts';
import type { Circumstances, TryFailure } from '../../src/domain/failure.ts';
import { dispatchNumber, epochMs, miniBatchIndex, nodeAddress, tryNumber, workerId } from '../../src/domain/ids.ts';
import type { ItemRange } from '../../src/domain/minibatch.ts';
import type { TryOutcome } from '../../src/domain/ports.ts';
import { notHandedOut, tryFinished } from '../../src/orchestrator/outcome.ts';
import { raised } from './rig.ts';

const worker = workerId(nodeAddress('n'), 1);
const timing = { start1: epochMs(1), end1: epochMs(2), start2: 3, end2: 4, runSeconds: 5, elapsedSeconds: 6 };
const exception = { exceptionType: 'TypeError', message: 'm', traceback: 't', frames: [] };
const lost: TryFailure = { kind: 'worker-lost', exit: { by: 'code', code: 1 } };

const outcome = (result: TryOutcome['result']): TryOutcome => ({
  ...{ type: 'try-outcome', at: epochMs(9), worker, pid: 42, index: miniBatchIndex(3), dispatch: dispatchNumber(2) },
  timing,
  result,
});
const good = outcome({ ok: true, returned: 10, rows: new Uint8Array() });
const bad = (failure: TryFailure = raised, more: Circumstances = {}): TryOutcome =>
  outcome({ ok: false, failure, ...more });
const settle = (settles: Settles, part?: ItemRange): Extract<CoreCommand, { type: 'settle' }> => ({
  ...{ type: 'settle', try: tryNumber(2), settles },
  ...(part && { part }),
});
const facts = {
  ...{ type: 'try-finished', at: 9, index: 3, dispatch: 2, try: 2, worker, pid: 42, items: 10, timing },
};
const part = { from: 2, to: 6 };
const dead = [{ from: 2, to: 3, dispatch: dispatchNumber(2) }];

describe('a try that was good', () => {
  test('ends its mini-batch', () => {
    const event = tryFinished(good, settle({ as: 'done', succeeded: 8, failed: 2 }), 10, undefined);
    expect(event).toStrictEqual({ ...facts, status: 'RUN_DONE', succeeded: 8, failed: 2, settles: 'done' });
  });

  test('or is a part, which counts its own items', () => {
    const event = tryFinished(good, settle({ as: 'part', succeeded: 3 }, part), 10, undefined);
    expect(event).toStrictEqual({ ...facts, part, status: 'RUN_DONE', succeeded: 3, failed: 1, settles: 'part' });
  });

  test('or the last part, after which items are dead', () => {
    const event = tryFinished(good, settle({ as: 'partial', succeeded: 9, failed: 1, dead }, part), 10, undefined);
    expect(event).toStrictEqual({
      ...{ ...facts, part, status: 'RUN_DONE', succeeded: 9, failed: 1, dead, settles: 'partial' },
    });
  });

  test('or shows that the parts are worth nothing: then the whole failed as it did before', () => {
    const event = tryFinished(good, settle({ as: 'failed', poisoned: false }, part), 10, undefined, raised);
    expect(event).toStrictEqual({
      ...{ ...facts, part, status: 'RUN_EXCEPTION', succeeded: 0, failed: 10, settles: 'failed', failure: raised },
    });
    // the reason of the whole is not that of a good part
    expect(tryFinished(good, settle({ as: 'part', succeeded: 4 }, part), 10, undefined, raised).failure).toBe(
      undefined,
    );
  });

  test('with the place of what it printed', () => {
    const printed = { stdout: [0, 1], stderr: [2, 3] } as const;
    const event = tryFinished({ ...good, printed }, settle({ as: 'done', succeeded: 10, failed: 0 }), 10, undefined);
    expect(event.printed).toEqual(printed);
  });
});

describe('a try that failed', () => {
  test('and is tried again says when', () => {
    const event = tryFinished(bad(), settle({ as: 'retry', retryAfterMs: 400 }), 10, 'ten files');
    expect(event).toStrictEqual({
      ...{ ...facts, status: 'RUN_EXCEPTION', succeeded: 0, failed: 10, settles: 'retry' },
      ...{ failure: raised, detail: 'ten files', retryAfterMs: 400 },
    });
  });

  test.each(['requeue', 'narrow'] as const)('and comes to %s counts what was handed out', (as) => {
    const event = tryFinished(bad(), settle({ as }, part), 10, undefined);
    expect(event).toStrictEqual({
      ...{ ...facts, part, status: 'RUN_EXCEPTION', succeeded: 0, failed: 4, settles: as, failure: raised },
    });
  });

  test('for good fails the whole mini-batch, with its dead items where they are known', () => {
    const event = tryFinished(bad(), settle({ as: 'failed', poisoned: false, dead }), 10, undefined, lost);
    expect(event).toStrictEqual({
      ...{ ...facts, status: 'RUN_EXCEPTION', succeeded: 0, failed: 10, dead, settles: 'failed', failure: raised },
    });
  });

  test('carries what else is known of it, and nothing that is not', () => {
    const all = { item: 0, peakMemoryBytes: 0, lastLines: ['x'] };
    const event = tryFinished(bad(raised, all), settle({ as: 'narrow' }), 10, undefined);
    expect(event).toMatchObject(all);
    const keys = Object.keys(tryFinished(bad(), settle({ as: 'narrow' }), 10, undefined));
    for (const key of ['item', 'peakMemoryBytes', 'lastLines', 'printed', 'detail', 'part', 'dead', 'retryAfterMs'])
      expect(keys).not.toContain(key);
  });

  const statuses: [TryFailure, TryFinished['status']][] = [
    [raised, 'RUN_EXCEPTION'],
    [{ kind: 'unencodable-row', row: 1, ...exception }, 'RUN_EXCEPTION'],
    [{ kind: 'input-error', path: '/x', reason: 'r' }, 'RUN_EXCEPTION'],
    [{ kind: 'input-changed', path: '/x', was: 'unknown', is: 'gone' }, 'RUN_EXCEPTION'],
    [{ kind: 'invalid-return', returned: 'str' }, 'RUN_INVALID_RETURN'],
    [{ kind: 'timeout', limitMs: 1 }, 'RUN_TIMEOUT'],
    [{ kind: 'overhead-timeout', limitMs: 1 }, 'RUN_TIMEOUT'],
    [lost, 'PROCESS_LOST'],
    [{ kind: 'protocol-error', detail: 'x' }, 'PROCESS_LOST'],
    [{ kind: 'node-lost', node: 'n' }, 'NODE_LOST'],
    [{ kind: 'canceled' }, 'CANCELED'],
  ];
  test.each(statuses)('$kind has the status of contract 3.2', (failure, status) => {
    expect(tryFinished(bad(failure), settle({ as: 'failed', poisoned: false }), 10, undefined).status).toBe(status);
  });

  test('is poisoned where every try took its worker down', () => {
    const poisoned = settle({ as: 'failed', poisoned: true });
    expect(tryFinished(bad(lost), poisoned, 10, undefined).status).toBe('POISONED');
    expect(tryFinished(bad(lost), settle({ as: 'retry', retryAfterMs: 1 }), 10, undefined).status).toBe('PROCESS_LOST');
  });
});

test('what was not handed out has taken no time and no process', () => {
  const failure: TryFailure = { kind: 'input-changed', path: '/x', was: 'unknown', is: 'gone' };
  const command = { type: 'dispatch', worker, index: miniBatchIndex(3), dispatch: dispatchNumber(2) } as const;
  expect(notHandedOut({ ...command, try: tryNumber(1) }, failure, epochMs(5))).toStrictEqual({
    ...{ type: 'try-outcome', at: 5, worker, pid: 0, index: 3, dispatch: 2 },
    timing: { start1: 5, end1: 5, start2: 0, end2: 0, runSeconds: 0, elapsedSeconds: 0 },
    result: { ok: false, failure },
  });
});
