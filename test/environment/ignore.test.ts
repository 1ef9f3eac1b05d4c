import { describe, expect, it } from 'vitest';
import { compileIgnoreFile } from '../../src/environment/ignore.ts';

describe('.amlignore', () => {
  const rule = compileIgnoreFile(
    ['# data', '*.csv', '!keep.csv', '/top', 'notes/', 'a/**/z', '\\#odd', ' ', 'x{1,2}'].join('\n'),
  );
  it.each([
    ['big.csv', false, true],
    ['sub/big.csv', false, true],
    ['sub/keep.csv', false, false],
    ['top', false, true],
    ['sub/top', false, false],
    ['notes', true, true],
    ['sub/notes', true, true],
    ['notes', false, false],
    ['a/z', false, true],
    ['a/b/c/z', false, true],
    ['.hidden.csv', false, true],
    ['#odd', false, true],
    ['x1', false, false],
    ['x{1,2}', false, true],
    ['score.py', false, false],
  ])('%s (folder: %s) is left out: %s', (path, isFolder, expected) => {
    expect(rule(path, isFolder)).toBe(expected);
  });
});
