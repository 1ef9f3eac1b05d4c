import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RunEvent, TryFinished } from '../../src/domain/event.ts';
import { dispatchNumber, epochMs, miniBatchIndex, nodeAddress, tryNumber, workerId } from '../../src/domain/ids.ts';
import { Encoder } from '../../src/ledger/codec.ts';
import type { LedgerRecord } from '../../src/ledger/codec.ts';
import { Decoder, LedgerFormatError } from '../../src/ledger/decoder.ts';
import { NumberScanner } from '../../src/ledger/numbers.ts';
import { anyEvent, doneTry } from './events.ts';

function recordsOf(events: readonly RunEvent[], encoder = new Encoder()): LedgerRecord[] {
  const records: LedgerRecord[] = [];
  for (const event of events) encoder.encode(event, records);
  return records;
}

function decoded(json: string, decoder = new Decoder(false)): RunEvent[] {
  const bytes = Buffer.from(json);
  const events: RunEvent[] = [];
  decoder.decode(bytes, 0, bytes.length, events);
  return events;
}

const worker = (n: number) => workerId(nodeAddress('10.0.0.5'), n);
const DONE: TryFinished = {
  type: 'try-finished',
  at: epochMs(1_795_417_349_751),
  index: miniBatchIndex(12),
  dispatch: dispatchNumber(1),
  try: tryNumber(1),
  worker: worker(1),
  pid: 2417,
  status: 'RUN_DONE',
  items: 10,
  succeeded: 10,
  failed: 0,
  timing: {
    start1: epochMs(1_795_417_349_749.719),
    end1: epochMs(1_795_417_349_751.6792),
    start2: 0.399623,
    end2: 0.401284,
    runSeconds: 0.001627,
    elapsedSeconds: 0.002088550000000055,
  },
  rows: { offset: 2760, bytes: 230, rows: 10, crc32: 997_120_395 },
  printed: { stdout: [0, 7], stderr: [0, 0] },
  settles: 'done',
};

describe('a record', () => {
  test('of a done try is the numbers it always was', () => {
    expect(JSON.stringify(recordsOf([DONE, DONE]))).toBe(
      '[[0,0,"10.0.0.5/Process-1"],' +
        '[2,1795417349751,12,1,1,0,2417,10,10,0,1795417349749.719,1795417349751.6792,0.399623,0.401284,0.001627,' +
        '0.002088550000000055,2760,230,10,997120395,0,7,0,0],' +
        '[2,1795417349751,12,1,1,0,2417,10,10,0,1795417349749.719,1795417349751.6792,0.399623,0.401284,0.001627,' +
        '0.002088550000000055,2760,230,10,997120395,0,7,0,0]]',
    );
  });

  test('of any event gives the event back', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 12 }), (events) => {
        expect(decoded(JSON.stringify(recordsOf(events)))).toEqual(events);
      }),
      { numRuns: 500 },
    );
  });

  test('of a try that has more to say than the numbers is the event itself', () => {
    const part = { ...DONE, part: { from: 0, to: 1 } };
    const partial: TryFinished = {
      ...DONE,
      settles: 'partial',
      dead: [{ from: 3, to: 4, dispatch: dispatchNumber(5) }],
    };
    const begun: RunEvent = {
      ...{ type: 'try-begun', at: DONE.at, index: DONE.index, dispatch: DONE.dispatch, try: DONE.try },
      ...{ worker: DONE.worker, pid: DONE.pid, items: 10, part: { from: 0, to: 5 } },
    };
    expect(recordsOf([part, partial, begun])).toEqual([part, partial, begun]);
  });
});

describe('numbers of workers', () => {
  test('go to others when a worker has ended: a reader holds no more than ran at a time', () => {
    const encoder = new Encoder();
    const events: RunEvent[] = [];
    for (let n = 1; n <= 50; n++) {
      events.push({ ...DONE, worker: worker(n) });
      const exit = { by: 'code', code: 0 } as const;
      events.push({ type: 'worker-ended', at: DONE.at, worker: worker(n), pid: 1, exit, expected: true });
      // A late one: introduced anew.
      if (n % 7 === 0) events.push({ ...DONE, worker: worker(n) });
    }
    const records = recordsOf(events, encoder);
    const numbers = records.flatMap((record) =>
      Array.isArray(record) && record[0] === 0 ? [record[1] as number] : [],
    );
    expect(Math.max(...numbers)).toBeLessThanOrEqual(Math.floor(50 / 7));
    expect(decoded(JSON.stringify(records))).toEqual(events);
  });

  test('are given anew after a frame that could not be written', () => {
    const encoder = new Encoder();
    const decoder = new Decoder(false);
    const first = JSON.stringify(recordsOf([{ ...DONE, worker: worker(1) }], encoder));
    recordsOf([{ ...DONE, worker: worker(2) }], encoder);
    encoder.reset();
    const third = JSON.stringify(recordsOf([{ ...DONE, worker: worker(3) }, DONE], encoder));
    expect(decoded(first, decoder)).toEqual([DONE]);
    expect(decoded(third, decoder)).toEqual([{ ...DONE, worker: worker(3) }, DONE]);
  });
});

test('what no writer of this version makes is refused', () => {
  for (const json of [
    '{}',
    '[',
    '[3]',
    '[null]',
    '[abc]',
    '[[3,1,2]]',
    '[[2,1]]',
    '["text"',
    '[{}',
    '[{},]x',
    '[1,2]x',
    '[[2,1],',
  ]) {
    expect(() => decoded(json), json).toThrow(LedgerFormatError);
  }
  expect(decoded('[]')).toEqual([]);
});

describe('numbers read from their bytes', () => {
  function scan(json: string): number[] | undefined {
    const bytes = Buffer.from(`  ${json}] ]`);
    const scanner = new NumberScanner();
    const end = scanner.scan(bytes, 2);
    if (end === -1) return undefined;
    expect(end).toBe(2 + json.length);
    return [...scanner.values.subarray(0, scanner.count)];
  }

  const digits = fc.array(fc.nat(9), { minLength: 1, maxLength: 25 }).map((list) => list.join(''));
  const written = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
    fc.maxSafeInteger().map(String),
    // Near the greatest whole number that is exact, and with more digits than a double has.
    fc.bigInt({ min: 2n ** 53n - 20n, max: 2n ** 53n + 20n }).map(String),
    fc.tuple(fc.boolean(), digits, digits).map(([minus, a, b]) => `${minus ? '-' : ''}${Number(a)}.${b}`),
    // Milliseconds since 1970 with few and many digits behind the point.
    fc
      .tuple(fc.integer({ min: 2 ** 40, max: 2 ** 42 }), fc.array(fc.nat(9), { minLength: 1, maxLength: 14 }))
      .map(([ms, list]) => `${ms}.${list.join('')}`),
    fc
      .tuple(fc.integer({ min: 2 ** 40, max: 2 ** 42 }), fc.nat(2 ** 13))
      .map(([ms, half]) => String(ms + half / 2 ** 13)),
    fc.tuple(fc.nat(999), fc.integer({ min: -30, max: 30 })).map(([n, e]) => `${n}e${e}`),
  );

  test('are those that JSON.parse reads, to the last bit', () => {
    fc.assert(
      fc.property(fc.array(written, { minLength: 1, maxLength: 32 }), (list) => {
        const json = `[${list.join(',')}]`;
        expect(scan(json)).toEqual(JSON.parse(json));
      }),
      { numRuns: 3000 },
    );
  });

  test('are those also where the digits end next to the middle between two of them', () => {
    let state = 1;
    const random = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
    for (let round = 0; round < 12_000; round++) {
      const list = Array.from({ length: 20 }, () => {
        const exponent = 13 + Math.floor(random() * 30);
        const whole = Math.floor(2 ** exponent * (1 + random()));
        // Doubles are 2^-below apart there; of the fractions of so many digits the one that is nearest to a middle.
        const below = 52 - exponent;
        const middle = 2n * BigInt(Math.floor(random() * 2 ** below)) + 1n;
        const places = 11 + Math.floor(random() * 6);
        const scaled = middle * 10n ** BigInt(places);
        const digits = (scaled + (1n << BigInt(below))) >> BigInt(below + 1);
        return `${whole}.${String(digits).padStart(places, '0').slice(-places)}`;
      });
      const found = scan(`[${list.join(',')}]`) ?? [];
      const wrong = list.findIndex((text, i) => Number(text) !== found[i]);
      if (wrong >= 0) expect(`${list[wrong]} is ${found[wrong]}`).toBe(`${list[wrong]} is ${Number(list[wrong])}`);
    }
  });

  test('are only those: anything else goes another way', () => {
    for (const json of [
      '[]',
      '["a"]',
      '[1,"a,b"]',
      '[null]',
      '[1,null]',
      '[[1]]',
      '[{}]',
      '[1,]',
      '[true]',
      '[-]',
      '1',
    ])
      expect(scan(json), json).toBeUndefined();
    expect(scan(`[${Array(33).fill(1).join(',')}]`)).toBeUndefined();
  });

  test('of a record with one that is not finite are NaN there', () => {
    const records = recordsOf([{ ...DONE, timing: { ...DONE.timing, runSeconds: Infinity } }]);
    const [event] = decoded(JSON.stringify(records)) as TryFinished[];
    expect(event).toEqual({ ...DONE, timing: { ...DONE.timing, runSeconds: NaN } });
  });
});

test('done tries are nearly all of a run: their arbitrary is one that takes the short form', () => {
  fc.assert(
    fc.property(doneTry, (event) => {
      expect(recordsOf([event]).every((record) => Array.isArray(record))).toBe(true);
    }),
  );
});
