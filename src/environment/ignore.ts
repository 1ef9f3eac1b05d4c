import picomatch from 'picomatch';

/** Says whether a path below the code folder is left out of the snapshot. `path` is POSIX and relative. */
export type IgnoreRule = (path: string, isFolder: boolean) => boolean;

/** Folders that are never code of a run, wherever they lie. */
const NEVER_CODE = new Set([
  '.git',
  '.hg',
  '.svn',
  '__pycache__',
  '.venv',
  '.mypy_cache',
  '.pytest_cache',
  '.ruff_cache',
  '.ipynb_checkpoints',
]);

export function isNeverCode(name: string): boolean {
  return NEVER_CODE.has(name);
}

/**
 * Compiles a `.amlignore` (the syntax of `.gitignore`): `#` comments, `*`, `**`, `?`, `[a-z]`, a leading or inner `/`
 * ties to the code folder, a trailing `/` means folders only, `!` takes back, the last line that fits decides.
 * As with git, what lies in a folder that is left out can't be taken back.
 */
export function compileIgnoreFile(text: string): IgnoreRule {
  const rules = text.split(/\r?\n/).flatMap(compileLine);
  return (path, isFolder) => {
    let ignored = false;
    for (const rule of rules) {
      if ((isFolder || !rule.foldersOnly) && rule.fits(path)) ignored = !rule.takesBack;
    }
    return ignored;
  };
}

interface CompiledLine {
  readonly fits: (path: string) => boolean;
  readonly foldersOnly: boolean;
  readonly takesBack: boolean;
}

function compileLine(written: string): CompiledLine[] {
  let line = written.replace(/(?<!\\)\s+$/, '');
  if (line === '' || line.startsWith('#')) return [];
  const takesBack = line.startsWith('!');
  if (takesBack) line = line.slice(1);
  const foldersOnly = line.endsWith('/');
  if (foldersOnly) line = line.replace(/\/+$/, '');
  const tied = line.includes('/');
  // Braces and extended globs mean nothing special in these files, but much to the matcher.
  const pattern = line
    .replace(/^\//, '')
    .replace(/^\\(?=[#!])/, '')
    .replace(/[{}()|+@]/g, '\\$&');
  if (pattern === '') return [];
  const fits = picomatch(tied ? pattern : `**/${pattern}`, { dot: true, nonegate: true });
  return [{ fits, foldersOnly, takesBack }];
}
