/** What the end of a Parquet file says: its columns, and its rows by groups. No values are read. */
import type { AsyncBuffer, FileMetaData, SchemaElement } from 'hyparquet';
import type { Column } from '../../domain/plan.ts';
import { DatasetError, datasetProblem } from '../error.ts';
import { isOfSystem, readExactly, withFile } from '../read.ts';
import type { NumberedFacts, RowGroup } from './numbered.ts';

const SMALLEST_BYTES = 12;

/** @param path absolute, as text. @throws DatasetError PR3003, PR3011 */
export async function readParquetFacts(path: string): Promise<NumberedFacts> {
  return withParquet(path, (_, metadata) =>
    Promise.resolve({ columns: columnsOf(metadata), groups: groupsOf(metadata) }),
  );
}

/** @param path absolute, as text. @throws DatasetError PR3003, PR3011 where it is no Parquet file, or `use` can't read it */
export async function withParquet<T>(
  path: string,
  use: (reader: AsyncBuffer, metadata: FileMetaData) => Promise<T>,
): Promise<T> {
  return withFile(path, async (file) => {
    const { size } = await file.stat();
    if (size < SMALLEST_BYTES) throw noParquet(path, `it has ${size} bytes, fewer than the smallest there is`);
    const reader = { byteLength: size, slice: (from: number, to?: number) => readExactly(file, from, to ?? size) };
    const { parquetMetadataAsync } = await import('hyparquet');
    try {
      return await use(reader, await parquetMetadataAsync(reader, { geoparquet: false }));
    } catch (error) {
      if (error instanceof DatasetError || isOfSystem(error)) throw error;
      throw noParquet(path, (error as Error).message);
    }
  });
}

function groupsOf({ row_groups: groups }: FileMetaData): RowGroup[] {
  return groups.map((group) => ({ rows: Number(group.num_rows), bytes: Number(group.total_byte_size) }));
}

function columnsOf(metadata: FileMetaData): Column[] {
  return firstLevel(metadata).map((element) => ({
    name: element.name,
    type: 'native',
    native: typeName(element),
    ...(mayBeMissing(metadata, element) && { missing: true }),
  }));
}

/** Columns; what is nested in them is theirs. */
export function firstLevel({ schema }: FileMetaData): readonly SchemaElement[] {
  const found: SchemaElement[] = [];
  for (let at = 1; at < schema.length; at = behind(schema, at)) found.push(...schema.slice(at, at + 1));
  return found;
}

/** Position behind an element and all that is nested in it. */
function behind(schema: readonly SchemaElement[], at: number): number {
  let next = at + 1;
  for (let children = schema[at]?.num_children ?? 0; children > 0; children--) next = behind(schema, next);
  return next;
}

/** No statistics say no: then a value may be missing. */
function mayBeMissing(
  { row_groups: groups }: FileMetaData,
  { name, repetition_type: repetition }: SchemaElement,
): boolean {
  if (repetition === 'REQUIRED') return false;
  return groups.some(({ num_rows: rows, columns }) => {
    if (rows === 0n) return false;
    const own = columns.filter(({ meta_data: chunk }) => chunk?.path_in_schema[0] === name);
    return own.some(({ meta_data: chunk }) => chunk?.statistics?.null_count !== 0n);
  });
}

function typeName({
  type,
  logical_type: logical,
  converted_type: converted,
  num_children: children,
}: SchemaElement): string {
  if (children !== undefined && children > 0) return (logical?.type ?? converted ?? 'struct').toLowerCase();
  const plain = (type ?? '').toLowerCase();
  const meaning = logicalName(logical) ?? converted?.toLowerCase();
  return meaning === undefined ? plain : `${meaning} (${plain})`;
}

function logicalName(logical: SchemaElement['logical_type']): string | undefined {
  if (!logical) return undefined;
  switch (logical.type) {
    case 'DECIMAL':
      return `decimal ${logical.precision}, ${logical.scale}`;
    case 'INTEGER':
      return `${logical.isSigned ? '' : 'u'}int${logical.bitWidth}`;
    case 'TIMESTAMP':
    case 'TIME':
      return `${logical.type.toLowerCase()} ${logical.unit.toLowerCase()}${logical.isAdjustedToUTC ? ' utc' : ''}`;
    default:
      return logical.type.toLowerCase();
  }
}

function noParquet(path: string, why: string): DatasetError {
  return new DatasetError(
    datasetProblem({
      code: 'PR3011',
      what: 'a file is no Parquet file, or a damaged one',
      file: path,
      why,
      next: 'leave it out with a pattern such as data/*.parquet, or write it anew',
    }),
  );
}
