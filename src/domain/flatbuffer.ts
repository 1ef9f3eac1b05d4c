/**
 * One table of a FlatBuffer, the form that Arrow's metadata has. Fields are known by their position in the schema.
 * Whatever the bytes are, reading ends: a place outside of them is a RangeError.
 */
export class FlatTable {
  readonly #view: DataView;
  readonly #at: number;
  readonly #fields: number;
  readonly #fieldsEnd: number;

  static root(bytes: Uint8Array): FlatTable {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return new FlatTable(view, view.getUint32(0, true));
  }

  private constructor(view: DataView, at: number) {
    this.#view = view;
    this.#at = at;
    this.#fields = at - view.getInt32(at, true);
    this.#fieldsEnd = this.#fields + view.getUint16(this.#fields, true);
  }

  int32(field: number, fallback = 0): number {
    const at = this.#place(field);
    return at === undefined ? fallback : this.#view.getInt32(at, true);
  }

  int16(field: number, fallback = 0): number {
    const at = this.#place(field);
    return at === undefined ? fallback : this.#view.getInt16(at, true);
  }

  uint8(field: number, fallback = 0): number {
    const at = this.#place(field);
    return at === undefined ? fallback : this.#view.getUint8(at);
  }

  /** A count or a size. @throws RangeError where it is negative or beyond 2^53 */
  size(field: number): number {
    const at = this.#place(field);
    return at === undefined ? 0 : sizeAt(this.#view, at);
  }

  /** @throws TypeError where it isn't UTF-8 */
  text(field: number): string | undefined {
    const found = this.#vector(field, 1);
    if (!found) return undefined;
    const bytes = new Uint8Array(this.#view.buffer, this.#view.byteOffset + found.at, found.count);
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  }

  table(field: number): FlatTable | undefined {
    const at = this.#place(field);
    return at === undefined ? undefined : this.#tableAt(at);
  }

  tables(field: number): FlatTable[] {
    const { at = 0, count = 0 } = this.#vector(field, 4) ?? {};
    return Array.from({ length: count }, (_, i) => this.#tableAt(at + 4 * i));
  }

  /** A vector of structures of so many bytes, of each the sizes that lie at these places. */
  structures(field: number, bytes: number, places: readonly SizePlace[]): number[][] {
    const { at = 0, count = 0 } = this.#vector(field, bytes) ?? {};
    return Array.from({ length: count }, (_, i) =>
      places.map(({ offset, bits }) => {
        const place = at + bytes * i + offset;
        return bits === 64 ? sizeAt(this.#view, place) : this.#view.getInt32(place, true);
      }),
    );
  }

  #place(field: number): number | undefined {
    const entry = this.#fields + 4 + 2 * field;
    const offset = entry < this.#fieldsEnd ? this.#view.getUint16(entry, true) : 0;
    return offset === 0 ? undefined : this.#at + offset;
  }

  #tableAt(at: number): FlatTable {
    return new FlatTable(this.#view, at + this.#view.getUint32(at, true));
  }

  #vector(field: number, bytes: number): { at: number; count: number } | undefined {
    const place = this.#place(field);
    if (place === undefined) return undefined;
    const at = place + this.#view.getUint32(place, true);
    const count = this.#view.getUint32(at, true);
    if (count * bytes > this.#view.byteLength - at - 4) throw new RangeError(`${count} entries where there is no room`);
    return { at: at + 4, count };
  }
}

interface SizePlace {
  readonly offset: number;
  readonly bits: 32 | 64;
}

function sizeAt(view: DataView, at: number): number {
  const size = Number(view.getBigInt64(at, true));
  if (size < 0 || !Number.isSafeInteger(size)) throw new RangeError(`a size of ${size}`);
  return size;
}
