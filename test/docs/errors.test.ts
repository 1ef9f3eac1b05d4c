/** Each problem code has a page, and no page is without its code. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

async function codesInSource(): Promise<ReadonlySet<string>> {
  const names = await readdir(path.join(root, 'src'), { recursive: true });
  const texts = await Promise.all(
    names.filter((name) => name.endsWith('.ts')).map(async (name) => readFile(path.join(root, 'src', name), 'utf8')),
  );
  return new Set(texts.flatMap((text) => [...text.matchAll(/\bPR\d{4}\b/g)].map((match) => match[0])));
}

describe('docs/errors', () => {
  it('has a page per code and a code per page', async () => {
    const pages = (await readdir(path.join(root, 'docs/errors')))
      .filter((name) => /^PR\d{4}\.md$/.test(name))
      .map((name) => name.slice(0, -3));
    expect([...pages].sort()).toEqual([...(await codesInSource())].sort());
  });

  it('each page has its code in its title, causes and what to do', async () => {
    const folder = path.join(root, 'docs/errors');
    for (const name of (await readdir(folder)).filter((file) => /^PR\d{4}\.md$/.test(file))) {
      const text = await readFile(path.join(folder, name), 'utf8');
      expect(text.split('\n')[0]).toMatch(new RegExp(`^# ${name.slice(0, -3)}: \\S`));
      expect([name, text.split('\n').length >= 9]).toEqual([name, true]);
    }
  });
});
