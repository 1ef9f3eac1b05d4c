/** Decisions about requirements, without any I/O: what names an environment, and why an installer failed. */

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

export type InstallFailure =
  | {
      readonly kind: 'requirement';
      /** As the user wrote it, where it can be told. */ readonly requirement?: string;
      readonly reason: string;
    }
  | { readonly kind: 'unreachable'; readonly reason: string }
  | { readonly kind: 'disk-full'; readonly reason: string };

const UNREACHABLE =
  /Temporary failure in name resolution|Name or service not known|Failed to establish a new connection|Network is unreachable|ConnectTimeout|dns error|error sending request|Could not connect|ProxyError|Connection refused/i;

/**
 * Finds the cause in what pip or uv printed.
 * @param lines everything the installer said, in order.
 * @param requirements the lines of the user, to name the one that failed.
 */
export function explainInstallFailure(lines: readonly string[], requirements: readonly string[]): InstallFailure {
  const clean = lines.map((line) => maskCredentials(line).trim());
  const full = clean.find((line) => /No space left on device|Errno 28/.test(line));
  if (full !== undefined) return { kind: 'disk-full', reason: full };
  const unreachable = clean.find((line) => UNREACHABLE.test(line));
  if (unreachable !== undefined) return { kind: 'unreachable', reason: unreachable };

  const reason = reasonLine(clean);
  const requirement = requirements.find((line) =>
    clean.some((said) => /error|no solution|because|×|╰/i.test(said) && mentions(said, line)),
  );
  return {
    kind: 'requirement',
    reason,
    ...(requirement === undefined ? {} : { requirement: maskCredentials(requirement) }),
  };
}

/** The most telling line: pip's "Could not find a version ..." says more than its "No matching distribution ...". */
function reasonLine(lines: readonly string[]): string {
  const telling = [
    /Could not find a version that satisfies/,
    /Because .*(no versions?|not found)/,
    /conflicting dependencies/,
    /Invalid requirement/,
    /^ERROR: (?!No matching)/,
    /^error:/,
    /^×/,
  ];
  for (const pattern of telling) {
    const at = lines.findIndex((line) => pattern.test(line));
    if (at >= 0) return cut(joinContinuation(lines, at));
  }
  return cut(lines.at(-1) ?? 'the installer ended without a word');
}

/** uv breaks its sentences over lines; pip does not. */
function joinContinuation(lines: readonly string[], at: number): string {
  const first = (lines[at] ?? '')
    .replace(/^(ERROR:|error:|cause:|×|╰─▶)\s*/, '')
    // Where a line stands in our own copy of the list helps nobody.
    .replace(/ \(from line \d+ of .*\)$/, '');
  const rest: string[] = [];
  if (/╰─▶|^(cause: )?Because/.test(lines[at] ?? '')) {
    for (const line of lines.slice(at + 1, at + 6)) {
      if (/^(hint|error)/i.test(line)) break;
      rest.push(line);
    }
  }
  return [first, ...rest].join(' ');
}

function cut(text: string): string {
  const MAX = 500;
  return text.length <= MAX ? text : `${text.slice(0, MAX - 100)} ... ${text.slice(-90)}`;
}

/** The name of a requirement, as package indexes compare names. */
function packageName(line: string): string {
  return (/^[A-Za-z0-9][A-Za-z0-9._-]*/.exec(line)?.[0] ?? '').toLowerCase().replace(/[._-]+/g, '-');
}

function mentions(said: string, requirement: string): boolean {
  const name = packageName(requirement);
  if (name === '') return said.includes(requirement);
  const words = said.toLowerCase().match(/[a-z0-9][a-z0-9._-]*/g) ?? [];
  return words.some((word) => word.replace(/[._-]+/g, '-').replace(/-$/, '') === name);
}
