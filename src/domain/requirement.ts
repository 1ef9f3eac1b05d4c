/** One line of pip requirements. Pure. */

export interface Requirement {
  /** As package indexes compare names. */
  readonly name: string;
  /** As the line writes it. */
  readonly shown: string;
  /** `[extra]`, or empty. */
  readonly extras: string;
  /** `==1.15.0`, or empty. */
  readonly version: string;
  /** `; python_version < "3.12"`, or empty. */
  readonly marker: string;
}

const REQUIREMENT = /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(\[[^\]]*\])?\s*([^;]*?)\s*(;.*)?$/;

/** @returns undefined for an option, a path, an address, or what is no requirement. */
export function parseRequirement(line: string): Requirement | undefined {
  const bare = line.replace(/\s+--(hash|config-settings|global-option|install-option)[=\s].*$/, '').trim();
  const [, shown, extras = '', version = '', marker = ''] = REQUIREMENT.exec(bare) ?? [];
  if (shown === undefined || /^[./:\\]/.test(version) || /^[a-z+]+:\/\//i.test(bare)) return undefined;
  return { name: canonicalName(shown), shown, extras, version: version.replace(/^\((.*)\)$/, '$1'), marker };
}

/** `Scikit_learn` and `scikit-learn` are one package. */
export const canonicalName = (name: string): string => name.toLowerCase().replaceAll(/[._-]+/g, '-');
