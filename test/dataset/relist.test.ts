import { appendFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DatasetError,
  ListingDiffers,
  Stamps,
  createManifest,
  createMiniBatches,
  openManifest,
  relist,
  reopenManifest,
} from '../../src/dataset/index.ts';
import type { ListingDifference, MiniBatchDraft } from '../../src/dataset/index.ts';
import { PathSet } from '../../src/dataset/pathset.ts';
import type { MiniBatchSource } from '../../src/domain/minibatch.ts';
import type { Cutting, InputSpec } from '../../src/domain/plan.ts';
import { collect, scratchFolder, writeFiles } from './scratch.ts';

const CSV = { delimiter: ',', header: true };
const TWO: Cutting = { by: 'files', files: 2 };

/** An input and the manifest of a run that has listed it, wholly or up to a mini-batch. */
class Listed {
  readonly folder = scratchFolder();
  readonly root = `${this.folder}/in`;
  readonly paths = { manifest: `${this.folder}/m`, index: `${this.folder}/i`, stamps: `${this.folder}/s` };
  readonly inputs: readonly InputSpec[];
  readonly cutting: Cutting;

  constructor(
    contents: Readonly<Record<string, string>>,
    cutting: Cutting = TWO,
    inputs?: (root: string) => InputSpec[],
  ) {
    mkdirSync(this.root);
    writeFiles(this.root, contents);
    this.cutting = cutting;
    this.inputs = inputs?.(this.root) ?? [{ kind: 'files', name: 'in', root: this.root, select: { by: 'all' } }];
  }

  static tables(contents: Readonly<Record<string, string>>, rows = 2): Listed {
    const inputs = (root: string): InputSpec[] => [
      { kind: 'table', name: 'in', root, select: { by: 'all' }, table: { format: 'csv', ...CSV } },
    ];
    return new Listed(contents, { by: 'rows', rows }, inputs);
  }

  /** @param count mini-batches that the run had when it ended */
  async list(count = Infinity): Promise<void> {
    const manifest = await createManifest(this.paths);
    const drafts = await collect(createMiniBatches(this.inputs, this.cutting, { exclude: [], stamps: true }));
    manifest.append(drafts.slice(0, count));
    await manifest.close();
  }

  /** Appends what comes of listing again, as a resumed run does. */
  async again(
    listing: 'complete' | 'interrupted',
    rescan = false,
    acceptChanged = false,
  ): Promise<ListingDifference | undefined> {
    const reader = openManifest(this.paths);
    const stamps = Stamps.open(this.paths.stamps);
    const manifest = await reopenManifest(this.paths, reader.count);
    let difference: ListingDifference | undefined;
    try {
      const drafts = relist(this.inputs, this.cutting, {
        manifest: reader,
        count: reader.count,
        listing,
        rescan,
        stamps,
        acceptChanged,
        inodes: true,
        exclude: [],
        onDifference: (found) => (difference = found),
      });
      const chunks: MiniBatchDraft[] = [];
      for await (const chunk of drafts) chunks.push(...chunk);
      manifest.append(chunks);
      return difference;
    } finally {
      await manifest.close();
      reader.close();
      stamps?.close();
    }
  }

  /** File names (or `file:rows`) of each mini-batch. */
  get miniBatches(): string[] {
    const reader = openManifest(this.paths);
    const lines = reader.readRange(0, reader.count).map(({ source }) => {
      const parsed = JSON.parse(Buffer.from(source).toString()) as MiniBatchSource;
      if (parsed.kind === 'files') return parsed.files.join(' ');
      if (parsed.kind === 'rank') return `rank ${parsed.rank}`;
      return `${parsed.file.slice(this.root.length + 1)}:${parsed.firstRow}+${parsed.rows}`;
    });
    reader.close();
    return lines;
  }

  add(name: string, text = ''): void {
    writeFiles(this.root, { [name]: text });
  }
  remove(name: string): void {
    rmSync(`${this.root}/${name}`);
  }
}

async function differenceOf(work: Promise<unknown>): Promise<Record<'added' | 'removed', readonly [number, string]>> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ListingDiffers)) throw new Error('no difference was found', { cause: error });
  const short = ({ count, examples }: ListingDifference['added']): [number, string] => [
    count,
    examples.map((path) => path.replace(/.*\/in\//, '')).join(' '),
  ];
  return { added: short(error.difference.added), removed: short(error.difference.removed) };
}

const NAMES = { a: '', b: '', 'd/x': '', 'd/y': '', e: '' };

describe('after a complete listing', () => {
  test('nothing new: nothing happens', async () => {
    const listed = new Listed(NAMES);
    await listed.list();
    await listed.again('complete');
    expect(listed.miniBatches).toEqual(['a b', 'd/x d/y', 'e']);
  });

  test.each<[string, (listed: Listed) => void, readonly [number, string], readonly [number, string]]>([
    ['a file behind all others', (l) => l.add('f'), [1, 'f'], [0, '']],
    ['a file in front of them', (l) => l.add('0'), [1, '0'], [0, '']],
    ['a folder between them', (l) => ['c/1', 'c/2'].forEach((name) => l.add(name)), [2, 'c/1 c/2'], [0, '']],
    ['the last one is gone', (l) => l.remove('e'), [0, ''], [1, 'e']],
    ['the first one is gone', (l) => l.remove('a'), [0, ''], [1, 'a']],
    ['one renamed', (l) => renameSync(`${l.root}/d/x`, `${l.root}/d/z`), [1, 'd/z'], [1, 'd/x']],
    ['all replaced by others', (l) => renameSync(`${l.root}/d`, `${l.root}/g`), [2, 'g/x g/y'], [2, 'd/x d/y']],
  ])('%s', async (_, change, added, removed) => {
    const listed = new Listed(NAMES);
    await listed.list();
    change(listed);
    expect(await differenceOf(listed.again('complete'))).toEqual({ added, removed });
    expect(listed.miniBatches).toEqual(['a b', 'd/x d/y', 'e']);
  });

  test('many differences: all are counted, a few are named', async () => {
    const listed = new Listed(NAMES);
    await listed.list();
    for (let i = 0; i < 30; i++) listed.add(`b${i}`);
    expect(await differenceOf(listed.again('complete'))).toEqual({
      added: [30, 'b0 b1 b10 b11 b12'],
      removed: [0, ''],
    });
  });

  test('a rescan puts new files behind all others and leaves the rest alone', async () => {
    const listed = new Listed(NAMES);
    await listed.list();
    for (const name of ['0', 'c', 'f']) listed.add(name);
    listed.remove('d/x');
    const difference = await listed.again('complete', true);
    expect(listed.miniBatches).toEqual(['a b', 'd/x d/y', 'e', '0 c', 'f']);
    expect(difference).toMatchObject({ added: { count: 3 }, removed: { count: 1, examples: [`${listed.root}/d/x`] } });
    listed.add('d/x');
    await listed.again('complete');
    // Again, when the order of the manifest is no longer that of the listing.
    listed.add('c2');
    expect(await differenceOf(listed.again('complete'))).toEqual({ added: [1, 'c2'], removed: [0, ''] });
    await listed.again('complete', true);
    expect(listed.miniBatches).toEqual(['a b', 'd/x d/y', 'e', '0 c', 'f', 'c2']);
  });

  test('the same file in two inputs counts twice', async () => {
    const listed = new Listed({ a: '', b: '' }, TWO, (root) => [
      { kind: 'files', name: 'x', root, select: { by: 'all' } },
      { kind: 'files', name: 'y', root, select: { by: 'glob', pattern: 'a*' } },
    ]);
    await listed.list();
    expect(listed.miniBatches).toEqual(['a b', 'a']);
    await listed.again('complete');
    listed.add('a2');
    expect(await differenceOf(listed.again('complete'))).toEqual({ added: [2, 'a2 a2'], removed: [0, ''] });
    listed.remove('a2');
    listed.remove('a');
    expect(await differenceOf(listed.again('complete'))).toEqual({ added: [0, ''], removed: [2, 'a a'] });
  });

  test('tables: files count, not their rows; one without rows is none', async () => {
    const listed = Listed.tables({ 'a.csv': 'x\n1\n2\n3\n', 'b.csv': 'x\n', 'c.csv': 'x\n4\n' });
    await listed.list();
    const before = ['a.csv:0+2', 'a.csv:2+1', 'c.csv:0+1'];
    expect(listed.miniBatches).toEqual(before);
    await listed.again('complete');
    listed.add('a2.csv', 'x\n');
    await listed.again('complete');
    listed.add('a3.csv', 'x\n7\n8\n9\n');
    expect(await differenceOf(listed.again('complete'))).toEqual({ added: [1, 'a3.csv'], removed: [0, ''] });
    await listed.again('complete', true);
    expect(listed.miniBatches).toEqual([...before, 'a3.csv:0+2', 'a3.csv:2+1']);
  });

  test('an input that is gone altogether', async () => {
    const listed = new Listed(NAMES);
    await listed.list();
    rmSync(listed.root, { recursive: true });
    await expect(listed.again('complete')).rejects.toThrow(DatasetError);
  });
});

describe('after a listing that was interrupted', () => {
  const WHOLE = ['a b', 'd/x d/y', 'e'];
  test('it goes on behind what there is, wherever it was', async () => {
    for (let count = 0; count <= 3; count++) {
      const listed = new Listed(NAMES);
      await listed.list(count);
      await listed.again('interrupted');
      expect(listed.miniBatches).toEqual(WHOLE);
    }
  });

  test('a new file is no difference where nobody had looked yet', async () => {
    const listed = new Listed(NAMES);
    await listed.list(1);
    listed.add('c');
    await listed.again('interrupted');
    expect(listed.miniBatches).toEqual(['a b', 'c d/x', 'd/y e']);
  });

  test('one among those that were listed is, and so is one that is missing', async () => {
    const listed = new Listed(NAMES);
    await listed.list(2);
    listed.add('c');
    expect(await differenceOf(listed.again('interrupted'))).toEqual({ added: [1, 'c'], removed: [0, ''] });
    listed.remove('c');
    listed.remove('a');
    expect(await differenceOf(listed.again('interrupted'))).toEqual({ added: [0, ''], removed: [1, 'a'] });
    expect(listed.miniBatches).toEqual(WHOLE.slice(0, 2));
    await listed.again('interrupted', true);
    expect(listed.miniBatches).toEqual(WHOLE);
  });

  const ROWS = { 'a.csv': 'x\n1\n2\n3\n4\n5\n', 'b.csv': 'x\n6\n7\n8\n' };
  test('a table that was half cut is cut to its end', async () => {
    const whole = Listed.tables(ROWS);
    await whole.list();
    for (let count = 0; count <= 5; count++) {
      const listed = Listed.tables(ROWS);
      await listed.list(count);
      await listed.again('interrupted');
      expect(listed.miniBatches).toEqual(whole.miniBatches);
    }
  });

  test.each([
    ['shorter', 'x\n1\n2\n'],
    ['with other rows', 'x\n1\n22\n3\n4\n5\n'],
    ['with rows of the same length', 'x\n9\n9\n9\n9\n9\n'],
  ])('but not where it is another one by now: %s', async (_, text) => {
    const listed = Listed.tables(ROWS);
    await listed.list(2);
    writeFileSync(`${listed.root}/a.csv`, text);
    await expect(listed.again('interrupted')).rejects.toThrow(
      /a table has changed while its rows were only half listed/,
    );
    expect(listed.miniBatches).toHaveLength(2);
  });

  test('unless its change is accepted, and its mini-batches come out the same', async () => {
    const listed = Listed.tables(ROWS);
    await listed.list(2);
    appendFileSync(`${listed.root}/a.csv`, '55\n');
    await listed.again('interrupted', false, true);
    expect(listed.miniBatches.slice(0, 4)).toEqual(['a.csv:0+2', 'a.csv:2+2', 'a.csv:4+2', 'b.csv:0+2']);
  });

  test('ranks', async () => {
    const listed = new Listed({}, { by: 'rank', count: 3000 }, () => []);
    await listed.list(1500);
    await listed.again('interrupted');
    expect(listed.miniBatches).toHaveLength(3000);
    expect(listed.miniBatches[2999]).toBe('rank 2999');
    await listed.again('complete');
    expect(listed.miniBatches).toHaveLength(3000);
  });
});

test('any change of names: added and removed are exactly those', async () => {
  const name = fc.stringMatching(/^[a-c]{1,2}(\/[a-c]{1,2})?$/);
  const names = fc.uniqueArray(name, { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(names, names, async (before, after) => {
      // A name can't be a file and a folder.
      const apart = (list: readonly string[]) => list.map((one) => (one.includes('/') ? one : `${one}.f`));
      const [old, fresh] = [new Set(apart(before)), new Set(apart(after))];
      const listed = new Listed(Object.fromEntries([...old].map((one) => [one, ''])));
      await listed.list();
      for (const one of old) if (!fresh.has(one)) listed.remove(one);
      for (const one of fresh) if (!old.has(one)) listed.add(one);
      const added = [...fresh].filter((one) => !old.has(one)).length;
      const removed = [...old].filter((one) => !fresh.has(one)).length;
      if (added + removed === 0) {
        await listed.again('complete');
        return;
      }
      expect(await differenceOf(listed.again('complete'))).toMatchObject({
        added: [added, expect.anything()],
        removed: [removed, expect.anything()],
      });
      await listed.again('complete', true);
      const known = listed.miniBatches
        .join(' ')
        .split(' ')
        .filter((one) => one !== '');
      expect(known.sort()).toEqual([...new Set([...old, ...fresh])].sort());
    }),
    { numRuns: 60 },
  );
});

test('a set of paths is a multiset', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 3 })), fc.array(fc.string({ maxLength: 3 })), (added, taken) => {
      const set = new PathSet();
      const counts = new Map<string, number>();
      for (const path of added) {
        set.add(path);
        counts.set(path, (counts.get(path) ?? 0) + 1);
      }
      for (const path of [...taken, ...added]) {
        const left = counts.get(path) ?? 0;
        expect(set.take(path)).toBe(left > 0);
        counts.set(path, Math.max(0, left - 1));
        expect(set.size).toBe([...counts.values()].reduce((sum, n) => sum + n, 0));
      }
    }),
  );
  const many = new PathSet();
  for (let i = 0; i < 50_000; i++) many.add(`/data/${i}`);
  for (let i = 0; i < 50_000; i++) if (!many.take(`/data/${i}`) || many.take(`/data/${i}`)) throw new Error(`${i}`);
  expect(many.size).toBe(0);
});
