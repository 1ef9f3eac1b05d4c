/** Versions of packages: which of those that exist is the nearest to one that doesn't. Pure. */

interface Version {
  readonly text: string;
  readonly release: readonly number[];
  /** A candidate, a development version. */
  readonly isPre: boolean;
}

const VERSION = /^v?(?:\d+!)?(\d+(?:\.\d+)*)(.*)$/;

function parseVersion(text: string): Version | undefined {
  const [, release, rest = ''] = VERSION.exec(text.trim()) ?? [];
  if (release === undefined) return undefined;
  return {
    text: text.trim(),
    release: release.split('.').map(Number),
    isPre: /(a|b|c|rc|alpha|beta|pre|dev)\d*/i.test(rest),
  };
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

export interface NearVersions {
  /** The highest below and the lowest above the one that is missing. */
  readonly below?: string;
  readonly above?: string;
  readonly newest: string;
  /** `==2.12.*`: what a pin could say instead. */
  readonly instead: string;
}

/**
 * @param wanted a version, or what a requirement says of it (`==1.15.0`, `>=2,<3`)
 * @returns undefined where there is none
 */
export function nearVersions(versions: readonly string[], wanted: string): NearVersions | undefined {
  const all = versions.flatMap((text) => parseVersion(text) ?? []);
  const stable = all.filter(({ isPre }) => !isPre);
  const sorted = [...(stable.length > 0 ? stable : all)].sort((a, b) => compare(a.release, b.release));
  const newest = sorted.at(-1);
  if (newest === undefined) return undefined;
  const pin = parseVersion(
    wanted
      .replace(/^[^\d]*/, '')
      .replace(/[,;*].*$/, '')
      .replace(/\.$/, ''),
  );
  if (pin === undefined) return { newest: newest.text, instead: minorOf(newest) };
  const below = sorted.findLast((version) => compare(version.release, pin.release) < 0);
  const above = sorted.find((version) => compare(version.release, pin.release) > 0);
  const near = { newest: newest.text, ...(below && { below: below.text }), ...(above && { above: above.text }) };
  const same = (parts: number) => (version: Version | undefined) =>
    version !== undefined && pin.release.slice(0, parts).every((n, i) => (version.release[i] ?? 0) === n);
  for (const parts of [2, 1, 0]) {
    const found = [above, below].find(same(parts));
    if (found !== undefined) return { ...near, instead: minorOf(found) };
  }
  return { ...near, instead: minorOf(newest) };
}

/** With all its corrections: 2.12.0 and 2.12.1 are `==2.12.*`. */
function minorOf({ release, text, isPre }: Version): string {
  return isPre || release.length < 3 ? `==${text}` : `==${release.slice(0, 2).join('.')}.*`;
}
