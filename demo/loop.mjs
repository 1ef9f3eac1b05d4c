/**
 * A plain loop over an entry script: no processes, no retries, no ParallelRun. What a run must come to.
 *
 * node loop.mjs SCRIPT FOLDER MINI_BATCH_SIZE OUTPUT [arguments of the script]
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const [, self, script, folder, size, output, ...rest] = process.argv;
process.argv = [process.argv[0], self, ...rest];

const temporary = mkdtempSync(join(tmpdir(), 'loop-'));
try {
  const outfile = join(temporary, 'script.mjs');
  await build({ entryPoints: [script], outfile, bundle: true, platform: 'node', format: 'esm' });
  const { init, run } = await import(pathToFileURL(outfile).href);
  const names = readdirSync(folder).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const paths = names.map((name) => join(folder, name));
  await init();
  const rows = [];
  for (let start = 0; start < paths.length; start += Number(size)) {
    rows.push(...(await run(paths.slice(start, start + Number(size)))));
  }
  writeFileSync(output, rows.map((row) => `${row}\n`).join(''));
} finally {
  rmSync(temporary, { recursive: true });
}
