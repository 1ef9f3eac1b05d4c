import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type * as Esbuild from 'esbuild';

const MENTIONS_PLACE = /import\.meta|__dirname|__filename/;
const LOADERS: Readonly<Record<string, Esbuild.Loader>> = { '.ts': 'ts', '.mts': 'ts', '.cts': 'ts', '.tsx': 'tsx' };

/** Stand-ins for what a module knows about its place; esbuild gives them names of their own where they meet. */
const STAND_INS = {
  'import.meta.url': 'parallelrun_url',
  'import.meta.filename': 'parallelrun_filename',
  'import.meta.dirname': 'parallelrun_dirname',
  __filename: 'parallelrun_filename',
  __dirname: 'parallelrun_dirname',
};

/**
 * A bundle lies elsewhere than the files it is made of, but scripts read files beside themselves. So each module that
 * asks for its place gets that of its own source, told relative to the bundle: the code folder may be moved as a whole.
 */
export function placePlugin(esbuild: typeof Esbuild, codeFolder: string, outFile: string): Esbuild.Plugin {
  return {
    name: 'parallelrun-place',
    async setup(build) {
      // one module alone is transformed without looking for its settings (decorators, jsx): they are handed over
      const tsconfig = await readFile(path.join(codeFolder, 'tsconfig.json'), 'utf8').catch(() => '{}');
      build.onLoad({ filter: /\.(?:[cm]?[jt]s|tsx|jsx)$/ }, async ({ path: file }) => {
        const text = await readFile(file, 'utf8');
        if (!MENTIONS_PLACE.test(text)) return undefined;
        return { contents: await withPlace(esbuild, { file, text, tsconfig, outFile }), loader: 'js' };
      });
    },
  };
}

interface PlacedModule {
  readonly file: string;
  readonly text: string;
  /** Text of the `tsconfig.json` of the code folder. */
  readonly tsconfig: string;
  readonly outFile: string;
}

async function withPlace(esbuild: typeof Esbuild, { file, text, tsconfig, outFile }: PlacedModule): Promise<string> {
  const loader = LOADERS[path.extname(file)] ?? 'jsx';
  const transformed = await esbuild.transform(text, {
    loader,
    target: 'node20',
    define: STAND_INS,
    tsconfigRaw: tsconfig,
    sourcefile: file,
    sourcemap: 'external',
    sourcesContent: true,
  });
  const map = JSON.parse(transformed.map) as { mappings: string };
  // one generated line stands before the code
  map.mappings = `;${map.mappings}`;
  const data = Buffer.from(JSON.stringify(map)).toString('base64');
  const url = `\n//# sourceMappingURL=data:application/json;base64,${data}\n`;
  return `${placeOf(file, outFile)}\n${transformed.code}${url}`;
}

/** One line that declares the stand-ins. */
function placeOf(file: string, outFile: string): string {
  const relative = path.relative(path.dirname(outFile), file).split(path.sep).map(encodeURIComponent).join('/');
  return (
    `import { fileURLToPath as parallelrun_path } from 'node:url'; ` +
    `const parallelrun_url = new URL(${JSON.stringify(relative)}, import.meta.url).href, ` +
    `parallelrun_filename = parallelrun_path(parallelrun_url), ` +
    `parallelrun_dirname = parallelrun_path(new URL('.', parallelrun_url)).replace(/(.)[/]$/, '$1');`
  );
}
