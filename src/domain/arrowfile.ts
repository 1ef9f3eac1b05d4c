/** What an Arrow IPC file says of itself: columns in its footer, rows and missing values in front of each batch. */
import { FIELD, typeOfField } from './arrowtypes.ts';
import { FlatTable } from './flatbuffer.ts';

/** Both ends of a file have it. */
export const ARROW_MAGIC = 'ARROW1';
/** At the end: length of the footer, and the magic. */
export const ARROW_TAIL_BYTES = 10;
/** Shortest file: magic, padding, the mark of the end, footer, tail. */
export const ARROW_BYTES_MIN = 8 + 8 + ARROW_TAIL_BYTES;

const CONTINUATION = 0xffffffff;
const FOOTER = { schema: 1, dictionaries: 2, batches: 3 } as const;
const SCHEMA = { endianness: 0, fields: 1 } as const;
const MESSAGE = { kind: 1, header: 2 } as const;
const BATCH = { rows: 0, nodes: 1 } as const;
const DICTIONARY = { id: 0, batch: 1 } as const;
const KIND = { dictionary: 2, batch: 3 } as const;

/** Where a batch lies; the data follows its metadata. */
export interface ArrowBlock {
  readonly offset: number;
  readonly metadataBytes: number;
  readonly bodyBytes: number;
}

export interface ArrowColumn {
  readonly name: string;
  /** In words. */
  readonly type: string;
  /** Position in `nulls` of a batch. */
  readonly node: number;
  /** Of one with categories: where these lie. */
  readonly dictionary?: number;
}

export interface ArrowFooter {
  readonly columns: readonly ArrowColumn[];
  readonly batches: readonly ArrowBlock[];
  readonly dictionaries: readonly ArrowBlock[];
}

export interface ArrowBatch {
  readonly rows: number;
  /** Missing values by node: each column is one, and so is what is nested in it. */
  readonly nulls: readonly number[];
  /** Of the values of categories: which. */
  readonly dictionary?: number;
}

/** Bytes of the footer, which stands in front of them. @param tail the last `ARROW_TAIL_BYTES`. @returns undefined: no Arrow file, or a part of one */
export function footerBytes(tail: Uint8Array): number | undefined {
  const magic = String.fromCharCode(...tail.subarray(4));
  const bytes = new DataView(tail.buffer, tail.byteOffset, tail.byteLength).getInt32(0, true);
  return magic === ARROW_MAGIC && bytes > 0 ? bytes : undefined;
}

/** @throws RangeError, TypeError where it is damaged */
export function parseFooter(bytes: Uint8Array): ArrowFooter {
  const footer = FlatTable.root(bytes);
  const schema = footer.table(FOOTER.schema);
  if (!schema) throw new RangeError('the footer has no schema');
  if (schema.int16(SCHEMA.endianness) !== 0) throw new RangeError('its numbers are big endian');
  const columns: ArrowColumn[] = [];
  let node = 0;
  for (const field of schema.tables(SCHEMA.fields)) {
    const { text, nodes } = typeOfField(field);
    const dictionary = field.table(FIELD.dictionary)?.size(DICTIONARY.id);
    columns.push({
      name: field.text(FIELD.name) ?? '',
      type: text,
      node,
      ...(dictionary !== undefined && { dictionary }),
    });
    node += nodes;
  }
  return { columns, batches: blocksOf(footer, FOOTER.batches), dictionaries: blocksOf(footer, FOOTER.dictionaries) };
}

function blocksOf(footer: FlatTable, field: number): ArrowBlock[] {
  const places = [
    { offset: 0, bits: 64 },
    { offset: 8, bits: 32 },
    { offset: 16, bits: 64 },
  ] as const;
  return footer.structures(field, 24, places).map(([offset = 0, metadataBytes = 0, bodyBytes = 0]) => {
    if (metadataBytes < 8) throw new RangeError(`a batch with ${metadataBytes} bytes of metadata`);
    return { offset, metadataBytes, bodyBytes };
  });
}

/** @param bytes the metadata of a block. @throws RangeError where it is damaged */
export function parseBatch(bytes: Uint8Array): ArrowBatch {
  const front = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
  const message = FlatTable.root(bytes.subarray(front === CONTINUATION ? 8 : 4));
  const kind = message.uint8(MESSAGE.kind);
  const header = message.table(MESSAGE.header);
  if (!header || (kind !== KIND.batch && kind !== KIND.dictionary))
    throw new RangeError('no batch where one should be');
  const batch = kind === KIND.batch ? header : header.table(DICTIONARY.batch);
  if (!batch) throw new RangeError('categories without values');
  const nulls = batch.structures(BATCH.nodes, 16, [{ offset: 8, bits: 64 }]).map(([missing = 0]) => missing);
  const dictionary = kind === KIND.dictionary ? { dictionary: header.size(DICTIONARY.id) } : {};
  return { rows: batch.size(BATCH.rows), nulls, ...dictionary };
}
