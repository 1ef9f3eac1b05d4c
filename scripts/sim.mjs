/**
 * `npm run sim -- --seeds N --from S`: the deterministic simulator (docs/simulator.md).
 * Also `--trace SEED`, `--mutants`, `--jobs N`.
 */
import { isMain, main, root } from './lib.mjs';
import { importTypeScript } from './typescript.mjs';

if (isMain(import.meta.url)) {
  await main(async () => {
    const { folder, module } = await importTypeScript('test/simulator/cli.ts', 'sim');
    process.exitCode = await module.simulate(root, folder, process.argv.slice(2));
  });
}
