/** What else is known of a failed try: the item under way, the last lines, the memory. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { dispatchNumber, miniBatchIndex, nodeAddress, tryNumber, workerId } from '../../src/domain/ids.ts';
import { Capture } from '../../src/node/capture.ts';
import { itemOf, markedItem } from '../../src/node/item.ts';
import { LAST_LINES_BYTES_MAX, LINE_CHARS_MAX, lastPrinted } from '../../src/node/lastlines.ts';
import { MarkFile } from '../../src/node/markfile.ts';
import { StackDump } from '../../src/node/stacks.ts';
import { TryWitness } from '../../src/node/witness.ts';
import { MemoryLogs, realClock } from './rig.ts';
import { withRig } from './with-rig.ts';

const bytes = (...lines: string[]): Buffer => Buffer.from(lines.join('\n'));
const numbered = (name: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${name}${i}`);

describe('last lines', () => {
  test('ten at most, standard output first, each stream with its share', () => {
    const none = bytes();
    expect(lastPrinted(bytes(...numbered('o', 30)), none)).toEqual(numbered('o', 30).slice(20));
    expect(lastPrinted(bytes(...numbered('o', 30)), bytes('e'))).toEqual([...numbered('o', 30).slice(21), 'e']);
    expect(lastPrinted(bytes('o0', 'o1'), bytes(...numbered('e', 30)))).toEqual([
      'o0',
      'o1',
      ...numbered('e', 30).slice(22),
    ]);
    const both = lastPrinted(bytes(...numbered('o', 30)), bytes(...numbered('e', 30)));
    expect(both).toEqual([...numbered('o', 30).slice(25), ...numbered('e', 30).slice(25)]);
  });

  test('blank lines go, an unfinished one counts, of a progress bar the last state', () => {
    expect(lastPrinted(bytes('a', '', '  ', '10%\r20%\r30%', 'b\r', 'no end'), bytes())).toEqual([
      'a',
      '30%',
      'b',
      'no end',
    ]);
  });

  test('long lines are cut between characters, and all together keep to their bytes', () => {
    const smile = '\u{1f600}';
    const [cut] = lastPrinted(bytes(smile.repeat(400)), bytes());
    expect(cut).toBe(`${smile.repeat(248)}...`);
    expect(cut?.length).toBeLessThanOrEqual(LINE_CHARS_MAX);
    const lines = lastPrinted(bytes(...numbered(smile.repeat(300), 10)), bytes(...numbered('e', 5)));
    expect(Buffer.byteLength(lines.join('\n'))).toBeLessThanOrEqual(LAST_LINES_BYTES_MAX);
    expect(lines.slice(-5)).toEqual(numbered('e', 5));
  });

  test('bytes that are no text survive', () => {
    expect(lastPrinted(Buffer.from([0xff, 0x00, 0x41]), bytes())).toEqual(['\ufffd\0A']);
  });
});

describe('a mark', () => {
  const of = { index: miniBatchIndex(7), dispatch: dispatchNumber(3), try: tryNumber(2), items: 10 };
  const mark = (...numbers: number[]): Uint8Array => {
    const buffer = Buffer.alloc(16);
    numbers.forEach((n, i) => buffer.writeUInt32LE(n, 4 * i));
    return buffer;
  };

  test.each([
    [[3, 7, 0], 0],
    [[3, 7, 9], 9],
    [[3, 7, 10], undefined],
    [[2, 7, 1], undefined],
    [[3, 6, 1], undefined],
    [[0, 0, 0], undefined],
  ])('%j', (numbers, item) => {
    expect(markedItem(mark(...numbers), of)).toBe(item);
  });

  test('of a part counts from the start of the whole, and lies within it', () => {
    const part = { ...of, part: { from: 4, to: 6 } };
    expect([3, 4, 5, 6].map((position) => itemOf(part, position))).toEqual([undefined, 4, 5, undefined]);
    expect(itemOf(part, undefined)).toBeUndefined();
    expect(markedItem(mark(3, 7, 5).subarray(0, 15), of)).toBeUndefined();
  });

  test('a file that can not be made is done without', () => {
    expect(MarkFile.create('/proc/none/x.mark')).toBeUndefined();
  });
});

test('stacks that we asked for are none of its own words', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'witness-'));
  try {
    const capture = new Capture({
      folder,
      worker: workerId(nodeAddress('10.1.2.3'), 1),
      node: nodeAddress('10.1.2.3'),
      process: 'Process-1',
      keepBytes: 1024,
      logs: new MemoryLogs(),
      clock: realClock,
      warn: () => undefined,
    });
    const [stdout, stderr] = capture.descriptors;
    const running = { index: miniBatchIndex(0), dispatch: dispatchNumber(1), try: tryNumber(1), items: 1 };
    const witness = new TryWitness(capture, undefined);
    writeSync(stderr, 'of init\n');
    witness.mark(capture.ends(), running);
    writeSync(stdout, 'here we go\n');
    writeSync(stderr, 'slow\n');
    const host = { language: 'python', command: 'python3', args: [] } as const;
    const signal = (): void => void writeSync(stderr, 'Thread 1:\n  File "score.py"\n');
    const dump = new StackDump({ host, pid: 1, capture, signal, answered: () => undefined });
    expect(witness.remains(running, dump)).toMatchObject({
      stacks: 'Thread 1:\n  File "score.py"',
      seen: { lastLines: ['here we go', 'slow'] },
    });
    expect(witness.remains(undefined, undefined).seen).not.toHaveProperty('lastLines');
    await capture.finish();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

describe('of real processes', () => {
  test('a worker that died had marked its item; what it printed in this try, and no more', async () => {
    await withRig({}, async (rig) => {
      const worker = await rig.ready();
      const killed = { do: 'signal', name: 'SIGKILL', err: 'to stderr\n' };
      rig.engine.dispatch([
        rig.assignment(worker, 0, { do: 'print', out: 'of the try before\n' }),
        { ...rig.assignment(worker, 1, { do: 'markThen', item: 6, then: killed }), items: 10 },
      ]);
      expect((await rig.event('try-outcome', 2)).result).toMatchObject({
        failure: { kind: 'worker-lost' },
        item: 6,
        lastLines: ['to stderr'],
      });
      await rig.event('worker-initialized', 2);
      const marks = readdirSync(rig.options.layout.capture).filter((name) => name.endsWith('.mark'));
      expect(marks).toEqual(['10.1.2.3-Process-2.mark']);
    });
  });

  test('a try that ends before anybody can look has the memory that its worker had before', async () => {
    await withRig({}, async (rig) => {
      rig.give(await rig.ready(), { do: 'exit', code: 3 });
      const { result } = await rig.event('try-outcome');
      expect(result.ok ? 0 : result.peakMemoryBytes).toBeGreaterThan(8 * 1024 * 1024);
    });
  });

  test('a mark of another hand-out is none', async () => {
    await withRig({}, async (rig) => {
      const worker = await rig.ready();
      const order = { do: 'markThen', as: [9, 0, 0], then: { do: 'exit', code: 3 } };
      rig.engine.dispatch([rig.assignment(worker, 0, order)]);
      expect((await rig.event('try-outcome')).result).not.toHaveProperty('item');
    });
  });

  test('over its limit: the item it hangs at, the memory it had, its own words and not the stacks', async () => {
    await withRig({ limits: { runTimeoutMs: 200 } }, async (rig) => {
      const worker = await rig.ready();
      rig.give(worker, { do: 'markThen', item: 0, then: { do: 'spin', out: 'here we go\n' } });
      const { result } = await rig.event('try-outcome');
      expect(result).toMatchObject({ failure: { kind: 'timeout' }, item: 0, lastLines: ['here we go'] });
      expect(result.ok ? 0 : result.peakMemoryBytes).toBeGreaterThan(8 * 1024 * 1024);
    });
  });

  test('a worker that lives says item and memory itself', async () => {
    await withRig({}, async (rig) => {
      const worker = await rig.ready();
      const gigabyte = 1024 ** 3;
      const fail = (more: object) => ({ do: 'fail', text: 'no luck', out: 'one\ntwo\n', more });
      rig.engine.dispatch([
        { ...rig.assignment(worker, 0, fail({ item: 2, rss: gigabyte })), items: 3 },
        { ...rig.assignment(worker, 1, fail({ item: 3 })), items: 3 },
      ]);
      expect((await rig.event('try-outcome', 1)).result).toMatchObject({
        item: 2,
        peakMemoryBytes: gigabyte,
        lastLines: ['one', 'two'],
      });
      expect((await rig.event('try-outcome', 2)).result).not.toHaveProperty('item');
    });
  });

  test('a mark file is there, all zeros, for each worker', async () => {
    await withRig({}, async (rig) => {
      await rig.ready();
      const path = `${rig.options.layout.capture}/10.1.2.3-Process-1.mark`;
      expect(readFileSync(path)).toEqual(Buffer.alloc(16));
      await rig.stop();
      expect(existsSync(path)).toBe(false);
    });
  });
});
