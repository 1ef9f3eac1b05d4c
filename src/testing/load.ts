import { rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundleEntry } from '../environment/bundle.ts';
import { EntryTestError } from './error.ts';

let loads = 0;

/** Imports a script by its path; TypeScript is bundled first, into a file that is gone afterwards. */
export async function importScript(script: string): Promise<object> {
  loads += 1;
  const codeFolder = path.dirname(script);
  const name = `${path.parse(script).name}.${process.pid}.${loads}.mjs`;
  const outFile = path.join(codeFolder, '.parallelrun-testing', name);
  process.setSourceMapsEnabled(true);
  try {
    const bundled = await bundleEntry({ codeFolder, file: path.basename(script), outFile });
    if (!bundled.ok) {
      const { what, why, where } = bundled.error;
      const place = where === undefined ? '' : ` (${where.file}:${where.line ?? 1}:${where.column ?? 1})`;
      throw new EntryTestError(`${what}${place}${why === undefined ? '' : `: ${why}`}`);
    }
    return (await import(pathToFileURL(bundled.value.script).href)) as object;
  } finally {
    await Promise.all([outFile, `${outFile}.map`].map((file) => rm(file, { force: true })));
    // another process may have its own files there
    await rmdir(path.dirname(outFile)).catch(() => undefined);
  }
}
