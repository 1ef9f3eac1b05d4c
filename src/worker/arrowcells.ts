/** Values of Arrow as JavaScript has them: the same for a row whatever kind of file it came from. */
import { DataType, MapRow, StructRow, Vector } from 'apache-arrow';
import { wholeOfWords } from '../domain/arrowtypes.ts';
import type { TableCell } from '../domain/entry.ts';

/** Dates and times with a date come as `Date`, decimals as numbers, whole numbers beyond 2^53 as `bigint`. */
export function arrowCell(value: unknown, type: DataType): TableCell {
  if (value === null || value === undefined) return null;
  if (DataType.isTimestamp(type) || DataType.isDate(type)) return new Date(Number(value)) as unknown as TableCell;
  if (DataType.isDecimal(type)) return Number(`${wholeOfWords(value as Uint32Array)}e${-type.scale}`);
  return nested(value, type);
}

function nested(value: unknown, type: DataType): TableCell {
  if (typeof value === 'bigint')
    return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
  if (value instanceof Vector) {
    const element = value.type as DataType;
    return Array.from(value, (one: unknown) => arrowCell(one, element));
  }
  if (value instanceof StructRow || value instanceof MapRow) {
    const fields = DataType.isStruct(type) ? type.children : [];
    const entries = [...(value as Iterable<[unknown, unknown]>)];
    return Object.fromEntries(
      entries.map(([key, one], i) => [String(key), arrowCell(one, (fields[i]?.type ?? valueType(type)) as DataType)]),
    );
  }
  return value as TableCell;
}

/** Of a map. */
function valueType(type: DataType): DataType {
  return DataType.isMap(type) ? (type.valueType as DataType) : type;
}
