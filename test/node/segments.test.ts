import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StreamRenderer, tailStart } from '../../src/node/segments.ts';

/** A stream in memory, rendered as it grows. */
class Screen {
  readonly lines: string[] = [];
  readonly dropped: { bytes: number; index: number | undefined }[] = [];
  data = Buffer.alloc(0);
  readonly renderer: StreamRenderer;

  constructor(keepBytes: number, prefixBytes = 0) {
    const ports = {
      read: (from: number, to: number) => this.data.subarray(from, to),
      line: (bytes: Buffer) => void this.lines.push(bytes.toString('latin1')),
      dropped: (bytes: number, index: number | undefined) => void this.dropped.push({ bytes, index }),
    };
    this.renderer = new StreamRenderer(ports, { keepBytes, prefixBytes });
  }
  print(text: string): void {
    this.data = Buffer.concat([this.data, Buffer.from(text, 'latin1')]);
    this.renderer.grow(this.data.length);
  }
  mark(index: number | undefined): void {
    this.renderer.mark(this.data.length, index === undefined ? undefined : { index, try: 1 });
  }
  pump(): void {
    while (this.renderer.pump(1024));
  }
  end(): void {
    this.renderer.end();
    this.pump();
    this.renderer.close();
  }
}

test('lines come whole, an unfinished one waits', () => {
  const screen = new Screen(1000);
  screen.print('one\ntw');
  screen.pump();
  expect(screen.lines).toEqual(['one']);
  expect(screen.renderer.hasUnfinished).toBe(true);
  screen.print('o\n\nlast');
  screen.pump();
  expect(screen.lines).toEqual(['one', 'two', '']);
  screen.end();
  expect(screen.lines).toEqual(['one', 'two', '', 'last']);
});

test('each line is that of the try in which it began', () => {
  const said: string[] = [];
  let data = '';
  const renderer = new StreamRenderer(
    {
      read: (from, to) => Buffer.from(data.slice(from, to)),
      line: (bytes, of) => void said.push(`${of === undefined ? '-' : `${of.index}.${of.try}`} ${bytes.toString()}`),
      dropped: () => undefined,
    },
    { keepBytes: 1000, prefixBytes: 0 },
  );
  const print = (text: string): void => {
    data += text;
    renderer.grow(data.length);
    renderer.pump(1000);
  };
  print('init\n');
  renderer.mark(data.length, { index: 7, try: 1 });
  print('one\ntwo\nthr');
  renderer.mark(data.length, undefined);
  print('ee\nbetween\n');
  renderer.mark(data.length, { index: 7, try: 2 });
  print('again\n');
  renderer.end();
  renderer.pump(1000);
  renderer.close();
  expect(said).toEqual(['- init', '7.1 one', '7.1 two', '7.1 three', '- between', '7.2 again']);
});

test('a prompt is shown after its wait, a progress bar at its end', () => {
  const screen = new Screen(1000);
  screen.print('Loading ... ');
  screen.pump();
  screen.renderer.flushUnfinished();
  screen.print('10%\r20%');
  screen.pump();
  screen.renderer.flushUnfinished();
  expect(screen.lines).toEqual(['Loading ... ']);
  screen.print('\r30%\n');
  screen.pump();
  expect(screen.lines).toEqual(['Loading ... ', '10%\r20%\r30%']);
});

test('of a long stretch head and tail stay, with the number of bytes between', () => {
  const screen = new Screen(10);
  screen.mark(7);
  screen.print('aa\nbb\ncc\ndd\nee\nff\ngg\nhh\nii\n');
  screen.pump();
  // each costs 3 bytes, the last byte of 10 is no use
  expect(screen.lines).toEqual(['aa', 'bb', 'cc']);
  screen.mark(undefined);
  screen.print('after\n');
  screen.pump();
  expect(screen.lines).toEqual(['aa', 'bb', 'cc', '... 9 bytes dropped ...', 'gg', 'hh', 'ii', 'after']);
  expect(screen.dropped).toEqual([{ bytes: 9, index: 7 }]);
});

test('a mark that comes late: what is shown already counts for its stretch', () => {
  const screen = new Screen(9);
  screen.print('aa\nbb\n');
  screen.pump();
  screen.renderer.mark(0, { index: 4, try: 1 });
  screen.print('cc\ndd\nee\nff\ngg\n');
  screen.mark(undefined);
  screen.pump();
  expect(screen.lines).toEqual(['aa', 'bb', 'cc', '... 3 bytes dropped ...', 'ee', 'ff', 'gg']);
  const late = new Screen(9);
  late.print('aa\n');
  late.pump();
  late.print('bb\ncc\n');
  late.pump();
  late.renderer.mark(3, { index: 5, try: 1 });
  late.print('dd\nee\nff\ngg\nhh\n');
  late.mark(undefined);
  late.pump();
  expect(late.lines).toEqual(['aa', 'bb', 'cc', 'dd', '... 3 bytes dropped ...', 'ff', 'gg', 'hh']);
});

test('a stretch as long as both ends together loses nothing', () => {
  const screen = new Screen(9);
  screen.mark(1);
  screen.print('aa\nbb\ncc\ndd\n');
  screen.mark(undefined);
  screen.pump();
  expect(screen.lines.join('')).toBe('aabbccdd');
  expect(screen.dropped).toEqual([]);
});

test('cutting the file keeps the end of what is not shown', () => {
  const screen = new Screen(10);
  screen.mark(3);
  screen.print('x'.repeat(100));
  screen.pump();
  const kept = screen.renderer.beforeCut();
  expect(kept.from).toBe(90);
  expect(kept.bytes.toString()).toBe('x'.repeat(10));
});

test('a line of a million bytes comes in pieces, characters whole', () => {
  const screen = new Screen(10_000_000);
  const text = Buffer.from('€'.repeat(50_000), 'utf8').toString('latin1');
  screen.print(`${text}\n`);
  screen.end();
  expect(screen.lines.length).toBe(3);
  expect(screen.lines.join('')).toBe(text);
  for (const line of screen.lines) expect(Buffer.from(line, 'latin1').toString('utf8')).toMatch(/^€+$/);
});

test('any bytes go through unchanged where nothing is dropped', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.boolean(), fc.boolean())), (steps) => {
      const screen = new Screen(1_000_000);
      let all = '';
      for (const [bytes, marks, pumps] of steps) {
        const text = Buffer.from(bytes).toString('latin1');
        all += text;
        screen.print(text);
        if (marks) screen.mark(1);
        if (pumps) screen.pump();
      }
      screen.end();
      const shown = screen.lines.map((line) => `${line}\n`).join('');
      expect(shown).toBe(all === '' || all.endsWith('\n') ? all : `${all}\n`);
    }),
  );
});

test('whatever is printed and marked: the bound holds, the numbers add up, each end is kept', () => {
  const stretch = fc.record({ text: fc.stringMatching(/^([a-z]{0,30}\n?){0,20}$/), pumps: fc.boolean() });
  fc.assert(
    fc.property(
      fc.array(stretch, { maxLength: 8 }),
      fc.integer({ min: 12, max: 80 }),
      fc.integer({ min: 0, max: 5 }),
      (stretches, keep, prefix) => {
        const screen = new Screen(keep, prefix);
        for (const [index, { text, pumps }] of stretches.entries()) {
          screen.mark(index);
          const before = screen.lines.length;
          for (const half of [text.slice(0, text.length / 2), text.slice(text.length / 2)]) {
            screen.print(half);
            if (pumps) screen.pump();
          }
          screen.mark(undefined);
          screen.pump();
          screen.renderer.close();
          const shown = screen.lines.slice(before);
          const marker = shown.findIndex((line) => line.startsWith('... '));
          const cost = shown.filter((_, i) => i !== marker).reduce((sum, line) => sum + line.length + prefix + 1, 0);
          expect(cost).toBeLessThanOrEqual(2 * keep);
          const plain = shown.filter((_, i) => i !== marker).join('');
          if (marker < 0) expect(plain).toBe(text.replaceAll('\n', ''));
          else {
            const head = shown.slice(0, marker).join('');
            const tail = shown.slice(marker + 1).join('');
            expect(text.replaceAll('\n', '').startsWith(head)).toBe(true);
            expect(text.replaceAll('\n', '').endsWith(tail)).toBe(true);
            expect(screen.dropped.at(-1)?.index).toBe(index);
          }
        }
      },
    ),
  );
});

test('the tail is the longest end within the budget', () => {
  const tail = (text: string, budget: number, prefixBytes: number): string => {
    const read = (from: number, to: number): Buffer => Buffer.from(text).subarray(from, to);
    return text.slice(tailStart({ read }, { from: 0, end: text.length }, budget, prefixBytes));
  };
  expect(tail('a\nb\nc\n', 6, 1)).toBe('b\nc\n');
  expect(tail('a\nb\nc\n', 5, 1)).toBe('c\n');
  expect(tail('abcdef', 4, 0)).toBe('def');
  expect(tail('abcdef\n', 4, 0)).toBe('def\n');
  expect(tail('a\n', 100, 0)).toBe('a\n');
  expect(tail('\n\na', 100, 0)).toBe('\n\na');
  expect(tail('', 100, 0)).toBe('');
});

test('a tail of many pieces: lines over their borders are whole, and little is read at a time', () => {
  const line = (n: number): string => `${n}:${'x'.repeat(n % 5000)}`;
  const all = Array.from({ length: 3000 }, (_, n) => line(n));
  const data = Buffer.from(`${all.join('\n')}\n`);
  const lines: string[] = [];
  let longest = 0;
  const ports = {
    read: (from: number, to: number) => {
      longest = Math.max(longest, to - from);
      return data.subarray(from, to);
    },
    line: (bytes: Buffer) => void lines.push(bytes.toString()),
    dropped: () => undefined,
  };
  const keepBytes = 2_000_000;
  const renderer = new StreamRenderer(ports, { keepBytes, prefixBytes: 0 });
  renderer.mark(0, { index: 1, try: 1 });
  renderer.grow(data.length);
  renderer.mark(data.length, undefined);
  let rounds = 0;
  while (renderer.pump(100_000)) rounds += 1;
  renderer.close();
  const marker = lines.findIndex((text) => text.startsWith('... '));
  const tail = lines.slice(marker + 1);
  // The first of them is part of a line.
  expect(tail.slice(1)).toEqual(all.slice(-tail.length + 1));
  const bytes = tail.reduce((sum, text) => sum + text.length + 1, 0);
  expect(bytes).toBeGreaterThan(keepBytes - 10);
  expect(bytes).toBeLessThanOrEqual(keepBytes);
  expect(longest).toBeLessThanOrEqual(256 * 1024);
  expect(rounds).toBeGreaterThan(10);
});
