import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createManifest, createMiniBatches, openManifest, relist } from '../../src/dataset/index.ts';
import type { InputSpec, Selection } from '../../src/domain/plan.ts';
import { collect, scratchFolder, writeFiles } from './scratch.ts';

const CSV = { delimiter: ',', header: true } as const;
type List = Omit<Extract<Selection, { by: 'list' }>, 'by' | 'file'>;

const inputAt = (file: string, list: List = {}): InputSpec => ({
  kind: 'files',
  name: 'data',
  root: '/',
  select: { by: 'list', file, ...list },
});

const drafts = (input: InputSpec, files = 3) =>
  collect(createMiniBatches([input], { by: 'files', files }, { exclude: [] }));

async function paths(content: string | Uint8Array, list: List = {}, name = 'list.txt'): Promise<string[]> {
  const root = scratchFolder();
  writeFiles(root, { [name]: content });
  const found = await drafts(inputAt(join(root, name), list));
  return found.flatMap(({ source }) => {
    if (source.kind !== 'files') throw new Error('no files');
    return source.files.map((file) => `${source.root === '/' ? '' : source.root}/${file}`.replace(`${root}/`, '~'));
  });
}

describe('a path a line', () => {
  test('relative ones count from the folder of the list; order and repetition are kept', async () => {
    const text = 'b\r\n\n./a\n.//./c\n/etc/x\nb\n# no comment\n  spaces \n../up\nlast';
    expect(await paths(text)).toEqual([
      '~b',
      '~a',
      '~c',
      '/etc/x',
      '~b',
      '~# no comment',
      '~  spaces ',
      '~../up',
      '~last',
    ]);
  });

  test('file: URLs, a mark of UTF-8, compressed', async () => {
    expect(await paths('\ufefffile:///a%20b/%23c\nfile://localhost/d\nfile:/e\nFILE:///f%C3%A9')).toEqual([
      '/a b/#c',
      '/d',
      '/e',
      '/fé',
    ]);
    expect(await paths(gzipSync('a\nb\n'), {}, 'list.txt.gz')).toEqual(['~a', '~b']);
  });

  test('odd bytes are kept as they are', async () => {
    const bytes = Buffer.concat([Buffer.from('a'), Buffer.from([0xff]), Buffer.from('\nfile:///b%fe\nü\n')]);
    expect(await paths(bytes)).toEqual(['~a\udcff', '/b\udcfe', '~ü']);
  });

  test.each([
    ['a\nhttps://x/y\n', 2, 'https:'],
    ['a\n\nazureml://datastores/x\n', 3, 'azureml:'],
    ['file://other/x\n', 1, 'another machine'],
    ['file:x\n', 1, 'no absolute path'],
    ['a\0b\n', 1, 'zero byte'],
    [`a\n${'x'.repeat(70_000)}\n`, 2, 'longer than'],
  ])('%j is refused with its line', async (text, line, why) => {
    await expect(paths(text)).rejects.toMatchObject({
      problem: { code: 'PR3402', where: { line }, why: expect.stringContaining(why) },
    });
  });

  test('names with a colon are names', async () => {
    expect(await paths('a:b\n12:30.txt\nC:/x\n')).toEqual(['~a:b', '~12:30.txt', '~C:/x']);
  });

  test('an empty list, one that is gone, and one that is a folder', async () => {
    expect(await paths('')).toEqual([]);
    expect(await paths('\n\r\n\n')).toEqual([]);
    await expect(drafts(inputAt(join(scratchFolder(), 'gone')))).rejects.toMatchObject({ problem: { code: 'PR3002' } });
    await expect(drafts(inputAt(scratchFolder()))).rejects.toMatchObject({ problem: { code: 'PR3004' } });
  });
});

describe('CSV', () => {
  const csv = (text: string, column = 'path') => paths(text, { csv: CSV, column }, 'list.csv');

  test('a column by its name, quoted or not; rows without one are none', async () => {
    expect(await csv('id,path\n1,a\n2,"b, ""c"""\n3,\n4\n5,d,extra\n')).toEqual(['~a', '~b, "c"', '~d']);
    expect(await csv('image\r\nx y\r\n', 'image')).toEqual(['~x y']);
    expect(await csv('\ufeffpath\nx\n')).toEqual(['~x']);
    expect(await csv('path\n')).toEqual([]);
  });

  test('without that column, or with a quote that never ends', async () => {
    await expect(csv('id,Path\n1,a\n')).rejects.toMatchObject({
      problem: { code: 'PR3401', why: 'its columns are "id", "Path"' },
    });
    await expect(csv('path\n"a\nb\n')).rejects.toMatchObject({ problem: { code: 'PR3402' } });
  });

  test('gives what was written, whatever the names and however they are cut into mini-batches', async () => {
    const name = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 12 })
      .filter((text) => !/^[./]|[\0\n\r]|^\w+:|^\s*$/u.test(text) && !/\p{Surrogate}/u.test(text));
    await fc.assert(
      fc.asyncProperty(fc.array(name, { maxLength: 40 }), fc.integer({ min: 1, max: 50 }), async (names, size) => {
        const root = scratchFolder();
        const rows = names.map((text, i) => `${i},"${text.replaceAll('"', '""')}"\n`);
        writeFiles(root, { 'list.csv': `n,path\n${rows.join('')}` });
        const found = await drafts(inputAt(join(root, 'list.csv'), { csv: CSV, column: 'path' }), size);
        const files = found.flatMap(({ source }) =>
          source.kind === 'files' ? source.files.map((file) => `${source.root}/${file}`) : [],
        );
        expect(files).toEqual(names.map((text) => `${root}/${text}`));
        expect(found.slice(0, -1).every(({ items }) => items === size)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

describe('mini-batches', () => {
  test('name the folder that their files have in common', async () => {
    const root = scratchFolder();
    writeFiles(root, { 'list.txt': '/data/set/a/1\n/data/set/a/2\n/data/set/b/1\n/data/settle/1\n/x\n/y/z\n' });
    const found = await drafts(inputAt(join(root, 'list.txt')), 2);
    expect(found.map(({ source }) => source)).toEqual([
      { kind: 'files', root: '/data/set/a', files: ['1', '2'] },
      { kind: 'files', root: '/data', files: ['set/b/1', 'settle/1'] },
      { kind: 'files', root: '/', files: ['x', 'y/z'] },
    ]);
  });

  test('a million paths: mini-batches come while they are read, in little memory', async () => {
    const root = scratchFolder();
    const file = join(root, 'list.txt');
    writeFileSync(file, '');
    for (let i = 0; i < 100; i++)
      appendFileSync(file, Array.from({ length: 10_000 }, (_, k) => `images/set/${i}/${k}.jpg\n`).join(''));
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    let items = 0;
    let most = 0;
    let peak = 0;
    for await (const some of createMiniBatches([inputAt(file)], { by: 'files', files: 100 }, { exclude: [] })) {
      const found = some.reduce((sum, draft) => sum + draft.items, 0);
      items += found;
      most = Math.max(most, found);
      peak = Math.max(peak, process.memoryUsage().heapUsed - before);
    }
    expect(items).toBe(1_000_000);
    expect(most).toBeLessThan(100_000);
    expect(peak).toBeLessThan(150 * 1024 * 1024);
  }, 60_000);
});

describe('listed again', () => {
  async function again(before: string, after: string, listing: 'complete' | 'interrupted', count?: number) {
    const root = scratchFolder();
    const file = join(root, 'list.txt');
    const at = { manifest: join(root, 'm'), index: join(root, 'i'), stamps: join(root, 's') };
    writeFileSync(file, before);
    const manifest = await createManifest(at);
    const all = await drafts(inputAt(file), 1);
    manifest.append(all.slice(0, count));
    await manifest.flush(true);
    await manifest.close();
    writeFileSync(file, after);
    const reader = openManifest(at);
    try {
      const found = await collect(
        relist(
          [inputAt(file)],
          { by: 'files', files: 1 },
          {
            exclude: [],
            manifest: reader,
            count: reader.count,
            listing,
            rescan: false,
            stamps: undefined,
            acceptChanged: false,
            inodes: false,
          },
        ),
      );
      return found.map(({ source }) => (source.kind === 'files' ? source.files.join() : ''));
    } finally {
      reader.close();
    }
  }

  test('goes on where it was interrupted, also between equal paths', async () => {
    expect(await again('a\na\nb\na\n', 'a\na\nb\na\n', 'complete')).toEqual([]);
    expect(await again('a\na\nb\na\n', 'a\na\nb\na\n', 'interrupted', 1)).toEqual(['a', 'b', 'a']);
    expect(await again('a\na\nb\na\n', 'a\na\nb\na\nc\n', 'interrupted', 3)).toEqual(['a', 'c']);
  });

  test.each([
    ['a line more', 'a\nb\n', 'a\nb\nc\n', 'complete', undefined],
    ['a repetition more', 'a\nb\n', 'a\nb\na\n', 'complete', undefined],
    ['a line less', 'a\nb\n', 'a\n', 'complete', undefined],
    ['another line in front', 'a\nb\nc\n', 'x\na\nb\nc\n', 'interrupted', 2],
    ['another order', 'a\nb\nc\n', 'b\na\nc\n', 'interrupted', 2],
  ] as const)('%s is noticed', async (_, before, after, listing, count) => {
    await expect(again(before, after, listing, count)).rejects.toMatchObject({ name: 'ListingDiffers' });
  });
});
