/**
 * `npm run mutation`: changes core and committer in every small way, and shows which changes no test notices
 * (docs/simulator.md). Both tables: the defects made by hand and those of the tool.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cache, isMain, main, root } from './lib.mjs';
import { installNodePackages } from './packages.mjs';

if (isMain(import.meta.url)) {
  await main(async () => {
    installNodePackages();
    const { build } = await import('esbuild');
    const outfile = join(cache, 'mutation', 'cli.mjs');
    await build({
      absWorkingDir: root,
      entryPoints: ['test/mutation/cli.ts'],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      packages: 'external',
      logLevel: 'error',
    });
    const { mutate } = await import(pathToFileURL(outfile).href);
    process.exitCode = await mutate(root, join(cache, 'mutation'), process.argv.slice(2));
  });
}
