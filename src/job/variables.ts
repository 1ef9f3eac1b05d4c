/** Environment variables of the workers. Pure. */
import type { Origin } from '../domain/plan.ts';
import type { Names } from './expressions.ts';
import { resolveScalar } from './expressions.ts';
import type { Problems } from './problems.ts';
import { onCommandLine } from './problems.ts';
import type { WrittenNode } from './written.ts';
import { describeNode, entriesOf } from './written.ts';

export interface Variables {
  readonly values: Readonly<Record<string, string>>;
  readonly origin: Origin;
}

/** Those of the command line win, then those of the profile, one by one. Numbers and booleans of a file are taken as they were typed. */
export function readVariables(
  node: WrittenNode | undefined,
  profile: WrittenNode | undefined,
  flags: Readonly<Record<string, string>> | undefined,
  names: Names,
  problems: Problems,
): Variables {
  const values = new Map<string, string>();
  for (const { key, value, keyAt } of [...entriesOf(node), ...entriesOf(profile)]) {
    if (!isPossible(key)) reportName(key, keyAt(), problems);
    else if (value.kind !== 'scalar')
      problems.error('PR1010', `the environment variable ${key} has a value of the wrong type`, {
        where: value.at(),
        why: `found ${describeNode(value)}; allowed: a text`,
      });
    else values.set(key, resolveScalar(value, names, problems)?.text ?? '');
  }
  for (const [key, value] of Object.entries(flags ?? {})) {
    if (isPossible(key)) values.set(key, value);
    else reportName(key, onCommandLine('--env', `${key}=${value}`), problems);
  }
  const origin: Origin =
    flags !== undefined && Object.keys(flags).length > 0
      ? 'command line'
      : entriesOf(profile).length > 0
        ? 'profile'
        : values.size > 0
          ? (node?.origin ?? 'job file')
          : 'default';
  return { values: Object.fromEntries(values), origin };
}

const isPossible = (name: string): boolean => name !== '' && !name.includes('=') && !name.includes('\0');

function reportName(name: string, where: ReturnType<typeof onCommandLine>, problems: Problems): void {
  problems.error('PR1011', 'an environment variable has a name that is not possible', {
    where,
    why: `found ${JSON.stringify(name)}; allowed: at least one character, no = and no NUL`,
  });
}
