/** The type of a column that several Parquet files have: one that holds the values of all of them. */
import type { Column } from '../../domain/plan.ts';
import { typeDrift } from './drift.ts';

/** Whole numbers by bits; unsigned ones need one more. */
const WHOLE = /^(?:(u?)int(8|16|32|64)(?: \(int(?:32|64)\))?)$/;
const FLOAT = /^(?:float16 \(.*\)|float|double)$/;
const TIME = /^timestamp (millis|micros|nanos)( utc)? \(int64\)$/;
const UNITS = ['millis', 'micros', 'nanos'];

export class NativeUnion {
  #file: string;
  #native: string;
  readonly #name: string;
  /** Where no file has the type. */
  #widened: Column['widened'];

  constructor(file: string, { name, native = '' }: Column) {
    this.#file = file;
    this.#native = native;
    this.#name = name;
  }

  /** @throws DatasetError PR3012 where no type holds both */
  add(file: string, { native = '' }: Column): void {
    if (native === this.#native) return;
    const wider = widerOf(this.#native, native);
    if (wider === undefined) throw typeDrift(this.#file, file, this.#name, [this.#native, native]);
    if (wider.native === this.#native) return;
    this.#widened = wider.native === native ? undefined : wider.widened;
    this.#native = wider.native;
    this.#file = file;
  }

  column(): Column {
    const column: Column = { name: this.#name, type: 'native', native: this.#native };
    return this.#widened ? { ...column, widened: this.#widened } : { ...column, like: this.#file };
  }
}

interface Wider {
  readonly native: string;
  readonly widened?: Column['widened'];
}

function widerOf(one: string, other: string): Wider | undefined {
  const [a, b] = [WHOLE.exec(one), WHOLE.exec(other)];
  if (a && b) return widerWhole(one, other);
  // a whole number that a double doesn't hold fails where it is read
  if ((a ?? FLOAT.exec(one)) && (b ?? FLOAT.exec(other)))
    return one === 'double' || other === 'double' ? { native: 'double' } : { native: 'double', widened: 'float64' };
  const [, unit = '', zone] = TIME.exec(one) ?? [];
  const [, otherUnit = '', otherZone] = TIME.exec(other) ?? [];
  if (unit === '' || otherUnit === '' || zone !== otherZone) return undefined;
  return { native: UNITS.indexOf(unit) > UNITS.indexOf(otherUnit) ? one : other };
}

/** Bits of a whole number without its sign; 0 of others. */
function bitsOf(native: string): number {
  const [, unsigned, bits] = WHOLE.exec(native) ?? [];
  return bits === undefined ? 0 : Number(bits) - (unsigned === 'u' ? 0 : 1);
}

const isUnsigned = (native: string): boolean => native.startsWith('u');

function widerWhole(one: string, other: string): Wider | undefined {
  const [larger, smaller] = bitsOf(one) >= bitsOf(other) ? [one, other] : [other, one];
  if (isUnsigned(one) === isUnsigned(other) || !isUnsigned(larger)) return { native: larger };
  // a whole number with a sign, that holds an unsigned one
  return bitsOf(larger) < 64 && smaller !== '' ? { native: 'int64', widened: 'int64' } : undefined;
}
