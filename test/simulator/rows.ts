/** A row is tagged with its mini-batch, the dispatch that made it and its number: eight bytes. */
export const ROW_BYTES = 8;

export function rowsOf(index: number, dispatch: number, count: number): Uint8Array {
  const bytes = Buffer.alloc(count * ROW_BYTES);
  for (let row = 0; row < count; row++) {
    bytes.writeUInt32LE(index, row * ROW_BYTES);
    bytes.writeUInt16LE(dispatch, row * ROW_BYTES + 4);
    bytes.writeUInt16LE(row + 1, row * ROW_BYTES + 6);
  }
  return bytes;
}

export interface Row {
  readonly index: number;
  readonly dispatch: number;
  readonly row: number;
}

export function readRows(bytes: Buffer): Row[] {
  const rows: Row[] = [];
  for (let at = 0; at + ROW_BYTES <= bytes.length; at += ROW_BYTES) {
    rows.push({ index: bytes.readUInt32LE(at), dispatch: bytes.readUInt16LE(at + 4), row: bytes.readUInt16LE(at + 6) });
  }
  return rows;
}
