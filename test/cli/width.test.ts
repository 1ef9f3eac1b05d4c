import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutEnd, cutMiddle, displayWidth, padEnd, padStart } from '../../src/cli/render/width.ts';

describe('displayWidth', () => {
  it.each([
    ['', 0],
    ['abc', 3],
    ['é', 1],
    ['e\u0301', 1],
    ['漢字', 4],
    ['한글', 4],
    ['👍', 2],
    ['👩‍👩‍👧‍👦', 2],
    ['🇫🇷', 2],
    ['❤️', 2],
    ['ａ', 2],
    ['\u200b', 0],
  ])('of %j is %i', (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });
});

describe('cutting', () => {
  it('leaves what fits', () => {
    expect(cutEnd('abcdef', 6)).toBe('abcdef');
    expect(cutMiddle('abcdef', 6)).toBe('abcdef');
  });
  it('cuts at the end and in the middle', () => {
    expect(cutEnd('abcdefgh', 5)).toBe('abcd…');
    expect(cutMiddle('/data/images/0170.png', 12)).toBe('/dat…170.png');
    expect(cutEnd('abcdefgh', 5, '...')).toBe('ab...');
    expect(cutEnd('abcdefgh', 2, '...')).toBe('ab');
  });
  it('never cuts a wide character in half', () => {
    expect(cutEnd('漢字漢字', 4)).toBe('漢…');
    expect(cutEnd('漢字', 1, '')).toBe('');
    expect(cutEnd('a👩‍👩‍👧‍👦b', 2, '')).toBe('a');
  });
  it('never exceeds its columns, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 0, max: 30 }), (text, columns) => {
        expect(displayWidth(cutEnd(text, columns))).toBeLessThanOrEqual(columns);
        expect(displayWidth(cutMiddle(text, columns))).toBeLessThanOrEqual(columns);
      }),
    );
  });
  it('fills up by columns, not by characters', () => {
    expect(padEnd('漢', 4) + '|').toBe('漢  |');
    expect(padStart('漢', 4)).toBe('  漢');
    expect(padEnd('long', 2)).toBe('long');
  });
});
