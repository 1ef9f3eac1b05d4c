import type { FieldSink } from '../../domain/dialect.ts';
import type { Column, TableFormat, TableSchema } from '../../domain/plan.ts';
import { DatasetError, datasetProblem } from '../error.ts';
import { ColumnFacts } from './columns.ts';
import { ColumnUnion, compareNames, placesOf } from './drift.ts';
import { Sampling, filesOf, isSampled } from './files.ts';
import type { SchemaOptions, TableInput } from './files.ts';
import { isDerived } from '../read.ts';
import { readHead } from './head.ts';
import type { TableHead } from './head.ts';
import { EvenRows } from './ragged.ts';
import { scanRows, scanSample } from './sample.ts';

/** Files opened at the same time, 64 KiB of memory each. */
const HEADS_AT_ONCE = 8;

type CsvInput = TableInput<Extract<TableFormat, { format: 'csv' }>>;
interface Table extends TableHead {
  readonly file: string;
  readonly input: CsvInput;
}

/** What the first pass finds out: the names, and how much there is to read. */
interface Survey {
  readonly columns: ColumnUnion;
  readonly bytes: number;
}

/** @returns no columns where there is no file with a header or a row. @throws DatasetError */
export async function csvSchema(tables: readonly CsvInput[], options: SchemaOptions): Promise<TableSchema> {
  const survey = await takeSurvey(tables, options);
  if (!survey) return { columns: [] };
  const { columns, bytes } = survey;
  const sampled = isSampled(bytes, options);
  const facts = new ColumnFacts(
    columns.names.length,
    columns.names.map((name) => options.gapsOf?.has(name) === true),
  );
  const sinkOf = (table: Table): FieldSink => sinkFor(table, columns, facts);
  if (sampled) await readSamples(tables, bytes, sinkOf, options);
  else await readAll(tables, sinkOf, options);
  const lacking = columns.names.map((name) => columns.lacking(name));
  // also of files that were not looked at
  for (const [i, lack] of lacking.entries()) if (lack) facts.field(i, NOTHING, 0, 0);
  const found = facts.columns(columns.names, sampled).map((column, i) => withLacking(column, lacking[i]));
  return { columns: found, ...(sampled && { sampled }) };
}

const NOTHING = Buffer.alloc(0);

const withLacking = (column: Column, lacking: Column['lacking']): Column => (lacking ? { ...column, lacking } : column);

/** Where the fields of a file go. */
function sinkFor({ input, names }: Table, columns: ColumnUnion, facts: ColumnFacts): FieldSink {
  const fields = placesOf(columns.names, names);
  const sink = fields ? new PlacedFields(names.length, fields, facts) : facts;
  return input.table.ragged === 'skip' ? new EvenRows(names.length, sink) : sink;
}

/** Hands fields on under the numbers of the columns of all files. */
class PlacedFields implements FieldSink {
  readonly #into: ColumnFacts;
  /** By the place of a field in a row. */
  readonly #columns: readonly number[];

  constructor(width: number, fields: readonly number[], into: ColumnFacts) {
    this.#columns = Array.from({ length: width }, (_, place) => fields.indexOf(place));
    this.#into = into;
  }

  beginRow(): void {
    this.#into.beginRow();
  }

  field(column: number, bytes: Buffer, start: number, end: number): void {
    const placed = this.#columns[column];
    if (placed !== undefined) this.#into.field(placed, bytes, start, end);
  }

  endRow(fields: number): boolean {
    for (const column of this.#columns.slice(fields)) this.#into.field(column, NOTHING, 0, 0);
    return this.#into.endRow(Infinity);
  }
}

async function takeSurvey(inputs: readonly CsvInput[], options: SchemaOptions): Promise<Survey | undefined> {
  const columns = new ColumnUnion();
  let first: Table | undefined;
  let bytes = 0;
  for await (const table of eachTable(inputs, options)) {
    const difference = first && table.input.table.drift !== 'by_name' && compareNames(first, table);
    if (difference) throw difference;
    if (table.input.table.ragged !== 'skip') checkWidth(table);
    first ??= table;
    columns.add(table, table.firstRowFields !== undefined);
    bytes += table.size;
  }
  return first && { columns, bytes };
}

/** The files that hold anything, in order. */
async function* eachTable(inputs: readonly CsvInput[], options: SchemaOptions): AsyncGenerator<Table, void, undefined> {
  for (const input of inputs) {
    for await (const files of filesOf(input, options)) {
      for (let from = 0; from < files.length; from += HEADS_AT_ONCE) {
        yield* await readTables(input, files.slice(from, from + HEADS_AT_ONCE));
      }
    }
  }
}

/** @throws the error of the first file that has one, whichever fails first */
async function readTables(input: CsvInput, files: readonly string[]): Promise<Table[]> {
  const heads = await Promise.allSettled(files.map((file) => readHead(file, input.table)));
  return heads.flatMap((head, i) => {
    if (head.status === 'rejected') throw head.reason;
    return head.value ? [{ ...head.value, file: files[i] ?? '', input }] : [];
  });
}

async function readAll(
  inputs: readonly CsvInput[],
  sinkOf: (table: Table) => FieldSink,
  options: SchemaOptions,
): Promise<void> {
  for await (const table of eachTable(inputs, options)) {
    const { file, input, dataStart } = table;
    await scanRows(file, input.table, sinkOf(table), { start: dataStart, signal: options.signal });
  }
}

async function readSamples(
  inputs: readonly CsvInput[],
  bytes: number,
  sinkOf: (table: Table) => FieldSink,
  options: SchemaOptions,
): Promise<void> {
  const sampling = new Sampling(bytes, options);
  for await (const table of eachTable(inputs, options)) {
    const { file, input, dataStart, size, names } = table;
    const facts = sinkOf(table);
    const { front, samples } = sampling.take(size, dataStart);
    if (front > 0)
      await scanRows(file, input.table, facts, { start: dataStart, end: dataStart + front, signal: options.signal });
    for (const sample of isDerived(file, input.table.encoding) ? [] : samples) {
      const exact = sample.start === dataStart;
      await scanSample(file, input.table, facts, { ...sample, exact, columns: names.length, size });
    }
  }
}

/** pandas would take the first columns of such a table for its index, and shift all others. */
function checkWidth({ file, names, firstRowFields }: Table): void {
  if (firstRowFields === undefined || firstRowFields <= names.length) return;
  throw new DatasetError(
    datasetProblem({
      code: 'PR3008',
      what: 'the rows of a table have more fields than there are column names',
      file,
      why: `${names.length} names in the header, ${firstRowFields} fields in the first row`,
      next: 'name every column in the header, and look for a delimiter at the end of each row',
    }),
  );
}
