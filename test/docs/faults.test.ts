/** `docs/faults.md` names a test for every fault, and the tests it names are there. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const REPO = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(REPO, 'docs/faults.md'), 'utf8');

/** The catalogue; numbers between them are not used. */
const CATALOGUE = [
  ...[1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 14, 16, 17, 20, 21, 22, 23, 24, 25, 26, 28, 29, 30, 32, 34, 35, 36, 37, 39],
  ...[40, 42, 45, 48, 51, 52, 53, 54, 55, 56, 58, 59, 61, 63, 66, 67, 68, 69, 71, 72, 73, 76, 77, 79, 81, 82, 83, 84],
  ...[86, 87, 88, 90, 92, 94, 95, 97, 98, 100, 102, 103, 104, 106, 108, 109, 110, 111, 113, 114, 115, 117, 118, 119],
  ...[123, 136, 137, 138, 139, 140, 141, 144, 167, 169, 170, 172, 173, 174, 175, 176, 178],
];

it('has a row for every fault, once and in order', () => {
  const rows = [...page.matchAll(/^\| F(\d+) +\|/gm)].map(([, number]) => Number(number));
  expect(rows).toEqual(CATALOGUE);
});

it('names only tests that there are', () => {
  const named = [...page.matchAll(/`(\w+\/[\w-]+)`:\s"(.+?)"/g)];
  expect(named.length).toBeGreaterThan(100);
  const missing = named.filter(([, file = '', title = '']) => {
    const path = file.startsWith('python/')
      ? join(REPO, 'python/tests', `${file.slice('python/'.length)}.py`)
      : join(REPO, 'test', `${file}.test.ts`);
    return !existsSync(path) || !readFileSync(path, 'utf8').includes(title);
  });
  expect(missing.map(([text]) => text)).toEqual([]);
});

it('names only scripts that there are', () => {
  for (const [, path = ''] of page.matchAll(/`((?:scripts|bench)\/[\w.-]*)`/g))
    expect([path, existsSync(join(REPO, path))]).toEqual([path, true]);
});
