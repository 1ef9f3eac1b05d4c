/** Decisions about requirements, without any I/O: what names an environment. */

/** Lines as pip reads them: no comments, no blanks, sorted, each once. Two lists with the same result need one environment. */
export function normalizeRequirements(lines: readonly string[]): string[] {
  const kept = lines.map((line) => line.replace(/(^|\s)#.*$/, '').trim()).filter((line) => line !== '');
  return [...new Set(kept)].sort();
}

/** A path in a line of requirements that pip would resolve relative to the file it stands in. */
export interface LocalReference {
  readonly kind: 'file' | 'package';
  /** As written. */
  readonly path: string;
}

/** `-r other.txt`, `-c pins.txt`, `-e ./pkg`, `./pkg`, `wheels/x.whl`: what else the environment depends on. */
export function localReference(line: string): LocalReference | undefined {
  const option = /^(-r|-c|-e|--requirement|--constraint|--editable)(?:\s+|=|(?<=^-[rce]))(\S.*)$/.exec(line);
  if (option) {
    const [, flag = '', path = ''] = option;
    const isPackage = flag === '-e' || flag === '--editable';
    if (/^[a-z+]+:\/\//i.test(path)) return undefined;
    return { kind: isPackage ? 'package' : 'file', path };
  }
  const path = line.split(/\s*;\s|\[/)[0] ?? '';
  if (
    /^(\.{0,2}\/|\.{1,2}$)/.test(path) ||
    (/\.(whl|tar\.gz|zip)$/.test(path) && !path.includes('://') && !path.includes('@'))
  ) {
    return { kind: 'package', path };
  }
  return undefined;
}

/** The line with its path made absolute, so that it means the same in a file of ours. */
export function withAbsolutePath(line: string, reference: LocalReference, absolute: string): string {
  return line.replace(reference.path, () => absolute);
}

/** Credentials in index addresses must not reach terminal, logs or file names. */
export function maskCredentials(line: string): string {
  return line.replace(/(\w+:\/\/)[^/@\s]+@/g, '$1***@');
}

/**
 * Whether a version fits what a conda file asks for: `3.10`, `=3.10`, `3.10.*`, `>=3.8,<3.12`, `!=3.9`, `~=3.10`.
 * Parts that can't be read count as fitting: the answer only decides which interpreter is looked for first.
 */
export function versionFits(version: string, asked: string): boolean {
  return asked.split(',').every((part) => {
    const match = /^\s*(==?|!=|>=|<=|>|<|~=)?\s*([0-9]+(?:\.[0-9]+)*)(\.\*)?/.exec(part);
    if (!match) return true;
    const [, operator = '=', wanted = ''] = match;
    const have = version.split('.').map(Number);
    const want = wanted.split('.').map(Number);
    const samePrefix = want.every((n, i) => have[i] === n);
    const order = compareVersions(have, want);
    switch (operator) {
      case '!=':
        return !samePrefix;
      case '>=':
        return order >= 0;
      case '<=':
        return order <= 0 || samePrefix;
      case '>':
        return order > 0 && !samePrefix;
      case '<':
        return order < 0;
      case '~=':
        return order >= 0 && want.slice(0, -1).every((n, i) => have[i] === n);
      default:
        return samePrefix;
    }
  });
}

function compareVersions(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
