import { existsSync, readFileSync, readdirSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Grouper } from '../../src/dataset/group/grouper.ts';
import type { Group } from '../../src/dataset/group/grouper.ts';
import { collect, scratchFolder } from './scratch.ts';

type Item = readonly [key: string, content: string];

/** What comes of it, and the contents of each group. */
async function grouped(items: readonly Item[], memoryBytes: number, levels?: number) {
  const folder = scratchFolder();
  const output = `${folder}/output`;
  const grouper = new Grouper({
    scratch: `${folder}/spill`,
    output,
    memoryBytes,
    ...(levels !== undefined && { levels }),
  });
  for (const [key, content] of items) {
    const bytes = Buffer.from(`..${content}.`);
    grouper.add(key, bytes, 2, bytes.length - 1);
  }
  const groups = await collect(grouper.groups());
  expect(readdirSync(`${folder}/spill`)).toEqual([]);
  const bytes = readFileSync(output);
  return { groups, bytes, contents: groups.map(({ start, end }) => bytes.toString('utf8', start, end)) };
}

function reference(items: readonly Item[]): { key: string; first: number; items: number; content: string }[] {
  const found = new Map<string, { key: string; first: number; items: number; content: string }>();
  for (const [i, [key, content]] of items.entries()) {
    const group = found.get(key) ?? { key, first: i, items: 0, content: '' };
    found.set(key, { ...group, items: group.items + 1, content: group.content + content });
  }
  return [...found.values()];
}

const key = fc.oneof(
  fc.constantFrom('a', 'b', '', '"', '\n', 'é', '😀'),
  fc.string({ unit: 'grapheme' }),
  fc.integer({ min: 0, max: 200 }).map(String),
  fc.integer({ min: 1, max: 3000 }).map((length) => 'long'.repeat(length)),
);
const content = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constant(''), fc.constant('x'.repeat(5000)));

test('groups are those of a naive reference, whatever the memory, and lie in the output in the same way', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(key, content), { maxLength: 300 }),
      fc.constantFrom(0, 2000, 20_000, 10_000_000),
      fc.constantFrom(1, 2, 10),
      async (items, memoryBytes, levels) => {
        const found = await grouped(items, memoryBytes, levels);
        const shown = found.groups.map(({ key: name, first, items: count }, i) => ({
          key: name,
          first,
          items: count,
          content: found.contents[i],
        }));
        expect(shown).toEqual(reference(items));
        expect(found.groups.reduce((sum, { start, end }) => sum + end - start, 0)).toBe(found.bytes.length);
        const roomy = await grouped(items, 10_000_000);
        expect(found.groups).toEqual(roomy.groups);
        expect(found.bytes.equals(roomy.bytes)).toBe(true);
      },
    ),
    { numRuns: 60 },
  );
}, 60_000);

test('many groups of few items and one of most of them', async () => {
  const items = Array.from({ length: 20_000 }, (_, i): Item => [i % 3 === 0 ? `k${i}` : 'most', `${i};`]);
  const { groups, contents } = await grouped(items, 100_000);
  expect(
    groups.map((group, i) => ({ key: group.key, first: group.first, items: group.items, content: contents[i] })),
  ).toEqual(reference(items));
}, 60_000);

test('without an output items are only counted, with the same places', async () => {
  const folder = scratchFolder();
  const items = Array.from({ length: 1000 }, (_, i): Item => [`k${i % 7}`, `${i};`]);
  const grouper = new Grouper({ scratch: `${folder}/spill`, memoryBytes: 1000 });
  for (const [name, text] of items) grouper.add(name, Buffer.from(text), 0, text.length);
  const counted: Group[] = await collect(grouper.groups());
  expect(counted).toEqual((await grouped(items, 1000)).groups);
  expect(existsSync(`${folder}/output`)).toBe(false);
});
