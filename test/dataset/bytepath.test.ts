import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bytesOf, isBelow, textOf } from '../../src/dataset/bytepath.ts';

const latin1 = (bytes: readonly number[]): string => Buffer.from(bytes).toString('latin1');

describe('text of a byte path', () => {
  // each checked against Python: bytes(...).decode('utf-8', 'surrogateescape')
  test.each([
    ['plain', [0x61, 0x2f, 0x62], 'a/b'],
    ['UTF-8', [0xc3, 0xa9, 0xf0, 0x9f, 0x98, 0x80], 'é😀'],
    ['a lone byte', [0x63, 0xe9, 0x64], 'c\udce9d'],
    ['a sequence cut short', [0xe2, 0x82], '\udce2\udc82'],
    ['a sequence cut short by a letter', [0xe2, 0x82, 0x41], '\udce2\udc82A'],
    ['an encoded surrogate', [0xed, 0xa0, 0x80], '\udced\udca0\udc80'],
    ['an overlong form', [0xc0, 0x80], '\udcc0\udc80'],
    ['beyond Unicode', [0xf4, 0x90, 0x80, 0x80], '\udcf4\udc90\udc80\udc80'],
    ['a byte order mark', [0xef, 0xbb, 0xbf, 0x61], '\ufeffa'],
    ['good after bad', [0xff, 0xc3, 0xa9, 0xff], '\udcffé\udcff'],
  ])('%s', (_, bytes, text) => {
    expect(textOf(latin1(bytes))).toBe(text);
    expect(bytesOf(text)).toBe(latin1(bytes));
  });

  test('every sequence of bytes comes back, also through JSON', () => {
    const byte = fc.oneof(
      fc.integer({ min: 0, max: 255 }),
      fc.constantFrom(0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xed, 0xa0, 0x80),
    );
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 12 }), (bytes) => {
        const path = latin1(bytes);
        const stored = Buffer.from(JSON.stringify(textOf(path)), 'utf8').toString('utf8');
        expect(bytesOf(JSON.parse(stored) as string)).toBe(path);
      }),
    );
  });
});

test('below is below, not beside', () => {
  expect(isBelow('/a/b', '/a')).toBe(true);
  expect(isBelow('/ab', '/a')).toBe(false);
  expect(isBelow('/a', '/a')).toBe(false);
  expect(isBelow('/a', '/')).toBe(true);
});
