import {
  appendFileSync,
  openSync,
  closeSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DatasetError, createManifest, openManifest } from '../../src/dataset/index.ts';
import type { ManifestEntry, ManifestPaths, MiniBatchDraft } from '../../src/dataset/index.ts';
import type { MiniBatchSource } from '../../src/domain/minibatch.ts';
import { scratchFolder } from './scratch.ts';

function pathsIn(folder = scratchFolder()): ManifestPaths {
  return { manifest: `${folder}/manifest.jsonl`, index: `${folder}/manifest.index` };
}

const draft = (i: number, files: readonly string[] = [`f${i}`]): MiniBatchDraft => ({
  source: { kind: 'files', root: '/data', files },
  items: files.length,
});
const drafts = (from: number, to: number): MiniBatchDraft[] =>
  Array.from({ length: to - from }, (_, i) => draft(from + i));
const parsed = ({ source, items }: ManifestEntry): MiniBatchDraft => ({
  source: JSON.parse(Buffer.from(source).toString('utf8')) as MiniBatchSource,
  items,
});

async function stored(paths: ManifestPaths, ...chunks: (readonly MiniBatchDraft[])[]): Promise<void> {
  const manifest = await createManifest(paths);
  for (const chunk of chunks) {
    manifest.append(chunk);
    await manifest.flush();
  }
  await manifest.close();
}

describe('writing and reading', () => {
  test('the lines are the JSON of the sources, byte for byte, in UTF-8', async () => {
    const paths = pathsIn();
    const all = [
      draft(0, ['a b', 'é😀', '\udcff\udcfe', 'line\nbreak', '"']),
      { source: { kind: 'rank', rank: 3 }, items: 0 } as const,
    ];
    await stored(paths, all);
    const lines = readFileSync(paths.manifest);
    expect(lines.toString('utf8')).toBe(all.map(({ source }) => `${JSON.stringify(source)}\n`).join(''));
    expect(lines.includes('\\udcff\\udcfe')).toBe(true);
    const reader = openManifest(paths);
    expect(reader.count).toBe(2);
    expect(reader.readRange(0, 2).map(parsed)).toEqual(all);
    expect(Buffer.from(reader.read(1).source).toString()).toBe('{"kind":"rank","rank":3}');
    reader.close();
  });

  test('any drafts come back, in any order of reading', async () => {
    const file = fc.string({ unit: 'binary', maxLength: 300 });
    const any = fc.array(
      fc.array(file, { minLength: 1, maxLength: 8 }).map((files) => draft(0, files)),
      { minLength: 1, maxLength: 30 },
    );
    await fc.assert(
      fc.asyncProperty(any, fc.array(fc.nat(29), { maxLength: 60 }), async (all, order) => {
        const paths = pathsIn();
        await stored(paths, all.slice(0, 3), all.slice(3));
        const reader = openManifest(paths);
        for (const i of order) if (i < all.length) expect(parsed(reader.read(i))).toEqual(all[i]);
        expect(reader.readRange(0, all.length).map(parsed)).toEqual(all);
        reader.close();
      }),
      { numRuns: 60 },
    );
  });

  test('more than fits what is read ahead, small and large mixed', async () => {
    const paths = pathsIn();
    const all = Array.from({ length: 10_000 }, (_, i) => draft(i, [`${i}`, 'x'.repeat(i % 500 === 0 ? 400_000 : 5)]));
    await stored(paths, all.slice(0, 6000), all.slice(6000));
    const reader = openManifest(paths);
    for (const [i, { source }] of reader.readRange(0, all.length).entries()) {
      if (Buffer.compare(source, Buffer.from(JSON.stringify(all[i]?.source))) !== 0)
        throw new Error(`mini-batch ${i} differs`);
    }
    expect(() => reader.read(10_000)).toThrow('mini-batch 10000 of 10000');
    reader.close();
  });

  test('what was read stays as it is', async () => {
    const paths = pathsIn();
    await stored(
      paths,
      Array.from({ length: 5000 }, (_, i) => draft(i, ['x'.repeat(100), `${i}`])),
    );
    const reader = openManifest(paths);
    const kept = reader.readRange(0, 5000);
    expect(kept.every((entry, i) => Buffer.from(entry.source).toString().includes(`"${i}"`))).toBe(true);
    reader.close();
  });
});

describe('while it is being written', () => {
  test('what is flushed can be read, by the writer and by others; the rest not', async () => {
    const paths = pathsIn();
    const manifest = await createManifest(paths);
    const other = openManifest(paths);
    expect(other.count).toBe(0);
    for (let i = 0; i < 200; i++) {
      manifest.append(drafts(i * 3, i * 3 + 3));
      expect(() => manifest.read(i * 3)).toThrow('not stored yet');
      await manifest.flush(i % 50 === 0);
      expect(manifest.count).toBe(i * 3 + 3);
      // the writer's own reader lags behind and catches up
      if (i % 3 === 0) expect(parsed(manifest.read(i))).toEqual(draft(i));
      expect(parsed(manifest.read(i * 3 + 2))).toEqual(draft(i * 3 + 2));
      expect(other.refresh()).toBe(i * 3 + 3);
      expect(parsed(other.read(i * 3))).toEqual(draft(i * 3));
    }
    expect(manifest.readRange(0, 600).map(parsed)).toEqual(drafts(0, 600));
    await manifest.close();
    other.close();
  });

  test('flushes may overlap; appending goes on meanwhile', async () => {
    const paths = pathsIn();
    const manifest = await createManifest(paths);
    const flushes: Promise<void>[] = [];
    for (let i = 0; i < 100; i++) {
      manifest.append(drafts(i * 2, i * 2 + 2));
      flushes.push(manifest.flush(i % 7 === 0));
    }
    await Promise.all(flushes);
    expect(manifest.readRange(0, 200).map(parsed)).toEqual(drafts(0, 200));
    await manifest.close();
    expect(statSync(paths.index).size).toBe(16 + 200 * 16);
    expect(statSync(paths.manifest).mode & 0o777).toBe(0o600);
  });
});

describe('after a crash', () => {
  /** What a reader finds after `spoil`. */
  async function after(spoil: (paths: ManifestPaths) => void): Promise<number> {
    const paths = pathsIn();
    await stored(paths, drafts(0, 10));
    spoil(paths);
    const reader = openManifest(paths);
    const { count } = reader;
    expect(reader.readRange(0, count).map(parsed)).toEqual(drafts(0, count));
    reader.close();
    return count;
  }
  const size = (path: string): number => statSync(path).size;

  test('every length of the index', async () => {
    for (let cut = 0; cut <= 160; cut++) {
      expect(await after(({ index }) => truncateSync(index, 16 + 160 - cut))).toBe(10 - Math.ceil(cut / 16));
    }
  });

  test('every length of the lines', async () => {
    const line = Buffer.byteLength(JSON.stringify(draft(0).source)) + 1;
    for (let cut = 0; cut <= 3 * line; cut++) {
      expect(await after(({ manifest }) => truncateSync(manifest, size(manifest) - cut))).toBe(
        10 - Math.ceil(cut / line),
      );
    }
  });

  test('an index that grew but was never filled', async () => {
    expect(await after(({ index }) => appendFileSync(index, Buffer.alloc(40)))).toBe(10);
    expect(await after(({ index }) => appendFileSync(index, Buffer.alloc(32, 0xff)))).toBe(10);
  });

  test('lines that grew but were never filled', async () => {
    const zeroLast = ({ manifest }: ManifestPaths): void => {
      const file = openSync(manifest, 'r+');
      writeSync(file, Buffer.alloc(30), 0, 30, size(manifest) - 30);
      closeSync(file);
    };
    expect(await after(zeroLast)).toBe(9);
  });
});

describe('what is no manifest', () => {
  const codeOf = (paths: ManifestPaths): string => {
    try {
      openManifest(paths).close();
      return 'none';
    } catch (error) {
      if (!(error instanceof DatasetError)) throw error;
      return `${error.problem.code}: ${error.problem.why ?? ''}`;
    }
  };

  test('is refused with its reason', async () => {
    const paths = pathsIn();
    expect(codeOf(paths)).toMatch(/^PR3010: ENOENT/);
    writeFileSync(paths.manifest, '');
    writeFileSync(paths.index, 'something else altogether');
    expect(codeOf(paths)).toBe('PR3010: the index does not start as one');
    await stored(paths, drafts(0, 1));
    const header = readFileSync(paths.index);
    header[8] = 9;
    writeFileSync(paths.index, header);
    expect(codeOf(paths)).toBe('PR3010: its version is 9, not 1');
  });

  test('a damaged entry or line in the middle is found when it is read', async () => {
    const paths = pathsIn();
    await stored(paths, drafts(0, 10));
    const index = readFileSync(paths.index);
    index[16 + 3 * 16] = 0xee;
    writeFileSync(paths.index, index);
    const lines = readFileSync(paths.manifest);
    lines.fill(0, 5 * (lines.length / 10), 6 * (lines.length / 10));
    writeFileSync(paths.manifest, lines);
    const reader = openManifest(paths);
    expect(parsed(reader.read(2))).toEqual(draft(2));
    expect(() => reader.read(3)).toThrow(/entry of mini-batch 3/);
    expect(() => reader.read(5)).toThrow(/line of mini-batch 5/);
    expect(parsed(reader.read(6))).toEqual(draft(6));
    reader.close();
  });
});
