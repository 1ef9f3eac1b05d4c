/** A row is tagged with its mini-batch, the dispatch that made it and its item's position + 1: eight bytes. */
export const ROW_BYTES = 8;

/** @param items positions in the mini-batch */
export function rowsOf(index: number, dispatch: number, items: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(items.length * ROW_BYTES);
  for (const [at, item] of items.entries()) {
    bytes.writeUInt32LE(index, at * ROW_BYTES);
    bytes.writeUInt16LE(dispatch, at * ROW_BYTES + 4);
    bytes.writeUInt16LE(item + 1, at * ROW_BYTES + 6);
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
