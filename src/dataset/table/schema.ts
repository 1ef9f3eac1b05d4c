/** Decides the columns of a table input once, for all its files, so that every mini-batch has the same. */
import { invariant, unreachable } from '../../domain/assert.ts';
import type { InputSpec, TableSchema } from '../../domain/plan.ts';
import { err, ok } from '../../domain/problem.ts';
import type { Problem, Result } from '../../domain/problem.ts';
import { DatasetError } from '../error.ts';
import { csvSchema } from './csvschema.ts';
import type { SchemaOptions } from './files.ts';
import { tablesOf } from './files.ts';
import { jsonSchema } from './jsonschema.ts';
import { nativeSchema } from './nativeschema.ts';

export type { SchemaOptions } from './files.ts';

/** @param inputs tables of one format. @returns no columns where there is no file with a header or a row */
export async function decideSchema(
  inputs: readonly InputSpec[],
  options: SchemaOptions = {},
): Promise<Result<TableSchema, Problem>> {
  try {
    return ok(await schemaOf(inputs, options));
  } catch (error) {
    if (error instanceof DatasetError) return err(error.problem);
    throw error;
  }
}

async function schemaOf(inputs: readonly InputSpec[], options: SchemaOptions): Promise<TableSchema> {
  const [first] = inputs;
  if (!first) return { columns: [] };
  invariant(first.kind === 'table', 'only tables have a schema');
  const { format } = first.table;
  switch (format) {
    case 'csv':
      return csvSchema(tablesOf(inputs, format), options);
    case 'jsonl':
      return jsonSchema(tablesOf(inputs, format), options);
    case 'parquet':
    case 'arrow':
      return nativeSchema(tablesOf(inputs, format), options);
    default:
      return unreachable(format);
  }
}
