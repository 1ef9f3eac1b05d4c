import type { CliDeps } from './deps.ts';
import type { Console } from './console.ts';
import type { Parsed } from './flags.ts';
import { usageError } from './usage.ts';

/** What the file of a command gets: the world, where to speak, and what was written. */
export interface CommandInput {
  readonly deps: CliDeps;
  readonly console: Console;
  /** Positional arguments in order; absent optional ones are undefined. */
  readonly args: readonly (string | undefined)[];
  readonly parsed: Parsed;
  /** What stood after `--`. */
  readonly scriptArguments: readonly string[] | undefined;
}

/** @returns the exit code; throws `ParallelRunError` for what a person must mend. */
export type Execute = (input: CommandInput) => Promise<number>;

export const textOf = (parsed: Parsed, key: string): string | undefined => {
  const value = parsed[key];
  return typeof value === 'string' ? value : undefined;
};
export const isOn = (parsed: Parsed, key: string): boolean => parsed[key] === true;

/** A whole number from 0 of an option; throws what to tell where it is none. */
export function numberOf(parsed: Parsed, key: string, flag: string): number | undefined {
  const text = textOf(parsed, key);
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text))
    throw usageError(`"${text}" is no value for ${flag}`, { why: 'it takes a whole number from 0' });
  return Number(text);
}
