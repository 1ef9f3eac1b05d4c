import { describe, expect, test } from 'vitest';
// @ts-expect-error plain JavaScript
import * as untyped from '../../scripts/soak-lib.mjs';

interface Sample {
  settled: number;
  rssMiB: number;
  descriptors: number;
  processes: number;
  zombies: number;
}
interface SoakLib {
  lineThrough(points: [number, number][]): { slope: number; first: number; last: number };
  judge(samples: Sample[]): { quantity: string; value: string; ok: boolean }[];
  paceFor(now: Record<'left' | 'secondsLeft' | 'workers' | 'pace' | 'settled' | 'seconds', number>): number;
}
const { lineThrough, judge, paceFor } = untyped as SoakLib;

/** 100,000 mini-batches in 50 samples; `leak`: what a quantity grows by over all of them. */
const samples = (leak: Partial<Sample>): Sample[] =>
  Array.from({ length: 51 }, (_, i) => ({
    settled: i * 2000,
    rssMiB: 80 + (i % 3) + ((leak.rssMiB ?? 0) * i) / 50,
    descriptors: 55 + (i % 4) + Math.round(((leak.descriptors ?? 0) * i) / 50),
    processes: 4 - (i % 7 === 0 ? 1 : 0) + Math.round(((leak.processes ?? 0) * i) / 50),
    zombies: i === 30 ? (leak.zombies ?? 0) : 0,
  }));
const tooMuch = (list: Sample[]): string[] => judge(list).flatMap(({ quantity, ok }) => (ok ? [] : [quantity]));

describe('the verdict', () => {
  test('is well where nothing grows, whatever goes up and down', () => {
    expect(tooMuch(samples({}))).toEqual([]);
    expect(tooMuch(samples({ rssMiB: 8, descriptors: 4 }))).toEqual([]);
    expect(tooMuch(samples({ rssMiB: -30 }))).toEqual([]);
  });

  test('names what grows', () => {
    expect(tooMuch(samples({ rssMiB: 12 }))).toEqual(['memory, MiB']);
    expect(tooMuch(samples({ descriptors: 8 }))).toEqual(['descriptors']);
    expect(tooMuch(samples({ processes: 3 }))).toEqual(['processes']);
    expect(tooMuch(samples({ zombies: 1 }))).toEqual(['zombies']);
  });

  test('of a short run allows for what the last faults left', () => {
    const short = (rssMiB: number): Sample[] =>
      samples({ rssMiB }).map((one) => ({ ...one, settled: one.settled / 10 }));
    expect(tooMuch(short(8))).toEqual([]);
    expect(tooMuch(short(15))).toEqual(['memory, MiB']);
  });

  test('is none where there is too little to judge by', () => {
    expect(tooMuch(samples({}).slice(0, 3)).length).toBeGreaterThan(0);
  });
});

test('a line goes through its points', () => {
  const { slope, first, last } = lineThrough([
    [0, 1],
    [10, 3],
    [20, 5],
  ]);
  expect([slope, first, last]).toEqual([0.2, 1, 5]);
  expect(lineThrough([])).toEqual({ slope: 0, first: 0, last: 0 });
});

test('the pace fills the time that is left', () => {
  const now = { left: 1000, secondsLeft: 100, workers: 2, pace: 0.1, settled: 50, seconds: 5 };
  // Two workers took 0.2 s each, 0.1 of it on purpose: 0.2 s are left for each of the rest.
  expect(paceFor(now)).toBeCloseTo(0.1);
  expect(paceFor({ ...now, secondsLeft: 10 })).toBe(0);
  expect(paceFor({ ...now, secondsLeft: -5 })).toBe(0);
  expect(paceFor({ ...now, settled: 0 })).toBeCloseTo(0.2);
});
