/** Relative links in the documentation lead somewhere, and every page can be found from the README. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { expect, it } from 'vitest';

const repository = join(import.meta.dirname, '..', '..');
const NO_DOCUMENTATION = new Set(['node_modules', 'dist', 'runs', '.cache', '.git']);

function pages(folder = repository): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return NO_DOCUMENTATION.has(entry.name) ? [] : pages(path);
    return entry.name.endsWith('.md') ? [relative(repository, path)] : [];
  });
}

interface Link {
  readonly page: string;
  readonly written: string;
  /** Relative to the repository. */
  readonly path: string;
  readonly anchor: string;
}

/** Without code: it shows links of others. */
const prose = (page: string): string =>
  readFileSync(join(repository, page), 'utf8')
    .replace(/^```.*?^```/gms, '')
    .replace(/`[^`\n]*`/g, '');

function linksOf(page: string): Link[] {
  return [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, written = '']) => {
    if (/^[a-z]+:/.test(written)) return [];
    const [path = '', anchor = ''] = written.split('#');
    return [{ page, written, path: path === '' ? page : normalize(join(dirname(page), path)), anchor }];
  });
}

/** As the usual viewers make them of headings. */
function anchorsOf(page: string): Set<string> {
  const headings = readFileSync(join(repository, page), 'utf8').matchAll(/^#+ (.*)$/gm);
  const slug = (text: string): string =>
    text
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-');
  return new Set([...headings].map(([, text = '']) => slug(text)));
}

function isDead({ path, anchor }: Link): boolean {
  const target = join(repository, path);
  if (!existsSync(target)) return true;
  return anchor !== '' && !(statSync(target).isFile() && anchorsOf(path).has(anchor));
}

it('no relative link is dead', () => {
  const links = pages().flatMap(linksOf);
  expect(links.length).toBeGreaterThan(10);
  expect(links.filter(isDead).map(({ page, written }) => `${page}: ${written}`)).toEqual([]);
});

it('every page is reached from the README, page by page or by its folder', () => {
  const reached = new Set(['README.md']);
  for (const page of reached) {
    for (const { path } of page.endsWith('.md') ? linksOf(page) : []) {
      const target = path.replace(/\/$/, '');
      reached.add(target);
      if (!existsSync(join(repository, target)) || !statSync(join(repository, target)).isDirectory()) continue;
      for (const name of readdirSync(join(repository, target))) reached.add(join(target, name));
    }
  }
  const lost = pages().filter((page) => !reached.has(page) && !page.startsWith('test/'));
  expect(lost).toEqual([]);
});
