import type { TableFormat, TableSchema } from '../../domain/plan.ts';
import { isDerived, sizeOf } from '../read.ts';
import { Sampling, filesOf, isSampled } from './files.ts';
import type { SchemaOptions, TableInput } from './files.ts';
import { JsonFacts } from './jsonfacts.ts';
import { readLines } from './lines.ts';

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
    const read = (file: string, part: { readonly start: number; readonly end?: number }): Promise<void> =>
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
  return { columns: facts.columns(sampled, options.gapsOf), ...(sampled && { sampled }) };
}
