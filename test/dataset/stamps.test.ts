import {
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  InputCheck,
  Stamps,
  changedSince,
  createManifest,
  createMiniBatches,
  isCopied,
  openManifest,
  reopenManifest,
} from '../../src/dataset/index.ts';
import type { ManifestPaths, MiniBatchDraft } from '../../src/dataset/index.ts';
import { miniBatchIndex } from '../../src/domain/ids.ts';
import type { Cutting, InputSpec } from '../../src/domain/plan.ts';
import { collect, scratchFolder, writeFiles } from './scratch.ts';

const CSV = { delimiter: ',', header: true };
const files = (root: string): InputSpec => ({ kind: 'files', name: 'in', root, select: { by: 'all' } });
const tables = (root: string): InputSpec => ({
  kind: 'table',
  name: 'in',
  root,
  select: { by: 'all' },
  table: { format: 'csv', ...CSV },
});

interface Stored {
  readonly folder: string;
  readonly root: string;
  readonly paths: ManifestPaths & { readonly stamps: string };
  readonly drafts: readonly MiniBatchDraft[];
}

/** Lists an input as a new run does. */
async function stored(
  contents: Readonly<Record<string, string>>,
  cutting: Cutting,
  input: (root: string) => InputSpec = files,
): Promise<Stored> {
  const folder = scratchFolder();
  const root = `${folder}/in`;
  mkdirSync(root);
  writeFiles(root, contents);
  for (const name of Object.keys(contents)) utimesSync(`${root}/${name}`, LONG_AGO, LONG_AGO);
  const paths = { manifest: `${folder}/m`, index: `${folder}/i`, stamps: `${folder}/s` };
  const drafts = await collect(createMiniBatches([input(root)], cutting, { exclude: [], stamps: true }));
  const manifest = await createManifest(paths);
  manifest.append(drafts.slice(0, 2));
  await manifest.flush(true);
  manifest.append(drafts.slice(2));
  await manifest.close();
  return { folder, root, paths, drafts };
}

/** What `InputCheck` finds, by mini-batch. */
function changes(run: Stored, options: { accept?: boolean; below?: number; accepted?: string[] } = {}) {
  const stamps = Stamps.open(run.paths.stamps);
  const manifest = openManifest(run.paths);
  const copied = stamps !== undefined && isCopied(manifest, stamps, manifest.count);
  const check = new InputCheck(stamps, {
    below: options.below ?? manifest.count,
    accept: options.accept === true,
    inodes: !copied,
    onAccepted: (index, path) => options.accepted?.push(`${index} ${path}`),
  });
  const found = Array.from({ length: manifest.count }, (_, index) =>
    check.changeOf(miniBatchIndex(index), manifest.read(index).source),
  );
  manifest.close();
  stamps?.close();
  return found;
}

const changed = (run: Stored, options?: Parameters<typeof changes>[1]): number[] =>
  changes(run, options).flatMap((change, index) => (change ? [index] : []));

async function changedDone(run: Stored, isDone: (index: number) => boolean) {
  const stamps = Stamps.open(run.paths.stamps);
  const manifest = openManifest(run.paths);
  if (!stamps) throw new Error('no stamps');
  const looking = changedSince({
    manifest,
    stamps,
    count: manifest.count,
    isDone,
    inodes: !isCopied(manifest, stamps, manifest.count),
    beside: false,
  });
  for (;;) {
    const { done, value } = await looking.next();
    if (done !== true) continue;
    manifest.close();
    stamps.close();
    return { miniBatches: value.miniBatches, count: value.files.count, examples: value.files.examples };
  }
}

/** Epoch seconds: a time that can be set again exactly. */
const LONG_AGO = 1_700_000_000;
const FOUR = { a: '1', b: '22', 'sub/c': '333', 'sub/d': '', e: '5' };

describe('stamps of files', () => {
  test('an input that nobody touched is what it was', async () => {
    const run = await stored(FOUR, { by: 'files', files: 2 });
    expect(changed(run)).toEqual([]);
    expect(await changedDone(run, () => true)).toEqual({ miniBatches: 0, count: 0, examples: [] });
    expect(statSync(run.paths.stamps).size).toBe(16 + 5 * 32);
  });

  test.each<[string, (path: string) => void]>([
    ['another size', (path) => writeFileSync(path, 'longer than it was')],
    ['the same size, written later', (path) => touch(path, 3)],
    ['another time with a fraction of a millisecond', (path) => touch(path, 0.000_01)],
    ['replaced by a file of the same size and time', replaceAlike],
  ])('%s', async (_, change) => {
    const run = await stored(FOUR, { by: 'files', files: 2 });
    // Listed: a b | e sub/c | sub/d
    change(`${run.root}/sub/c`);
    const [, found] = changes(run);
    expect(found).toMatchObject({ kind: 'input-changed', path: `${run.root}/sub/c`, was: { bytes: 3 } });
    expect(changed(run)).toEqual([1]);
    expect(await changedDone(run, () => true)).toEqual({
      miniBatches: 1,
      count: 1,
      examples: [`${run.root}/sub/c`],
    });
    expect(await changedDone(run, (index) => index !== 1)).toMatchObject({ miniBatches: 0 });
  });

  test('a file that is gone, and one that was gone before it could be looked at', async () => {
    const run = await stored(FOUR, { by: 'files', files: 2 });
    rmSync(`${run.root}/b`);
    expect(changes(run)[0]).toMatchObject({ path: `${run.root}/b`, was: { bytes: 2 }, is: 'gone' });
    // That is the listing's to tell.
    expect(await changedDone(run, () => true)).toMatchObject({ miniBatches: 0 });
  });

  test('without stamps nothing is known but that a file is gone', async () => {
    const run = await stored(FOUR, { by: 'files', files: 2 });
    rmSync(run.paths.stamps);
    touch(`${run.root}/a`, 5);
    rmSync(`${run.root}/e`);
    expect(changes(run)).toMatchObject([undefined, { was: 'unknown', is: 'gone' }, undefined]);
  });

  test('mini-batches that were made just now are not looked at', async () => {
    const run = await stored(FOUR, { by: 'files', files: 2 });
    for (const file of ['a', 'sub/c', 'sub/d']) touch(`${run.root}/${file}`, 5);
    expect(changed(run)).toEqual([0, 1, 2]);
    expect(changed(run, { below: 1 })).toEqual([0]);
  });

  test('what is accepted is what it was from then on; what is gone is never accepted', async () => {
    const run = await stored(FOUR, { by: 'files', files: 2 });
    touch(`${run.root}/b`, 5);
    touch(`${run.root}/e`, 5);
    rmSync(`${run.root}/sub/d`);
    const accepted: string[] = [];
    expect(changed(run, { accept: true, accepted })).toEqual([2]);
    expect(accepted).toEqual([`0 ${run.root}/b`, `1 ${run.root}/e`]);
    expect(changed(run)).toEqual([2]);
    touch(`${run.root}/b`, 9);
    expect(changed(run)).toEqual([0, 2]);
  });

  test('a damaged stamp says nothing about any file of its mini-batch, and nothing wrong about its neighbours', async () => {
    const names = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`f${String(i).padStart(2, '0')}`, 'x']));
    const whole = await stored(names, { by: 'files', files: 3 });
    for (let stamp = 0; stamp < 12; stamp++) {
      const bytes = readFileSync(whole.paths.stamps);
      const damaged = Buffer.from(bytes);
      damaged[16 + stamp * 32 + 7] = 0xee;
      const path = `${whole.folder}/damaged`;
      writeFileSync(path, damaged);
      const run = { ...whole, paths: { ...whole.paths, stamps: path } };
      expect(changed(run)).toEqual([]);
    }
  });

  test('any mini-batch is found, in any order of asking', async () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(sizes, fc.array(fc.nat(39), { maxLength: 60 }), async (counts, order) => {
        const folder = scratchFolder();
        const paths = { manifest: `${folder}/m`, index: `${folder}/i`, stamps: `${folder}/s` };
        const manifest = await createManifest(paths);
        const drafts = counts.map((count, index) => ({
          source: {
            kind: 'files',
            root: '/d',
            files: Array.from({ length: count }, (_, i) => `${index}.${i}`),
          } as const,
          items: count,
          stamps: Array.from({ length: count }, (_, i) => ({ bytes: i, modifiedMs: index + 0.5, inode: 7 })),
        }));
        for (const draft of drafts) {
          manifest.append([draft]);
          await manifest.flush();
        }
        await manifest.close();
        const stamps = Stamps.open(paths.stamps);
        for (const index of order) {
          if (index >= counts.length) continue;
          const before = counts.slice(0, index).reduce((sum, count) => sum + count, 0);
          expect(stamps?.firstFrom(index)).toBe(before);
          if ((counts[index] ?? 0) > 0) expect(stamps?.at(before)).toMatchObject({ index, stamp: { bytes: 0 } });
        }
        stamps?.close();
      }),
      { numRuns: 40 },
    );
  });
});

describe('an input that was copied', () => {
  const MANY = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`f${i}`, 'x'.repeat(i)]));
  /** All files anew, as a restored backup has them. */
  function copyAll(root: string): void {
    for (const name of Object.keys(MANY)) replaceAlike(`${root}/${name}`);
  }

  test('with its times is what it was; what has changed besides is found all the same', async () => {
    const run = await stored(MANY, { by: 'files', files: 1 });
    copyAll(run.root);
    expect(changed(run)).toEqual([]);
    expect(await changedDone(run, () => true)).toMatchObject({ miniBatches: 0 });
    touch(`${run.root}/f4`, 5);
    expect(changed(run)).toEqual([4]);
    expect(changed(run, { accept: true })).toEqual([]);
    expect(changed(run)).toEqual([]);
  });

  test('is none where one file is still itself, or where there are too few to tell', async () => {
    const run = await stored(MANY, { by: 'files', files: 1 });
    for (let i = 1; i < 9; i++) replaceAlike(`${run.root}/f${i}`);
    expect(changed(run)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const few = await stored({ a: '1', b: '2', c: '3' }, { by: 'files', files: 1 });
    for (const name of ['a', 'b', 'c']) replaceAlike(`${few.root}/${name}`);
    expect(changed(few)).toEqual([0, 1, 2]);
  });
});

describe('stamps of tables', () => {
  const TABLES = { 'a.csv': 'x\n1\n2\n3\n4\n5\n', 'b.csv': 'x\n', 'c.csv': 'x\n6\n7\n' };

  test('one a file, which holds for all its mini-batches', async () => {
    const run = await stored(TABLES, { by: 'rows', rows: 2 }, tables);
    expect(run.drafts).toHaveLength(4);
    expect(statSync(run.paths.stamps).size).toBe(16 + 2 * 32);
    expect(changed(run)).toEqual([]);
    touch(`${run.root}/a.csv`, 5);
    expect(changed(run)).toEqual([0, 1, 2]);
    expect(await changedDone(run, (index) => index !== 1)).toEqual({
      miniBatches: 2,
      count: 1,
      examples: [`${run.root}/a.csv`],
    });
    // Others of its mini-batches may be done: it stays what it was.
    expect(changed(run, { accept: true })).toEqual([]);
    expect(changed(run)).toEqual([0, 1, 2]);
    touch(`${run.root}/c.csv`, 5);
    expect(changed(run)).toEqual([0, 1, 2, 3]);
  });
});

describe('a manifest that goes on', () => {
  test('keeps the stamps of what it keeps, and gets those of what follows', async () => {
    const run = await stored(FOUR, { by: 'files', files: 2 });
    const manifest = await reopenManifest(run.paths, 1);
    manifest.append(run.drafts.slice(1));
    await manifest.close();
    expect(changed(run)).toEqual([]);
    expect(statSync(run.paths.stamps).size).toBe(16 + 5 * 32);
    touch(`${run.root}/sub/d`, 5);
    expect(changed(run)).toEqual([2]);
  });

  test('of a version without stamps has them from then on', async () => {
    const run = await stored(FOUR, { by: 'files', files: 2 });
    rmSync(run.paths.stamps);
    const manifest = await reopenManifest(run.paths, 2);
    manifest.append(run.drafts.slice(2));
    await manifest.close();
    for (const file of ['a', 'e', 'sub/d']) touch(`${run.root}/${file}`, 5);
    expect(changed(run)).toEqual([2]);
  });

  test('stamps cut short by a crash are unknown, not wrong', async () => {
    const run = await stored(FOUR, { by: 'files', files: 2 });
    for (let size = 16 + 5 * 32; size >= 0; size -= 7) {
      truncateSync(run.paths.stamps, size);
      expect(changed(run)).toEqual([]);
    }
  });
});

/** Moves the time of change, by seconds. */
function touch(path: string, seconds: number): void {
  const { mtimeMs } = statSync(path);
  utimesSync(path, mtimeMs / 1000 + seconds, mtimeMs / 1000 + seconds);
}

function replaceAlike(path: string): void {
  writeFileSync(`${path}.other`, 'x'.repeat(statSync(path).size));
  utimesSync(`${path}.other`, LONG_AGO, LONG_AGO);
  renameSync(`${path}.other`, path);
}
