/**
 * `npm run sim -- --seeds N --from S`: the deterministic simulator (docs/simulator.md).
 * Also `--trace SEED`, `--mutants`, `--jobs N`.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cache, isMain, main, root } from './lib.mjs';
import { installNodePackages } from './packages.mjs';

if (isMain(import.meta.url)) {
  await main(async () => {
    installNodePackages();
    const { build } = await import('esbuild');
    const outfile = join(cache, 'sim', 'cli.mjs');
    await build({
      absWorkingDir: root,
      entryPoints: ['test/simulator/cli.ts'],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      packages: 'external',
      logLevel: 'error',
    });
    const { simulate } = await import(pathToFileURL(outfile).href);
    process.exitCode = await simulate(root, join(cache, 'sim'), process.argv.slice(2));
  });
}
