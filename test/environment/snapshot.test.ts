import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { snapshotCode, type CodeSnapshot } from '../../src/environment/index.ts';
import { scratchFolder } from './scratch.ts';

function tree(files: Record<string, string>): string {
  const folder = join(scratchFolder(), 'code');
  mkdirSync(folder);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

async function snapshot(
  code: string,
  exclude: string[] = [],
  keep?: string,
): Promise<CodeSnapshot & { at: string; list: string[] }> {
  const at = join(dirname(code), `copy-${Math.random()}`);
  const result = await snapshotCode(code, at, { exclude, keep });
  if (!result.ok) throw new Error(`${result.error.code} ${result.error.what}: ${result.error.why ?? ''}`);
  const list = readdirSync(at, { recursive: true }).map(String).sort();
  return { ...result.value, at, list };
}

it('copies code and leaves out what is none', async () => {
  const code = tree({
    'score.py': 'x',
    'pkg/__init__.py': '',
    'pkg/deep/mod.py': 'yy',
    '.git/HEAD': 'no',
    'pkg/__pycache__/mod.pyc': 'no',
    '.venv/bin/python': 'no',
    'env3/pyvenv.cfg': 'no',
    'env3/lib/x.py': 'no',
    'data/a.csv': 'no',
    'runs/r1/log': 'no',
    'out/x': 'no',
    '.amlignore': 'data/\n',
  });
  const { list, files, bytes } = await snapshot(code, [join(code, 'runs'), join(code, 'out')]);
  expect(list).toEqual(['.amlignore', 'pkg', 'pkg/__init__.py', 'pkg/deep', 'pkg/deep/mod.py', 'score.py']);
  expect({ files, bytes }).toEqual({ files: 4, bytes: 9 });
});

it('keeps the mode of files and survives names of any bytes', async () => {
  const code = tree({ 'run me.sh': '#!/bin/sh\n', "it's -n\newline": 'n' });
  chmodSync(join(code, 'run me.sh'), 0o755);
  writeFileSync(Buffer.concat([Buffer.from(`${code}/bad`), Buffer.from([0xff])]), 'raw');
  const { at, files } = await snapshot(code);
  expect(files).toBe(3);
  expect(statSync(join(at, 'run me.sh')).mode & 0o777).toBe(0o755);
  expect(readFileSync(Buffer.concat([Buffer.from(`${at}/bad`), Buffer.from([0xff])]), 'utf8')).toBe('raw');
});

it('links what is large, what is a link, and node_modules', async () => {
  const code = tree({ 'score.py': 'x', 'node_modules/a/index.js': '1', 'model.bin': '', 'lib/util.py': 'u' });
  truncateSync(join(code, 'model.bin'), 16 * 1024 * 1024);
  writeFileSync(join(dirname(code), 'outside.txt'), 'o');
  symlinkSync('../outside.txt', join(code, 'outside'));
  symlinkSync('lib', join(code, 'alias'));
  symlinkSync('nowhere', join(code, 'dangling'));
  const { at, files, bytes } = await snapshot(code);
  expect({ files, bytes }).toEqual({ files: 2, bytes: 2 });
  expect(readlinkSync(join(at, 'model.bin'))).toBe(join(code, 'model.bin'));
  expect(readlinkSync(join(at, 'node_modules'))).toBe(join(code, 'node_modules'));
  expect(readlinkSync(join(at, 'outside'))).toBe(join(dirname(code), 'outside.txt'));
  expect(readlinkSync(join(at, 'alias'))).toBe('lib');
  expect(readFileSync(join(at, 'alias', 'util.py'), 'utf8')).toBe('u');
  expect(lstatSync(join(at, 'dangling')).isSymbolicLink()).toBe(true);
});

it('takes the entry script even from a folder that is left out, and never leaves out everything', async () => {
  const code = tree({ 'data/score.py': 's', 'data/a.txt': 'a', 'b.py': 'b' });
  expect((await snapshot(code, [join(code, 'data')], join(code, 'data', 'score.py'))).list).toEqual([
    'b.py',
    'data',
    'data/score.py',
  ]);
  expect((await snapshot(code, [code, dirname(code)])).list).toEqual(['b.py', 'data', 'data/a.txt', 'data/score.py']);
});

it('has a fingerprint of names and contents', async () => {
  const fingerprint = async (files: Record<string, string>) => (await snapshot(tree(files))).fingerprint;
  const base = await fingerprint({ 'a.py': '1', 'b.py': '2' });
  expect(base).toMatch(/^[0-9a-f]{64}$/);
  expect(await fingerprint({ 'b.py': '2', 'a.py': '1' })).toBe(base);
  expect(await fingerprint({ 'a.py': '1', 'b.py': '3' })).not.toBe(base);
  expect(await fingerprint({ 'a.py': '1', 'c.py': '2' })).not.toBe(base);
});

it('a folder that is too large is refused before anything is copied', async () => {
  const code = tree({ 'score.py': 'x' });
  for (let i = 0; i < 20; i++) {
    writeFileSync(join(code, `part${i}`), '');
    truncateSync(join(code, `part${i}`), 15.5 * 1024 * 1024);
  }
  const at = join(dirname(code), 'copy');
  const result = await snapshotCode(code, at, { exclude: [] });
  expect(result).toMatchObject({ ok: false, error: { code: 'PR4011' } });
  expect(result.ok ? '' : result.error.next).toContain('.amlignore');
  expect(() => statSync(at)).toThrow('ENOENT');
});

it('a code folder that is none is a problem', async () => {
  const code = tree({ file: '' });
  expect(await snapshotCode(join(code, 'none'), join(code, 'x'), { exclude: [] })).toMatchObject({
    ok: false,
    error: { code: 'PR4010' },
  });
  expect(await snapshotCode(join(code, 'file'), join(code, 'x'), { exclude: [] })).toMatchObject({
    ok: false,
    error: { code: 'PR4010', why: 'it is not a folder' },
  });
});

it.skipIf(process.getuid?.() === 0)('a file that can not be read is named', async () => {
  const code = tree({ 'secret.py': '' });
  execFileSync('chmod', ['0', join(code, 'secret.py')]);
  const result = await snapshotCode(code, join(dirname(code), 'copy'), { exclude: [] });
  expect(result).toMatchObject({ ok: false, error: { code: 'PR4010' } });
});
