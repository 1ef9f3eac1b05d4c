/** The parts of the benchmarks that only reckon: statistics, tables of results, times out of logs. */
import { describe, expect, test } from 'vitest';
// @ts-expect-error plain JavaScript
import * as untypedReport from '../../bench/lib/report.mjs';
// @ts-expect-error plain JavaScript
import * as untypedLog from '../../bench/lib/runlog.mjs';
// @ts-expect-error plain JavaScript
import * as untypedStats from '../../bench/lib/stats.mjs';

interface Section {
  title: string;
  base: string;
  share?: string;
  asked?: string;
  columns: { key: string; head: string; better?: 'less' | 'more' }[];
  rows: { id: string; name: string; runs: Record<string, number | undefined>[]; failed?: string }[];
  loads: { load: number; busy?: number }[];
}
interface Stats {
  median(values: number[]): number;
  ratios(values: number[], base: number[], better: 'less' | 'more'): number[];
  perUnit(small: { count: number; value: number }, large: { count: number; value: number }): number;
}
interface Report {
  figure(value: number | undefined): string;
  withSpread(values: number[]): string;
  markdownTable(rows: string[][]): string;
  sectionText(section: Section): string;
}
interface Log {
  timeline(master: string): Record<string, number>;
  outcomesOf(log: string): { begun: number; first: number; last: number } | undefined;
  triesOf(summary: string): Map<string, number>;
  rateOf(workers: { tries: number; first: number; last: number }[]): number;
}
const { median, ratios, perUnit } = untypedStats as Stats;
const { figure, withSpread, markdownTable, sectionText } = untypedReport as Report;
const { timeline, outcomesOf, triesOf, rateOf } = untypedLog as Log;

describe('statistics', () => {
  test('the median is the middle one, or halfway between the two', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([10, 2, 4, 3])).toBe(3.5);
  });

  test('a ratio is how many times as fast the base was, in the same repetition', () => {
    expect(ratios([20, 30], [10, 10], 'less')).toEqual([2, 3]);
    expect(ratios([20, 30], [10, 60], 'more')).toEqual([0.5, 2]);
    expect(ratios([20, 30, 40], [10], 'less')).toEqual([2]);
  });

  test('a fixed cost cancels out of the cost of one more', () => {
    expect(perUnit({ count: 10, value: 7 + 10 * 3 }, { count: 110, value: 7 + 110 * 3 })).toBe(3);
    expect(() => perUnit({ count: 10, value: 1 }, { count: 10, value: 2 })).toThrow('not more');
  });
});

describe('a report', () => {
  test('shows three digits that count', () => {
    expect([0, 0.000123, 0.12345, 1.5, 12.345, 999.4, 999.9, 1234567.8, undefined, NaN].map(figure)).toEqual([
      ...['0', '1.23e-4', '0.123', '1.5', '12.3', '999', '1,000', '1,234,568', '-', '-'],
    ]);
  });

  test('shows a spread where there were several', () => {
    expect(withSpread([])).toBe('-');
    expect(withSpread([2])).toBe('2');
    expect(withSpread([3, 1, 2])).toBe('2 (1..3)');
  });

  test('keeps the columns of a table in line, and bars out of its cells', () => {
    expect(
      markdownTable([
        ['', 'µs'],
        ['a|b', '1'],
        ['c', '22'],
      ]).split('\n'),
    ).toEqual([...['|      | µs  |', '| ---- | --- |', '| a\\|b | 1   |', '| c    | 22  |']]);
  });

  const section: Section = {
    title: 'No-ops',
    base: 'ours',
    asked: 'at most 25 µs',
    columns: [
      { key: 'micros', head: 'µs', better: 'less' },
      { key: 'cpu', head: 'µs of processor time' },
    ],
    rows: [
      {
        id: 'ours',
        name: 'ours',
        runs: [
          { micros: 20, cpu: 5 },
          { micros: 10, cpu: 5 },
        ],
      },
      { id: 'pool', name: 'Pool', runs: [{ micros: 30 }, { micros: 30 }] },
      { id: 'ray', name: 'Ray', runs: [], failed: 'exit code 1: no module named ray' },
    ],
    loads: [{ load: 0.5, busy: 0.1 }, { load: 3 }],
  };

  test('names figures, ratios, what failed and the load', () => {
    expect(sectionText(section)).toMatchInlineSnapshot(`
      "### No-ops

      |      | µs          | ours: times as fast | µs of processor time |
      | ---- | ----------- | ------------------- | -------------------- |
      | ours | 15 (10..20) | 1                   | 5 (5..5)             |
      | Pool | 30 (30..30) | 2.25 (1.5..3)       | -                    |

      - Ray: not measured: exit code 1: no module named ray
      - Asked for: at most 25 µs
      - Repetitions: 2; load before each: 0.5 (0.1 cores busy), 3"
    `);
  });

  test('shows shares of the base where the section asks for them', () => {
    expect(sectionText({ ...section, share: 'share of ours' })).toContain(
      '| Pool | 30 (30..30) | 0.5 (0.333..0.667) |',
    );
  });

  test('has no table where nothing was measured, and no ratios without the base', () => {
    const [ours, pool, ray] = section.rows as [Section['rows'][0], Section['rows'][0], Section['rows'][0]];
    expect(sectionText({ ...section, rows: [ray] })).not.toContain('|');
    const withoutOurs = sectionText({ ...section, rows: [{ ...ours, runs: [], failed: 'not yet' }, pool] });
    expect(withoutOurs).toContain('- ours: not measured: not yet');
    expect(withoutOurs).toMatch(/Pool \| 30 \(30\.\.30\) \| - +\|/);
  });
});

describe('the times of a run', () => {
  const at = (text: string): number => Date.parse(`2026-01-02T03:04:${text}Z`);

  test('come from master.txt', () => {
    const master = `2026-01-02 03:04:01,100|INFO|1|main|task creation started
2026-01-02 03:04:02,200|INFO|1|main|worker 192.0.2.1/Process-1 is ready, init took 0 ms
`;
    expect(timeline(master)).toEqual({ creationStarted: at('01.100') });
    const finished = '2026-01-02 03:04:03,300|INFO|1|main|task creation finished: 10 mini-batches, 100 items';
    expect(timeline(master + finished)).toEqual({ creationStarted: at('01.100'), creationFinished: at('03.300') });
  });

  test('and from the log of a worker, also one whose middle is missing', () => {
    const finished = (time: string, begun: string): string =>
      `2026-01-02 03:04:${time} INFO event=finished mini_batch=7 try=1 start1=2026-01-02T03:04:${begun}+00:00 status=RUN_DONE`;
    const log = `2026-01-02 03:04:01,000 INFO event=started
${finished('02,500', '02.250000')}
ent=finished mini_batch=8 cut
${finished('09,750', '09.000000')}
2026-01-02 03:04:10,000 INFO event=ended
`;
    expect(outcomesOf(log)).toEqual({ begun: at('02.250'), first: at('02.500'), last: at('09.750') });
    expect(outcomesOf('2026-01-02 03:04:01,000 INFO event=started\n')).toBeUndefined();
  });

  test('give a rate: each worker from its first result to its last', () => {
    const tries = triesOf('Ip Address,Process,Pid,Tries\n192.0.2.1,Process-1,7,101\n192.0.2.1,Process-2,8,1\n');
    expect([...tries]).toEqual([
      ['Process-1', 101],
      ['Process-2', 1],
    ]);
    const one = { tries: 101, first: 5000, last: 7000 };
    expect(rateOf([one, { ...one, first: 6000 }, { tries: 1, first: 6000, last: 6000 }])).toBe(150);
  });
});
