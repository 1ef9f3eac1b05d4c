import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { textOf } from '../../src/dataset/bytepath.ts';
import { DatasetError } from '../../src/dataset/error.ts';
import { walk } from '../../src/dataset/walk.ts';
import type { WalkOptions } from '../../src/dataset/walk.ts';
import type { Selection } from '../../src/domain/plan.ts';
import { collect, scratchFolder, writeEmptyFiles } from './scratch.ts';

const files = (root: string, select: Selection = { by: 'all' }, options: WalkOptions = {}): Promise<string[]> =>
  collect(walk({ kind: 'files', name: 'data', root, select }, options));
const glob = (root: string, pattern: string): Promise<string[]> => files(root, { by: 'glob', pattern });

async function skipped(root: string, select?: Selection): Promise<{ files: string[]; skipped: string[] }> {
  const seen: string[] = [];
  const found = await files(root, select, {
    onSkip: (path, reason) => seen.push(`${path.slice(root.length + 1)}: ${reason}`),
  });
  return { files: found, skipped: seen };
}

async function problemOf(
  found: Promise<unknown>,
): Promise<{ code: string; file: string | undefined; why: string | undefined }> {
  const error: unknown = await found.then(
    () => undefined,
    (e: unknown) => e,
  );
  if (!(error instanceof DatasetError)) throw new Error(`no DatasetError: ${String(error)}`);
  return { code: error.problem.code, file: error.problem.where?.file, why: error.problem.why };
}

/** Depth first, names by bytes: the plain way to say it. */
function reference(folder: Buffer, prefix = ''): string[] {
  return readdirSync(folder, { encoding: 'buffer', withFileTypes: true })
    .sort((a, b) => Buffer.compare(a.name, b.name))
    .flatMap((entry) => {
      const path = prefix + entry.name.toString('latin1');
      if (entry.isFile()) return [textOf(path)];
      return reference(Buffer.concat([folder, Buffer.from('/'), entry.name]), `${path}/`);
    });
}

/** Names as bytes. */
const NASTY = [
  ' ', 'a b', 'a\nb', 'a\tb', '\r', '"', "it's", '`x`', '$(x)', '$HOME', ';rm', '-rf', '--help', '*', '?', '[a]', '{a,b}', '~',
  '#', '%2e%2e%2f', '..foo', '...', '.hidden', 'a\\b', 'C:x', 'file:', '\x01', '\x7f', '\xff\xfe', 'caf\xe9', '\xed\xa0\x80', 'e\xcc\x81',
  '\xf0\x9f\x98\x80', 'x'.repeat(255), '\xc3\xa9'.repeat(127), '\xff'.repeat(255),
]; // prettier-ignore

describe('order and names', () => {
  test('a tree of nasty names, as files and as folders', async () => {
    const root = scratchFolder();
    writeEmptyFiles(
      root,
      NASTY.map((name) => `flat/${name}`),
    );
    writeEmptyFiles(
      root,
      NASTY.flatMap((name) => [`deep/${name}/1`, `deep/${name}/sub/${name}`]),
    );
    const found = await files(root);
    expect(found).toHaveLength(3 * NASTY.length);
    expect(found).toEqual(reference(Buffer.from(root)));
    expect(found).toContain('flat/\udcff\udcfe');
    expect(found).toContain('flat/😀');
    expect(found).toContain('flat/a\nb');
  });

  test('files and folders of a folder are one sequence, by the bytes of the name alone', async () => {
    const root = scratchFolder();
    writeEmptyFiles(root, ['a.txt', 'a/z', 'a-1', 'B', 'b', '\xc3\xa9', 'z', '\xff']);
    expect(await files(root)).toEqual(['B', 'a/z', 'a-1', 'a.txt', 'b', 'z', 'é', '\udcff']);
  });

  test('bytes, not UTF-16: a name beyond the basic plane comes last', async () => {
    const root = scratchFolder();
    writeEmptyFiles(root, [Buffer.from('\u{1f600}').toString('latin1'), Buffer.from('\ufb01').toString('latin1')]);
    expect(await files(root)).toEqual(['\ufb01', '\u{1f600}']);
  });

  test('any tree comes in the order of the reference', async () => {
    const name = fc
      .array(fc.constantFrom('a', 'b', '-', '.', '0', 'A', '\xc3\xa9', '\xff', ' '), { minLength: 1, maxLength: 3 })
      .map((c) => c.join(''));
    const part = name.filter((n) => n !== '.' && n !== '..');
    const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(path, { maxLength: 25 }), async (paths) => {
        const root = scratchFolder();
        const isFile = (p: string): boolean => !paths.some((other) => other.startsWith(`${p}/`));
        writeEmptyFiles(root, paths.filter(isFile));
        expect(await files(root)).toEqual(reference(Buffer.from(root)));
        rmSync(root, { recursive: true });
      }),
      { numRuns: 60 },
    );
  });

  test('a folder of more entries than are sorted at once', async () => {
    const root = scratchFolder();
    // made in an order that is not theirs
    const names = Array.from({ length: 9500 }, (_, i) => `f${(i * 7919) % 9500}`);
    writeEmptyFiles(root, names);
    writeEmptyFiles(root, ['f5000x/inside']);
    expect(await files(root)).toEqual([...names, 'f5000x/inside'].sort());
    expect(await glob(root, 'f9499')).toEqual(['f9499']);
    expect(await glob(root, 'nothing*')).toEqual([]);
  });

  test('the first file comes alone, so that work can start', async () => {
    const root = scratchFolder();
    writeEmptyFiles(
      root,
      Array.from({ length: 20 }, (_, i) => `d${i}/file`),
    );
    const sizes: number[] = [];
    for await (const chunk of walk({ kind: 'files', name: 'data', root, select: { by: 'all' } }, {}))
      sizes.push(chunk.length);
    expect(sizes).toEqual([1, 2, 4, 8, 5]);
  });

  test('a thousand folders deep', async () => {
    const root = scratchFolder();
    const deep = `${'d/'.repeat(1000)}end`;
    writeEmptyFiles(root, [deep]);
    expect(await files(root)).toEqual([deep]);
  });

  test('the signal ends the walk by throwing', async () => {
    const root = scratchFolder();
    writeEmptyFiles(root, ['a', 'b', 'c', 'd']);
    const controller = new AbortController();
    const seen: string[] = [];
    const walking = (async () => {
      for await (const chunk of walk(
        { kind: 'files', name: 'data', root, select: { by: 'all' } },
        { signal: controller.signal },
      )) {
        seen.push(...chunk);
        controller.abort(new Error('enough'));
      }
    })();
    await expect(walking).rejects.toThrow('enough');
    expect(seen).toEqual(['a']);
  });
});

describe('symlinks and special files', () => {
  test('links to files count as files, wherever they lead', async () => {
    const root = scratchFolder();
    const outside = scratchFolder();
    writeEmptyFiles(outside, ['x']);
    writeEmptyFiles(root, ['real']);
    symlinkSync(`${outside}/x`, `${root}/linked`);
    symlinkSync('real', `${root}/a`);
    expect(await skipped(root)).toEqual({ files: ['a', 'linked', 'real'], skipped: [] });
  });

  test('what leads nowhere is skipped, with its reason', async () => {
    const root = scratchFolder();
    symlinkSync('nothing', `${root}/dangling`);
    symlinkSync('self', `${root}/self`);
    symlinkSync('pong', `${root}/ping`);
    symlinkSync('ping', `${root}/pong`);
    writeEmptyFiles(root, ['ok']);
    const reason = 'a symlink that leads nowhere';
    expect(await skipped(root)).toEqual({
      files: ['ok'],
      skipped: ['dangling', 'ping', 'pong', 'self'].map((name) => `${name}: ${reason}`),
    });
    expect(await skipped(root, { by: 'glob', pattern: 'd*' })).toEqual({ files: [], skipped: [`dangling: ${reason}`] });
  });

  test('folders inside are followed, folders outside are not', async () => {
    const root = scratchFolder();
    const outside = scratchFolder();
    writeEmptyFiles(outside, ['secret']);
    writeEmptyFiles(root, ['v1/a', 'v1/b']);
    symlinkSync('v1', `${root}/latest`);
    symlinkSync(outside, `${root}/out`);
    expect(await skipped(root)).toEqual({
      files: ['latest/a', 'latest/b', 'v1/a', 'v1/b'],
      skipped: ['out: a symlink to a folder outside the input'],
    });
  });

  test('loops of links end', async () => {
    const root = scratchFolder();
    writeEmptyFiles(root, ['a/1', 'b/2']);
    symlinkSync('..', `${root}/a/up`);
    symlinkSync('.', `${root}/a/self`);
    symlinkSync('../b', `${root}/a/tob`);
    symlinkSync('../a', `${root}/b/toa`);
    const found = await skipped(root);
    expect(found.files).toEqual(['a/1', 'a/tob/2', 'b/2', 'b/toa/1']);
    expect(new Set(found.skipped.map((line) => line.split(': ')[1]))).toEqual(
      new Set(['a symlink that leads back to a folder above it']),
    );
  });

  test('folders that all link to one another end too', async () => {
    const root = scratchFolder();
    const names = Array.from({ length: 6 }, (_, i) => `d${i}`);
    writeEmptyFiles(
      root,
      names.map((name) => `${name}/file`),
    );
    for (const from of names)
      for (const to of names) if (from !== to) symlinkSync(`../${to}`, `${root}/${from}/to-${to}`);
    // a real folder, then up to four links, never the same folder twice: 6 + 30 + 120 + 360 + 720
    expect(await files(root)).toHaveLength(1236);
  });

  test('the root itself may be a link', async () => {
    const folder = scratchFolder();
    writeEmptyFiles(folder, ['data/x/1']);
    symlinkSync('data', `${folder}/link`);
    symlinkSync('x', `${folder}/data/y`);
    expect(await files(`${folder}/link`)).toEqual(['x/1', 'y/1']);
  });

  test('pipes are skipped, not opened', async () => {
    const root = scratchFolder();
    execFileSync('mkfifo', [`${root}/pipe`]);
    symlinkSync('pipe', `${root}/to-pipe`);
    writeEmptyFiles(root, ['file']);
    const reason = 'neither a file nor a folder: a socket, pipe or device';
    expect(await skipped(root)).toEqual({ files: ['file'], skipped: [`pipe: ${reason}`, `to-pipe: ${reason}`] });
  });
});

describe('selection', () => {
  const tree = (): string => {
    const root = scratchFolder();
    writeEmptyFiles(root, [
      'a.csv', 'b.tsv', '.dot.csv', '2024/01/x.csv', '2024/01/x.txt', '2024/02/y.csv', '2025/01/z.csv', '.git/c.csv', 'line\nbreak/q.csv', '[1].csv',
    ]); // prettier-ignore
    return root;
  };
  test.each([
    ['*.csv', ['[1].csv', 'a.csv']],
    ['**/*.csv', ['2024/01/x.csv', '2024/02/y.csv', '2025/01/z.csv', '[1].csv', 'a.csv', 'line\nbreak/q.csv']],
    [
      '**',
      [
        '2024/01/x.csv',
        '2024/01/x.txt',
        '2024/02/y.csv',
        '2025/01/z.csv',
        '[1].csv',
        'a.csv',
        'b.tsv',
        'line\nbreak/q.csv',
      ],
    ],
    ['2024/**/*.csv', ['2024/01/x.csv', '2024/02/y.csv']],
    ['2024/*/*.csv', ['2024/01/x.csv', '2024/02/y.csv']],
    ['./2024/01/*', ['2024/01/x.csv', '2024/01/x.txt']],
    ['*/01/*.{csv,txt}', ['2024/01/x.csv', '2024/01/x.txt', '2025/01/z.csv']],
    ['{2024/02,2025/01}/*', ['2024/02/y.csv', '2025/01/z.csv']],
    ['20{24,25}/01/*.csv', ['2024/01/x.csv', '2025/01/z.csv']],
    ['.*', ['.dot.csv']],
    ['.git/*', ['.git/c.csv']],
    ['a.csv', ['a.csv']],
    ['2024/01/x.txt', ['2024/01/x.txt']],
    ['\\[1\\].csv', ['[1].csv']],
    ['line?break/*', ['line\nbreak/q.csv']],
    ['nothing/*', []],
  ])('glob %j', async (pattern, expected) => {
    expect(await glob(tree(), pattern)).toEqual(expected);
  });

  test('everything means everything, hidden files too', async () => {
    expect(await files(tree())).toHaveLength(10);
  });

  test('a glob does not look where nothing can match', async () => {
    const root = tree();
    symlinkSync('/', `${root}/2025/out`);
    expect(await skipped(root, { by: 'glob', pattern: '2024/**' })).toMatchObject({ skipped: [] });
    expect(await skipped(root, { by: 'glob', pattern: '*/*.csv' })).toMatchObject({ skipped: [] });
    expect(await skipped(root, { by: 'glob', pattern: '**/*.csv' })).toMatchObject({
      skipped: ['2025/out: a symlink to a folder outside the input'],
    });
  });

  test('one file', async () => {
    expect(await files(tree(), { by: 'one', file: '2024/01/x.csv' })).toEqual(['2024/01/x.csv']);
  });
});

describe('exclusion', () => {
  test('a folder below the root and all in it', async () => {
    const root = scratchFolder();
    writeEmptyFiles(root, ['a', 'runs/r1/out', 'runs-old/x', 'sub/runs/y']);
    expect(await files(root, { by: 'all' }, { exclude: [`${root}/runs`] })).toEqual(['a', 'runs-old/x', 'sub/runs/y']);
    expect(await files(root, { by: 'all' }, { exclude: [`${root}/runs/`, `${root}/a`] })).toEqual([
      'runs-old/x',
      'sub/runs/y',
    ]);
  });

  test('one that holds the root, is the root, or does not exist changes nothing', async () => {
    const root = scratchFolder();
    writeEmptyFiles(root, ['r1/outputs/x']);
    for (const exclude of [root, `${root}/r1`, `${root}/r1/outputs`, `${root}/nothing`, '/']) {
      expect(await files(`${root}/r1/outputs`, { by: 'all' }, { exclude: [exclude] })).toEqual(['x']);
    }
  });

  test('whether root or excluded folder are named through a symlink', async () => {
    const folder = scratchFolder();
    writeEmptyFiles(folder, ['data/a', 'data/runs/b', 'data/runs/deep/c']);
    symlinkSync('data', `${folder}/link`);
    symlinkSync('runs/deep', `${folder}/data/shortcut`);
    expect(await files(`${folder}/link`, { by: 'all' }, { exclude: [`${folder}/data/runs`] })).toEqual(['a']);
    expect(await files(`${folder}/data`, { by: 'all' }, { exclude: [`${folder}/link/runs`] })).toEqual(['a']);
  });

  test('a name that is no UTF-8', async () => {
    const root = scratchFolder();
    writeEmptyFiles(root, ['\xff/a', 'b']);
    expect(await files(root, { by: 'all' }, { exclude: [`${root}/\udcff`] })).toEqual(['b']);
  });
});

describe('what cannot be walked', () => {
  test('a root that is not there', async () => {
    const root = scratchFolder();
    expect(await problemOf(files(`${root}/no`))).toMatchObject({ code: 'PR3002', file: `${root}/no` });
    expect(await problemOf(files(root, { by: 'one', file: 'no' }))).toMatchObject({
      code: 'PR3002',
      file: `${root}/no`,
    });
  });

  test('a root of the wrong kind', async () => {
    const root = scratchFolder();
    writeEmptyFiles(root, ['file']);
    execFileSync('mkfifo', [`${root}/pipe`]);
    expect(await problemOf(files(`${root}/file`))).toMatchObject({ code: 'PR3004' });
    expect(await problemOf(files(root, { by: 'one', file: '.' }))).toMatchObject({ code: 'PR3004' });
    expect(await problemOf(files(root, { by: 'one', file: 'pipe' }))).toMatchObject({ code: 'PR3004' });
  });

  test('a folder that the system refuses to list', async () => {
    // longer than any path may be: refused to root as well
    const root = scratchFolder();
    onTestFinished(() => void execFileSync('rm', ['-rf', root]));
    const dig = `const name = 'n'.repeat(250); for (let i = 0; i < 20; i++) { fs.mkdirSync(name); process.chdir(name); }`;
    execFileSync(process.execPath, ['-e', dig], { cwd: root });
    expect(await problemOf(files(root))).toMatchObject({
      code: 'PR3003',
      why: expect.stringMatching(/^ENAMETOOLONG/) as string,
    });
  });

  test.skipIf(process.getuid?.() === 0)('a folder without permission', async () => {
    const root = scratchFolder();
    mkdirSync(`${root}/closed`, { mode: 0 });
    expect(await problemOf(files(root))).toMatchObject({
      code: 'PR3003',
      file: `${root}/closed`,
      why: expect.stringMatching(/^EACCES/) as string,
    });
    rmSync(`${root}/closed`, { recursive: true });
  });
});
