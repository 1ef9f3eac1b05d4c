/** Compiles src to dist. Does nothing when dist is that of the present sources. */
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bin, cache, hashOf, isMain, isStamped, main, root, run, say, stamp } from './lib.mjs';
import { installNodePackages } from './packages.mjs';

export function build() {
  const dist = join(root, 'dist');
  const sources = ['src', 'tsconfig.json', 'tsconfig.build.json', 'node_modules/.package-lock.json', 'package.json'];
  const key = hashOf(sources.map((path) => join(root, path)));
  const command = join(dist, 'cli', 'main.js');
  if (isStamped(join(dist, '.stamp'), key) && existsSync(command)) return;
  say('Building (src to dist)');
  // Elsewhere first: a run that is going on keeps its files until the new ones are complete.
  const fresh = join(cache, 'dist-new');
  rmSync(fresh, { recursive: true, force: true });
  run(bin('tsc'), ['-p', 'tsconfig.build.json', '--outDir', fresh, '--noEmitOnError']);
  rmSync(dist, { recursive: true, force: true });
  renameSync(fresh, dist);
  if (existsSync(command)) chmodSync(command, 0o755);
  stamp(join(dist, '.stamp'), key);
}

if (isMain(import.meta.url)) {
  await main(() => {
    installNodePackages();
    build();
  });
}
