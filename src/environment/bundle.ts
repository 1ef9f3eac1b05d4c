/** Makes an entry script runnable by Node: TypeScript is bundled once per run, JavaScript is only checked. */
import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import type * as Esbuild from 'esbuild';
import { err, ok } from '../domain/problem.ts';
import type { Problem, Result } from '../domain/problem.ts';
import { entryKind } from './bundle/kind.ts';
import { placePlugin } from './bundle/place.ts';
import { bundlerProblem, missingScript, problemOf, syntaxProblemOf, wrongKind } from './bundle/problems.ts';

const COMMON = {
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  /** The oldest Node that runs ParallelRun. */
  target: 'node20',
  logLevel: 'silent',
} as const;
/**
 * CommonJS habits inside the bundle, which is an ES module. A name of our own, because scripts often declare `require`
 * themselves; where one doesn't, esbuild's own stand-in for `require` finds ours.
 */
const BANNER =
  "import { createRequire as parallelrunCreateRequire } from 'node:module'; " +
  'const require = parallelrunCreateRequire(import.meta.url);';

export interface BundleRequest {
  /** Absolute folder of the script; packages are found from here. Of a run: the snapshot of its code. */
  readonly codeFolder: string;
  /** Path of the script relative to `codeFolder`. */
  readonly file: string;
  /** Absolute path of the module to write, ending in `.mjs`; must lie in `codeFolder`, so that packages are found. */
  readonly outFile: string;
}

/**
 * @returns absolute path of what the worker is to load: `outFile` for TypeScript (its source map beside it), the
 * script itself for JavaScript. Problems: PR2301 syntax, PR2302 import, PR2303 bundler, PR2304 kind of file, PR2305
 * no such file.
 */
export async function bundleEntry(request: BundleRequest): Promise<Result<{ readonly script: string }, Problem>> {
  const script = path.resolve(request.codeFolder, request.file);
  const kind = entryKind(request.file);
  if (kind === undefined) return err(wrongKind(request.file));
  try {
    await access(script, constants.R_OK);
  } catch (error) {
    return err(missingScript(script, error));
  }
  let esbuild: typeof Esbuild;
  try {
    esbuild = await import('esbuild');
  } catch (error) {
    // JavaScript runs without it: only its check is lost
    return kind === 'javascript' ? ok({ script }) : err(bundlerProblem(error));
  }
  return kind === 'javascript' ? check(esbuild, script, request.codeFolder) : bundle(esbuild, script, request);
}

/**
 * Node says nothing of where a syntax error is in an ES module, so it is looked for here, in all files the script
 * reaches by relative imports. Anything else esbuild would complain of is left to Node, whose word counts.
 */
async function check(
  esbuild: typeof Esbuild,
  script: string,
  codeFolder: string,
): Promise<Result<{ script: string }, Problem>> {
  try {
    await esbuild.build({ ...COMMON, entryPoints: [script], absWorkingDir: codeFolder, write: false });
  } catch (error) {
    const problem = syntaxProblemOf(error, codeFolder);
    if (problem !== undefined) return err(problem);
  }
  return ok({ script });
}

async function bundle(
  esbuild: typeof Esbuild,
  script: string,
  { codeFolder, outFile }: BundleRequest,
): Promise<Result<{ script: string }, Problem>> {
  try {
    await esbuild.build({
      ...COMMON,
      entryPoints: [script],
      outfile: outFile,
      absWorkingDir: codeFolder,
      sourcemap: 'linked',
      sourcesContent: true,
      banner: { js: BANNER },
      plugins: [placePlugin(esbuild, codeFolder, outFile)],
    });
    return ok({ script: outFile });
  } catch (error) {
    return err(problemOf(error, codeFolder));
  }
}
