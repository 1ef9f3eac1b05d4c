/** Writes groups of rows of a Parquet file, each when it is full. */
import type { FileHandle } from 'node:fs/promises';
import type { SchemaElement } from 'hyparquet';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { unreachable } from '../../domain/assert.ts';
import { crc32 } from '../checksum.ts';
import { writeAll } from '../write.ts';
import type { ParquetValue } from './cells.ts';
import type { SettledColumn } from './columns.ts';

/** A group is written when it has so many rows, */
const GROUP_ROWS = 64 * 1024;
/** or so many bytes as text: what is held in memory is some times that. */
const GROUP_BYTES = 16 * 1024 * 1024;

export class RowGroupWriter {
  readonly #columns: readonly SettledColumn[];
  readonly #output: FileOutput;
  readonly #writer: ParquetWriter;
  #values: ParquetValue[][];
  #rows = 0;
  #bytes = 0;

  constructor(file: FileHandle, columns: readonly SettledColumn[]) {
    this.#columns = columns;
    this.#output = new FileOutput(file);
    const schema = [{ name: 'root', num_children: columns.length }, ...columns.map(elementOf)];
    this.#writer = new ParquetWriter({ writer: this.#output, schema, createdBy: 'parallelrun' });
    this.#values = columns.map(() => []);
  }

  /** Bytes written and their checksum; whole after `finish`. */
  get written(): { readonly bytes: number; readonly crc32: number } {
    return { bytes: this.#output.flushed, crc32: this.#output.crc };
  }

  /** Appends rows, column by column, of about `bytes` bytes. `append(values, column)` adds exactly `rows` values. */
  async add(rows: number, bytes: number, append: (values: ParquetValue[], column: number) => void): Promise<void> {
    if (this.#rows > 0 && (this.#rows + rows > GROUP_ROWS || this.#bytes + bytes > GROUP_BYTES)) await this.#flush();
    for (const [i, values] of this.#values.entries()) append(values, i);
    this.#rows += rows;
    this.#bytes += bytes;
  }

  async finish(): Promise<void> {
    if (this.#rows > 0) await this.#flush();
    await this.#writer.finish();
    await this.#output.flush();
  }

  async #flush(): Promise<void> {
    const columnData = this.#columns.map(({ name, type }, i) => ({
      name,
      data: this.#values[i] ?? [],
      offsetIndex: false,
      // a dictionary would take -0 for 0
      ...((type === 'float32' || type === 'float64') && { encoding: 'PLAIN' as const }),
    }));
    await this.#writer.write({ columnData, rowGroupSize: this.#rows });
    this.#values = this.#columns.map(() => []);
    this.#rows = 0;
    this.#bytes = 0;
  }
}

function elementOf(column: SettledColumn): SchemaElement {
  const { name } = column;
  const common = { name, repetition_type: 'OPTIONAL' as const };
  switch (column.type) {
    case 'bool':
      return { ...common, type: 'BOOLEAN' };
    case 'int32':
      return { ...common, type: 'INT32' };
    case 'int64':
      return { ...common, type: 'INT64' };
    case 'uint64':
      return { ...common, type: 'INT64', converted_type: 'UINT_64' };
    case 'float32':
      return { ...common, type: 'FLOAT' };
    case 'float64':
      return { ...common, type: 'DOUBLE' };
    case 'string':
    case 'json':
      return { ...common, type: 'BYTE_ARRAY', converted_type: 'UTF8' };
    case 'binary':
      return { ...common, type: 'BYTE_ARRAY' };
    case 'date':
      return { ...common, type: 'INT32', converted_type: 'DATE' };
    case 'decimal': {
      const { digits, scale } = column;
      const type_length = decimalBytes(digits);
      return {
        ...common,
        type: 'FIXED_LEN_BYTE_ARRAY',
        type_length,
        converted_type: 'DECIMAL',
        precision: digits,
        scale,
      };
    }
    case 'timestamp': {
      const unit = ({ ms: 'MILLIS', us: 'MICROS', ns: 'NANOS' } as const)[column.unit];
      return { ...common, type: 'INT64', logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: column.utc, unit } };
    }
    default:
      return unreachable(column);
  }
}

/** Bytes that hold every number of so many digits and its sign. */
function decimalBytes(digits: number): number {
  let bytes = 1;
  while (2n ** BigInt(8 * bytes - 1) <= 10n ** BigInt(digits)) bytes += 1;
  return bytes;
}

/** Gathers a group in memory, then writes it behind the others. */
class FileOutput extends ByteWriter {
  flushed = 0;
  crc = 0;
  readonly #file: FileHandle;

  constructor(file: FileHandle) {
    super();
    this.#file = file;
  }

  async flush(): Promise<void> {
    const bytes = this.getBytes();
    this.crc = crc32(bytes, this.crc);
    await writeAll(this.#file, bytes, this.flushed);
    this.flushed += bytes.length;
    this.index = 0;
  }
}
