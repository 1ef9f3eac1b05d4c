/**
 * What a written value may be, and how it is read: integers, durations, sizes, choices. Pure; a bad value comes back
 * as a misfit with what was found and what is allowed, never as an exception.
 */
import type { Result } from '../domain/problem.ts';
import { err, ok } from '../domain/problem.ts';
import { unreachable } from '../domain/assert.ts';

/** A leaf of a job file, or the text of a flag. */
export type Scalar = string | number | boolean | null;
/** `text`: from a command line, where everything is text; `typed`: from YAML or an SDK call, where `"10"` is no number. */
export type Spelling = 'text' | 'typed';

export interface Misfit {
  readonly kind: 'type' | 'range';
  readonly found: string;
  readonly allowed: string;
}

/** `10` (a count of files, or bytes of a table) or `10kb` (bytes, whatever the input is). */
export interface Size {
  readonly amount: number;
  readonly hasUnit: boolean;
}

export type ValueKind =
  | { readonly type: 'integer'; readonly min: number; readonly max: number }
  | { readonly type: 'percent' }
  | {
      readonly type: 'duration';
      readonly maxSeconds: number;
      /** 0 is allowed and switches it off. */ readonly zeroIsOff: boolean;
    }
  | { readonly type: 'size' }
  /** A size with its unit; read as bytes. */
  | { readonly type: 'bytes'; readonly min: string }
  | { readonly type: 'choice'; readonly choices: readonly string[] }
  | { readonly type: 'switch' }
  /** One ASCII character, or `tab`; `none` where there may be none: read as the empty text. */
  | { readonly type: 'character'; readonly orNone: boolean }
  | { readonly type: 'text' }
  /** Read by code of its own; `allowed` completes "allowed: ...". */
  | { readonly type: 'structure'; readonly allowed: string };

/** The type of a value of that kind once it is read. Durations are milliseconds. */
export type ValueOf<K extends ValueKind> = K extends { readonly type: 'integer' | 'percent' | 'duration' | 'bytes' }
  ? number
  : K extends { readonly type: 'size' }
    ? Size
    : K extends { readonly type: 'choice'; readonly choices: readonly (infer C)[] }
      ? C
      : K extends { readonly type: 'switch' }
        ? boolean
        : K extends { readonly type: 'text' | 'character' }
          ? string
          : never;

const DURATION_PATTERN = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/;
const DURATION_UNITS_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZE_PATTERN = /^(\d+)(?:([kKmMgG])[bB])?$/;
const SIZE_UNITS_BYTES: Readonly<Record<string, number>> = { k: 1024, m: 1024 ** 2, g: 1024 ** 3 };
/** Shorter than this a sampler would be all a node does. */
const INTERVAL_MIN_SECONDS = 0.1;
const FOUND_TEXT_MAX = 60;

/** Completes "found ...". */
export function describeFound(raw: Scalar): string {
  if (raw === null) return 'nothing';
  if (typeof raw === 'number') return `the number ${raw}`;
  if (typeof raw === 'boolean') return String(raw);
  const shown = raw.length > FOUND_TEXT_MAX ? `${raw.slice(0, FOUND_TEXT_MAX)}...` : raw;
  return `the text ${JSON.stringify(shown)}`;
}

/** Completes "allowed: ...". */
export function describeAllowed(kind: ValueKind): string {
  switch (kind.type) {
    case 'integer':
      return kind.max < Number.MAX_SAFE_INTEGER
        ? `an integer from ${kind.min} to ${kind.max}`
        : `an integer of at least ${kind.min}`;
    case 'percent':
      return 'a number from 0 to 100';
    case 'duration': {
      const least = kind.zeroIsOff ? `0 (off) or at least ${INTERVAL_MIN_SECONDS} s` : 'more than 0 s';
      return `seconds, or a time such as 500ms, 90s, 5m or 2h; ${least}, at most ${kind.maxSeconds} s`;
    }
    case 'size':
      return 'an integer of at least 1, or one followed by kb, mb or gb without a space, such as 10kb';
    case 'bytes':
      return `an integer followed by kb, mb or gb without a space, such as 512mb; at least ${kind.min}`;
    case 'choice':
      return `one of ${kind.choices.filter((choice) => choice !== '').join(', ')}`;
    case 'switch':
      return 'true or false';
    case 'text':
      return 'a text';
    case 'character':
      return `one ASCII character, or tab${kind.orNone ? ', or none' : ''}`;
    case 'structure':
      return kind.allowed;
    default:
      return unreachable(kind);
  }
}

/** Reads a number out of text or a typed value; undefined where it isn't one. Never NaN or infinite. */
function readNumber(raw: Scalar, spelling: Spelling): number | undefined {
  if (typeof raw === 'number') return Number.isFinite(raw) ? raw : undefined;
  if (spelling === 'text' && typeof raw === 'string' && /^[+-]?\d+(\.\d+)?$/.test(raw)) return Number(raw);
  return undefined;
}

/** @returns milliseconds (at least 1 unless the text says 0), undefined where it is no duration. No range is checked. */
export function parseDurationMs(raw: Scalar): number | undefined {
  if (typeof raw === 'number') return Number.isFinite(raw) ? toMs(raw * 1000) : undefined;
  if (typeof raw !== 'string') return undefined;
  const match = DURATION_PATTERN.exec(raw);
  if (match?.[1] === undefined) return undefined;
  const unit = (match[2] ?? 's') as keyof typeof DURATION_UNITS_MS;
  return toMs(Number(match[1]) * DURATION_UNITS_MS[unit]);
}

/** A limit of 0.1 ms must not become 0, which would mean "off" or "at once". */
function toMs(ms: number): number {
  return ms > 0 ? Math.max(1, Math.round(ms)) : Math.round(ms);
}

/** @returns undefined where the text doesn't fit `^\d+([kKmMgG][bB])?$`, is 0, or passes 2^53. */
export function parseSize(raw: Scalar): Size | undefined {
  if (typeof raw !== 'string' && typeof raw !== 'number') return undefined;
  const match = SIZE_PATTERN.exec(String(raw));
  if (match?.[1] === undefined) return undefined;
  const unit = match[2]?.toLowerCase();
  const amount = Number(match[1]) * (unit === undefined ? 1 : (SIZE_UNITS_BYTES[unit] ?? 1));
  return Number.isSafeInteger(amount) && amount >= 1 ? { amount, hasUnit: unit !== undefined } : undefined;
}

/** True, False, 1, 0 as people write them in arguments; `typed` takes real booleans only. */
export function parseSwitch(raw: Scalar, spelling: Spelling): boolean | undefined {
  if (typeof raw === 'boolean') return raw;
  if (spelling !== 'text' || typeof raw !== 'string') return undefined;
  const word = raw.toLowerCase();
  if (word === 'true' || word === '1' || word === 'yes') return true;
  return word === 'false' || word === '0' || word === 'no' ? false : undefined;
}

/** Reads one value of any kind but `structure`. */
export function parseValue<K extends ValueKind>(kind: K, raw: Scalar, spelling: Spelling): Result<ValueOf<K>, Misfit> {
  const outcome = parseAny(kind, raw, spelling);
  if (outcome.ok) return ok(outcome.value as ValueOf<K>);
  return err({ kind: outcome.error, found: describeFound(raw), allowed: describeAllowed(kind) });
}

type Outcome = Result<number | string | boolean | Size, 'type' | 'range'>;

function parseAny(kind: ValueKind, raw: Scalar, spelling: Spelling): Outcome {
  switch (kind.type) {
    case 'integer': {
      if (raw === Infinity || raw === -Infinity) return err('range');
      const n = readNumber(raw, spelling);
      if (n === undefined || !Number.isInteger(n)) return err('type');
      return Number.isSafeInteger(n) && n >= kind.min && n <= kind.max ? ok(n) : err('range');
    }
    case 'percent': {
      const n = readNumber(raw, spelling);
      if (n === undefined) return err('type');
      return n >= 0 && n <= 100 ? ok(n) : err('range');
    }
    case 'duration':
      return parseDuration(kind, raw);
    case 'size': {
      const size = parseSize(raw);
      if (size !== undefined) return ok(size);
      return err(typeof raw === 'number' || typeof raw === 'string' ? 'range' : 'type');
    }
    case 'bytes': {
      const size = parseSize(raw);
      if (size?.hasUnit === true && size.amount >= (parseSize(kind.min)?.amount ?? 0)) return ok(size.amount);
      return err(typeof raw === 'number' || typeof raw === 'string' ? 'range' : 'type');
    }
    case 'choice': {
      if (typeof raw !== 'string') return err('type');
      const choice = kind.choices.find((c) => c.toLowerCase() === raw.toLowerCase());
      return choice === undefined ? err('range') : ok(choice);
    }
    case 'switch': {
      const value = parseSwitch(raw, spelling);
      return value === undefined ? err('type') : ok(value);
    }
    case 'text':
      return typeof raw === 'string' ? ok(raw) : err('type');
    case 'character':
      return typeof raw === 'string' ? parseCharacter(kind, raw) : err('type');
    case 'structure':
      return err('type');
    default:
      return unreachable(kind);
  }
}

function parseCharacter({ orNone }: Extract<ValueKind, { type: 'character' }>, raw: string): Outcome {
  if (raw === 'none' && orNone) return ok('');
  if (raw === 'tab' || raw === '\\t') return ok('\t');
  return /^[\t\x20-\x7e]$/.test(raw) ? ok(raw) : err('range');
}

function parseDuration(kind: Extract<ValueKind, { type: 'duration' }>, raw: Scalar): Outcome {
  const ms = parseDurationMs(raw);
  if (ms === undefined) return err(typeof raw === 'number' ? 'range' : 'type');
  if (ms === 0 && kind.zeroIsOff) return ok(0);
  const least = kind.zeroIsOff ? INTERVAL_MIN_SECONDS * 1000 : 1;
  return ms >= least && ms <= kind.maxSeconds * 1000 ? ok(ms) : err('range');
}

/** Milliseconds for people: `500 ms`, `60 s`. */
export function showMs(ms: number): string {
  return ms % 1000 === 0 || ms > 10_000 ? `${ms / 1000} s` : `${ms} ms`;
}
