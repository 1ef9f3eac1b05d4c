/** Bundles the simulator around the core as it is in src, with snippets replaced. */
import { readFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { build } from 'esbuild';
import type { Mutant } from './mutants.ts';
import { SMALL } from './mutants.ts';

/**
 * @param root of the repository
 * @param mutant absent: the code as it is
 * @throws where a snippet is not in its file exactly once
 */
export async function bundleSimulator(root: string, outfile: string, mutant?: Mutant): Promise<void> {
  const must = [...SMALL, ...(mutant ? [mutant] : [])];
  const found = new Set<Mutant>();
  await build({
    absWorkingDir: root,
    entryPoints: ['test/simulator/main.ts'],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
    plugins: [
      {
        name: 'snippets',
        setup(builder) {
          builder.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
            let contents = await readFile(path, 'utf8');
            const file = relative(root, path);
            for (const patch of must) {
              if (patch.file !== file) continue;
              const parts = contents.split(patch.from);
              if (parts.length !== 2) continue;
              contents = parts.join(patch.to);
              found.add(patch);
            }
            return { contents, loader: 'ts' };
          });
        },
      },
    ],
  });
  const missing = must.find((patch) => !found.has(patch));
  if (missing) throw new Error(`${missing.name}: its snippet is not in ${missing.file} exactly once`);
}
