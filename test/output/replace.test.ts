import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { replaceFile } from '../../src/output/index.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'prun-replace-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function* pieces(count: number, text: (n: number) => string): AsyncGenerator<string> {
  for (let n = 0; n < count; n++) yield await Promise.resolve(text(n));
}

describe('replaceFile', () => {
  it('writes all pieces, however many, in place of what was there', async () => {
    const target = join(folder, 'lines');
    writeFileSync(target, 'former');
    // a crash left one behind that is longer
    writeFileSync(`${target}.assembling`, 'x'.repeat(3_000_000));
    const line = (n: number): string => `${n} ${'ä'.repeat(n % 50)}\n`;
    await replaceFile(target, pieces(20_000, line));
    expect(readFileSync(target, 'utf8')).toBe(Array.from({ length: 20_000 }, (_, n) => line(n)).join(''));
    expect(readdirSync(folder)).toEqual(['lines']);
  });

  it('leaves the former file, and nothing else, where a piece can not be had', async () => {
    const target = join(folder, 'lines');
    writeFileSync(target, 'former');
    const failing = pieces(10, (n) => {
      if (n === 5) throw new Error('no more');
      return 'new\n';
    });
    await expect(replaceFile(target, failing)).rejects.toThrow('no more');
    expect(readFileSync(target, 'utf8')).toBe('former');
    expect(readdirSync(folder)).toEqual(['lines']);
  });
});
