import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/domain/event.ts';
import type { TryFailure } from '../../src/domain/failure.ts';
import { dispatchNumber, tryNumber } from '../../src/domain/ids.ts';
import { DeadLettersFold, deadLetterLine, type DeadLetter } from '../../src/views/deadletters.ts';
import type { RunContext } from '../../src/views/text/cause.ts';
import { exception, failedTry, finished, oneCulprit, part, partialEnd, worker } from './support.ts';

const context: RunContext = {
  runId: '01JX4',
  folder: '/work/runs/01JX4',
  maxTries: 3,
  itemName: (index, position) => `/data/images/${String(index * 10 + position).padStart(4, '0')}.png`,
};

const lettersOf = (events: readonly RunEvent[], over: Partial<RunContext> = {}): DeadLetter[] => {
  const fold = new DeadLettersFold({ ...context, ...over });
  const letters: DeadLetter[] = [];
  // One object stands for all letters of a cause, one after the other.
  for (const event of events) for (const letter of fold.apply(event)) letters.push({ ...letter });
  return letters;
};

describe('dead letters', () => {
  it('are one line each, keys in a fixed order, with all there is to know', () => {
    expect(lettersOf([finished(0, 100), ...oneCulprit(3, 200)]).map(deadLetterLine)).toEqual([
      '{"mini_batch":3,"position":7,"item":"/data/images/0037.png","cause":"ValueError: cannot read pixel 9",' +
        '"code":"PR2101","kind":"exception","exception_type":"ValueError","signal":null,"exit_code":null,' +
        '"node":"10.0.0.5","process":"Process-2","pid":4202,"try":3,"dispatch":6,"peak_memory_bytes":50000000,' +
        '"last_lines":["reading","parsing"],"narrowed":true,"at":"2024-01-02T03:04:05.700Z",' +
        '"log":"logs/user/error/10.0.0.5/Process-2.txt","replay":"parallelrun replay 01JX4/3 --item 7"}\n',
    ]);
  });

  it.each<[string, TryFailure, Partial<DeadLetter>]>([
    [
      'a signal',
      { kind: 'worker-lost', exit: { by: 'signal', signal: 'SIGSEGV', outOfMemory: false } },
      { code: 'PR2103', kind: 'worker-lost', signal: 'SIGSEGV', exit_code: null, exception_type: null },
    ],
    [
      'the memory guard',
      {
        kind: 'worker-lost',
        exit: {
          by: 'signal',
          signal: 'SIGKILL',
          outOfMemory: true,
          guard: { rule: 'limit', rssBytes: 2 ** 30, limitBytes: 2 ** 29 },
        },
      },
      {
        code: 'PR2109',
        signal: 'SIGKILL',
        cause: 'worker process ended at 1 GiB of memory, over the limit of 512 MiB for a process',
      },
    ],
    [
      'an exit code',
      { kind: 'worker-lost', exit: { by: 'code', code: 3 } },
      { code: 'PR2108', signal: null, exit_code: 3 },
    ],
    [
      'a timeout',
      { kind: 'timeout', limitMs: 2000 },
      { code: 'PR2102', kind: 'timeout', signal: null, exit_code: null },
    ],
  ])('name %s', (_, failure, expected) => {
    const letters = lettersOf([
      failedTry(0, 100, failure, { settles: 'narrow' }),
      part(0, 200, 2, [0, 9]),
      partialEnd(0, 300, 3, [9, 10], [[9, 10, 3]], { failure }),
    ]);
    expect(letters).toMatchObject([{ position: 9, narrowed: true, ...expected }]);
  });

  it('say which ones were given up among others, and have the last lines once', () => {
    const lastLines = Array.from({ length: 30 }, (_, n) => `line ${n}`);
    const letters = lettersOf([
      failedTry(0, 100, exception(), { settles: 'narrow', try: tryNumber(3), dispatch: dispatchNumber(3), lastLines }),
      partialEnd(0, 200, 4, [0, 5], [[5, 8, 3]]),
    ]);
    expect(
      letters.map(({ position, narrowed, dispatch, last_lines }) => [position, narrowed, dispatch, last_lines]),
    ).toEqual([
      [5, false, 3, lastLines.slice(10)],
      [6, false, 3, []],
      [7, false, 3, []],
    ]);
    expect(letters.map(({ replay }) => replay)).toEqual([5, 6, 7].map((n) => `parallelrun replay 01JX4/0 --item ${n}`));
  });

  it('believe an item that the worker named, and no other', () => {
    const named = (item: number) => [
      failedTry(0, 100, exception(), { settles: 'narrow', item }),
      partialEnd(0, 200, 2, [0, 9], [[9, 10, 1]]),
    ];
    expect(lettersOf(named(9)).map(({ narrowed }) => narrowed)).toEqual([true]);
    expect(lettersOf(named(8)).map(({ narrowed }) => narrowed)).toEqual([false]);
  });

  it('of a mini-batch of one item need no --item to be replayed; the root is named where it must be', () => {
    const dead = [{ from: 0, to: 1, dispatch: dispatchNumber(3) }];
    const last = { try: tryNumber(3), settles: 'failed', items: 1, failed: 1, dead } as const;
    const letters = lettersOf([failedTry(4, 100, exception(), last)], { root: '/my runs' });
    expect(letters).toMatchObject([
      { mini_batch: 4, position: 0, narrowed: true, replay: "parallelrun replay 01JX4/4 --root '/my runs'" },
    ]);
  });

  it('are none of a mini-batch that failed whole, or got through after all', () => {
    expect(
      lettersOf([
        failedTry(0, 100, exception(), { settles: 'failed' }),
        failedTry(1, 200, exception(), { settles: 'narrow' }),
        part(1, 300, 2, [0, 5]),
        part(1, 400, 3, [5, 10], { settles: 'done', succeeded: 10, failed: 0 }),
      ]),
    ).toEqual([]);
  });

  it('stay without a name where there is none, and without facts where the ledger has lost them', () => {
    const { itemName: _, ...nameless } = context;
    const fold = new DeadLettersFold(nameless);
    const letters = [...fold.apply(partialEnd(3, 200, 7, [0, 7], [[7, 8, 6]]))];
    expect(letters).toMatchObject([
      { item: null, cause: 'RUN_DONE', code: null, kind: null, dispatch: 6, process: 'Process-1', narrowed: true },
    ]);
  });

  it('do nothing to a terminal, whatever names and messages hold, and are read back as they were', () => {
    const evil = '\u001b[31m\u202e\udcff\u0085\u2028"\\\n漢';
    const failure = exception({ message: evil });
    const [letter] = lettersOf(
      [
        failedTry(0, 100, failure, { settles: 'narrow' }),
        partialEnd(0, 200, 2, [0, 1], [[0, 1, 2]], { failure, lastLines: [evil], worker: worker(3) }),
      ],
      { itemName: () => evil },
    );
    const line = letter === undefined ? '' : deadLetterLine(letter);
    expect(line).toMatch(/^[\u0020-\u007e\u6f22]*\n$/);
    expect(JSON.parse(line)).toMatchObject({ item: evil, last_lines: [evil] });
  });

  it('are made while they are walked, and nothing is kept of a hundred thousand of them', () => {
    let named = 0;
    const fold = new DeadLettersFold({ ...context, itemName: () => String((named += 1)) });
    fold.apply(failedTry(0, 100, exception(), { settles: 'narrow', items: 100_000 }));
    const dead = [{ from: 0, to: 99_999, dispatch: dispatchNumber(1) }];
    const letters = fold.apply(finished(0, 200, { settles: 'partial', items: 100_000, failed: 99_999, dead }));
    expect(named).toBe(0);
    let count = 0;
    for (const letter of letters) count += letter.position >= 0 ? 1 : 0;
    expect([named, count]).toEqual([99_999, 99_999]);
  });
});
