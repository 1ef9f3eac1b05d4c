/** TypeScript for Node: bundled by esbuild, packages left where they are. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cache, root } from './lib.mjs';
import { installNodePackages } from './packages.mjs';

/** Options of esbuild. */
export const NODE_PROGRAM = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  packages: 'external',
};

/** Installs what is needed, bundles `entry` into a folder of the cache, and gives its module and that folder. */
export async function importTypeScript(entry, name) {
  installNodePackages();
  const { build } = await import('esbuild');
  const folder = join(cache, name);
  const outfile = join(folder, 'cli.mjs');
  await build({ ...NODE_PROGRAM, entryPoints: [entry], outfile, logLevel: 'error' });
  return { folder, module: await import(pathToFileURL(outfile).href) };
}
