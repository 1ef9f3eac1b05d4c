/** What a field of a table can be, judged on its bytes the way pandas' C parser does it. */

/** Flags of what a column holds; a field sets one of them. */
export const Seen = {
  missing: 1,
  /** Fits int64. */
  whole: 2,
  negative: 4,
  /** Beyond int64, fits uint64. */
  unsigned: 8,
  /** Beyond uint64. */
  huge: 16,
  /** Negative beyond int64. */
  hugeNegative: 32,
  float: 64,
  truth: 128,
  text: 256,
} as const;

const PLUS = 43;
const MINUS = 45;
const DOT = 46;
const ZERO = 48;
const NINE = 57;
const UPPER_E = 69;
const LOWER_E = 101;

const INT64_MAX = '9223372036854775807';
const INT64_MIN_DIGITS = '9223372036854775808';
const UINT64_MAX = '18446744073709551615';
/** Whole numbers of so many digits fit int64 whatever they are. */
const SAFE_DIGITS = 18;

const MISSING = [
  '#N/A', '#N/A N/A', '#NA', '-1.#IND', '-1.#QNAN', '-NaN', '-nan', '1.#IND', '1.#QNAN', '<NA>', 'N/A', 'NA', 'NULL',
  'NaN', 'None', 'n/a', 'nan', 'null',
]; // prettier-ignore
const WORDS = new Map(MISSING.map((word) => [word, Seen.missing] as const));
const WORD_BYTES_MAX = 9;
const INFINITE = /^[+-]?inf(?:inity)?$/i;
/** pandas takes any mixture of cases; no host does, and nobody writes them. */
const TRUTH = /^(?:true|True|TRUE|false|False|FALSE)$/;

/** @returns one flag of `Seen` (a negative whole number: two) for the field between `start` and `end` */
export function classify(bytes: Buffer, start: number, end: number): number {
  if (start === end) return Seen.missing;
  const number = classifyNumber(bytes, start, end);
  if (number !== 0) return number;
  if (end - start > WORD_BYTES_MAX) return Seen.text;
  const word = bytes.toString('latin1', start, end);
  const known = WORDS.get(word);
  if (known !== undefined) return known;
  if (INFINITE.test(word)) return Seen.float;
  return TRUTH.test(word) ? Seen.truth : Seen.text;
}

function classifyNumber(bytes: Buffer, start: number, end: number): number {
  let i = start;
  while (i < end && isSpace(bytes[i] as number)) i++;
  const negative = bytes[i] === MINUS;
  if (i < end && (negative || bytes[i] === PLUS)) i++;
  const digitsAt = i;
  while (i < end && isDigit(bytes[i] as number)) i++;
  const digitsEnd = i;
  let isFloat = false;
  let digits = digitsEnd - digitsAt;
  if (i < end && bytes[i] === DOT) {
    isFloat = true;
    i += 1;
    const from = i;
    while (i < end && isDigit(bytes[i] as number)) i++;
    digits += i - from;
  }
  if (digits === 0) return 0;
  if (i < end && (bytes[i] === LOWER_E || bytes[i] === UPPER_E)) {
    isFloat = true;
    i += 1;
    if (i < end && (bytes[i] === MINUS || bytes[i] === PLUS)) i++;
    const from = i;
    while (i < end && isDigit(bytes[i] as number)) i++;
    if (i === from) return 0;
  }
  while (i < end && isSpace(bytes[i] as number)) i++;
  if (i < end) return 0;
  return isFloat ? Seen.float : classifyWhole(bytes, digitsAt, digitsEnd, negative);
}

function classifyWhole(bytes: Buffer, from: number, end: number, negative: boolean): number {
  let start = from;
  while (start < end - 1 && bytes[start] === ZERO) start++;
  if (end - start <= SAFE_DIGITS) return negative ? Seen.whole | Seen.negative : Seen.whole;
  const digits = bytes.toString('latin1', start, end);
  if (negative) return isAtMost(digits, INT64_MIN_DIGITS) ? Seen.whole | Seen.negative : Seen.hugeNegative;
  if (isAtMost(digits, INT64_MAX)) return Seen.whole;
  return isAtMost(digits, UINT64_MAX) ? Seen.unsigned : Seen.huge;
}

function isAtMost(digits: string, limit: string): boolean {
  return digits.length < limit.length || (digits.length === limit.length && digits <= limit);
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

/** What C's `isspace` takes for white space. */
function isSpace(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13);
}
