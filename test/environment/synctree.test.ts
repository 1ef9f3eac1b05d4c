import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { syncTree } from '../../src/environment/index.ts';
import { scratchFolder } from './scratch.ts';

const HAVE_STRACE = spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0;

function tree(): string {
  const folder = join(scratchFolder(), 'code');
  mkdirSync(join(folder, 'deep/deeper'), { recursive: true });
  writeFileSync(join(folder, 'score.py'), 'x');
  writeFileSync(join(folder, 'deep/deeper/a b.py'), 'x');
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/deep/`), Buffer.from([0xff, 0x2e, 0x70, 0x79])]), 'x');
  symlinkSync('/nowhere', join(folder, 'dangling'));
  symlinkSync('..', join(folder, 'deep/up'));
  return folder;
}

test('names of any bytes and links that lead nowhere or up are no obstacle', async () => {
  await expect(syncTree(tree())).resolves.toBeUndefined();
});

test.skipIf(!HAVE_STRACE)('every file and folder is synced, files before the folders that name them', async () => {
  const folder = tree();
  const outfile = join(scratchFolder(), 'synctree.cjs');
  const entry = fileURLToPath(new URL('../../src/environment/synctree.ts', import.meta.url));
  await build({ entryPoints: [entry], outfile, bundle: true, platform: 'node', format: 'cjs' });
  const code = `const { default: { syncTree } } = await import(${JSON.stringify(outfile)}); await syncTree(${JSON.stringify(folder)});`;
  const args = ['-f', '-qq', '-y', '-e', 'trace=fsync', process.execPath, '--input-type=module', '-e', code];
  const { stderr } = spawnSync('strace', args, { encoding: 'latin1' });
  const synced = [...stderr.matchAll(/fsync\(\d+<([^>]*)>/g)].map((match) => (match[1] ?? '').slice(folder.length));
  const files = synced.slice(0, 3).sort();
  expect(files).toEqual(['/deep/deeper/a b.py', '/deep/\\377.py', '/score.py'].sort());
  expect(synced.slice(3).sort()).toEqual(['', '/deep', '/deep/deeper']);
});
