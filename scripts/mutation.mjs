/**
 * `npm run mutation`: changes core and committer in every small way, and shows which changes no test notices
 * (docs/simulator.md). Both tables: the defects made by hand and those of the tool.
 */
import { isMain, main, root } from './lib.mjs';
import { importTypeScript } from './typescript.mjs';

if (isMain(import.meta.url)) {
  await main(async () => {
    const { folder, module } = await importTypeScript('test/mutation/cli.ts', 'mutation');
    process.exitCode = await module.mutate(root, folder, process.argv.slice(2));
  });
}
