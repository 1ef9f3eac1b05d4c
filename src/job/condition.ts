/** The expression of a `filter` of an MLTable, such as `col("price") > 3 and not col("store").is_null()`. Pure. */
import type { Comparison, Condition, Operand } from '../domain/transform.ts';

/** @returns the condition, or what is wrong with the text */
export function parseCondition(text: string): Condition | string {
  try {
    return new Parser(text).all();
  } catch (error) {
    if (error instanceof Wrong) return error.message;
    throw error;
  }
}

class Wrong extends Error {}

interface Token {
  readonly kind: 'text' | 'number' | 'word' | 'sign' | 'end';
  readonly text: string;
  /** Position in the expression, from 1. */
  readonly at: number;
}

const TOKEN =
  /\s+|(?<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?<word>[A-Za-z_]\w*)|(?<sign>==|!=|<=|>=|&&|\|\||[<>&|!~().])/sy;

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex + 1;
    const groups = TOKEN.exec(text)?.groups;
    if (!groups) throw new Wrong(`character ${at}, ${JSON.stringify(text[at - 1])}, has no meaning there`);
    const found = (['text', 'number', 'word', 'sign'] as const).find((kind) => groups[kind] !== undefined);
    if (found) tokens.push({ kind: found, text: groups[found] ?? '', at });
  }
  return [...tokens, { kind: 'end', text: '', at: text.length + 1 }];
}

const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=']);
const AND: ReadonlySet<string> = new Set(['and', '&', '&&']);
const OR: ReadonlySet<string> = new Set(['or', '|', '||']);
const NOT: ReadonlySet<string> = new Set(['not', '~', '!']);
const WORDS = new Map<string, boolean | null>([
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['null', null],
  ['None', null],
]);

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
  }

  all(): Condition {
    const condition = this.#any();
    if (this.#token.kind !== 'end') throw this.#unexpected('the end, and, or');
    return condition;
  }

  get #token(): Token {
    return this.#tokens[this.#next] as Token;
  }

  #any(): Condition {
    const of = [this.#every()];
    while (this.#takes(OR)) of.push(this.#every());
    return of.length === 1 ? (of[0] as Condition) : { op: 'or', of };
  }

  #every(): Condition {
    const of = [this.#one()];
    while (this.#takes(AND)) of.push(this.#one());
    return of.length === 1 ? (of[0] as Condition) : { op: 'and', of };
  }

  #one(): Condition {
    if (this.#takes(NOT)) return { op: 'not', of: this.#one() };
    if (this.#takes('(')) {
      const inner = this.#any();
      this.#expect(')');
      return inner;
    }
    return this.#comparison();
  }

  #comparison(): Condition {
    const { at } = this.#token;
    const left = this.#operand();
    if ('column' in left && this.#takes('.')) return this.#method(left.column);
    const op = this.#token.text;
    if (this.#token.kind !== 'sign' || !COMPARISONS.has(op)) {
      if ('column' in left) return { op: 'truth', column: left.column };
      throw this.#unexpected('one of == != < <= > >=');
    }
    this.#next += 1;
    const right = this.#operand();
    if (!('column' in left) && !('column' in right)) throw new Wrong(`at character ${at} two values are compared, and no column: a column is written col("name")`); // prettier-ignore
    if (isNull(left) || isNull(right)) return nullTest(op, left, right, at);
    return { op: op as Comparison, left, right };
  }

  #method(column: string): Condition {
    const name = this.#token;
    this.#next += 1;
    if (name.text !== 'is_null' && name.text !== 'is_not_null')
      throw new Wrong(`character ${name.at}: .${name.text} is not known; known are .is_null() and .is_not_null()`);
    this.#expect('(');
    this.#expect(')');
    const test: Condition = { op: 'is null', column };
    return name.text === 'is_null' ? test : { op: 'not', of: test };
  }

  #operand(): Operand {
    const { kind, text } = this.#token;
    if (kind === 'text') return { value: this.#textValue() };
    if (kind === 'number') {
      this.#next += 1;
      const value = Number(text);
      return /^-?\d+$/.test(text) && !Number.isSafeInteger(value) ? { value, digits: text } : { value };
    }
    const word = WORDS.get(text);
    if (kind === 'word' && word !== undefined) {
      this.#next += 1;
      return { value: word };
    }
    if (kind === 'word' && text === 'col') {
      this.#next += 1;
      this.#expect('(');
      if (this.#token.kind !== 'text') throw this.#unexpected('the name of a column in quotes');
      const column = this.#textValue();
      this.#expect(')');
      return { column };
    }
    throw this.#unexpected('col("name"), a number, a text in quotes, true, false or null');
  }

  #textValue(): string {
    const { text } = this.#token;
    this.#next += 1;
    return text.slice(1, -1).replace(/\\(.)/gs, '$1');
  }

  #takes(wanted: string | ReadonlySet<string>): boolean {
    const { kind, text } = this.#token;
    const fits = typeof wanted === 'string' ? wanted === text : wanted.has(text);
    if (!fits || kind === 'text') return false;
    this.#next += 1;
    return true;
  }

  #expect(sign: string): void {
    if (!this.#takes(sign)) throw this.#unexpected(sign);
  }

  #unexpected(expected: string): Wrong {
    const { kind, text, at } = this.#token;
    const found = kind === 'end' ? 'it ends' : `found ${text} at character ${at}`;
    return new Wrong(`${found}, where ${expected} is expected`);
  }
}

const isNull = (operand: Operand): boolean => 'value' in operand && operand.value === null;

function nullTest(op: string, left: Operand, right: Operand, at: number): Condition {
  const column = 'column' in left ? left.column : 'column' in right ? right.column : '';
  const test: Condition = { op: 'is null', column };
  if (op === '==') return test;
  if (op === '!=') return { op: 'not', of: test };
  throw new Wrong(`character ${at}: null is compared by == and != alone`);
}
