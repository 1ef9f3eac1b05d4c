import { readFileSync, symlinkSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createMiniBatches } from '../../src/dataset/index.ts';
import type { CreationOptions, MiniBatchDraft } from '../../src/dataset/index.ts';
import { DatasetError } from '../../src/dataset/error.ts';
import { cutFile } from '../../src/dataset/table/cut.ts';
import type { Cutting, InputSpec, Selection } from '../../src/domain/plan.ts';
import { referenceRows } from './csvreference.ts';
import { csvText } from './csvtext.ts';
import { collect, scratchFolder, writeEmptyFiles, writeFiles } from './scratch.ts';

const ALL: Selection = { by: 'all' };
const folder = (root: string, select: Selection = ALL): InputSpec => ({ kind: 'files', name: 'data', root, select });
const table = (root: string, select: Selection = ALL, header = true, delimiter = ','): InputSpec => ({
  kind: 'table',
  name: 'data',
  root,
  select,
  table: { format: 'csv', delimiter, header },
});

const create = (
  inputs: readonly InputSpec[],
  cutting: Cutting,
  options: Partial<CreationOptions> = {},
): Promise<MiniBatchDraft[]> => collect(createMiniBatches(inputs, cutting, { exclude: [], ...options }));

const lists = async (inputs: readonly InputSpec[], files: number): Promise<(readonly string[])[]> =>
  (await create(inputs, { by: 'files', files })).map(({ source }) => (source.kind === 'files' ? source.files : []));

describe('files', () => {
  test('so many each, the rest in the last, with root and count', async () => {
    const root = scratchFolder();
    writeEmptyFiles(root, ['1', '2', '3', 'd/4', 'd/5']);
    expect(await create([folder(root)], { by: 'files', files: 2 })).toEqual([
      { source: { kind: 'files', root, files: ['1', '2'] }, items: 2 },
      { source: { kind: 'files', root, files: ['3', 'd/4'] }, items: 2 },
      { source: { kind: 'files', root, files: ['d/5'] }, items: 1 },
    ]);
  });

  test('the list does not depend on how it is cut', async () => {
    const root = scratchFolder();
    writeEmptyFiles(
      root,
      Array.from({ length: 60 }, (_, i) => `${i % 7}/${i}`),
    );
    const whole = (await lists([folder(root)], 1000)).flat();
    expect(whole).toHaveLength(60);
    for (const size of [1, 2, 7, 59, 60, 61]) {
      const cut = await lists([folder(root)], size);
      expect(cut.flat()).toEqual(whole);
      expect(cut.map((files) => files.length)).toEqual([
        ...Array<number>(Math.floor(60 / size)).fill(size),
        ...(60 % size ? [60 % size] : []),
      ]);
    }
  });

  test('inputs come as listed; none shares a mini-batch with another', async () => {
    const [a, b] = [scratchFolder(), scratchFolder()];
    writeEmptyFiles(a, ['1', '2', '3']);
    writeEmptyFiles(b, ['1']);
    const drafts = await create([folder(b), folder(a), folder(b)], { by: 'files', files: 2 });
    expect(
      drafts.map(({ source }) => (source.kind === 'files' ? [source.root === a ? 'a' : 'b', ...source.files] : [])),
    ).toEqual([
      ['b', '1'],
      ['a', '1', '2'],
      ['a', '3'],
      ['b', '1'],
    ]);
  });

  test('single files of one folder are one input', async () => {
    const root = scratchFolder();
    writeEmptyFiles(root, ['1', '2', '3', 'x']);
    const one = (file: string): InputSpec => folder(root, { by: 'one', file });
    expect(await lists(['3', '1', '2'].map(one), 2)).toEqual([['3', '1'], ['2']]);
    expect(await lists([one('1'), folder(root, { by: 'glob', pattern: 'x' }), one('2')], 2)).toEqual([
      ['1'],
      ['x'],
      ['2'],
    ]);
  });

  test('nothing gives nothing', async () => {
    const root = scratchFolder();
    writeEmptyFiles(root, ['d/x']);
    expect(await create([], { by: 'files', files: 2 })).toEqual([]);
    expect(
      await create([folder(root, { by: 'glob', pattern: '*' }), folder(scratchFolder())], { by: 'files', files: 2 }),
    ).toEqual([]);
  });
});

test('ranks', async () => {
  const drafts = await create([], { by: 'rank', count: 2500 });
  expect(drafts).toHaveLength(2500);
  expect(drafts[0]).toEqual({ source: { kind: 'rank', rank: 0 }, items: 0 });
  expect(drafts[2499]).toEqual({ source: { kind: 'rank', rank: 2499 }, items: 0 });
  expect(await create([], { by: 'rank', count: 0 })).toEqual([]);
});

describe('tables', () => {
  const rowsOf = ({ source }: MiniBatchDraft): string[][] =>
    source.kind === 'rows'
      ? referenceRows(readFileSync(source.file).subarray(source.start, source.end).toString('utf8'))
      : [];

  test('by rows: exactly so many, never two files, in the order of the files', async () => {
    const root = scratchFolder();
    writeFiles(root, { 'b.csv': 'x\n1\n2\n3\n', 'a.csv': 'x\r\n4\r\n\r\n5', 'c/d.csv': '\xef\xbb\xbfx\n6\n' });
    // writeFiles stores text as UTF-8; the mark has to be three bytes
    writeFiles(root, { 'c/d.csv': Buffer.from('\ufeffx\n6\n') });
    const drafts = await create([table(root)], { by: 'rows', rows: 2 });
    expect(drafts.map((draft) => draft.source)).toEqual([
      { kind: 'rows', file: `${root}/a.csv`, start: 3, end: 9, firstRow: 0, rows: 2, table: 0 },
      { kind: 'rows', file: `${root}/b.csv`, start: 2, end: 6, firstRow: 0, rows: 2, table: 0 },
      { kind: 'rows', file: `${root}/b.csv`, start: 6, end: 8, firstRow: 2, rows: 1, table: 0 },
      { kind: 'rows', file: `${root}/c/d.csv`, start: 5, end: 7, firstRow: 0, rows: 1, table: 0 },
    ]);
    expect(drafts.map((draft) => draft.items)).toEqual([2, 2, 1, 1]);
    expect(drafts.flatMap(rowsOf)).toEqual([['4'], ['5'], ['1'], ['2'], ['3'], ['6']]);
  });

  test('by bytes, across the chunks in which the file is read', async () => {
    const root = scratchFolder();
    const rows = Array.from(
      { length: 60_000 },
      (_, i) => `${i},"text ${'x'.repeat(i % 50)}\n with ""quotes"", and breaks",${i % 3}`,
    );
    writeFiles(root, { 'big.csv': `id,text,n\n${rows.join('\n')}\n` });
    const drafts = await create([table(root)], { by: 'bytes', bytes: 300_000 });
    const sizes = drafts.map(({ source }) => (source.kind === 'rows' ? source.end - source.start : 0));
    expect(sizes.length).toBeGreaterThan(10);
    for (const size of sizes.slice(0, -1)) {
      expect(size).toBeGreaterThanOrEqual(300_000);
      expect(size).toBeLessThan(300_200);
    }
    expect(drafts.reduce((sum, draft) => sum + draft.items, 0)).toBe(60_000);
    expect(drafts.flatMap(rowsOf).map(([id]) => Number(id))).toEqual(Array.from({ length: 60_000 }, (_, i) => i));
  });

  test('any text from a file, any size of the chunks', async () => {
    const root = scratchFolder();
    const size = fc.integer({ min: 1, max: 40 });
    await fc.assert(
      fc.asyncProperty(csvText, size, size, async (text, chunkBytes, rows) => {
        writeFiles(root, { t: text });
        const ranges = await collect(
          cutFile(
            `${root}/t`,
            { format: 'csv', delimiter: ',', header: false },
            { rows, bytes: Infinity },
            { chunkBytes },
          ),
        );
        const bytes = Buffer.from(text);
        expect(ranges.flatMap(({ start, end }) => referenceRows(bytes.toString('utf8', start, end)))).toEqual(
          referenceRows(text),
        );
      }),
      { numRuns: 150 },
    );
  });

  test('`table` is the position of the input', async () => {
    const [a, b] = [scratchFolder(), scratchFolder()];
    writeFiles(a, { t: '1;2\n' });
    writeFiles(b, { t: '1,2\n' });
    const drafts = await create([table(a, ALL, false, ';'), table(b, ALL, false)], { by: 'rows', rows: 5 });
    expect(drafts.map(({ source }) => source.kind === 'rows' && [source.file, source.table])).toEqual([
      [`${a}/t`, 0],
      [`${b}/t`, 1],
    ]);
  });

  test('files without rows are told', async () => {
    const root = scratchFolder();
    writeFiles(root, { empty: '', blank: '\n \n', header: 'a,b\n', rows: 'a,b\n1,2\n' });
    symlinkSync('nothing', `${root}/link`);
    const skipped: string[] = [];
    const drafts = await create(
      [table(root)],
      { by: 'rows', rows: 5 },
      { onSkip: (path, reason) => skipped.push(`${path.slice(root.length + 1)}: ${reason}`) },
    );
    expect(drafts).toHaveLength(1);
    expect(skipped).toEqual([
      'blank: the table is empty',
      'empty: the table is empty',
      'header: the table has a header and no rows',
      'link: a symlink that leads nowhere',
    ]);
  });

  async function problemOf(content: string | Uint8Array, header = true): Promise<DatasetError['problem']> {
    const root = scratchFolder();
    writeFiles(root, { 't.csv': content });
    const error: unknown = await create([table(root, ALL, header)], { by: 'rows', rows: 1 }).catch((e: unknown) => e);
    if (!(error instanceof DatasetError)) throw new Error(`no DatasetError: ${String(error)}`);
    expect(error.problem.where?.file).toBe(`${root}/t.csv`);
    return error.problem;
  }

  test('an open quote is named by byte and line', async () => {
    const problem = await problemOf('a,b\r\n1,"x\ny"\r2,"z\n3,4\n');
    expect(problem).toMatchObject({
      code: 'PR3005',
      where: { line: 4 },
      why: expect.stringContaining('byte 15 ') as string,
    });
    expect(await problemOf('"a,b\n1,2\n')).toMatchObject({ code: 'PR3005', where: { line: 1 } });
  });

  test('a row without end is given up after 64 MB', async () => {
    const row = Buffer.alloc(66 * 1024 * 1024, 'x');
    expect(await problemOf(Buffer.concat([Buffer.from('a\n1\n'), row]))).toMatchObject({
      code: 'PR3005',
      what: 'a row of a table is longer than 64 MB',
      where: { line: 3 },
      why: expect.stringContaining('byte 4 ') as string,
    });
  });

  test('UTF-16 is refused', async () => {
    expect(await problemOf(Buffer.from('\ufeffa,b\n1,2\n', 'utf16le'))).toMatchObject({ code: 'PR3006' });
  });
});
