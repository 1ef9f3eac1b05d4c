/** Each problem code has a page, and no page is without its code. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What can say a code: our TypeScript, and the host and the stand-ins of modules in the user's interpreter. */
async function codesInSource(): Promise<ReadonlySet<string>> {
  const codes = new Set<string>();
  for (const [folder, ending] of [
    ['src', '.ts'],
    ['python/parallelrun_host', '.py'],
    ['python/shims', '.py'],
  ] as const) {
    for (const name of await readdir(path.join(root, folder), { recursive: true })) {
      if (!name.endsWith(ending)) continue;
      const text = await readFile(path.join(root, folder, name), 'utf8');
      for (const [code] of text.matchAll(/\bPR\d{4}\b/g)) codes.add(code);
    }
  }
  return codes;
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
