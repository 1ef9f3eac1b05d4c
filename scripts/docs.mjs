// Writes what is made from the options table: docs/reference/settings.md and schemas/parallel-job.schema.json; and of the
// profile's shape schemas/parallelrun-config.schema.json.
// `--check` changes nothing and fails where they are not current.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bundled = await build({
  entryPoints: [join(root, 'src/job/reference.ts')],
  bundle: true,
  write: false,
  format: 'esm',
  platform: 'node',
});
const source = Buffer.from(bundled.outputFiles[0].contents).toString('base64');
const { jobSchema, profileSchema, settingsPage } = await import(`data:text/javascript;base64,${source}`);

const files = {
  'docs/reference/settings.md': settingsPage(),
  'schemas/parallel-job.schema.json': `${JSON.stringify(jobSchema(), undefined, 2)}\n`,
  'schemas/parallelrun-config.schema.json': `${JSON.stringify(profileSchema(), undefined, 2)}\n`,
};
const check = process.argv.includes('--check');
for (const [name, text] of Object.entries(files)) {
  const file = join(root, name);
  const current = await readFile(file, 'utf8').catch(() => undefined);
  if (current === text) continue;
  if (check) {
    console.error(`${name} is not current: run node scripts/docs.mjs`);
    process.exitCode = 1;
  } else {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
    console.log(`wrote ${name}`);
  }
}
