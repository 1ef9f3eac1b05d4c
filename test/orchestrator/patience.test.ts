/** Waiting for space: a second between two goes, told once, ended by whoever gives up. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Patience, isDiskFull } from '../../src/orchestrator/patience.ts';

const withCode = (code: string): Error => Object.assign(new Error(code), { code });
async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

/** Work that fails so often, and what was told. */
function patient(failures: number, error = withCode('ENOSPC')) {
  const told: boolean[] = [];
  const patience = new Patience((waiting) => told.push(waiting));
  let goes = 0;
  let result: unknown;
  void patience
    .run(() => (++goes > failures ? Promise.resolve('done') : Promise.reject(error)))
    .then(
      (value) => (result = value),
      (reason: unknown) => (result = reason),
    );
  return { patience, told, goes: () => goes, result: () => result };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test.each([
  ['ENOSPC', true],
  ['EDQUOT', true],
  ['EIO', false],
])('%s is a full disk: %s', (code, full) => {
  expect(isDiskFull(withCode(code))).toBe(full);
  expect(isDiskFull({ code })).toBe(false);
  expect(isDiskFull(new Error(code))).toBe(false);
});

test('work that succeeds is done once and nothing is told', async () => {
  const { told, goes, result } = patient(0);
  await turns();
  expect([goes(), result(), told, vi.getTimerCount()]).toEqual([1, 'done', [], 0]);
});

test('any other failure goes through at once', async () => {
  const { told, goes, result } = patient(1, withCode('EIO'));
  await turns();
  expect([goes(), result(), told, vi.getTimerCount()]).toEqual([1, withCode('EIO'), [], 0]);
});

test('a full disk is asked again each second, told when it begins and when it has ended', async () => {
  const { told, goes, result } = patient(2);
  await turns();
  expect([goes(), told]).toEqual([1, [true]]);
  vi.advanceTimersByTime(999);
  await turns();
  expect(goes()).toBe(1);
  vi.advanceTimersByTime(1);
  await turns();
  expect([goes(), told]).toEqual([2, [true]]);
  vi.advanceTimersByTime(1000);
  await turns();
  expect([goes(), result(), told]).toEqual([3, 'done', [true, false]]);
});

describe('two that wait at once', () => {
  /** Two pieces of work that share their patience; each go ends as the next of its list says. */
  function two(first: (string | undefined)[], second: (string | undefined)[]) {
    const told: boolean[] = [];
    const ends: string[] = [];
    const patience = new Patience((waiting) => told.push(waiting));
    for (const [name, goes] of [
      ['first', first],
      ['second', second],
    ] as const) {
      const work = (): Promise<void> => {
        const code = goes.shift();
        return code === undefined ? Promise.resolve() : Promise.reject(withCode(code));
      };
      void patience.run(work).then(
        () => ends.push(`${name} done`),
        () => ends.push(`${name} failed`),
      );
    }
    const aSecond = async (): Promise<void> => {
      vi.advanceTimersByTime(1000);
      await turns();
    };
    return { told, ends, second: aSecond };
  }

  test('are told as one: from the first that waits to the last that has its space', async () => {
    const { told, ends, second } = two(['ENOSPC'], ['ENOSPC', 'ENOSPC']);
    await turns();
    expect(told).toEqual([true]);
    await second();
    expect([ends, told]).toEqual([['first done'], [true]]);
    await second();
    expect([ends, told]).toEqual([
      ['first done', 'second done'],
      [true, false],
    ]);
  });

  test('and one fails without waiting: the other still waits', async () => {
    const { told, ends, second } = two(['ENOSPC'], ['EIO']);
    await turns();
    expect([ends, told]).toEqual([['second failed'], [true]]);
    await second();
    expect([ends, told]).toEqual([
      ['second failed', 'first done'],
      [true, false],
    ]);
  });

  test('and one fails otherwise: the end of waiting is told when the other has its space', async () => {
    const { told, ends, second } = two(['ENOSPC', 'EIO'], ['ENOSPC', 'ENOSPC']);
    await turns();
    await second();
    expect([ends, told]).toEqual([['first failed'], [true]]);
    await second();
    expect([ends, told]).toEqual([
      ['first failed', 'second done'],
      [true, false],
    ]);
  });
});

test('who gives up has one more go, at once, and leaves no timer', async () => {
  const { patience, told, goes, result } = patient(9);
  await turns();
  patience.giveUp();
  await turns();
  expect([goes(), result(), told, vi.getTimerCount()]).toEqual([2, withCode('ENOSPC'), [true], 0]);
});

test('who has given up does not wait at all', async () => {
  const told: boolean[] = [];
  const patience = new Patience((waiting) => told.push(waiting));
  patience.giveUp();
  await expect(patience.run(() => Promise.reject(withCode('ENOSPC')))).rejects.toThrow('ENOSPC');
  expect(told).toEqual([]);
});
