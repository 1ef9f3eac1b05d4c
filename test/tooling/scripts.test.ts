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

let top: string;

/** A clone with nothing but the scripts, a source file, a compiler and a bundler that say what they are told to make. */
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
  writeFileSync(compiler, '#!/bin/sh\nmkdir -p "$4/cli" && echo types > "$4/cli/main.d.ts"\n');
  chmodSync(compiler, 0o755);
  const bundler = join(clone, 'node_modules', 'esbuild');
  mkdirSync(bundler);
  writeFileSync(join(bundler, 'package.json'), '{"type": "module", "exports": "./main.js"}');
  writeFileSync(
    join(bundler, 'main.js'),
    `import { mkdirSync, writeFileSync } from 'node:fs';
    export async function build({ entryPoints, outdir }) {
      for (const { in: source, out } of entryPoints) {
        mkdirSync(outdir + '/' + out + '/..', { recursive: true });
        writeFileSync(outdir + '/' + out + '.js', source);
      }
    }`,
  );
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
  const dist = join(top, 'clone', 'dist');
  const made = ['cli/main.d.ts', 'cli/main.js', 'dataset/query/main.js', 'worker/main.js'];
  expect(made.filter((file) => !existsSync(join(dist, file)))).toEqual([]);
});

it.each(['clone', 'link'])('checks from %s', (folder) => {
  const script = join(top, folder, 'scripts', 'check.mjs');
  const { status, stderr } = spawnSync(process.execPath, [script, 'nonsense'], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: '\nno check is named nonsense; there are: format, types, lint, imports, dead code\n',
  });
});
