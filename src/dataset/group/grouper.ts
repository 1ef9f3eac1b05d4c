/**
 * Brings what has the same key together, in memory that doesn't grow with the input. Items are divided by a hash of their
 * key into parts on disk; a part that fits is put in order in memory, one that doesn't is divided again by the next
 * digits of the hash. What comes out depends on the items alone, not on the memory there was.
 */
import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { hash, high, low } from '../hash.ts';
import { writeAllSync } from '../write.ts';
import { SpillPart } from './spill.ts';
import type { SpilledRecord } from './spill.ts';

/** All items of one key, one behind the other in the output. */
export interface Group {
  readonly key: string;
  /** Position of the first of them in the input. */
  readonly first: number;
  readonly items: number;
  /** Range of bytes of the output. */
  readonly start: number;
  readonly end: number;
}

export interface GrouperOptions {
  /** For what doesn't fit into memory; made here, to be removed by the caller. */
  readonly scratch: string;
  /** Gets what the items hold, in an order of its own, each group in the order of its items. Absent: they are only counted. */
  readonly output?: string;
  readonly memoryBytes?: number;
  /** Divisions by the hash before keys are told apart one by one. */
  readonly levels?: number;
}

/** Bytes that grouping holds, next to what it is given. */
const GROUPING_BYTES = 256 * 1024 * 1024;
const PARTS = 64;
const DIGIT_BITS = 6;
const DIGITS_PER_WORD = 5;
const LEVELS_MAX = 2 * DIGITS_PER_WORD;
/** Objects that a record may need in memory. */
const RECORD_COST_BYTES = 256;
const RECORDS_PER_TURN = 4096;
const OUTPUT_BLOCK_BYTES = 1024 * 1024;
const GROUPS_PER_CHUNK = 1024;
const NOTHING = Buffer.alloc(0);

export class Grouper {
  /** Items so far. */
  items = 0;
  readonly #options: GrouperOptions;
  readonly #levels: number;
  readonly #blockBytes: number;
  readonly #fitsBytes: number;
  readonly #parts: readonly SpillPart[];
  readonly #output: Output;
  #files = 0;
  #buffer: Buffer = NOTHING;
  #pace = 0;
  #signal: AbortSignal | undefined;

  constructor(options: GrouperOptions) {
    const memoryBytes = options.memoryBytes ?? GROUPING_BYTES;
    this.#options = options;
    this.#levels = Math.min(options.levels ?? LEVELS_MAX, LEVELS_MAX);
    // while parts are written there are blocks; while they are read, one part, blocks of the order of groups, and output
    this.#blockBytes = Math.floor(memoryBytes / 8 / PARTS);
    this.#fitsBytes = memoryBytes / 2;
    mkdirSync(options.scratch, { recursive: true });
    this.#parts = this.#newParts();
    this.#output = new Output(options.output);
  }

  /** Of the output. */
  get bytes(): number {
    return this.#output.position;
  }

  /** The next items of the input, all of this key; they lie in `bytes` from `from` up to `to`. @param key well-formed */
  add(key: string, bytes: Uint8Array, from: number, to: number, items = 1): void {
    hash(key);
    this.#parts[digit(0)]?.append(key, this.items, items, bytes, from, to - from);
    this.items += items;
  }

  /** All groups, in the order of their first items. The output is whole with the first of them. */
  async *groups(signal?: AbortSignal): AsyncGenerator<readonly Group[], void, undefined> {
    this.#signal = signal;
    const order = this.#newParts(true);
    const span = { from: 0, to: this.items };
    try {
      for (const part of this.#parts) await this.#settle(part, 1, (group) => place(order, span, group));
      this.#output.finish();
    } finally {
      this.#output.close();
    }
    for (const [i, part] of order.entries()) yield* this.#inOrder(part, spanOf(span, i));
  }

  #newParts(keepsContent = this.#options.output !== undefined): SpillPart[] {
    return Array.from({ length: PARTS }, () => {
      this.#files += 1;
      return new SpillPart(`${this.#options.scratch}/${this.#files}`, this.#blockBytes, keepsContent);
    });
  }

  #fits({ bytes, records }: SpillPart): boolean {
    return bytes + RECORD_COST_BYTES * records <= this.#fitsBytes;
  }

  /** Writes the groups of a part, in the order of the hashes of their keys. */
  async #settle(part: SpillPart, level: number, emit: (group: Group) => void): Promise<void> {
    part.close();
    if (this.#fits(part)) await this.#settleInMemory(part, emit);
    else if (part.onlyKey !== undefined || level >= this.#levels) await this.#settleEach(part, emit);
    else await this.#divide(part, level, emit);
    part.remove();
  }

  async #settleInMemory(part: SpillPart, emit: (group: Group) => void): Promise<void> {
    const bytes = this.#load(part);
    const offsets = new Float64Array(part.records);
    const next = new Int32Array(part.records);
    const found = new Map<string, Chain>();
    for (let record = 0, from = 0; record < part.records; record++) {
      const { key, first } = part.recordAt(bytes, from);
      const name = key.toString('latin1');
      const chain = found.get(name);
      if (chain) {
        next[chain.last] = record;
        chain.last = record;
      } else found.set(name, { key: key.toString(), first, head: record, last: record });
      offsets[record] = from;
      next[record] = -1;
      from = part.recordEnd(bytes, from) ?? bytes.length;
      if (this.#isDue()) await nextTurn();
    }
    for (const { key, first, head } of inHashOrder([...found.values()])) {
      const start = this.#output.position;
      let items = 0;
      for (let record = head; record >= 0; record = next[record] ?? -1) {
        const { content, length, items: more } = part.recordAt(bytes, offsets[record] ?? 0);
        this.#output.write(content, length);
        items += more;
      }
      emit({ key, first, items, start, end: this.#output.position });
      if (this.#isDue()) await nextTurn();
    }
  }

  /** Each key for itself, the records read anew for each: of one key, or of several that no hash tells apart. */
  async #settleEach(part: SpillPart, emit: (group: Group) => void): Promise<void> {
    const found = new Map<string, { readonly key: string; readonly first: number }>();
    for (const { key, first } of part.read()) {
      const name = key.toString();
      if (!found.has(name)) found.set(name, { key: name, first });
      if (this.#isDue()) await nextTurn();
    }
    for (const { key, first } of inHashOrder([...found.values()])) {
      const start = this.#output.position;
      const name = Buffer.from(key);
      let items = 0;
      for (const record of part.read()) {
        if (this.#isDue()) await nextTurn();
        if (!record.key.equals(name)) continue;
        this.#output.write(record.content, record.length);
        items += record.items;
      }
      emit({ key, first, items, start, end: this.#output.position });
    }
  }

  async #divide(part: SpillPart, level: number, emit: (group: Group) => void): Promise<void> {
    const parts = this.#newParts();
    for (const { key, first, items, content, length } of part.read()) {
      const name = key.toString();
      hash(name);
      parts[digit(level)]?.append(name, first, items, content, 0, length);
      if (this.#isDue()) await nextTurn();
    }
    part.remove();
    for (const smaller of parts) smaller.close();
    for (const smaller of parts) await this.#settle(smaller, level + 1, emit);
  }

  /** @param span of the positions of first items in the part */
  async *#inOrder(part: SpillPart, span: Span): AsyncGenerator<readonly Group[], void, undefined> {
    part.close();
    if (part.records === 0) return;
    if (this.#fits(part) || span.to - span.from <= 1) {
      const groups = [...part.read()].map(groupOf).sort((a, b) => a.first - b.first);
      for (let from = 0; from < groups.length; from += GROUPS_PER_CHUNK)
        yield groups.slice(from, from + GROUPS_PER_CHUNK);
    } else {
      const parts = this.#newParts(true);
      for (const record of part.read()) {
        place(parts, span, groupOf(record));
        if (this.#isDue()) await nextTurn();
      }
      for (const smaller of parts) smaller.close();
      for (const [i, smaller] of parts.entries()) yield* this.#inOrder(smaller, spanOf(span, i));
    }
    part.remove();
  }

  #load(part: SpillPart): Buffer {
    if (part.records === 0) return NOTHING;
    const bytes = part.load(this.#buffer);
    if (bytes.length > this.#buffer.length) this.#buffer = bytes;
    return bytes;
  }

  /** Now and then others get their turn. */
  #isDue(): boolean {
    this.#pace += 1;
    if (this.#pace % RECORDS_PER_TURN === 0) this.#signal?.throwIfAborted();
    return this.#pace % RECORDS_PER_TURN === 0;
  }
}

interface Chain {
  readonly key: string;
  readonly first: number;
  readonly head: number;
  last: number;
}

/** The digits from the front, word by word: a part and all that it is divided into lie together. */
function digit(level: number): number {
  const word = level < DIGITS_PER_WORD ? high : low;
  return (word >>> (32 - DIGIT_BITS * ((level % DIGITS_PER_WORD) + 1))) & (PARTS - 1);
}

const UNUSED_BITS = 32 - DIGIT_BITS * DIGITS_PER_WORD;

function inHashOrder<T extends { readonly key: string; readonly first: number }>(groups: readonly T[]): readonly T[] {
  const hashed = groups.map((group) => {
    hash(group.key);
    return { group, high: high >>> UNUSED_BITS, low: low >>> UNUSED_BITS };
  });
  hashed.sort((a, b) => a.high - b.high || a.low - b.low || a.group.first - b.group.first);
  return hashed.map(({ group }) => group);
}

interface Span {
  readonly from: number;
  readonly to: number;
}

const spanOf = ({ from, to }: Span, part: number): Span => {
  const width = (to - from) / PARTS;
  return { from: from + part * width, to: from + (part + 1) * width };
};

function place(parts: readonly SpillPart[], { from, to }: Span, { key, first, items, start, end }: Group): void {
  const bytes = Buffer.allocUnsafe(16);
  bytes.writeDoubleLE(start, 0);
  bytes.writeDoubleLE(end, 8);
  const part = Math.floor(((first - from) / (to - from)) * PARTS);
  parts[Math.min(PARTS - 1, Math.max(0, part))]?.append(key, first, items, bytes, 0, bytes.length);
}

function groupOf({ key, first, items, content }: SpilledRecord): Group {
  return { key: key.toString(), first, items, start: content.readDoubleLE(0), end: content.readDoubleLE(8) };
}

/** A file written front to back; without a path only the position moves. */
export class Output {
  position = 0;
  readonly #block: Buffer;
  #file: number | undefined;
  #used = 0;

  constructor(path: string | undefined) {
    this.#block = path === undefined ? NOTHING : Buffer.allocUnsafe(OUTPUT_BLOCK_BYTES);
    this.#file = path === undefined ? undefined : openSync(path, 'w', 0o600);
  }

  write(bytes: Buffer, length: number): void {
    this.position += length;
    if (this.#file === undefined) return;
    if (this.#used + bytes.length > this.#block.length) this.#flush();
    if (bytes.length > this.#block.length) writeAllSync(this.#file, bytes);
    else this.#used += bytes.copy(this.#block, this.#used);
  }

  /** Everything is on the disk. */
  finish(): void {
    this.#flush();
    if (this.#file !== undefined) fsyncSync(this.#file);
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #flush(): void {
    if (this.#file !== undefined) writeAllSync(this.#file, this.#block.subarray(0, this.#used));
    this.#used = 0;
  }
}
