import type { TableFormat, TableSchema } from '../../domain/plan.ts';
import { isDerived, markLength, readChunks, sizeOf } from '../read.ts';
import { Sampling, filesOf, isSampled } from './files.ts';
import type { SchemaOptions, TableInput } from './files.ts';
import { JsonFacts } from './jsonfacts.ts';
import type { ReadOptions } from '../read.ts';
import { holdsText } from './linecutter.ts';

const LF = 10;

/** Columns are the keys of all objects, in the order in which they first come. @throws DatasetError */
export async function jsonSchema(
  inputs: readonly TableInput<Extract<TableFormat, { format: 'jsonl' }>>[],
  options: SchemaOptions,
): Promise<TableSchema> {
  let bytes = 0;
  for (const input of inputs)
    for await (const files of filesOf(input, options)) for (const file of files) bytes += await sizeOf(file);
  const facts = new JsonFacts();
  const sampled = isSampled(bytes, options);
  const sampling = sampled ? new Sampling(bytes, options) : undefined;
  for (const input of inputs) {
    const { encoding } = input.table;
    const read = (file: string, part: Part): Promise<void> =>
      readLines(file, facts, { ...part, encoding, signal: options.signal });
    for await (const files of filesOf(input, options)) {
      for (const file of files) {
        const places = sampling?.take(await sizeOf(file), 0);
        if (!places) await read(file, { start: 0 });
        else {
          if (places.front > 0) await read(file, { start: 0, end: places.front });
          for (const { start, bytes: length } of isDerived(file, encoding) ? [] : places.samples)
            await read(file, { start, end: start + length });
        }
      }
    }
  }
  return { columns: facts.columns(sampled), ...(sampled && { sampled }) };
}

interface Part {
  readonly start: number;
  readonly end?: number;
}

/** The lines that lie wholly in the part; all of them begin behind a line break, or at the start of the file. */
async function readLines(file: string, facts: JsonFacts, part: Part & ReadOptions): Promise<void> {
  let rest = Buffer.alloc(0);
  let inside = part.start === 0;
  let first = true;
  for await (const chunk of readChunks(file, part)) {
    const mark = first && part.start === 0 ? markLength(chunk, file) : 0;
    first = false;
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    let from = mark;
    for (let at = bytes.indexOf(LF, from); at >= 0; at = bytes.indexOf(LF, from)) {
      if (inside && holdsText(bytes, from, at)) facts.line(bytes, from, at);
      inside = true;
      from = at + 1;
    }
    // a copy: the chunk's memory is filled anew
    rest = Buffer.from(bytes.subarray(from));
  }
  if (part.end === undefined && inside && holdsText(rest, 0, rest.length)) facts.line(rest, 0, rest.length);
}
