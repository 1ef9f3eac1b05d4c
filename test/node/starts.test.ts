import { expect, test } from 'vitest';
import { backOffMs, budgetSpent, newStarts, onReady, onStartFailed, takeNumber } from '../../src/node/starts.ts';

test('numbers count up, each taken once', () => {
  const starts = newStarts(2, 5);
  expect([takeNumber(starts, 0), takeNumber(starts, 0), takeNumber(starts, 0)]).toEqual([5, 6, 7]);
});

test('after a failure the next start waits, longer with each round over the processes', () => {
  expect([1, 2, 3, 4, 5, 6, 100].map((n) => backOffMs(n, 2))).toEqual([100, 100, 200, 200, 400, 400, 5000]);
  const starts = newStarts(1, 1);
  onStartFailed(starts, 1000);
  expect(takeNumber(starts, 1099)).toBeUndefined();
  expect(takeNumber(starts, 1100)).toBe(1);
  onStartFailed(starts, 2000);
  expect(takeNumber(starts, 2199)).toBeUndefined();
  onReady(starts);
  expect(takeNumber(starts, 2001)).toBe(2);
});

test('three failures per process spend the budget, successes in between or not', () => {
  const starts = newStarts(2, 1);
  for (let n = 1; n <= 5; n++) {
    onStartFailed(starts, 0);
    onReady(starts);
  }
  expect(budgetSpent(starts)).toBe(false);
  expect(takeNumber(starts, 1e9)).toBe(1);
  onStartFailed(starts, 0);
  expect(budgetSpent(starts)).toBe(true);
  expect(takeNumber(starts, 1e9)).toBeUndefined();
});

test('nothing is started while stopping', () => {
  const starts = newStarts(1, 1);
  starts.stopping = true;
  expect(takeNumber(starts, 0)).toBeUndefined();
});
