/** Arguments of the script: splitting as a shell would, and the runtime flags of ours among them. Pure. */
import type { Result } from '../domain/problem.ts';
import { err, ok } from '../domain/problem.ts';
import type { ResolvedPiece } from './expressions.ts';
import { editDistance, toSnake } from '../domain/nearest.ts';
import type { ScalarOptionKey } from './options.ts';
import { OPTION_OF_RUNTIME_FLAG, optionSpec } from './options.ts';

/**
 * Splits into words at blanks. Quotes and backslashes as in a POSIX shell; nothing is expanded. A fixed piece (the
 * value of an expression) is taken as it is: a path with blanks and quotes stays one argument.
 * @returns the words, or which quote was never closed.
 */
export function splitArguments(pieces: readonly ResolvedPiece[]): Result<readonly string[], '"' | "'"> {
  const words: string[] = [];
  let word: string | undefined;
  let quote: '"' | "'" | undefined;
  for (const piece of pieces) {
    if (piece.fixed) {
      word = (word ?? '') + piece.text;
      continue;
    }
    for (let i = 0; i < piece.text.length; i++) {
      const c = piece.text[i] ?? '';
      const next = piece.text[i + 1];
      if (quote === "'") {
        if (c === "'") quote = undefined;
        else word = (word ?? '') + c;
      } else if (c === '\\' && next !== undefined && (quote === undefined || '"\\$`\n'.includes(next))) {
        if (next !== '\n') word = (word ?? '') + next;
        i++;
      } else if (quote === '"') {
        if (c === '"') quote = undefined;
        else word = (word ?? '') + c;
      } else if (c === '"' || c === "'") {
        quote = c;
        word ??= '';
      } else if (/\s/.test(c)) {
        if (word !== undefined) words.push(word);
        word = undefined;
      } else {
        word = (word ?? '') + c;
      }
    }
  }
  if (quote !== undefined) return err(quote);
  if (word !== undefined) words.push(word);
  return ok(words);
}

export interface RuntimeFlag {
  readonly key: ScalarOptionKey;
  /** As written, with dashes. */
  readonly flag: string;
  /** Undefined where it has none. */
  readonly value: string | undefined;
}

/** What is the script's own among the words, with their order. */
export function withoutRuntimeFlags(words: readonly string[]): readonly string[] {
  const flags = findRuntimeFlags(words);
  const rest: string[] = [];
  for (let i = 0, next = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    const found = flags[next];
    if (found === undefined || (word !== found.flag && !word.startsWith(`${found.flag}=`))) {
      rest.push(word);
      continue;
    }
    next += 1;
    if (word === found.flag && words[i + 1] === found.value) i += 1;
  }
  return rest;
}

/** The runtime flags among the words; the words themselves stay as they are, the script sees all of them. */
export function findRuntimeFlags(words: readonly string[]): readonly RuntimeFlag[] {
  const found: RuntimeFlag[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    // As for argparse: after a bare `--` nothing is a flag.
    if (word === '--') break;
    if (!word.startsWith('--')) continue;
    const equals = word.indexOf('=');
    const flag = equals < 0 ? word : word.slice(0, equals);
    const key = OPTION_OF_RUNTIME_FLAG.get(flag.slice(2));
    if (key === undefined) continue;
    if (equals >= 0) {
      found.push({ key, flag, value: word.slice(equals + 1) });
      continue;
    }
    const next = words[i + 1];
    const hasValue = next !== undefined && !next.startsWith('--');
    if (hasValue) i++;
    const bare = optionSpec(key).value.type === 'switch' ? 'true' : undefined;
    found.push({ key, flag, value: hasValue ? next : bare });
  }
  return found;
}

const SLIP_DISTANCE_MAX = 2;
const SLIP_LENGTH_MIN = 8;

/** Flags that are the script's own, but look like a slip of one of ours. */
export function findSlips(words: readonly string[]): readonly { readonly flag: string; readonly meant: string }[] {
  const end = words.indexOf('--');
  return (end < 0 ? words : words.slice(0, end)).flatMap((word) => {
    const flag = word.split('=', 1)[0] ?? '';
    const name = flag.slice(2);
    if (!flag.startsWith('--') || name.length < SLIP_LENGTH_MIN || OPTION_OF_RUNTIME_FLAG.has(name)) return [];
    const meant = [...OPTION_OF_RUNTIME_FLAG.keys()].find(
      (known) => editDistance(toSnake(name), known) <= SLIP_DISTANCE_MAX,
    );
    return meant === undefined ? [] : [{ flag, meant: `--${meant}` }];
  });
}
