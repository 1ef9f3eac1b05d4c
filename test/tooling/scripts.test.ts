/** The plain scripts of the repository do what they are started for, also where the clone lies behind a link. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

const BUNDLER = `
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
export async function build({ outdir, entryPoints }) {
  for (const { out } of entryPoints) {
    const file = join(outdir, out + '.js');
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, 'built');
  }
}
`;

let top: string;

/** A clone with nothing but the scripts, a source file, a compiler and a bundler that makes what it is told to. */
beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'parallelrun-scripts-')));
  const clone = join(top, 'clone');
  cpSync(join(import.meta.dirname, '..', '..', 'scripts'), join(clone, 'scripts'), { recursive: true });
  mkdirSync(join(clone, 'src'));
  writeFileSync(join(clone, 'src', 'x.ts'), '');
  for (const file of ['package-lock.json', 'node_modules/.package-lock.json']) {
    mkdirSync(join(clone, file, '..'), { recursive: true });
    writeFileSync(join(clone, file), '{"packages": {"": {}}}');
  }
  mkdirSync(join(clone, 'node_modules', '.bin'));
  const compiler = join(clone, 'node_modules', '.bin', 'tsc');
  writeFileSync(compiler, '#!/bin/sh\nmkdir -p "$4/cli"\n');
  chmodSync(compiler, 0o755);
  const bundler = join(clone, 'node_modules', 'esbuild');
  mkdirSync(bundler);
  writeFileSync(join(bundler, 'package.json'), '{"type": "module", "exports": "./index.js"}');
  writeFileSync(join(bundler, 'index.js'), BUNDLER);
  symlinkSync(clone, join(top, 'link'));
});
afterEach(() => {
  rmSync(top, { recursive: true, force: true });
});

it.each(['clone', 'link'])('builds from %s', (folder) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/build.mjs'], {
    cwd: join(top, folder),
    encoding: 'utf8',
  });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '==> Building (src to dist)\n', stderr: '' });
  expect(existsSync(join(top, 'clone', 'dist', 'cli', 'main.js'))).toBe(true);
});

it.each(['clone', 'link'])('checks from %s', (folder) => {
  const script = join(top, folder, 'scripts', 'check.mjs');
  const { status, stderr } = spawnSync(process.execPath, [script, 'nonsense'], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: '\nno check is named nonsense; there are: format, types, lint, imports, dead code\n',
  });
});
