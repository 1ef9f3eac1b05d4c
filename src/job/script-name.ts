/** What tells an entry script from other files by its name. Pure. */
import path from 'node:path';

export const PYTHON_EXTENSIONS: readonly string[] = ['.py'];
export const NODE_EXTENSIONS: readonly string[] = ['.ts', '.mts', '.cts', '.tsx', '.js', '.mjs', '.cjs'];

export const isScriptName = (file: string): boolean =>
  [...PYTHON_EXTENSIONS, ...NODE_EXTENSIONS].includes(path.extname(file).toLowerCase());
