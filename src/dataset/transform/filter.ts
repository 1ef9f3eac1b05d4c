/**
 * Whether a row meets a condition. Values come as texts that are equal where the values are (see `group/values.ts`), and are
 * compared by the type of their column. Pure.
 */
import { parseDecimal, parseTruth } from '../../domain/cells.ts';
import { convert, isFloat, timeOf } from '../../domain/convert.ts';
import type { Column } from '../../domain/plan.ts';
import type { Comparison, Condition, Operand } from '../../domain/transform.ts';

type Kind = 'number' | 'text' | 'truth' | 'time' | 'other';
type Comparable = number | bigint | string | boolean;

export function kindOf({ type, native = '' }: Column): Kind {
  switch (type) {
    case 'int64':
    case 'uint64':
    case 'float64':
      return 'number';
    case 'bool':
    case 'nullable-bool':
      return 'truth';
    case 'string':
      return 'text';
    case 'datetime':
      return 'time';
    case 'json':
      return 'other';
    case 'native':
      if (/^(?:u?int|float|double|decimal)/.test(native)) return 'number';
      if (native.startsWith('bool')) return 'truth';
      if (/^(?:timestamp|date)/.test(native)) return 'time';
      return /^(?:large )?(?:string|utf8|enum|json)/.test(native) ? 'text' : 'other';
  }
}

const WORDS: Readonly<Record<Kind, string>> = {
  number: 'numbers',
  text: 'texts',
  truth: 'truth values',
  time: 'times',
  other: 'values of several kinds, or nested ones',
};
const EQUALITY: ReadonlySet<Comparison> = new Set(['==', '!=']);

/** @throws what `fail` gives, where the condition compares what can't be compared */
export function checkCondition(
  condition: Condition,
  columnNamed: (name: string) => Column,
  fail: (why: string) => Error,
): void {
  switch (condition.op) {
    case 'and':
    case 'or':
      for (const one of condition.of) checkCondition(one, columnNamed, fail);
      return;
    case 'not':
      checkCondition(condition.of, columnNamed, fail);
      return;
    case 'is null': {
      const column = columnNamed(condition.column);
      if (column.type === 'native' && kindOf(column) === 'other')
        throw fail(`the column ${JSON.stringify(condition.column)} holds ${WORDS.other}, which are not looked at`);
      return;
    }
    case 'truth': {
      const kind = kindOf(columnNamed(condition.column));
      if (kind !== 'truth')
        throw fail(`the column ${JSON.stringify(condition.column)} holds ${WORDS[kind]}: compare it with a value`);
      return;
    }
    default: {
      const { left, right, op } = condition;
      const kinds = [left, right].map((side) => ('column' in side ? kindOf(columnNamed(side.column)) : undefined));
      const [own = 'other'] = kinds.filter((kind) => kind !== undefined);
      const column = [left, right].flatMap((side) => ('column' in side ? [side.column] : []))[0] ?? '';
      const holds = `the column ${JSON.stringify(column)} holds ${WORDS[own]}`;
      if (own === 'other') throw fail(`${holds}, which cannot be compared`);
      for (const [i, side] of [left, right].entries()) {
        const kind = kinds[i];
        if (kind !== undefined && kind !== own) throw fail(`${holds}, and the other one ${WORDS[kind]}: convert one of them first`); // prettier-ignore
        if ('value' in side && literalOf(side, own) === undefined)
          throw fail(`${holds}, and is compared with ${JSON.stringify(side.value)}: ${HINTS[own]}`);
      }
      if (own === 'truth' && !EQUALITY.has(op)) throw fail(`${holds}, which are compared by == and != alone`);
    }
  }
}

const HINTS: Readonly<Record<Kind, string>> = {
  number: 'write a number, or convert it to string first',
  text: 'write the value in quotes, or convert the column first',
  truth: 'write true or false',
  time: 'write a time such as "2024-01-31" or "2024-01-31T12:00:00"',
  other: '',
};

function literalOf({ value, digits }: Extract<Operand, { value: unknown }>, kind: Kind): Comparable | undefined {
  if (kind === 'number') return typeof value === 'number' ? (digits === undefined ? value : BigInt(digits)) : undefined;
  if (kind === 'truth') return typeof value === 'boolean' ? value : undefined;
  if (kind === 'text') return typeof value === 'string' ? value : undefined;
  return kind === 'time' && typeof value === 'string' ? storedTime(value) : undefined;
}

/** Nanoseconds, as files may have them, of a text in ISO 8601. */
function storedTime(text: string): bigint | undefined {
  const fraction = /\.(\d{1,9})(?=Z$|[+-]\d\d:?\d\d$|$)/.exec(text)?.[1] ?? '';
  const time = timeOf(fraction === '' ? text : text.replace(`.${fraction}`, ''));
  return time && BigInt(time.ms) * MILLION + BigInt(fraction.padEnd(9, '0'));
}

const MILLION = 1_000_000n;

/** Values of a row as texts; null: missing. */
export type RowValues = (column: string) => string | null;

/** True, false, or undefined where a value isn't of the type of its column: nobody can say. */
type Verdict = boolean | undefined;

/** A condition ready to be asked of rows. */
export class Filter {
  readonly #test: (row: RowValues) => Verdict;

  /** @param columns as they are where the filter stands */
  constructor(condition: Condition, columns: ReadonlyMap<string, Column>) {
    this.#test = compiled(condition, columns);
  }

  /** A row of which nobody can say is taken: the mini-batch that gets it says what is wrong. */
  takes(row: RowValues): boolean {
    return this.#test(row) ?? true;
  }
}

function compiled(condition: Condition, columns: ReadonlyMap<string, Column>): (row: RowValues) => Verdict {
  switch (condition.op) {
    case 'and': {
      const tests = condition.of.map((one) => compiled(one, columns));
      return (row) => {
        let verdict: Verdict = true;
        for (const test of tests) {
          const one = test(row);
          if (one === false) return false;
          if (one === undefined) verdict = undefined;
        }
        return verdict;
      };
    }
    case 'or': {
      const tests = condition.of.map((one) => compiled(one, columns));
      return (row) => {
        let verdict: Verdict = false;
        for (const test of tests) {
          const one = test(row);
          if (one === true) return true;
          if (one === undefined) verdict = undefined;
        }
        return verdict;
      };
    }
    case 'not': {
      const test = compiled(condition.of, columns);
      return (row) => {
        const verdict = test(row);
        return verdict === undefined ? undefined : !verdict;
      };
    }
    case 'is null': {
      const value = valueOf({ column: condition.column }, columns, 'other');
      return (row) => value(row) === null;
    }
    case 'truth': {
      const value = valueOf({ column: condition.column }, columns, 'truth');
      return (row) => {
        const found = value(row);
        return found === undefined ? undefined : found === true;
      };
    }
    default: {
      const { left, right, op } = condition;
      const name = 'column' in left ? left.column : 'column' in right ? right.column : '';
      const column = columns.get(name);
      const kind = column ? kindOf(column) : 'other';
      const [one, other] = [valueOf(left, columns, kind), valueOf(right, columns, kind)];
      return (row) => {
        const [a, b] = [one(row), other(row)];
        if (a === undefined || b === undefined) return undefined;
        // what is missing is neither equal to anything nor different from it
        return a === null || b === null ? false : holds(a, op, b);
      };
    }
  }
}

function holds(a: Comparable, op: Comparison, b: Comparable): boolean {
  switch (op) {
    case '==':
      // eslint-disable-next-line eqeqeq -- a bigint and a number that are equal
      return a == b;
    case '!=':
      // eslint-disable-next-line eqeqeq -- as above
      return a != b;
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    case '>=':
      return a >= b;
  }
}

type Value = Comparable | null | undefined;

function valueOf(operand: Operand, columns: ReadonlyMap<string, Column>, kind: Kind): (row: RowValues) => Value {
  if ('value' in operand) {
    const literal = literalOf(operand, kind);
    return () => literal;
  }
  const { column: name } = operand;
  const column = columns.get(name);
  const conversion = column?.convert;
  return (row) => {
    const text = row(name);
    if (text === null) return null;
    if (!conversion) return typed(text, kind);
    const { from, to } = conversion;
    const read = typed(text, kindOf(from));
    if (to.type === 'datetime')
      return typeof read === 'bigint' && kindOf(from) === 'time' ? read : convertedTime(text, to.formats);
    const value = convert(
      typeof read === 'bigint' && kindOf(from) === 'time' ? dateOf(read) : (read ?? text),
      to,
      isFloat(from),
    );
    return value as Value;
  };
}

function convertedTime(text: string, formats: readonly string[]): bigint | undefined {
  const time = timeOf(text, formats);
  return time && BigInt(time.ms) * MILLION + BigInt(time.us) * 1000n;
}

const dateOf = (ns: bigint): Date => new Date(Number((ns - (((ns % MILLION) + MILLION) % MILLION)) / MILLION));

/** Undefined: not of this kind. */
function typed(text: string, kind: Kind): Comparable | undefined {
  switch (kind) {
    case 'number':
      return /^[+-]?\d{16,}$/.test(text) ? BigInt(text) : parseDecimal(text);
    case 'truth':
      return parseTruth(text);
    case 'time':
      return storedTime(text);
    case 'text':
    case 'other':
      return text;
  }
}
