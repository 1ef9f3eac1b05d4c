import { describe, expect, it } from 'vitest';
import type { StoredRun } from '../../src/cli/deps.ts';
import { MiniBatchNames, shortName } from '../../src/cli/names.ts';
import { planFor, refuse, statusOf } from './fakes.ts';

function names(
  look: (index: number) => Promise<never> | undefined,
  opened: () => void = () => undefined,
): MiniBatchNames {
  const run: StoredRun = {
    plan: planFor('demo'),
    status: () => Promise.resolve(statusOf({})),
    events: refuse('events'),
    live: refuse('live'),
    requestCancel: refuse('requestCancel'),
    manifestEntry: (index) =>
      look(index) ??
      Promise.resolve({ source: { kind: 'files', root: '/data', files: [`${index}.png`, 'b.png'] }, items: 2 }),
  };
  return new MiniBatchNames(() => {
    opened();
    return Promise.resolve(run);
  });
}

describe('names of mini-batches', () => {
  it('come later, are looked up once, and the run is opened once', async () => {
    const looked: number[] = [];
    let opened = 0;
    const made = names(
      (index) => void looked.push(index),
      () => opened++,
    );
    expect(made.describe(3)).toBeUndefined();
    expect(await made.look(4)).toBe('4.png and 1 more');
    expect(made.describe(3)).toBe('3.png and 1 more');
    expect(looked).toEqual([3, 4]);
    expect(opened).toBe(1);
  });

  it('stay unknown where they cannot be looked up', async () => {
    const made = names(() => Promise.reject(new Error('gone')));
    expect(await made.look(1)).toBeUndefined();
    expect(made.describe(1)).toBeUndefined();
  });

  it('are short', () => {
    expect(shortName({ kind: 'files', root: '/data', files: ['a/b.png'] })).toBe('a/b.png');
    const rows = { kind: 'rows', file: '/data/t.csv', start: 0, end: 9, firstRow: 5, rows: 3, table: 0 } as const;
    expect(shortName(rows)).toBe('t.csv rows 5 to 7');
    expect(shortName({ kind: 'rank', rank: 4 })).toBe('rank 4');
  });
});
