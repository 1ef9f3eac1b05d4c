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
    for await (const files of filesOf(input, options)) {
      for (const file of files) {
        const places = sampling?.take(await sizeOf(file), 0);
        if (!places) await readLines(file, facts, { start: 0, signal: options.signal, encoding });
        else {
          if (places.front > 0)
            await readLines(file, facts, { start: 0, end: places.front, signal: options.signal, encoding });
          for (const { start, bytes: length } of isDerived(file, encoding) ? [] : places.samples)
            await readLines(file, facts, { start, end: start + length, signal: options.signal, encoding });
        }
      }
    }
  }
  return { columns: facts.columns(sampled), ...(sampled && { sampled }) };
}
