/** The files of table inputs, and how much of them is looked at to decide their columns. */
import { invariant } from '../../domain/assert.ts';
import type { InputSpec, TableFormat } from '../../domain/plan.ts';
import { joinText } from '../bytepath.ts';
import { walk } from '../walk.ts';
import type { WalkOptions } from '../walk.ts';

const MIB = 1024 * 1024;

/**
 * Inputs of up to 256 MiB are read whole: then the types are exactly those of one look at everything. Of larger ones
 * the first 16 MiB and 64 samples of 256 KiB, evenly spread, are looked at (`sampled`).
 */
export interface SchemaOptions extends WalkOptions {
  /** Inputs up to this size are read whole. */
  readonly wholeBytesMax?: number;
  /** Of larger ones so much from the front, */
  readonly frontBytes?: number;
  /** and so many samples of this size each. */
  readonly samples?: number;
  readonly sampleBytes?: number;
  /** Columns of text formats of which it is to be said whether values are missing. */
  readonly gapsOf?: ReadonlySet<string>;
}

export const isSampled = (bytes: number, { wholeBytesMax = 256 * MIB }: SchemaOptions): boolean =>
  bytes > wholeBytesMax;

export interface TableInput<F extends TableFormat = TableFormat> {
  readonly input: InputSpec;
  readonly table: F;
}

/** The inputs with what is known of their format. */
export function tablesOf<F extends TableFormat['format']>(
  inputs: readonly InputSpec[],
  format: F,
): TableInput<Extract<TableFormat, { format: F }>>[] {
  return inputs.map((input) => {
    invariant(input.kind === 'table' && input.table.format === format, 'the tables of a run are of one format');
    return { input, table: input.table as Extract<TableFormat, { format: F }> };
  });
}

/** Absolute paths of the files of an input, some at a time. What is skipped is told when mini-batches are cut. */
export async function* filesOf(
  { input }: TableInput,
  { exclude, signal }: WalkOptions,
): AsyncGenerator<readonly string[], void, undefined> {
  for await (const names of walk(input, { ...(exclude && { exclude }), ...(signal && { signal }) }))
    yield names.map((name) => joinText(input.root, name));
}

/** A piece of a large file that is looked at. */
export interface Sample {
  readonly start: number;
  readonly bytes: number;
}

/** Places samples evenly over all files, as these come one after the other. */
export class Sampling {
  readonly #total: number;
  readonly #samples: number;
  readonly #sampleBytes: number;
  #before = 0;
  #next = 0;
  #frontLeft: number;

  /** @param total bytes of all files */
  constructor(total: number, { frontBytes = 16 * MIB, samples = 64, sampleBytes = 256 * 1024 }: SchemaOptions) {
    this.#total = total;
    this.#samples = samples;
    this.#sampleBytes = sampleBytes;
    this.#frontLeft = frontBytes;
  }

  /** @returns bytes at the front of this file that are looked at, and the samples that fall into it */
  take(size: number, dataStart: number): { readonly front: number; readonly samples: readonly Sample[] } {
    const front = Math.max(0, this.#frontLeft);
    this.#frontLeft -= size;
    const samples: Sample[] = [];
    for (; this.#next < this.#samples && this.#position() < this.#before + size; this.#next++) {
      const position = Math.floor(this.#position()) - this.#before;
      const start = Math.max(dataStart, Math.min(position, size - this.#sampleBytes));
      samples.push({ start, bytes: this.#sampleBytes });
    }
    this.#before += size;
    return { front, samples };
  }

  #position(): number {
    return ((this.#next + 1) * this.#total) / (this.#samples + 1);
  }
}
