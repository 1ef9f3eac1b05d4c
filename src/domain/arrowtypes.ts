/** Types of Arrow columns in words, `timestamp[us, UTC]`. */
import type { FlatTable } from './flatbuffer.ts';

/** Positions of the fields of a Field in Arrow's schema of its own metadata. */
export const FIELD = { name: 0, typeKind: 2, type: 3, dictionary: 4, children: 5 } as const;
const DEPTH_MAX = 64;
/** Of a column, itself among them: damaged metadata can nest a type in itself. */
const FIELDS_MAX = 100_000;

const UNITS = ['s', 'ms', 'us', 'ns'];
const FLOATS = ['float16', 'float32', 'float64'];
const INTERVALS = ['months', 'days and milliseconds', 'months, days and nanoseconds'];

/** By the number of the type in Arrow's metadata; `children` are the words of what is nested in it. */
type Words = (type: FlatTable | undefined, children: readonly string[]) => string;
const unit = (type: FlatTable | undefined, fallback: number): string =>
  UNITS[type?.int16(0, fallback) ?? fallback] ?? 'unknown unit';
const WORDS: Readonly<Record<number, Words>> = {
  1: () => 'null',
  2: (type) => `${type?.uint8(1) === 1 ? '' : 'u'}int${type?.int32(0) ?? 0}`,
  3: (type) => FLOATS[type?.int16(0) ?? 0] ?? 'float',
  4: () => 'binary',
  5: () => 'string',
  6: () => 'bool',
  7: (type) => `decimal${type?.int32(2, 128) ?? 128}(${type?.int32(0) ?? 0}, ${type?.int32(1) ?? 0})`,
  8: (type) => ((type?.int16(0, 1) ?? 1) === 0 ? 'date' : 'date[ms]'),
  9: (type) => `time[${unit(type, 1)}]`,
  10: (type) => {
    const zone = type?.text(1);
    return `timestamp[${unit(type, 0)}${zone === undefined || zone === '' ? '' : `, ${zone}`}]`;
  },
  11: (type) => `interval of ${INTERVALS[type?.int16(0) ?? 0] ?? 'an unknown unit'}`,
  12: (_, children) => `list<${children.join(', ')}>`,
  13: (_, children) => `struct<${children.join(', ')}>`,
  14: (type, children) => `${type?.int16(0) === 1 ? 'dense' : 'sparse'} union<${children.join(', ')}>`,
  15: (type) => `binary of ${type?.int32(0) ?? 0} bytes`,
  16: (type, children) => `list of ${type?.int32(0) ?? 0}<${children.join(', ')}>`,
  17: (_, children) => `map<${children.join(', ')}>`,
  18: (type) => `duration[${unit(type, 1)}]`,
  19: () => 'large binary',
  20: () => 'large string',
  21: (_, children) => `large list<${children.join(', ')}>`,
  22: (_, children) => `run ends<${children.join(', ')}>`,
  23: () => 'binary view',
  24: () => 'string view',
  25: (_, children) => `list view<${children.join(', ')}>`,
  26: (_, children) => `large list view<${children.join(', ')}>`,
};

export interface ArrowType {
  readonly text: string;
  /** Entries that the column takes in the list of lengths of a batch: itself and all that is nested in it. */
  readonly nodes: number;
}

/**
 * Type of a column; of one with categories (a dictionary) that of its values.
 * @throws RangeError where the metadata is no metadata
 */
export function typeOfField(field: FlatTable): ArrowType {
  return typeAt(field, 0, { left: FIELDS_MAX });
}

function typeAt(field: FlatTable, depth: number, fields: { left: number }): ArrowType {
  if (depth > DEPTH_MAX || fields.left-- === 0) throw new RangeError('types nested without end');
  const kind = field.uint8(FIELD.typeKind);
  const words = WORDS[kind];
  if (!words) throw new RangeError(`a type with the number ${kind}, which is not known`);
  const children = field.tables(FIELD.children);
  const types = children.map((child) => typeAt(child, depth + 1, fields));
  const named = kind === 13 || kind === 14;
  const texts = types.map(({ text }, i) => (named ? `${children[i]?.text(FIELD.name) ?? ''}: ${text}` : text));
  const nested = field.table(FIELD.dictionary) ? 0 : types.reduce((sum, { nodes }) => sum + nodes, 0);
  return { text: words(field.table(FIELD.type), texts), nodes: 1 + nested };
}

/** A decimal without its point. @param words 32 bits each, the lowest first, two's complement */
export function wholeOfWords(words: Uint32Array): bigint {
  const whole = words.reduceRight((sum, word) => (sum << 32n) | BigInt(word), 0n);
  return BigInt.asIntN(32 * words.length, whole);
}
