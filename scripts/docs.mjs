// Writes what is made from the options table: docs/reference/settings.md, schemas/parallel-job.schema.json, and the tables of
// docs/coming-from-parallelrunstep.md; and of the profile's shape schemas/parallelrun-config.schema.json.
// `--check` changes nothing and fails where they are not current.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bundled = await build({
  stdin: {
    contents: ['reference', 'coming'].map((name) => `export * from './src/job/${name}.ts';`).join('\n'),
    resolveDir: root,
  },
  bundle: true,
  write: false,
  format: 'esm',
  platform: 'node',
});
const source = Buffer.from(bundled.outputFiles[0].contents).toString('base64');
const { comingTables, jobSchema, profileSchema, settingsPage } = await import(`data:text/javascript;base64,${source}`);

/** Puts the tables in place of those that stand between the two comments of the page. */
async function comingPage() {
  const name = 'docs/coming-from-parallelrunstep.md';
  const page = await readFile(join(root, name), 'utf8');
  const [begin, end] = [page.indexOf('<!-- tables:'), page.indexOf('<!-- end of the tables -->')];
  if (begin < 0 || end < begin) throw new Error(`${name} has lost the comments around its tables`);
  const first = page.indexOf('\n', begin) + 1;
  const ignore = (which) => `<!-- prettier-ignore-${which} -->`;
  return `${page.slice(0, first)}${ignore('start')}\n\n${comingTables()}\n\n${ignore('end')}\n${page.slice(end)}`;
}

const files = {
  'docs/coming-from-parallelrunstep.md': await comingPage(),
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
