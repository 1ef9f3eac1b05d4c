/**
 * Compiles src to dist: types by tsc, programs by esbuild. A program is few files, because a command spends most of its
 * start finding and compiling its modules. Does nothing when dist is that of the present sources.
 */
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bin, cache, hashOf, isMain, isStamped, main, root, run, say, stamp } from './lib.mjs';
import { installNodePackages } from './packages.mjs';
import { NODE_PROGRAM } from './typescript.mjs';

/** What is started or imported by its path. What they share lies beside them in `chunks`. */
const PROGRAMS = ['cli/main', 'sdk/index', 'testing/index', 'dataset/query/main'];
/** In a folder of their own, with all that is theirs: frames of theirs are left out of tracebacks by that folder. */
const WORKER = ['worker/main', 'worker/stackdump'];

export async function build() {
  const dist = join(root, 'dist');
  const sources = ['src', 'scripts/build.mjs', 'tsconfig.json', 'tsconfig.build.json'];
  const packages = ['node_modules/.package-lock.json', 'package.json'];
  const key = hashOf([...sources, ...packages].map((path) => join(root, path)));
  const command = join(dist, 'cli', 'main.js');
  if (isStamped(join(dist, '.stamp'), key) && existsSync(command)) return;
  say('Building (src to dist)');
  // Elsewhere first: a run that is going on keeps its files until the new ones are complete.
  const fresh = join(cache, 'dist-new');
  rmSync(fresh, { recursive: true, force: true });
  run(bin('tsc'), ['-p', 'tsconfig.build.json', '--outDir', fresh, '--noEmitOnError']);
  await bundle(fresh, PROGRAMS, 'chunks');
  await bundle(fresh, WORKER, 'worker');
  rmSync(dist, { recursive: true, force: true });
  renameSync(fresh, dist);
  if (existsSync(command)) chmodSync(command, 0o755);
  stamp(join(dist, '.stamp'), key);
}

async function bundle(outdir, programs, chunks) {
  const esbuild = await import('esbuild');
  await esbuild.build({
    ...NODE_PROGRAM,
    entryPoints: programs.map((program) => ({ in: `src/${program}.ts`, out: program })),
    outdir,
    chunkNames: `${chunks}/[name]-[hash]`,
    splitting: true,
    charset: 'utf8',
    sourcemap: true,
    logLevel: 'warning',
  });
}

if (isMain(import.meta.url)) {
  await main(async () => {
    installNodePackages();
    await build();
  });
}
